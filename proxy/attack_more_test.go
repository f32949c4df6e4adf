package proxy_test

import "testing"

// TestAttackScope: names that shadow others, in both directions, and what reaches a
// table without its name.
func TestAttackScope(t *testing.T) {
	s := attackStack(t)
	for _, sql := range []string{
		`CREATE DOMAIN other.text AS pg_catalog.text`,
		`CREATE FUNCTION other.become(who text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('role', who, false); END $$`,
		`CREATE ROLE app LOGIN NOINHERIT PASSWORD 'a-test-password'; GRANT biologist, secretary, researcher TO app; GRANT USAGE ON SCHEMA other, lab TO app; GRANT SELECT ON lab.patient TO app`,
	} {
		if err := s.Postgres.ExecIn(t.Context(), "laboratory", sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Server.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	runAttacks(t, s, []attack{
		{"text of one's own", "", []messages{{query(`SET search_path TO other, pg_catalog`)}, {query(`SELECT id FROM lab.patient WHERE nir = '%s'::text`)}}},
		{"a hidden SET ROLE", "app", []messages{{query(`SELECT other.become('biologist')`)}, {query(`SELECT nir FROM lab.patient`)}, {query(`SELECT other.become('none')`)}, {query(`SELECT nir AS still FROM lab.patient`)}}},
		{"SET ROLE between Bind and Execute", "alice", []messages{{query(`BEGIN`)}, {parse("r", readSeal), bind("p", "r"), sync_}, {query(`SET ROLE researcher`)}, {execute("p", 0), sync_}}},
		{"DISCARD ALL", "alice", []messages{{query(`SET ROLE secretary`)}, {parse("r", readSeal), sync_}, {query(`DISCARD ALL`)}, {bind("", "r"), execute("", 0), sync_}}},
	})
	for _, c := range []struct{ role, sql, want string }{
		{"app", `SELECT other.become('biologist')`, ""},
		{"app", `SELECT nir FROM lab.patient WHERE id = 1`, "42501"},
	} {
		if got := show(t, s.Connect(t, c.role), c.sql); got != c.want {
			t.Errorf("%s: %s: got %q, want %q", c.role, c.sql, got, c.want)
		}
	}
	// What ANALYZE keeps shows sealed values and how often they occur.
	for _, sql := range []string{
		`SELECT most_common_vals FROM pg_stats`, `SELECT * FROM pg_catalog.pg_statistic`, `TABLE pg_stats_ext`,
		`SELECT query_to_xml('SELECT * FROM pg_stats', true, true, '')`, `COPY (SELECT * FROM pg_stats) TO STDOUT`,
		`CREATE VIEW other.seen AS SELECT * FROM pg_stats`,
	} {
		if got := show(t, s.Connect(t, "researcher"), sql); got != "0A000" {
			t.Errorf("%s: %q", sql, got)
		}
	}
	conn := s.Connect(t, "app")
	for _, step := range []struct{ sql, want string }{
		{`SELECT other.become('biologist')`, ""},
		{`SELECT nir FROM lab.patient WHERE id = 1`, nir1},
		{`SELECT other.become('secretary')`, ""},
		{`SELECT nir FROM lab.patient WHERE id = 1`, "1**************"},
		{`SELECT other.become('researcher')`, ""},
		{`SELECT nir FROM lab.patient WHERE id = 1`, "NULL"},
		{`SELECT other.become('none')`, ""},
		{`SELECT nir FROM lab.patient WHERE id = 1`, "42501"},
		{`SELECT other.become('biologist'); SELECT nir FROM lab.patient WHERE id = 1`, "0A000"},
		{`SELECT other.become('biologist') FROM lab.patient`, "\n"},
		{`BEGIN; SET LOCAL ROLE researcher; SAVEPOINT a; SET LOCAL ROLE secretary`, ""},
		{`SELECT nir FROM lab.patient WHERE id = 1`, "1**************"},
		{`ROLLBACK TO a`, ""},
		{`SELECT nir FROM lab.patient WHERE id = 1`, "NULL"},
		{`COMMIT`, ""},
		{`SELECT nir FROM lab.patient WHERE id = 1`, nir1},
	} {
		if got := show(t, conn, step.sql); got != step.want {
			t.Errorf("%s: got %q, want %q", step.sql, got, step.want)
		}
	}
}
