package apply_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/apply"
	"github.com/pgveil/pgveil/testenv/stack"
)

// addKeys gives a stack more keysets.
func addKeys(t *testing.T, s *stack.Stack, names ...string) {
	t.Helper()
	for _, name := range names {
		keyType := keys.TypeRandomized
		if strings.HasPrefix(name, "identity") {
			keyType = keys.TypeDeterministic
		}
		if _, err := s.Store.Create(t.Context(), name, keyType); err != nil {
			t.Fatal(err)
		}
		ring, err := s.Store.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		s.SetKey(ring)
	}
}

// primaryOf gives the primary of a keyset.
func primaryOf(s *stack.Stack, keyset string) uint32 {
	info := s.Keys[keyset].Info()
	return info.Keys[slices.IndexFunc(info.Keys, func(k keys.KeyInfo) bool { return k.Primary })].ID
}

// parse reads a schema file for the database of a stack.
func parse(t *testing.T, s *stack.Stack, text string) *schema.Database {
	t.Helper()
	file, err := schema.Parse("schema.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	db := file.Databases[s.Database]
	db.Holds = func(keyset string, id uint32) bool {
		return slices.ContainsFunc(s.Keys[keyset].Info().Keys, func(k keys.KeyInfo) bool { return k.ID == id })
	}
	return db
}

// applyFile runs a job for a schema file that is another than the stack's.
func applyFile(t *testing.T, s *stack.Stack, db *schema.Database) *apply.Result {
	t.Helper()
	plan, result, err := apply.Run(t.Context(), connect(t, s), db, options(s))
	if err != nil {
		t.Fatalf("%v; %+v", err, plan)
	}
	again, err := apply.Read(t.Context(), connect(t, s), db, s.Keys)
	if err != nil || len(again.Units)+len(again.Blockers)+len(again.Unverified)+len(again.Reseal)+len(again.Notices) != 0 {
		t.Fatalf("planned again: %+v, %v", again, err)
	}
	return result
}

var sealedField = regexp.MustCompile(`encryption: (randomized|deterministic)(, key: \w+|\n +key: \w+)(?:, domain: (\w+)|\n +domain: (\w+))?`)

// inClear is a schema file like that of the stack in which every column is returned to the clear.
func inClear() string {
	head, tables, _ := strings.Cut(stack.Schema, "databases:")
	return head + "databases:" + sealedField.ReplaceAllStringFunc(tables, func(field string) string {
		m := sealedField.FindStringSubmatch(field)
		domain := ""
		if name := m[3] + m[4]; name != "" {
			domain = ", domain: " + name
		}
		was := fmt.Sprintf("was: {encryption: %s, %s%s}", m[1], strings.TrimSpace(strings.TrimPrefix(m[2], ",")), domain)
		if strings.HasPrefix(m[2], ",") {
			return "encryption: none, " + was
		}
		return "encryption: none\n            " + was
	})
}

const shape = `
	SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || ' ' || coalesce(col_description(a.attrelid, a.attnum), '')
	FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE c.relnamespace = 'lab'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
	UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) || convalidated FROM pg_constraint WHERE connamespace = 'lab'::regnamespace
	UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'lab' ORDER BY 1`

func shapeOf(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), shape)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestUnseal seals values of every type in both modes and returns them to the clear: all is as
// it was before, to the byte.
func TestUnseal(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	before, shaped := all(t, conn), shapeOf(t, conn)
	if _, err := run(t.Context(), conn, s, options(s)); err != nil {
		t.Fatal(err)
	}
	if sealed := all(t, connect(t, s)); slices.Equal(sealed, before) {
		t.Fatal("nothing was sealed")
	}
	db := parse(t, s, inClear())
	plan, err := apply.Read(t.Context(), conn, db, s.Keys)
	if err != nil || len(plan.Blockers) > 0 || len(plan.Units) != 2 {
		t.Fatalf("%+v, %v", plan, err)
	}
	if step := plan.Units[0].Tables[0].Columns[0].Step(); step != "unseal d_text, text: in the clear from then on" && step != "unseal nir, character(15): in the clear from then on" && step != "unseal r_text, text: in the clear from then on" {
		t.Errorf("step: %s", step)
	}
	result := applyFile(t, s, db)
	if result.Columns != 35 || result.Cleared != 35 || result.Opened != 0 {
		t.Errorf("%+v", result)
	}
	same(t, all(t, conn), before)
	same(t, shapeOf(t, conn), shaped)
}

// TestUnsealAborted: what was filled in the clear does not stay behind.
func TestUnsealAborted(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	if _, err := run(t.Context(), conn, s, options(s)); err != nil {
		t.Fatal(err)
	}
	sealed := all(t, conn)
	db := parse(t, s, inClear())
	prepareFor(t, s, db)
	var found bool
	for _, table := range []string{"patient", "result"} {
		var name string
		if err := conn.QueryRow(t.Context(), `SELECT attname FROM pg_attribute WHERE attrelid = ('lab.' || $1)::regclass AND attname LIKE 'pgveil_shadow_%' AND atttypid <> 'bytea'::regtype LIMIT 1`, table).Scan(&name); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := conn.QueryRow(t.Context(), fmt.Sprintf(`SELECT count(%s) FROM lab.%s`, name, table)).Scan(&n); err != nil {
			t.Fatal(err)
		}
		found = found || n > 0
	}
	if !found {
		t.Fatal("nothing was filled")
	}
	if err := apply.Abort(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	same(t, all(t, conn), sealed)
	if _, err := conn.Exec(t.Context(), `CHECKPOINT`); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"lab.patient", "lab.result"} {
		var clear int
		err := conn.QueryRow(t.Context(), `SELECT count(*) FROM (SELECT pg_read_binary_file(pg_relation_filepath($1::text::regclass)) AS file) f WHERE position('@exemple.fr'::bytea IN file) + position('Quasimodo'::bytea IN file) > 0`, table).Scan(&clear)
		if err != nil || clear != 0 {
			t.Errorf("%s: %d, %v", table, clear, err)
		}
	}
}

// changed is what TestChange makes of the test database's columns.
const changed = `version: 1
keys: {identity: deterministic, medical: randomized, identity2: deterministic, medical2: randomized}
databases:
  laboratory:
    tables:
      lab.patient:
        columns:
          nir: {type: char(15), encryption: deterministic, key: identity2, domain: person, was: {encryption: deterministic, key: identity, domain: nir}}
          email: {type: varchar(120), encryption: randomized, key: medical2, was: {encryption: deterministic, key: identity}}
          last_name: {type: varchar(80), encryption: deterministic, key: identity2, padding: 64, was: {encryption: randomized, key: medical}}
          birth_date: {type: date, encryption: none, was: {encryption: randomized, key: medical}}
      lab.result:
        columns:
          nir: {type: char(15), encryption: deterministic, key: identity2, domain: person, was: {encryption: deterministic, key: identity, domain: nir}}
          outcome: {type: varchar(20), encryption: randomized, key: medical2, was: {encryption: randomized, key: medical}}
          document: {type: jsonb, encryption: randomized, key: medical, padding: 512}
`

// opened reads a column, each value with the sealer of a form that has to open it.
func opened(t *testing.T, s *stack.Stack, conn *pgx.Conn, form *schema.Column) []string {
	t.Helper()
	sealer, err := s.Sealer(form)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), fmt.Sprintf("SELECT %s FROM %s.%s ORDER BY id", form.Name, form.Schema, form.Table))
	if err != nil {
		t.Fatal(err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, v := range values {
		if v == nil {
			list = append(list, "NULL")
			continue
		}
		plain, err := sealer.Open(nil, v)
		if err != nil {
			t.Fatalf("%s: %v", form.Name, err)
		}
		list = append(list, string(plain))
	}
	return list
}

// TestChange changes mode, domain, key, padding, and returns a column to the clear, all at once.
func TestChange(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	var dates []string
	readDates := func() (list []string) {
		rows, err := conn.Query(t.Context(), `SELECT birth_date::text FROM lab.patient ORDER BY id`)
		if err != nil {
			t.Fatal(err)
		}
		if list, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			t.Fatal(err)
		}
		return list
	}
	dates = readDates()
	if _, err := conn.Exec(t.Context(), `DROP INDEX lab.by_email; CREATE INDEX by_name ON lab.patient (city)`); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), conn, s, options(s)); err != nil {
		t.Fatal(err)
	}
	addKeys(t, s, "identity2", "medical2")
	old, db := s.File.Databases[s.Database], parse(t, s, changed)
	want := make(map[*schema.Column][]string)
	for _, c := range db.Columns {
		want[c] = opened(t, s, conn, old.Column(c.Schema, c.Table, c.Name))
	}
	plan, err := apply.Read(t.Context(), conn, db, s.Keys)
	if err != nil || len(plan.Units) != 1 || len(plan.Blockers) != 0 || len(plan.Reseal) != 1 || len(plan.Reseal[0].Tables[0].Columns) != 2 {
		t.Fatalf("%+v, %v", plan, err)
	}
	result := applyFile(t, s, db)
	if result.Columns != 5 || result.Cleared != 1 || result.Older != 0 || result.Resealed != 2400 {
		t.Errorf("%+v", result)
	}
	if got := readDates(); !slices.Equal(got, dates) {
		t.Error("dates differ")
	}
	for _, c := range db.Columns {
		if c.Mode == schema.Unencrypted {
			continue
		}
		if got := opened(t, s, conn, c); !slices.Equal(got, want[c]) {
			t.Errorf("%s differs", c.QualifiedName())
		}
		primary := primaryOf(s, c.Key)
		var others int
		err := conn.QueryRow(t.Context(), fmt.Sprintf(`SELECT count(*) FROM %s.%s WHERE substr(%s, 1, 12) <> '\x%x01%08x'`, c.Schema, c.Table, c.Name, c.Header(), primary)).Scan(&others)
		if err != nil || others != 0 {
			t.Errorf("%s: %d values are not as they are to be, %v", c.Name, others, err)
		}
	}
	var padded bool
	if err := conn.QueryRow(t.Context(), `SELECT bool_and((octet_length(document) - 40) % 512 = 0) FROM lab.result`).Scan(&padded); err != nil || !padded {
		t.Error("padding", padded, err)
	}
	problems, err := schema.Check(t.Context(), conn, db)
	if err != nil || slices.ContainsFunc(problems, func(p schema.Problem) bool {
		return p.Severity == schema.SeverityError && !strings.Contains(p.String(), "every")
	}) {
		t.Errorf("%v, %v", problems, err)
	}
	if _, err := conn.Exec(t.Context(), `INSERT INTO lab.patient (id, last_name) SELECT 8000, last_name FROM lab.patient WHERE id = 1`); err != nil {
		t.Fatal(err)
	}
	if emails := opened(t, s, conn, db.Column("lab", "patient", "email")); emails[len(emails)-1] != "nobody@nowhere" {
		t.Errorf("the default: %q", emails[len(emails)-1])
	}
	for sql, code := range map[string]string{
		`INSERT INTO lab.result (id, nir) SELECT 9000, nir FROM lab.patient WHERE id = 1`:                                      "",
		`INSERT INTO lab.result (id, nir) SELECT 9001, set_byte(nir, 30, get_byte(nir, 30) # 1) FROM lab.patient WHERE id = 1`: "23503",
		`INSERT INTO lab.patient (id, nir, last_name) SELECT 9000, nir, last_name FROM lab.patient WHERE id = 1`:               "23505",
		`UPDATE lab.patient SET nir = email`: "23514",
	} {
		if _, err := conn.Exec(t.Context(), sql); testenvCode(err) != code {
			t.Errorf("%s: %v, not %q", sql, err, code)
		}
	}
}
