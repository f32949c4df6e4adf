package schema

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/keys"
)

const oddTags = patientTags + `
'lab."Say ""hi"", O''Brien"':
  columns:
    user: {type: date, encryption: randomized}
    "Note \"x\"": {type: "numeric(10,2)", encryption: deterministic, domain: note.2}
    anémie_anémie_anémie_anémie_anémie_anémie_anémie_anémie: {type: text, encryption: randomized}
    anémie_anémie_anémie_anémie_anémie_anémie_anémie_anémi: {type: text, encryption: randomized}
`

func TestDDL(t *testing.T) {
	db := mustParse(t, patientTags)
	want := `ALTER TABLE "lab"."patient"
    ADD COLUMN "nir" bytea CONSTRAINT "pgveil_nir" CHECK (octet_length("nir") >= 29 AND substring("nir" from 1 for 7) = '\x` + headerHex(db.Columns[0]) + `'::bytea),
    ADD COLUMN "name" bytea CONSTRAINT "pgveil_name" CHECK (octet_length("name") >= 41 AND substring("name" from 1 for 7) = '\x` + headerHex(db.Columns[1]) + `'::bytea);
COMMENT ON COLUMN "lab"."patient"."nir" IS 'pgveil: character(15), deterministic';
COMMENT ON COLUMN "lab"."patient"."name" IS 'pgveil: text, randomized';
`
	if got := DDL(db, AddColumns); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func headerHex(c *Column) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, x := range c.Header() {
		b.WriteByte(digits[x>>4])
		b.WriteByte(digits[x&15])
	}
	return b.String()
}

// sealerOf makes a new key for the column.
func sealerOf(t *testing.T, c *Column) *keys.Sealer {
	t.Helper()
	store, err := keys.CreateInsecureLocal(t.TempDir() + "/insecure")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Create(t.Context(), c.Key, keys.KeyType(c.Mode.String())); err != nil {
		t.Fatal(err)
	}
	ring, err := store.Open(t.Context(), c.Key)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := ring.Sealer(byte(c.Mode), c.Context, c.Padding)
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

// The statements of every form run, and their constraints let NULL and sealed
// values in and nothing else.
func TestDDLOnServer(t *testing.T) {
	super, _ := newDatabase(t, `CREATE SCHEMA lab`)
	db := mustParse(t, oddTags)
	for _, form := range []DDLForm{AddColumns, CreateTables, AddConstraints} {
		text := DDL(db, form)
		mustExec(t, super, `DROP TABLE IF EXISTS lab.patient, lab."Say ""hi"", O'Brien"`)
		switch form {
		case CreateTables:
			lines := strings.Split(text, "\n")
			for i, line := range lines {
				lines[i] = strings.TrimPrefix(line, "-- ") // as its reader would
			}
			text = strings.Join(lines, "\n")
		case AddColumns:
			mustExec(t, super, `CREATE TABLE lab.patient (id int)`, `CREATE TABLE lab."Say ""hi"", O'Brien" (id int)`)
		case AddConstraints:
			for _, c := range db.Columns {
				table := identifier(c.Schema, c.Table)
				mustExec(t, super, `CREATE TABLE IF NOT EXISTS `+table+` (id int)`, `ALTER TABLE `+table+` ADD COLUMN `+identifier(c.Name)+` bytea`)
			}
		}
		mustExec(t, super, text)
		problems, err := Check(t.Context(), super, db)
		if err != nil || len(problems) > 0 {
			t.Errorf("form %d: %v %v", form, problems, err)
		}
		for _, c := range db.Columns {
			var comment string
			err := super.QueryRow(t.Context(), `SELECT col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = $1::regclass AND attname = $2`,
				identifier(c.Schema, c.Table), c.Name).Scan(&comment)
			if err != nil || !strings.HasPrefix(comment, "pgveil: "+c.Type.String()+", ") {
				t.Errorf("comment on %s: %q %v", c.QualifiedName(), comment, err)
			}
			insert := `INSERT INTO ` + identifier(c.Schema, c.Table) + ` (` + identifier(c.Name) + `) VALUES ($1)`
			sealer := sealerOf(t, c)
			var sealed [][]byte
			for _, value := range []string{"", "x", strings.Repeat("long ", 10000)} {
				s, err := sealer.Seal(nil, []byte(value))
				if err != nil {
					t.Fatal(err)
				}
				if len(s) < c.MinSealedLength() {
					t.Errorf("%s: sealed in %d bytes, and %d is said to be the least", c.QualifiedName(), len(s), c.MinSealedLength())
				}
				sealed = append(sealed, s)
			}
			for _, value := range append([][]byte{nil}, sealed...) {
				if _, err := super.Exec(t.Context(), insert, value); err != nil {
					t.Errorf("%s: %v", c.QualifiedName(), err)
				}
			}
			header := c.Header()
			other := (&Column{Mode: c.Mode, Context: c.Context + "x"}).Header()
			wrongMode := (&Column{Mode: 3 - c.Mode, Context: c.Context}).Header()
			for _, value := range [][]byte{
				{},
				[]byte("180017512345678"),
				[]byte(strings.Repeat("plain text ", 10)),
				sealed[0][1:],
				header[:],
				sealed[0][:c.MinSealedLength()-1],
				append(other[:], sealed[0][7:]...),
				append(wrongMode[:], sealed[0][7:]...),
			} {
				_, err := super.Exec(t.Context(), insert, value)
				var pgErr *pgconn.PgError
				if !errors.As(err, &pgErr) || pgErr.Code != "23514" {
					t.Errorf("%s took %x: %v", c.QualifiedName(), value, err)
				}
			}
		}
	}
}

func TestMinSealedLengthIsExact(t *testing.T) {
	for _, c := range mustParse(t, patientTags).Columns {
		c.Padding = 0
		s, err := sealerOf(t, c).Seal(nil, nil)
		if err != nil || len(s) != c.MinSealedLength() {
			t.Errorf("%s: %d bytes, not %d (%v)", c.Mode, len(s), c.MinSealedLength(), err)
		}
	}
}

func TestConstraintNames(t *testing.T) {
	db := mustParse(t, oddTags)
	seen := make(map[string]bool)
	for _, c := range db.Columns {
		name := c.ConstraintName()
		if len(name) > 63 || seen[name] || !strings.HasPrefix(name, "pgveil_") || strings.ToValidUTF8(name, "?") != name {
			t.Errorf("constraint of %s: %q", c.QualifiedName(), name)
		}
		seen[name] = true
	}
}
