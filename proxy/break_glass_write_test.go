package proxy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv/stack"
)

// glassIn lets a role break the glass of a schema file's only database.
func glassIn(text, role, rule string) string {
	return strings.Replace(text, "  laboratory:\n", "  laboratory:\n    break_glass: {"+role+": "+rule+"}\n", 1)
}

// TestBreakGlassWritesNothing: who has broken the glass stores no more than before, nor anything where it outlasts the
// time; what a role that sees pseudonyms stores is not taken for clear values.
func TestBreakGlassWritesNothing(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: glassSchema("{for: 1h}")})
	fill(t, s)
	conn := s.Connect(t, "researcher")
	may := []string{ // what is stored in a randomized column tells nothing
		`UPDATE lab.patient SET last_name = 'Durand' WHERE id = 2`,
		`UPDATE lab.patient SET city = 'Nantes' WHERE id = 2 RETURNING city`,
	}
	mayNot := []string{
		`INSERT INTO lab.patient (id, nir) VALUES (7, '` + nir1 + `')`,
		`INSERT INTO lab.patient (id, nir) VALUES (7, '` + nir1 + `') ON CONFLICT DO NOTHING`,
		`UPDATE lab.patient SET email = 'x@exemple.fr' WHERE id = 1`,
		`UPDATE lab.result r SET nir = p.nir FROM lab.patient p WHERE p.id = r.patient`,
		`INSERT INTO lab.result (id, nir) SELECT id + 100, nir FROM lab.patient`,
		`WITH w AS (INSERT INTO lab.result (id, nir) SELECT id + 100, nir FROM lab.patient RETURNING nir) SELECT nir FROM w`,
	}
	check := func(when string) {
		t.Helper()
		for _, mode := range []any{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
			for _, sql := range may {
				if got := asked(conn, sql, mode); strings.Contains(got, "42501") {
					t.Errorf("%s: %s: %s", when, sql, got)
				}
			}
			for _, sql := range mayNot {
				if got := asked(conn, sql, mode); got != "42501" {
					t.Errorf("%s: %s: %s", when, sql, got)
				}
			}
		}
		if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader("7\t"+nir1+"\n"), `COPY lab.patient (id, nir) FROM STDIN`); code(err) != "42501" {
			t.Errorf("%s: COPY: %v", when, err)
		}
	}
	check("before")
	must(t, conn, breakIt)
	check("under it")
	_, err := conn.Exec(t.Context(), mayNot[0])
	if e, ok := err.(*pgconn.PgError); !ok || !strings.Contains(e.Hint, "break_glass") {
		t.Errorf("%v has no hint of pgveil.break_glass", err)
	}
}

// TestBreakGlassWritesNoPseudonyms: while a role reads in the clear what it stores by pseudonyms, it stores nothing there.
func TestBreakGlassWritesNoPseudonyms(t *testing.T) {
	s := pseudonymStack(t)
	s.Reload(t, glassIn(pseudonymSchema, "researcher", "{for: 1h}"))
	conn, care := s.Connect(t, "researcher"), s.Connect(t, "biologist")
	mine := pseudonymOf(t, conn, "nir", 1)
	store := fmt.Sprintf(`UPDATE lab.result SET nir = '%s' WHERE id = 3`, mine)
	if _, err := conn.Prepare(t.Context(), "given", `UPDATE lab.result SET nir = $1 WHERE id = 3`); err != nil {
		t.Fatal(err)
	}
	must(t, conn, `PREPARE given_sql(text) AS UPDATE lab.result SET nir = $1 WHERE id = 3`, breakIt)
	for _, sql := range []string{store, fmt.Sprintf(`UPDATE lab.result SET nir = '%s' WHERE id = 3`, patient1), `EXECUTE given_sql('` + mine + `')`} {
		if got := show(t, conn, sql); got != "42501" {
			t.Errorf("%s: %s", sql, got)
		}
	}
	if _, err := conn.Exec(t.Context(), "given", mine); code(err) != "42501" {
		t.Errorf("prepared: %v", err)
	}
	if got := show(t, care, `SELECT nir FROM lab.result WHERE id = 3`); got != patient2 {
		t.Errorf("stored: %s", got)
	}
	must(t, conn, `RESET pgveil.break_glass`)
	if got := show(t, conn, store); got != "" {
		t.Errorf("%s afterwards: %s", store, got)
	}
	if got := show(t, care, `SELECT nir FROM lab.result WHERE id = 3`); got != patient1 {
		t.Errorf("stored afterwards: %s", got)
	}
}

// TestBreakGlassOfControlledWays: what the server makes of columns in the clear is shown under it, and neither kept in a
// table, nor made by what is not followed, nor fetched once it is over.
func TestBreakGlassOfControlledWays(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: glassIn(controlledSchema, "secretary", "{for: 1h}"), Tables: controlledTables})
	fillControlled(t, s, anne)
	conn := s.Connect(t, "secretary")
	shown := map[string]string{
		`SELECT body FROM lab.memo`:                                                  "Secret",
		`SELECT upper(name) FROM lab.person WHERE name LIKE 'Le%'`:                   "LEFÈVRE",
		`SELECT * FROM lab.initials WHERE id = 1`:                                    "1|L",
		`BEGIN; DECLARE c CURSOR FOR SELECT upper(body) FROM lab.memo; FETCH c; END`: "SECRET",
		`WITH w AS (SELECT left(name, 2) AS n FROM lab.person WHERE id = 2) TABLE w`: "Be",
		`SELECT n FROM lab.memo n`:                                                   "(1,Secret)",
	}
	kept := []string{
		`CREATE TABLE lab.own AS SELECT body FROM lab.memo`,
		`CREATE TEMP TABLE own AS SELECT upper(body) FROM lab.memo`,
		`SELECT body INTO lab.own FROM lab.memo`,
		`SELECT upper(name) AS n INTO TEMP own FROM lab.person`,
		`CREATE VIEW lab.own AS SELECT body FROM lab.memo`,
		`CREATE MATERIALIZED VIEW lab.own AS SELECT upper(body) FROM lab.memo`,
		`INSERT INTO lab.visit SELECT 9, 1, body FROM lab.memo`,
		`INSERT INTO lab.visit VALUES (9, 1, (SELECT upper(body) FROM lab.memo))`,
		`UPDATE lab.visit SET note = body FROM lab.memo WHERE visit.id = 1`,
		`UPDATE lab.person SET name = upper(name) WHERE id = 1`,
		`UPDATE lab.memo SET body = 'x'`,
		`UPDATE lab.memo SET body = upper(body)`,
		`INSERT INTO lab.memo VALUES (2, 'x')`,
		`WITH w AS (INSERT INTO lab.visit SELECT 9, 1, body FROM lab.memo RETURNING note) SELECT note FROM w`,
		`MERGE INTO lab.visit v USING lab.memo m ON v.id = m.id WHEN MATCHED THEN UPDATE SET note = m.body`,
		`EXPLAIN ANALYZE INSERT INTO lab.visit SELECT 9, 1, upper(body) FROM lab.memo`,
		`PREPARE kept AS INSERT INTO lab.visit SELECT 9, 1, upper(body) FROM lab.memo`,
		`COPY (INSERT INTO lab.visit SELECT 9, 1, upper(body) FROM lab.memo RETURNING note) TO STDOUT`,
		`SELECT lab.memos()`, `SELECT * FROM lab.spy()`, `SELECT v.of_visit FROM lab.visit v`,
		`DO $$ BEGIN PERFORM body FROM lab.memo; END $$`,
		`CREATE FUNCTION lab.mine() RETURNS text LANGUAGE sql AS 'SELECT body FROM lab.memo'`,
	}
	must(t, conn, breakIt)
	for sql, want := range shown {
		lines := strings.Split(show(t, conn, sql), "\n")
		if got := lines[len(lines)-1]; got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	must(t, conn, `PREPARE e AS SELECT upper(body) FROM lab.memo`)
	if got := show(t, conn, `EXECUTE e`); got != "SECRET" {
		t.Errorf("EXECUTE: %s", got)
	}
	for _, sql := range kept {
		if got := show(t, conn, sql); got != "42501" && !(got == "0A000" && strings.HasPrefix(sql, "MERGE")) {
			t.Errorf("%s: %s", sql, got)
		}
		if got := asked(conn, sql, pgx.QueryExecModeExec); got != "42501" && !(got == "0A000" && strings.HasPrefix(sql, "MERGE")) {
			t.Errorf("%s, extended: %s", sql, got)
		}
	}
	// A role that may write what it reads has prepared it; under it nobody runs it.
	if err := s.Postgres.Exec(t.Context(), `GRANT biologist TO secretary WITH ADMIN OPTION; ALTER ROLE secretary NOINHERIT`); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond) // until pgveil has seen it
	both := s.Connect(t, "secretary")
	must(t, both, `SET ROLE biologist`, `PREPARE kept AS INSERT INTO lab.visit SELECT 9, 1, upper(body) FROM lab.memo`, `RESET ROLE`, breakIt)
	if got := show(t, both, `EXECUTE kept`); got != "42501" {
		t.Errorf("EXECUTE kept: %s", got)
	}

	// What was declared under it.
	must(t, conn, `DECLARE held CURSOR WITH HOLD FOR SELECT upper(body) FROM lab.memo`, `RESET pgveil.break_glass`)
	for _, sql := range []string{`FETCH held`, `EXECUTE e`, `SELECT upper(body) FROM lab.memo`} {
		if got := show(t, conn, sql); got != "42501" && got != "0A000" {
			t.Errorf("%s afterwards: %s", sql, got)
		}
	}
}

// TestBreakGlassErrors: what errors quote is taken out again once it is over, even of a statement that names nothing tagged.
func TestBreakGlassErrors(t *testing.T) {
	tables := append(controlledTables[:len(controlledTables):len(controlledTables)],
		`ALTER TABLE lab.memo ADD CONSTRAINT once UNIQUE (body) DEFERRABLE INITIALLY DEFERRED`, `INSERT INTO lab.memo VALUES (2, 'Secret too')`,
		`CREATE FUNCTION lab.again() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN UPDATE lab.memo SET body = 'Secret'; RETURN NULL; END $$`)
	text := strings.Replace(controlledSchema, "[lab.half]", "[lab.half, lab.again]", 1)
	s := stack.Start(t, stack.Options{Schema: glassIn(text, "secretary", "{for: 1500ms}"), Tables: tables})
	fillControlled(t, s, anne)
	if err := s.Postgres.ExecIn(t.Context(), s.Database, `CREATE TRIGGER again AFTER INSERT ON lab.visit EXECUTE FUNCTION lab.again()`); err != nil {
		t.Fatal(err)
	}
	conn := s.Connect(t, "secretary")
	for n, c := range []struct {
		when          string
		before, after []string
		wait          time.Duration
		shows         bool
	}{
		{"without", nil, nil, 0, false},
		{"under it", []string{breakIt}, nil, 0, true},
		{"taken back", []string{`SET pgveil.break_glass = 'another reason of length'`}, []string{`RESET pgveil.break_glass`}, 0, false},
		{"over", []string{`SET pgveil.break_glass = 'a third reason of length'`}, nil, 1600 * time.Millisecond, false},
	} {
		must(t, conn, c.before...)
		must(t, conn, `BEGIN`, `SELECT id FROM lab.memo`, fmt.Sprintf(`INSERT INTO lab.visit (id) VALUES (%d)`, 100+n))
		must(t, conn, c.after...)
		time.Sleep(c.wait)
		_, err := conn.Exec(t.Context(), `COMMIT`, pgx.QueryExecModeSimpleProtocol)
		e, ok := err.(*pgconn.PgError)
		if !ok || e.Code != "23505" || strings.Contains(fmt.Sprintf("%+v", *e), "Secret") != c.shows {
			t.Errorf("%s: %+v", c.when, err)
		}
		must(t, conn, `RESET pgveil.break_glass`)
	}
}
