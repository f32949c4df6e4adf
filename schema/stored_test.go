package schema

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const storedTags = `
lab.patient: {columns: {nir: {type: char(15), encryption: deterministic, domain: nir}, name: {type: text, encryption: randomized}}}
lab.result: {columns: {nir: {type: char(15), encryption: deterministic, domain: nir}, outcome: {type: text, encryption: randomized}}}`

// sealedLike is SQL for a value that looks as if that key had sealed it for the column.
func sealedLike(c *Column, key uint32) string {
	header := c.Header()
	value := append(header[:], 1)
	value = binary.BigEndian.AppendUint32(value, key)
	return `'\x` + hex.EncodeToString(value) + strings.Repeat("ab", 40) + `'::bytea`
}

// storedDatabase makes tables of every kind that may hold sealed values.
func storedDatabase(t *testing.T) (super, login *pgx.Conn, db *Database) {
	t.Helper()
	db = mustParse(t, storedTags)
	nir, name, outcome := db.Column("lab", "patient", "nir"), db.Column("lab", "patient", "name"), db.Column("lab", "result", "outcome")
	super, login = newDatabase(t,
		`CREATE SCHEMA lab`, `CREATE TABLE lab.patient (id int, nir bytea, name bytea)`,
		`CREATE TABLE lab.result (year int, nir bytea, outcome bytea) PARTITION BY LIST (year)`,
		`CREATE TABLE lab.result_2025 PARTITION OF lab.result FOR VALUES IN (2025)`,
		`CREATE TABLE lab.result_2026 PARTITION OF lab.result FOR VALUES IN (2026) PARTITION BY RANGE (year)`,
		`CREATE TABLE lab.result_2026_all PARTITION OF lab.result_2026 DEFAULT`,
		`CREATE TABLE lab.archived () INHERITS (lab.patient)`,
		`CREATE TABLE lab.plain (id int, photo bytea)`,
		fmt.Sprintf(`INSERT INTO lab.patient VALUES (1, %s, %s), (2, NULL, %s), (3, NULL, '\xfe9d11')`, sealedLike(nir, 7), sealedLike(name, 8), sealedLike(name, 0xFFFFFFF0)),
		fmt.Sprintf(`INSERT INTO lab.archived VALUES (9, %s, %s)`, sealedLike(nir, 7), sealedLike(name, 8)),
		fmt.Sprintf(`INSERT INTO lab.result VALUES (2025, NULL, %s), (2026, %s, %s)`, sealedLike(outcome, 8), sealedLike(nir, 7), sealedLike(outcome, 9)),
		fmt.Sprintf(`INSERT INTO lab.plain VALUES (1, %s)`, sealedLike(name, 8)),
	)
	return super, login, db
}

const storedGrants = `GRANT USAGE ON SCHEMA lab TO ` + loginRole + `; GRANT SELECT ON ALL TABLES IN SCHEMA lab TO ` + loginRole

func counted(t *testing.T, conn *pgx.Conn, db *Database) []string {
	t.Helper()
	stored, err := CountStored(t.Context(), conn, db)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range stored {
		if s.Database != db.Name {
			t.Errorf("%+v is not of %s", s, db.Name)
		}
		switch {
		case s.Oldest != "":
			lines = append(lines, s.Object+" by the oldest of "+s.Oldest)
		case s.Checks > 0:
			lines = append(lines, fmt.Sprintf("%s %d names", s.Object, s.Key))
		default:
			lines = append(lines, fmt.Sprintf("%s %d %d", s.Object, s.Key, s.Values))
		}
	}
	slices.Sort(lines)
	return lines
}

func TestCountStored(t *testing.T) {
	super, login, db := storedDatabase(t)
	mustExec(t, super, storedGrants)
	want := []string{
		"lab.archived.name 8 1", "lab.archived.nir 7 1",
		"lab.patient.name 4294967280 1", "lab.patient.name 8 1", "lab.patient.nir 7 1",
		"lab.result.nir 7 1", "lab.result.outcome 8 1", "lab.result.outcome 9 1",
		"lab.archived.nir by the oldest of d", "lab.patient.nir by the oldest of d", "lab.result.nir by the oldest of d",
	}
	slices.Sort(want)
	if got := counted(t, login, db); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}

	// What holds copies, and what was sealed in a definition.
	nir, name := db.Column("lab", "patient", "nir"), db.Column("lab", "patient", "name")
	mustExec(t, super,
		`CREATE MATERIALIZED VIEW lab.names AS SELECT array_agg(name) AS names, min(id) AS id FROM lab.patient`,
		`CREATE MATERIALIZED VIEW lab.later AS SELECT name FROM lab.patient WITH NO DATA`,
		`CREATE TABLE lab.untagged (id int, name bytea CONSTRAINT pgveil_name CHECK (`+name.CheckExpression()+`))`,
		`INSERT INTO lab.untagged VALUES (1, `+sealedLike(name, 11)+`)`,
		`ALTER TABLE lab.patient ALTER name SET DEFAULT `+sealedLike(name, 12),
		`CREATE VIEW lab.one AS SELECT id FROM lab.patient WHERE nir = `+sealedLike(nir, 13),
		`CREATE INDEX few ON lab.patient (id) WHERE nir <> `+sealedLike(nir, 14),
		`CREATE FUNCTION lab.f() RETURNS int LANGUAGE sql AS $$ SELECT id FROM lab.patient WHERE nir = `+sealedLike(nir, 15)+`$$`,
		`CREATE FUNCTION lab.g(b bytea DEFAULT `+sealedLike(nir, 16)+`) RETURNS int LANGUAGE sql RETURN (SELECT id FROM lab.patient WHERE nir = `+sealedLike(nir, 17)+` LIMIT 1)`,
		`CREATE TABLE lab.listed (nir bytea) PARTITION BY LIST (nir)`,
		`CREATE TABLE lab.listed_one PARTITION OF lab.listed FOR VALUES IN (`+sealedLike(nir, 18)+`)`,
		`CREATE RULE r AS ON DELETE TO lab.patient WHERE old.nir = `+sealedLike(nir, 19)+` DO INSTEAD NOTHING`,
		`CREATE POLICY p ON lab.patient USING (nir = `+sealedLike(nir, 20)+`)`,
		`CREATE FUNCTION lab.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'`,
		`CREATE TRIGGER t BEFORE UPDATE ON lab.patient FOR EACH ROW WHEN (new.nir = `+sealedLike(nir, 21)+`) EXECUTE FUNCTION lab.t()`,
		`ALTER TABLE lab.patient ADD COLUMN pgveil_shadow_3 bytea`, `UPDATE ONLY lab.patient SET pgveil_shadow_3 = `+sealedLike(name, 22)+` WHERE id = 2`,
		storedGrants,
	)
	want = append(want,
		"lab.names.names 4294967280 1", "lab.names.names 8 2", "lab.patient.pgveil_shadow_3 22 1", "lab.untagged.name 11 1",
		"default of lab.patient.name 12 1", "default of lab.archived.name 12 1", "view lab.one 13 1", "index lab.few 14 1",
		"function lab.f() 15 1", "function lab.g(bytea) 16 1", "function lab.g(bytea) 17 1", "bounds of lab.listed_one 18 1",
		"rule r of lab.patient 19 1", "policy p of lab.patient 20 1", "trigger t of lab.patient 21 1",
	)
	slices.Sort(want)
	if got := counted(t, login, db); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	// A CHECK constraint that names its key needs that, whatever is stored.
	mustExec(t, super, `ALTER TABLE lab.result ADD CONSTRAINT pgveil_nir CHECK (`+db.Column("lab", "result", "nir").WithKey(7).CheckExpression()+`)`)
	want = slices.DeleteFunc(want, func(line string) bool { return line == "lab.result.nir by the oldest of d" })
	for _, table := range []string{"result", "result_2025", "result_2026", "result_2026_all"} {
		want = append(want, "constraint pgveil_nir of lab."+table+" 7 names")
	}
	slices.Sort(want)
	if got := counted(t, login, db); !slices.Equal(got, want) {
		t.Errorf("with a constraint: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestCountStoredRefuses: what cannot be counted for certain is not taken for nothing.
func TestCountStoredRefuses(t *testing.T) {
	super, login, db := storedDatabase(t)
	_, err := CountStored(t.Context(), login, db)
	var denied *NotReadableError
	if !errors.As(err, &denied) || !slices.Equal(denied.Tables, []string{"lab.patient", "lab.result", "lab.archived"}) {
		t.Fatalf("without rights: %v", err)
	}
	mustExec(t, super, denied.Grants...) // are enough
	if got := counted(t, login, db); len(got) != 11 {
		t.Errorf("%q", got)
	}
	fails := func(mentions string) {
		t.Helper()
		if _, err := CountStored(t.Context(), login, db); err == nil || !strings.Contains(err.Error(), mentions) {
			t.Errorf("%v, which does not mention %q", err, mentions)
		}
	}
	mustExec(t, super, `ALTER TABLE lab.archived ENABLE ROW LEVEL SECURITY`)
	fails("policies hide rows of lab.archived from the login, which needs BYPASSRLS")
	mustExec(t, super, `ALTER TABLE lab.archived DISABLE ROW LEVEL SECURITY`,
		`CREATE FOREIGN DATA WRAPPER nowhere`, `CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere`,
		`CREATE FOREIGN TABLE lab.result_2024 PARTITION OF lab.result FOR VALUES IN (2024) SERVER elsewhere`)
	fails("lab.result_2024 is a foreign table")
	mustExec(t, super, `DROP FOREIGN TABLE lab.result_2024`,
		`CREATE TEMPORARY TABLE copied (name bytea CONSTRAINT pgveil_name CHECK (`+db.Column("lab", "patient", "name").CheckExpression()+`))`)
	fails(".copied with sealed columns")
}

// TestCountStoredStandby: what follows another server may lack rows.
func TestCountStoredStandby(t *testing.T) {
	super, _, db := storedDatabase(t)
	standby, err := server.postgres.Standby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Stop()
	conn, err := standby.Conn(t.Context(), super.Config().Database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := CountStored(t.Context(), conn, db); err == nil || !strings.Contains(err.Error(), "is a standby") {
		t.Error(err)
	}
}

// TestAwaitWriters: what is written and not committed is waited for, and no more.
func TestAwaitWriters(t *testing.T) {
	super, login, db := storedDatabase(t)
	const long = time.Minute
	if err := AwaitWriters(t.Context(), login, db, 0); err != nil {
		t.Fatal(err)
	}
	mustExec(t, super, `BEGIN`, `INSERT INTO lab.result VALUES (2026, NULL, NULL)`)
	var pid int
	if err := super.QueryRow(t.Context(), `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
		t.Fatal(err)
	}
	err := AwaitWriters(t.Context(), login, db, 0)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("the server's process %d has been writing to lab.result", pid)) {
		t.Fatalf("while process %d writes: %v", pid, err)
	}
	// A count would not see it; after its end the count does.
	done := make(chan error, 1)
	go func() { done <- AwaitWriters(t.Context(), login, db, long) }()
	mustExec(t, super, `COMMIT`)
	if err := <-done; err != nil {
		t.Error(err)
	}
	// Nor may a job be under way, which seals with the keys that it began with.
	mustExec(t, super, fmt.Sprintf(`SELECT pg_advisory_lock(%d)`, JobLock))
	err = AwaitWriters(t.Context(), login, db, 0)
	if want := fmt.Sprintf("pgveil schema apply is running, as the server's process %d, for longer than 0s", pid); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("while a job runs: %v", err)
	}
	mustExec(t, super, fmt.Sprintf(`SELECT pg_advisory_unlock(%d)`, JobLock))
	// Readers are none, and other tables' writers neither.
	mustExec(t, super, `BEGIN`, `SELECT * FROM lab.result`, `INSERT INTO lab.plain VALUES (2)`)
	if err := AwaitWriters(t.Context(), login, db, 0); err != nil {
		t.Error(err)
	}
	mustExec(t, super, `COMMIT`)
}
