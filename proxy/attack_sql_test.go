package proxy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// attackTexts are texts whose secret must not reach the server: sealed or refused,
// either is well.
var attackTexts = []string{
	// Constants in every spelling.
	`UPDATE lab.patient SET last_name = 'Quasi' 'x%s'`,
	`SELECT id FROM lab.patient WHERE nir = $tag$%s$tag$`,
	`SELECT id FROM lab.patient WHERE nir = E'%s\x41'`,
	`SELECT id FROM lab.patient WHERE nir = E'%s\'x'`,
	`SELECT id FROM lab.patient WHERE nir = U&'%s\0041'`,
	`SELECT id FROM lab.patient WHERE nir = U&'%s!0041' UESCAPE '!'`,
	`SELECT id FROM lab.patient WHERE nir = N'%s'`,
	"SELECT id FROM lab.patient WHERE nir = 'x'\n'%s'",
	"SELECT id FROM lab.patient WHERE nir = 'x' -- c\n '%s'",
	`SELECT id FROM lab.patient WHERE nir = /* '; */ '%s' -- '`,
	`SELECT id FROM lab.patient WHERE nir = /* a /* b */ ' */ '%s'`,
	`SELECT id FROM lab.patient WHERE nir = (('%s'))`,
	`SELECT id FROM lab.patient WHERE nir = '%s'::text`,
	`SELECT id FROM lab.patient WHERE nir = CAST('%s' AS varchar)`,
	`SELECT id FROM lab.patient WHERE nir = char(15) '%s'`,
	`SELECT id FROM lab.patient WHERE nir = bpchar '%s'`,
	`SELECT id FROM lab.patient WHERE nir = pg_catalog.text '%s'`,
	`SELECT id FROM lab.patient WHERE nir = '%s'::name`,
	`SELECT id FROM lab.patient WHERE nir = text('%s')`,
	`SELECT id FROM lab.patient WHERE nir = bytea '%s'`,
	`SELECT id FROM lab.patient WHERE nir = '%s'::bytea`,
	`SELECT id FROM lab.patient WHERE nir = '%s' COLLATE "C"`,
	`SELECT id FROM lab.patient WHERE nir = convert_to('%s', 'UTF8')`,
	`SELECT id FROM lab.patient WHERE nir = ANY ('{%s}')`,
	`SELECT id FROM lab.patient WHERE nir = ANY ('{%s}'::text[])`,
	`SELECT id FROM lab.patient WHERE nir = ANY (ARRAY['%s', NULL])`,
	`SELECT id FROM lab.patient WHERE nir = ANY (string_to_array('%s', ','))`,
	`SELECT id FROM lab.patient WHERE nir = SOME (VALUES ('%s'))`,
	`SELECT id FROM lab.patient WHERE '%s' = nir`,
	`SELECT id FROM lab.patient WHERE '%s' IN (nir, nir)`,
	`SELECT id FROM lab.patient WHERE (id, nir) = (1, '%s')`,
	`SELECT id FROM lab.patient WHERE (nir, id) IN (('%s', 1), ('x', 2))`,
	`SELECT id FROM lab.patient WHERE ROW(nir) = ROW('%s')`,
	`SELECT id FROM lab.patient WHERE (nir, id) < ('%s', 1)`,
	`SELECT id FROM lab.patient WHERE ROW(nir) IS DISTINCT FROM ROW('%s')`,
	`SELECT id FROM lab.patient WHERE nir IS NOT DISTINCT FROM '%s'`,
	`SELECT id FROM lab.patient WHERE nir OPERATOR(pg_catalog.=) '%s'`,
	`SELECT id FROM lab.patient WHERE NOT (nir <> '%s')`,
	`SELECT id FROM lab.patient WHERE nir != '%s'`,
	`SELECT CASE nir WHEN '%s' THEN 1 END FROM lab.patient`,
	`SELECT CASE WHEN nir = '%s' THEN 1 END FROM lab.patient`,
	`SELECT nullif(nir, '%s') FROM lab.patient`,
	`SELECT count(*) FILTER (WHERE nir = '%s') FROM lab.patient`,
	`SELECT id FROM lab.patient GROUP BY id HAVING bool_or(nir = '%s')`,
	`SELECT id FROM lab.patient ORDER BY nir = '%s'`,
	`SELECT id FROM lab.patient LIMIT (SELECT count(*) FROM lab.patient WHERE nir = '%s')`,
	`SELECT sum(id) OVER (PARTITION BY nir = '%s') FROM lab.patient`,
	`SELECT id FROM lab.patient WHERE nir = '%s' FOR UPDATE`,
	`SELECT id FROM lab.patient WHERE nir LIKE '%s'`,
	`SELECT id FROM lab.patient WHERE nir SIMILAR TO '%s'`,
	`SELECT id FROM lab.patient WHERE position('%s' IN nir) > 0`,
	// Names.
	`SELECT id FROM laboratory.lab.patient WHERE nir = '%s'`,
	`SELECT id FROM ONLY lab.patient WHERE nir = '%s'`,
	`SELECT id FROM lab.patient * WHERE nir = '%s'`,
	`SELECT id FROM "lab"."patient" WHERE "nir" = '%s'`,
	`SELECT id FROM LAB.Patient WHERE NIR = '%s'`,
	`SELECT x.b FROM lab.patient AS x (a, b) WHERE b = '%s'`,
	`SELECT 1 FROM lab.patient AS x (nir, id) WHERE id = '%s'`,
	`SELECT 1 FROM (SELECT nir AS city, city AS nir FROM lab.patient) x WHERE city = '%s'`,
	`SELECT 1 FROM (SELECT * FROM lab.patient) x (a, b, c, d, e, f) WHERE b = '%s'`,
	`SELECT 1 FROM lab.plain q, LATERAL (SELECT p.nir AS note FROM lab.patient p WHERE p.id = q.id) x WHERE x.note = '%s'`,
	`SELECT 1 FROM lab.patient p JOIN lab.plain q ON p.id = q.id AND p.nir = '%s'`,
	`SELECT 1 FROM lab.patient p JOIN lab.result r USING (nir) WHERE nir = '%s'`,
	`SELECT 1 FROM lab.patient p JOIN lab.result r USING (nir) AS j WHERE j.nir = '%s'`,
	`SELECT 1 FROM (lab.patient p JOIN lab.result r USING (nir)) AS j (n) WHERE n = '%s'`,
	`SELECT 1 FROM lab.patient NATURAL JOIN lab.result WHERE nir = '%s'`,
	`SELECT 1 FROM lab.patient NATURAL JOIN lab.plain WHERE nir = '%s'`,
	`SELECT 1 FROM lab.patient p FULL JOIN lab.result r USING (nir) WHERE nir = '%s'`,
	`SELECT 1 FROM lab.plain q WHERE EXISTS (SELECT FROM lab.patient p WHERE p.id = q.id AND nir = '%s' AND q.nir IS NOT NULL)`,
	`SELECT 1 FROM lab.patient p WHERE EXISTS (SELECT FROM lab.twin q WHERE p.nir = '%s')`,
	`SELECT 1 FROM lab.patient p WHERE EXISTS (SELECT FROM generate_series(1, 2) g WHERE nir = '%s')`,
	`SELECT 1 FROM lab.patient p WHERE EXISTS (SELECT FROM jsonb_each('{}') e WHERE nir = '%s')`,
	`SELECT 1 FROM lab.positive WHERE nir = '%s'`,
	`SELECT 1 FROM (TABLE lab.patient) t WHERE nir = '%s'`,
	`SELECT 1 FROM (VALUES (1)) v (id) JOIN lab.patient p USING (id) WHERE nir = '%s'`,
	`SELECT 1 FROM lab.patient TABLESAMPLE system (50) WHERE nir = '%s'`,
	`SELECT (SELECT 1 FROM lab.patient WHERE nir = '%s')`,
	`SELECT ARRAY(SELECT id FROM lab.patient WHERE nir = '%s')`,
	`(SELECT id FROM lab.patient WHERE nir = '%s') UNION ALL (SELECT 1)`,
	`SELECT 1 EXCEPT SELECT id FROM lab.patient WHERE nir = '%s'`,
	`SELECT id FROM lab.patient WHERE patient.nir = '%s'`,
	`SELECT id FROM lab.patient WHERE lab.patient.nir = '%s'`,
	`SELECT id FROM lab.patient WHERE (patient).nir = '%s'`,
	`SELECT id FROM lab.patient p WHERE nir(p) = '%s'`,
	`SELECT id FROM lab.patient p WHERE p.nir = ALL (ARRAY['%s'])`,
	// Writing.
	`INSERT INTO lab.patient VALUES (10, '%s')`,
	`INSERT INTO lab.patient AS x (nir, id) VALUES ('%s', 10)`,
	`INSERT INTO lab.patient (id, nir) VALUES (10, '%s'), (11, upper('x'))`,
	`INSERT INTO lab.patient (id, nir) VALUES (10, 'a'), (11, 'b'), (12, '%s'), (13, 'd')`,
	`INSERT INTO lab.patient (id, city, nir) VALUES (10, '', '%s') ON CONFLICT DO NOTHING`,
	`INSERT INTO lab.patient (id, nir) VALUES (10, '%s') RETURNING id`,
	`INSERT INTO lab.patient (id, nir) (VALUES (10, '%s'))`,
	`INSERT INTO lab.patient (id, nir) VALUES (10, '%s') LIMIT 1`,
	`INSERT INTO lab.patient (id, nir) TABLE lab.twin UNION ALL VALUES (1, '%s')`,
	`INSERT INTO lab.patient (id, nir) OVERRIDING USER VALUE VALUES (10, '%s')`,
	`UPDATE lab.patient SET nir = '%s' WHERE id = 10`,
	`UPDATE lab.patient SET (nir, city) = ('%s', 'x') WHERE id = 10`,
	`UPDATE lab.patient SET (city, nir) = ROW('x', '%s') WHERE id = 10`,
	`UPDATE lab.patient SET (nir) = ('%s') WHERE id = 10`,
	`UPDATE lab.patient SET nir[0] = '%s'`,
	`UPDATE ONLY lab.patient * SET nir = '%s' WHERE id = 10`,
	`UPDATE lab.patient p SET city = 'x' FROM lab.result r WHERE r.nir = '%s'`,
	`UPDATE lab.plain SET note = 'x' FROM lab.patient p WHERE p.nir = '%s'`,
	`DELETE FROM lab.plain USING lab.patient p WHERE p.nir = '%s'`,
	`DELETE FROM lab.patient WHERE nir IN ('%s')`,
	`UPDATE lab.positive SET nir = '%s'`,
	`MERGE INTO lab.patient USING (SELECT 10 AS i) s ON id = i WHEN NOT MATCHED THEN INSERT (id, nir) VALUES (10, '%s')`,
	`WITH x AS (SELECT 1) INSERT INTO lab.patient (id, nir) VALUES (10, '%s')`,
	`SELECT 1; SELECT 2; UPDATE lab.patient SET nir = '%s' WHERE id = 10`,
	`BEGIN; UPDATE lab.patient SET nir = '%s' WHERE id = 10; ROLLBACK`,
	`CREATE TEMP TABLE patient (id int, nir text); INSERT INTO lab.patient (id, nir) VALUES (10, '%s')`,
	// Around the analysis.
	`PREPARE x AS UPDATE lab.patient SET nir = '%s'`,
	`EXPLAIN UPDATE lab.patient SET nir = '%s'`,
	`DECLARE x CURSOR FOR SELECT 1 FROM lab.patient WHERE nir = '%s'`,
	`CREATE RULE x AS ON INSERT TO lab.plain DO ALSO UPDATE lab.patient SET nir = '%s'`,
	`CREATE POLICY x ON lab.patient USING (nir = '%s')`,
	`CREATE TABLE lab.part PARTITION OF lab.patient FOR VALUES IN ('%s')`,
	`ALTER TABLE lab.patient ADD CHECK (nir <> '%s')`,
	`SELECT lab.patient.nir = '%s' FROM lab.patient`,
	`CREATE VIEW lab.x AS SELECT 1 FROM lab.patient WHERE nir = '%s'`,
	`DO 'BEGIN UPDATE lab.patient SET nir = ''%s''; END'`,
	`SELECT json_populate_record(NULL::lab.patient, '{"nir": "%s"}')`,
	`SELECT ('(1,%s,,,,)'::lab.patient).nir`,
	`SELECT '(1,%s,,,,)'::lab.patient FROM lab.plain`,
}

// TestAttackTexts sends each text in both protocols, and its literal as a parameter.
func TestAttackTexts(t *testing.T) {
	ctx := context.Background()
	s := attackStack(t)
	for i, form := range attackTexts {
		conn := s.Connect(t, "biologist")
		sql := strings.ReplaceAll(form, "%s", secretOf(i))
		_, _ = conn.PgConn().Exec(ctx, sql).ReadAll()
		_, _ = conn.PgConn().Exec(ctx, `ROLLBACK`).ReadAll()
		_ = conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
		if strings.Contains(form, `'%s'`) && !strings.Contains(form, `''%s''`) {
			as := strings.Replace(form, `'%s'`, "$1", 1)
			_ = conn.PgConn().ExecParams(ctx, as, [][]byte{[]byte(secretOf(i))}, nil, nil, nil).Read()
			_ = conn.PgConn().ExecParams(ctx, as, [][]byte{[]byte(secretOf(i))}, []uint32{25}, nil, nil).Read()
		}
		if !conn.IsClosed() {
			conn.Close(ctx)
		}
	}
	for i, form := range attackTexts {
		if line := logged(t, s, secretOf(i)); line != "" {
			t.Errorf("%s\nreached the server: %s", form, line)
		}
	}
}

// TestAttackParameters: a parameter that is sealed in one place is not in the clear
// in another, where the statement has no column for it.
func TestAttackParameters(t *testing.T) {
	run := func(sql string, oids ...uint32) []messages {
		return []messages{{parse("", sql, oids...), bind("", "", "%s"), execute("", 0), sync_}}
	}
	runAttacks(t, attackStack(t), []attack{
		{"NULL test", "", run(`SELECT id FROM lab.patient WHERE $1 IS NULL OR nir = $1`)},
		{"NULL test with a cast", "", run(`SELECT id FROM lab.patient WHERE $1::text IS NULL OR nir = $1`)},
		{"NULL test with CAST", "", run(`SELECT id FROM lab.patient WHERE CAST($1 AS varchar) IS NULL OR nir = $1::varchar`)},
		{"NOT NULL test in parentheses", "", run(`SELECT id FROM lab.patient WHERE (($1)::text) IS NOT NULL AND nir = $1`)},
		{"NULL test, declared", "", run(`SELECT id FROM lab.patient WHERE ($1 IS NULL OR nir = $1)`, 25)},
		{"COALESCE", "", run(`SELECT id FROM lab.patient WHERE coalesce($1, '') = '' OR nir = $1`)},
		{"a comparison with a constant", "", run(`SELECT id FROM lab.patient WHERE $1 = '' OR nir = $1`)},
		{"a function", "", run(`SELECT id FROM lab.patient WHERE length($1) > 3 AND nir = $1`)},
		{"an output", "", run(`SELECT $1::text, id FROM lab.patient WHERE nir = $1`)},
		{"CASE", "", run(`SELECT id FROM lab.patient WHERE CASE WHEN $1 <> '' THEN nir = $1 END`)},
		{"LIMIT", "", run(`SELECT id FROM lab.every WHERE d_int4 = $1 LIMIT $1`)},
		{"a function in FROM", "", run(`SELECT id FROM lab.patient, unnest(ARRAY[$1::text]) x WHERE nir = $1`)},
		{"an assigned expression", "", run(`UPDATE lab.patient SET nir = $1, city = upper($1)`)},
		{"a concatenation", "", run(`SELECT id FROM lab.patient WHERE nir = $1 AND city LIKE $1 || '%'`)},
		{"two domains", "", run(`SELECT id FROM lab.patient WHERE nir = $1 OR email = $1`)},
	})
}

// attackReads are what a role sees: no sealed value, no error that tells of one.
var attackReads = []struct{ role, sql, want string }{
	{"researcher", `SELECT nir FROM lab.patient ORDER BY id`, "NULL\nNULL"},
	{"researcher", `SELECT x FROM (SELECT nir AS x FROM lab.patient) y WHERE x IS NULL`, "42501"},
	{"researcher", `SELECT id FROM lab.patient ORDER BY nir IS NULL, id`, "42501"},
	{"researcher", `SELECT count(nir) FROM lab.patient`, "42501"},
	{"researcher", `SELECT count(DISTINCT nir) FROM lab.patient`, "42501"},
	{"researcher", `SELECT DISTINCT nir FROM lab.patient`, "42501"},
	{"researcher", `SELECT DISTINCT ON (nir) id FROM lab.patient`, "42501"},
	{"researcher", `SELECT DISTINCT ON (1) nir, id FROM lab.patient`, "42501"},
	{"researcher", `SELECT nir, count(*) FROM lab.patient GROUP BY 1`, "42501"},
	{"researcher", `SELECT city AS x, nir FROM lab.patient GROUP BY 1, 2`, "42501"},
	{"researcher", `SELECT count(*) OVER (PARTITION BY nir) FROM lab.patient`, "42501"},
	{"researcher", `SELECT count(*) FROM lab.patient GROUP BY ROLLUP (nir)`, "42501"},
	{"researcher", `SELECT count(*) FROM lab.patient GROUP BY GROUPING SETS ((city), (nir))`, "42501"},
	{"researcher", `SELECT 1 FROM lab.patient a JOIN lab.patient b USING (nir)`, "42501"},
	{"researcher", `SELECT 1 FROM lab.patient a NATURAL JOIN lab.patient b`, "0A000"},
	{"researcher", `SELECT id FROM lab.patient WHERE nir IN (SELECT nir FROM lab.result)`, "42501"},
	{"researcher", `SELECT id FROM lab.patient WHERE EXISTS (SELECT nir FROM lab.result)`, "42501"},
	{"researcher", `SELECT (SELECT email FROM lab.patient LIMIT 1)`, "42501"},
	{"researcher", `UPDATE lab.patient SET nir = NULL WHERE id = 1`, "42501"},
	{"researcher", `UPDATE lab.patient SET city = city RETURNING email`, "42501"},
	{"researcher", `INSERT INTO lab.patient (id) VALUES (1) ON CONFLICT (nir) DO NOTHING`, "42501"},
	{"researcher", `SELECT id FROM lab.patient WHERE nir = '1' LIMIT 0`, "42501"},
	{"researcher", `SELECT nir FROM lab.positive WHERE nir = '1'`, "42501"},
	{"secretary", `SELECT nir FROM lab.patient WHERE id = 1`, "1**************"},
	{"secretary", `SELECT birth_date::text FROM lab.patient WHERE id = 1`, "1985-05-17"},
	{"secretary", `SELECT x.* FROM (SELECT nir FROM lab.patient WHERE id = 1) x`, "1**************"},
	{"secretary", `UPDATE lab.patient SET city = 'Paris' WHERE id = 1 RETURNING *`, "1|1**************|anne@exemple.fr|Lefèvre|1985-05-17|Paris"},
	{"secretary", `SELECT (SELECT nir FROM lab.patient WHERE id = 1)`, "1**************"},
	{"secretary", `SELECT nir AS email, email AS nir FROM lab.patient WHERE id = 1`, "1**************|anne@exemple.fr"},
	{"secretary", `SELECT outcome IS NULL FROM lab.result`, "42501"},
	{"secretary", `SELECT * FROM lab.result`, "42501"},
	{"secretary", `SELECT r.* FROM lab.patient p LEFT JOIN lab.result r ON r.patient = p.id`, "42501"},
	{"secretary", `DELETE FROM lab.result WHERE false RETURNING outcome`, "42501"},
	{"biologist", `SELECT max(nir) FROM lab.patient`, "0A000"},
	{"biologist", `SELECT array_agg(nir ORDER BY id) FROM lab.patient`, "{" + nir1 + "," + nir2 + "}"},
	{"biologist", `SELECT string_agg(nir, ',') FROM lab.patient`, "0A000"},
	{"biologist", `SELECT encode(nir, 'hex') FROM lab.patient`, "0A000"},
	{"biologist", `SELECT nir::bytea FROM lab.patient`, "0A000"},
	{"biologist", `SELECT (nir) FROM lab.patient WHERE id = 1`, nir1},
	{"biologist", `SELECT ROW(nir) FROM lab.patient`, "0A000"},
	{"biologist", `SELECT ARRAY[nir, city] FROM lab.patient`, "0A000"},
	{"biologist", `SELECT ARRAY(SELECT nir FROM lab.patient ORDER BY id)`, "{" + nir1 + "," + nir2 + "}"},
	{"biologist", `SELECT upper(to_json(p)::text) FROM lab.patient p`, "0A000"},
	{"biologist", `SELECT p FROM (SELECT nir FROM lab.patient) p`, "0A000"},
	{"biologist", `SELECT p.nir FROM lab.patient p, LATERAL (SELECT p.nir) q (x) WHERE p.id = 1`, nir1},
	{"biologist", `SELECT q.x FROM lab.patient p, LATERAL (SELECT p.nir) q (x) WHERE p.id = 1`, nir1},
	{"biologist", `SELECT q.x FROM lab.patient p, LATERAL (VALUES (p.nir)) q (x) WHERE p.id = 1`, nir1},
	{"biologist", `SELECT q.x FROM lab.patient p, LATERAL unnest(ARRAY[p.nir, p.city]) q (x)`, "0A000"},
	{"biologist", `SELECT generate_series(1, 2), nir FROM lab.patient WHERE id = 1`, "1|" + nir1 + "\n2|" + nir1},
	{"biologist", `SELECT lag(nir) OVER () FROM lab.patient`, "NULL\n" + nir2},
	{"researcher", `SELECT lag(nir) OVER () FROM lab.patient`, "NULL\nNULL"},
	{"biologist", `SELECT max(nir) OVER () FROM lab.patient`, "0A000"},
	{"biologist", `SELECT nir FROM lab.patient WHERE id = 1 UNION ALL SELECT nir FROM lab.result WHERE id = 2`, nir1 + "\n" + nir2},
	{"biologist", `SELECT tableoid::regclass, nir FROM lab.patient WHERE id = 1`, "lab.patient|" + nir1},
	{"biologist", `SELECT nir FROM lab.patient p FULL JOIN lab.result r USING (nir) WHERE p.id = 1`, nir1},
	{"biologist", `SELECT p.nir, r.nir, nir FROM lab.patient p RIGHT JOIN lab.result r USING (nir) WHERE p.id = 1`, nir1 + "|" + nir1 + "|" + nir1},
	{"biologist", `SELECT GREATEST(nir, nir) FROM lab.patient`, "0A000"},
	{"biologist", `SELECT pg_typeof(nir), length(nir) FROM lab.patient`, "0A000"},
	{"biologist", `SELECT nir FROM lab.patient ORDER BY 1`, "0A000"},
	{"biologist", `SELECT id AS nir FROM lab.patient ORDER BY nir`, "1\n2"},
	{"biologist", `SELECT nir AS id FROM lab.patient ORDER BY id`, "0A000"},
	{"biologist", `SELECT count(nir) FROM lab.patient`, "2"},
	{"biologist", `TABLE lab.patient ORDER BY id LIMIT 1`, "1|" + nir1 + "|anne@exemple.fr|Lefèvre|1985-05-17|Paris"},
	{"alice", `SET ROLE secretary; SELECT nir FROM lab.patient WHERE id = 1`, "0A000"},
}

// TestAttackReads: each role gets just what the schema file gives it.
func TestAttackReads(t *testing.T) {
	s := attackStack(t)
	for _, c := range attackReads {
		if got := show(t, s.Connect(t, c.role), c.sql); got != c.want {
			t.Errorf("%s: %s\ngot  %q\nwant %q", c.role, c.sql, got, c.want)
		}
	}
}

// TestAttackShapes: two texts of one shape must not share a plan that fits one only.
func TestAttackShapes(t *testing.T) {
	s := attackStack(t)
	conn := s.Connect(t, "biologist")
	for _, c := range []struct{ sql, want string }{
		{`SELECT city, nir FROM lab.patient WHERE id = 1 ORDER BY 1`, "Paris|" + nir1},
		{`SELECT city, nir FROM lab.patient WHERE id = 1 ORDER BY 2`, "0A000"},
		{`SELECT city, nir FROM lab.patient WHERE id = 1 ORDER BY city, 2`, "0A000"},
		{`SELECT city, last_name FROM lab.patient WHERE id = 1 GROUP BY 1, last_name`, "0A000"},
		{`SELECT city, count(*) FROM lab.patient WHERE id = 1 GROUP BY 1`, "Paris|1"},
		{`SELECT last_name, count(*) FROM lab.patient WHERE id = 1 GROUP BY 1`, "0A000"},
		{`SELECT id FROM lab.every WHERE d_int4 = 1`, ""},
		{`SELECT id FROM lab.every WHERE d_int4 = -1`, ""},
		{`SELECT id FROM lab.every WHERE d_int4 = 3000000000`, ""},
		{`SELECT id FROM lab.every WHERE d_int4 = 1.5`, ""},
		{`SELECT id FROM lab.every WHERE d_varchar = 'abc'::varchar(2)`, ""},
		{`SELECT id FROM lab.every WHERE d_varchar = 'abc'::varchar(3)`, ""},
		{`INSERT INTO lab.every (id, d_int8, r_numeric) VALUES (1, -5, 1.25), (2, 5000000000, 1e3), (3, 7, -1)`, ""},
		{`SELECT id, d_int8, r_numeric FROM lab.every ORDER BY id`, "1|-5|1.250\n2|5000000000|1000.000\n3|7|-1.000"},
		{`SELECT id FROM lab.every WHERE d_int8 = - 5`, "1"},
		{`SELECT id FROM lab.every WHERE d_int8 IN (7, -5) ORDER BY 1`, "1\n3"},
		{`SELECT id FROM lab.every WHERE d_int8 IN (7, 5000000000) ORDER BY 1`, "2\n3"},
		{`SELECT DISTINCT ON (1) id, d_int8 FROM lab.every LIMIT 1`, "1|-5"},
		{`SELECT DISTINCT ON (2) id, r_numeric FROM lab.every LIMIT 1`, "0A000"},
	} {
		if got := show(t, conn, c.sql); got != c.want && !(c.want == "" && strings.HasPrefix(got, "0A000")) {
			t.Errorf("%s\ngot  %q\nwant %q", c.sql, got, c.want)
		}
	}
}

// TestAttackAudit: no value is in an audit record, wherever it stands in a text.
func TestAttackAudit(t *testing.T) {
	s := attackStack(t)
	for i, sql := range []string{
		`SELECT nir /* %s */ FROM lab.patient -- %s`,
		`SELECT nir FROM lab.patient WHERE city = '%s' OR city = $$%s$$ OR city = $a$%s$a$ OR city = E'%s'`,
		`SELECT nir FROM lab.patient WHERE city = U&'%s' OR city = N'%s'`,
		`SELECT nir FROM lab.patient WHERE nir = '%s'; SELECT '%s'`,
		`SELECT nir, '%s' FROM lab.patient WHERE city IN ('%s', '%s')`,
		`SELECT email, text '%s' FROM lab.patient /* %s`,
	} {
		c := dialWire(t, s.DSN("biologist"))
		q := withSecret(query(sql), secretOf(i)).(*pgproto3.Query)
		_ = c.everything(messages{q})
		_ = c.everything(messages{parse("Quasimodo", q.String), bind("Esmeralda", "Quasimodo"), execute("Esmeralda", 0), sync_})
	}
	researcher := s.Connect(t, "researcher")
	show(t, researcher, `SELECT email FROM lab.patient WHERE city = 'Quasimodo'`)
	show(t, s.Connect(t, "biologist"), `SELECT nir FROM lab.patient WHERE id = 185057800608436 AND nir = '`+nir2+`'`)
	log := auditText(t, s)
	for _, value := range []string{"Quasimodo", "Esmeralda", nir1, nir2, "Lefèvre"} {
		if strings.Contains(log, value) {
			t.Errorf("the audit log holds %q:\n%s", value, log)
		}
	}
}
