package proxy_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// refusedQueries are refused, with a hint, and neither %s nor anything else of them
// reaches the server.
var refusedQueries = []string{
	// What would hide a sealed value from the analysis, or a constant from sealing.
	`WITH p AS (SELECT last_name FROM lab.patient) SELECT p, '%s' FROM p`,
	`WITH p AS (SELECT last_name AS x FROM lab.patient) SELECT upper(x), '%s' FROM p`,
	`WITH RECURSIVE t AS (SELECT 1 AS n, NULL AS x UNION ALL SELECT n + 1, p.last_name FROM t, lab.patient p WHERE t.x = '%s') SELECT x FROM t`,
	`WITH RECURSIVE t AS (SELECT 1 AS n, '%s' AS x UNION ALL SELECT n + 1, p.last_name FROM t, lab.patient p) SELECT x FROM t`,
	`WITH RECURSIVE t AS (SELECT id, nir FROM lab.patient UNION ALL SELECT id, '%s' FROM t) SELECT nir FROM t`,
	`WITH RECURSIVE t AS (SELECT id, nir FROM lab.patient UNION ALL SELECT t.id, p.email FROM t, lab.patient p WHERE p.city = '%s') SELECT nir FROM t`,
	`WITH RECURSIVE t AS (SELECT id, nir FROM lab.patient UNION ALL SELECT id, nir FROM t) SEARCH DEPTH FIRST BY nir SET o SELECT '%s', o FROM t`,
	`WITH RECURSIVE t AS (SELECT id, nir FROM lab.patient UNION ALL SELECT id, nir FROM t) CYCLE nir SET c USING p SELECT '%s', p FROM t`,
	`SELECT nir FROM lab.patient UNION ALL SELECT upper('%s') || now()`,
	`SELECT nir FROM lab.patient UNION ALL SELECT note FROM lab.plain WHERE note = '%s'`,
	`SELECT last_name FROM lab.patient UNION SELECT '%s'`,
	`SELECT last_name FROM lab.patient EXCEPT SELECT last_name FROM lab.patient WHERE city = '%s'`,
	`SELECT nir FROM lab.patient INTERSECT SELECT '%s'`,
	`SELECT birth_date FROM lab.patient UNION ALL SELECT 5 UNION ALL SELECT '%s'`,
	`SELECT nir, '%s' FROM lab.patient UNION ALL SELECT nir, 'x' FROM lab.result ORDER BY nir`,
	`SELECT length(x) FROM (SELECT last_name AS x FROM lab.patient UNION ALL SELECT '%s') q`,
	`SELECT x || 'a' FROM lab.patient, LATERAL (VALUES (last_name), ('%s')) q (x)`,
	`SELECT q FROM lab.patient, LATERAL (VALUES (last_name), ('%s')) q (x)`,
	`SELECT CASE WHEN id = 1 THEN last_name ELSE city || '%s' END FROM lab.patient`,
	`SELECT CASE last_name WHEN '%s' THEN 1 END FROM lab.patient`,
	`SELECT CASE WHEN last_name = '%s' THEN 1 END FROM lab.patient`,
	`SELECT CASE city WHEN last_name THEN '%s' END FROM lab.patient`,
	`SELECT upper(CASE WHEN id = 1 THEN last_name ELSE '%s' END) FROM lab.patient`,
	`SELECT coalesce(last_name, city, '%s') FROM lab.patient`,
	`SELECT coalesce(city, last_name, '%s') FROM lab.patient`,
	`SELECT coalesce(last_name, '%s') || 'x' FROM lab.patient`,
	`SELECT id FROM lab.patient ORDER BY coalesce(last_name, '%s')`,
	`SELECT id FROM lab.patient GROUP BY id, coalesce(last_name, '%s')`,
	`SELECT nullif(last_name, '%s') FROM lab.patient`,
	`SELECT nullif('%s', nir) FROM lab.patient`,
	`SELECT nullif(nir, city || '%s') FROM lab.patient`,
	`SELECT greatest(nir, '%s') FROM lab.patient`,
	`SELECT id FROM lab.patient WHERE (SELECT last_name FROM lab.patient LIMIT 1) = '%s'`,
	`SELECT array_to_string(array_agg(last_name), '%s') FROM lab.patient`,
	`SELECT array_agg(last_name) || '%s' FROM lab.patient`,
	`SELECT upper((array_agg(last_name))[1]), '%s' FROM lab.patient`,
	`SELECT upper(unnest(array_agg(last_name))), '%s' FROM lab.patient`,
	`SELECT array_agg(DISTINCT last_name), '%s' FROM lab.patient`,
	`SELECT array_agg(last_name) = ARRAY['%s'] FROM lab.patient`,
	`SELECT array_append(array_agg(last_name), '%s') FROM lab.patient`,
	`SELECT min(nir), '%s' FROM lab.patient`,
	`SELECT string_agg(last_name, '%s') FROM lab.patient`,
	`SELECT id FROM lab.patient WHERE last_name::text = '%s'`,
	`SELECT id FROM lab.patient WHERE email::varchar(3) = '%s'`,
	`SELECT id FROM lab.patient WHERE nir::text LIKE '%s'`,
	`SELECT id FROM lab.patient WHERE birth_date::text = '%s'`,
	`SELECT nir::bytea, '%s' FROM lab.patient`,
	`SELECT last_name::text || '%s' FROM lab.patient`,
	`SELECT DISTINCT email::varchar(3), '%s' FROM lab.patient`,
	`SELECT '%s' FROM lab.patient ORDER BY last_name::text`,
	`SELECT id FROM lab.every WHERE d_text AND plain = '%s'`,
}

// TestQueriesRefused: see refusedQueries.
func TestQueriesRefused(t *testing.T) {
	s, through, _ := queryPair(t)
	const secret = "Esmeralda-Quasimodo"
	for _, form := range refusedQueries {
		q := queryCase{sql: strings.ReplaceAll(form, "%s", secret)}
		for _, mode := range []string{"simple", "text"} {
			if got := queryAnswer(t, through, q, mode); !strings.HasPrefix(got, "0A000 cannot ") || strings.Contains(got, secret) {
				t.Errorf("%s, %s: %s", q.sql, mode, got)
			}
		}
	}
	log, err := os.ReadFile(s.Postgres.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(log), "\n") {
		if strings.Contains(line, secret) {
			t.Errorf("reached the server: %s", line)
		}
	}
}

// TestQueriesVerdicts: what a role may not see or search, it does not learn by way of
// a CTE, a set operation, CASE, COALESCE, NULLIF, an array or a cast.
func TestQueriesVerdicts(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	for _, c := range []struct{ role, sql, want string }{
		{"researcher", `WITH p AS (SELECT nir, id FROM lab.patient) SELECT nir FROM p`, "NULL\nNULL"},
		{"researcher", `WITH p AS (SELECT nir AS x FROM lab.patient) SELECT count(*) FROM p WHERE x = '1'`, "42501"},
		{"researcher", `WITH p AS (SELECT email FROM lab.patient) SELECT * FROM p`, "42501"},
		{"researcher", `WITH p AS (SELECT nir AS x FROM lab.patient) SELECT count(*) FROM p WHERE x IS NULL`, "42501"},
		{"researcher", `WITH u AS (UPDATE lab.patient SET city = city RETURNING email) SELECT 1 FROM u`, "42501"},
		{"researcher", `SELECT nir FROM lab.patient UNION ALL SELECT 'x'`, "NULL\nNULL\nNULL"},
		{"researcher", `SELECT nir FROM lab.patient UNION SELECT nir FROM lab.patient`, "42501"},
		{"researcher", `SELECT nir FROM lab.patient UNION ALL SELECT last_name FROM lab.patient UNION ALL SELECT outcome FROM lab.result WHERE id = 1`, "NULL\nNULL\nNULL\nNULL\npositif"},
		{"researcher", `SELECT nir FROM lab.patient UNION ALL SELECT email FROM lab.patient`, "42501"},
		{"researcher", `SELECT coalesce(nir, 'none') FROM lab.patient`, "42501"},
		{"researcher", `SELECT CASE WHEN id = 1 THEN nir ELSE 'x' END FROM lab.patient`, "NULL\nNULL"},
		{"researcher", `SELECT CASE nir WHEN '1' THEN 1 ELSE 2 END FROM lab.patient`, "42501"},
		{"researcher", `SELECT CASE WHEN nullif(nir, '1') IS NULL THEN 1 END FROM lab.patient`, "42501"},
		{"researcher", `SELECT nullif(nir, '1') FROM lab.patient`, "42501"},
		{"researcher", `SELECT array_agg(nir) FROM lab.patient`, "NULL"},
		{"researcher", `SELECT array_agg(DISTINCT nir) FROM lab.patient`, "42501"},
		{"researcher", `SELECT ARRAY(SELECT email FROM lab.patient)`, "42501"},
		{"researcher", `SELECT nir::text FROM lab.patient`, "NULL\nNULL"},
		{"researcher", `SELECT birth_date::text FROM lab.patient ORDER BY id`, "1985-01-01\n1978-01-01"},
		{"researcher", `SELECT array_agg(birth_date ORDER BY id) FROM lab.patient`, "{1985-01-01,1978-01-01}"},
		{"researcher", `SELECT id FROM lab.patient WHERE nir::text = '1'`, "42501"},
		{"researcher", `SELECT nir FROM lab.patient p FULL JOIN lab.result r USING (nir)`, "42501"},
		{"secretary", `SELECT nir FROM lab.patient WHERE id = 1 UNION ALL SELECT last_name FROM lab.patient WHERE id = 1`, "1**************\nLefèvre"},
		{"secretary", `SELECT CASE WHEN id = 1 THEN nir ELSE last_name END FROM lab.patient ORDER BY id`, "1**************\nBernard"},
		{"secretary", `SELECT coalesce(nir, '-')::varchar(3), nir::varchar(3) FROM lab.patient WHERE id = 1`, "1**|1**"},
		{"secretary", `SELECT array_agg(nir ORDER BY id) FROM lab.patient`, "{1**************,2**************}"},
		{"secretary", `SELECT nir FROM lab.patient UNION SELECT nir FROM lab.result`, "42501"},
		{"secretary", `SELECT nir FROM lab.patient INTERSECT SELECT nir FROM lab.patient WHERE id = 1`, "1**************"},
		{"secretary", `SELECT nullif(nir, '` + nir2 + `') FROM lab.patient ORDER BY id`, "1**************\nNULL"},
		{"secretary", `SELECT coalesce(last_name, outcome) FROM lab.patient, lab.result`, "42501"},
	} {
		if got := show(t, s.Connect(t, c.role), c.sql); got != c.want {
			t.Errorf("%s: %s\ngot  %q\nwant %q", c.role, c.sql, got, c.want)
		}
	}
}

// TestOwnFunctions: a user's functions and operators of the names of the server's own
// do not get sealed values.
func TestOwnFunctions(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	for _, sql := range []string{
		`CREATE FUNCTION other.seen(bytea, bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $2'`,
		`CREATE AGGREGATE other.count(bytea) (SFUNC = other.seen, STYPE = bytea)`,
		`CREATE AGGREGATE other.array_agg(bytea) (SFUNC = other.seen, STYPE = bytea)`,
	} {
		if err := s.Postgres.ExecIn(ctx, stack.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Server.Check(ctx); err != nil {
		t.Fatal(err)
	}
	conn := s.Connect(t, "biologist")
	for _, path := range []string{"other", "other, pg_catalog"} {
		show(t, conn, `SET search_path TO `+path)
		for sql, want := range map[string]string{
			`SELECT count(nir) FROM lab.patient`:                    "2",
			`SELECT array_agg(nir) FROM lab.patient WHERE id = 1`:   "{" + nir1 + "}",
			`SELECT id FROM lab.patient WHERE nir = '` + nir1 + `'`: "1",
		} {
			if got := show(t, conn, sql); got != want {
				t.Errorf("search_path %s: %s: %q", path, sql, got)
			}
		}
	}
	if err := s.Postgres.ExecIn(ctx, stack.Database, `CREATE OPERATOR other.= (FUNCTION = other.seen, LEFTARG = bytea, RIGHTARG = bytea)`); err != nil {
		t.Fatal(err)
	}
	if err := s.Server.Check(ctx); err != nil {
		t.Fatal(err)
	}
	conn = s.Connect(t, "biologist")
	for path, want := range map[string]string{"other, pg_catalog": "0A000", "other": "f\nt"} {
		show(t, conn, `SET search_path TO `+path)
		if got := show(t, conn, `SELECT nir = '`+nir1+`' FROM lab.patient ORDER BY id DESC`); got != want {
			t.Errorf("search_path %s: %q", path, got)
		}
	}
}
