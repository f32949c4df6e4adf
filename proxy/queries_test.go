package proxy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// queryTables are the tables of stack.Tables in the clear.
const queryTables = `CREATE SCHEMA lab;
CREATE TABLE lab.patient (id int PRIMARY KEY, nir char(15) UNIQUE, email varchar(120), last_name varchar(80), birth_date date, city text);
CREATE TABLE lab.result (id int PRIMARY KEY, patient int REFERENCES lab.patient, nir char(15), outcome varchar(20), document jsonb, sampled timestamptz);
CREATE TABLE lab.plain (id int PRIMARY KEY, note text, nir text);
CREATE VIEW lab.positive AS SELECT p.nir, p.last_name, r.outcome FROM lab.patient p JOIN lab.result r ON r.patient = p.id;`

// queryRows are stored in both.
const queryRows = `INSERT INTO lab.patient (id, nir, email, last_name, birth_date, city) VALUES
	(1, '185057800608436', 'anne@exemple.fr', 'Lefèvre', '1985-05-17', 'Paris'), (2, '278037512345642', NULL, 'Bernard', '1978-03-01', 'Lyon'),
	(3, '1234', 'x "y" {z}, \', 'Le Goff', NULL, 'Paris'), (4, NULL, '', '', '2000-02-29', NULL);
INSERT INTO lab.result (id, patient, nir, outcome, document) VALUES (1, 1, '185057800608436', 'positif', '{"ct": 21.5}'),
	(2, 2, '278037512345642', 'négatif', NULL), (3, 1, '185057800608436', NULL, '[1, 2]'), (4, NULL, '9', 'positif', 'null');
INSERT INTO lab.plain (id, note) VALUES (1, 'a note'), (2, NULL);
INSERT INTO lab.every (id, d_text, r_text, d_varchar, r_varchar, d_char, r_char, d_int2, d_int4, d_int8, r_int4, r_numeric, r_double, d_bool, r_bool, d_date, r_date, d_timestamp, r_timestamptz, d_uuid, r_jsonb, d_bytea)
	VALUES (1, 'abc', 'NULL', 'abc', 'b c', 'abc', 'xyz', 5, 70000, 5000000000, -3, 12.5, 1.5, true, false, '2024-02-29', '1942-03-05', '2024-05-06 07:08:09.5', '2024-05-06 07:08:09+02', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"b":1,"a":[1]}', '\xdead'),
	(2, '', 'null', '', 'abc  ', '', 'abc', -5, 7, 7, 70000, -1, 0, false, true, '2000-01-01', 'infinity', '2000-01-01', 'infinity', NULL, '"x"', '\x5a'),
	(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`

// queryCase is a statement and its parameters, as text.
type queryCase struct {
	sql  string
	args []string
}

func (q queryCase) params() [][]byte {
	var params [][]byte
	for _, arg := range q.args {
		params = append(params, []byte(arg))
	}
	return params
}

// sameQueries give through pgveil what they give directly on tables in the clear.
var sameQueries = []queryCase{
	// WITH.
	{`WITH p AS (SELECT id, nir FROM lab.patient) SELECT nir, id FROM p ORDER BY id`, nil},
	{`WITH p (a, b) AS MATERIALIZED (SELECT id, last_name FROM lab.patient) SELECT b, a FROM p WHERE a < $1`, []string{"3"}},
	{`WITH p AS (SELECT nir FROM lab.patient WHERE nir = '1234') SELECT p.nir, r.id FROM p LEFT JOIN lab.result r USING (nir)`, nil},
	{`WITH RECURSIVE t AS (SELECT id, last_name FROM lab.patient WHERE id = 1 UNION ALL SELECT p.id, p.last_name FROM t JOIN lab.patient p ON p.id = t.id + 1) SELECT last_name, id FROM t`, nil},
	{`WITH RECURSIVE t AS (SELECT nir FROM lab.patient UNION SELECT t.nir FROM t) SELECT nir FROM t`, nil},
	{`WITH RECURSIVE t AS (SELECT id, nir FROM lab.patient UNION ALL SELECT id, nir FROM t) CYCLE id SET looped USING path SELECT nir, looped FROM t`, nil},
	{`WITH patient AS (SELECT 'not a table' AS nir) SELECT nir FROM patient`, nil},
	{`WITH u AS (UPDATE lab.patient SET last_name = $1 WHERE nir = $2 RETURNING id, last_name) SELECT last_name FROM u`, []string{"Changed", "1234"}},
	{`WITH i AS (INSERT INTO lab.patient (id, nir) VALUES (20, '20') RETURNING *) SELECT nir, id, last_name FROM i`, nil},
	{`WITH d AS (DELETE FROM lab.patient WHERE id = 20 RETURNING nir) SELECT d.nir, count(nir) FROM d GROUP BY nir`, nil},
	{`WITH d AS (DELETE FROM lab.patient WHERE id = 21) SELECT * FROM d`, nil},
	{`WITH p AS (SELECT 1) SELECT nir FROM lab.patient p2, p WHERE p2.id = 99`, nil},
	// Set operations.
	{`SELECT nir FROM lab.patient UNION ALL SELECT nir FROM lab.result`, nil},
	{`SELECT nir FROM lab.patient UNION SELECT nir FROM lab.result`, nil},
	{`SELECT nir FROM lab.patient INTERSECT SELECT nir FROM lab.result`, nil},
	{`SELECT nir FROM lab.result EXCEPT ALL SELECT nir FROM lab.patient`, nil},
	{`SELECT last_name FROM lab.patient UNION ALL SELECT email FROM lab.patient UNION ALL SELECT outcome FROM lab.result`, nil},
	{`SELECT nir, 'p' FROM lab.patient UNION ALL SELECT 'none', 'c' UNION ALL SELECT NULL, NULL`, nil},
	{`SELECT 'none' UNION ALL SELECT nir FROM lab.patient`, nil},
	{`SELECT ('none  ')::text UNION ALL SELECT nir FROM lab.patient`, nil},
	{`SELECT email FROM lab.patient UNION ALL SELECT nir FROM lab.patient`, nil},
	{`SELECT nir FROM lab.patient UNION ALL SELECT email FROM lab.patient`, nil},
	{`SELECT nir FROM lab.patient UNION ALL SELECT $1`, []string{"param  "}},
	{`SELECT email FROM lab.patient UNION SELECT $1 UNION SELECT 'anne@exemple.fr'`, []string{"anne@exemple.fr"}},
	{`SELECT x.y FROM (SELECT nir AS y, id FROM lab.patient UNION ALL SELECT nir, id FROM lab.result) x WHERE x.y = $1 AND id = 1`, []string{"185057800608436"}},
	{`VALUES ('a', 1), ('b', 2) UNION ALL SELECT last_name, id FROM lab.patient`, nil},
	{`SELECT q.x FROM lab.patient p, LATERAL (VALUES (p.last_name), ('x'), (NULL)) q (x)`, nil},
	{`SELECT d_int2 FROM lab.every UNION ALL SELECT d_int8 FROM lab.every UNION ALL SELECT 5`, nil},
	{`SELECT r_numeric FROM lab.every UNION ALL SELECT 1 UNION ALL SELECT 1.50`, nil},
	{`SELECT d_char FROM lab.every UNION ALL SELECT r_text FROM lab.every UNION ALL SELECT r_varchar FROM lab.every`, nil},
	{`(SELECT d_bool FROM lab.every ORDER BY id LIMIT 2) UNION SELECT true`, nil},
	// CASE, COALESCE, NULLIF.
	{`SELECT id, CASE WHEN id = 1 THEN nir WHEN id = 2 THEN 'two' ELSE $1 END AS x FROM lab.patient`, []string{"other"}},
	{`SELECT CASE WHEN id = 1 THEN nir END, CASE id WHEN 2 THEN last_name ELSE email END FROM lab.patient`, nil},
	{`SELECT CASE nir WHEN '1234' THEN 'x' WHEN $1 THEN 'y' ELSE 'z' END FROM lab.patient`, []string{"185057800608436"}},
	{`SELECT CASE WHEN id = 1 THEN nir ELSE email END FROM lab.patient`, nil},
	{`SELECT id, coalesce(nir, '-'), coalesce(email, last_name, '?') FROM lab.patient`, nil},
	{`SELECT coalesce(NULL, birth_date, '2001-01-01') FROM lab.patient`, nil},
	{`SELECT id FROM lab.patient WHERE coalesce(nir, '') = '' OR coalesce(email, 'none') = 'none'`, nil},
	{`SELECT nullif(nir, '1234'), nullif(email, ''), nullif(email, $1) FROM lab.patient`, []string{"anne@exemple.fr"}},
	{`SELECT nullif(d_int2, 5), nullif(d_text, 'abc'), nullif(d_date, '2000-01-01'), nullif(d_varchar, d_varchar) FROM lab.every`, nil},
	{`SELECT coalesce(d_int2, 0), coalesce(d_int4, 0), coalesce(d_int8, 0), coalesce(r_numeric, 0), coalesce(r_double, 0), coalesce(d_bool, false), coalesce(d_uuid, '00000000-0000-0000-0000-000000000000') FROM lab.every`, nil},
	{`SELECT coalesce(r_jsonb, '{ "a":1}'), coalesce(d_bytea, '\x01'), coalesce(r_timestamptz, '2020-01-01 00:00Z') FROM lab.every`, nil},
	{`SELECT DISTINCT coalesce(email, 'none') FROM lab.patient`, nil},
	{`SELECT coalesce((SELECT last_name FROM lab.patient p WHERE p.id = x.id), 'nobody') FROM lab.plain x`, nil},
	{`SELECT coalesce(nir, $1) FROM lab.patient`, []string{"12 "}},
	{`SELECT coalesce(birth_date, 'never') FROM lab.patient`, nil},
	{`SELECT coalesce(d_int2, 'x') FROM lab.every`, nil},
	// Scalar subqueries and arrays.
	{`SELECT id FROM lab.plain x WHERE (SELECT nir FROM lab.patient p WHERE p.id = x.id) = $1`, []string{"185057800608436"}},
	{`SELECT (SELECT last_name FROM lab.patient WHERE id = 1), (SELECT nir FROM lab.patient WHERE id = 9)`, nil},
	{`SELECT array_agg(last_name ORDER BY id), array_agg(nir ORDER BY id) FILTER (WHERE id <> 2) FROM lab.patient`, nil},
	{`SELECT array_agg(email ORDER BY id), array_agg(birth_date ORDER BY id) FROM lab.patient`, nil},
	{`SELECT ARRAY(SELECT nir FROM lab.patient ORDER BY id) AS a, ARRAY(SELECT last_name FROM lab.patient WHERE false)`, nil},
	{`SELECT array_agg(last_name) FROM lab.patient WHERE false`, nil},
	{`SELECT coalesce(array_agg(last_name), '{}') FROM lab.patient WHERE false`, nil},
	{`SELECT coalesce(array_agg(nir ORDER BY id), '{a,NULL}'), coalesce(array_agg(email) FILTER (WHERE false), '{"a b",NULL}') FROM lab.patient`, nil},
	{`SELECT city, array_agg(last_name ORDER BY id) FROM lab.patient GROUP BY city ORDER BY city`, nil},
	{`SELECT array_agg(r_text ORDER BY id), array_agg(d_bool ORDER BY id), array_agg(r_numeric ORDER BY id), array_agg(r_jsonb ORDER BY id), array_agg(r_timestamptz ORDER BY id), array_agg(d_uuid ORDER BY id), array_agg(d_bytea ORDER BY id), array_agg(d_text ORDER BY id) FROM lab.every`, nil},
	{`SELECT id FROM lab.patient WHERE nir = ANY (ARRAY(SELECT nir FROM lab.result)) ORDER BY id`, nil},
	{`SELECT id FROM lab.patient WHERE nir = ANY (ARRAY['1234 ', '278037512345642']) OR email = ANY (ARRAY['', $1])`, []string{"anne@exemple.fr"}},
	{`SELECT id FROM lab.patient WHERE nir = ANY (ARRAY['1234 '::varchar, '278037512345642'])`, nil},
	{`SELECT count(DISTINCT nir), count(email) FROM lab.patient`, nil},
	// Casts.
	{`SELECT nir::text, nir::varchar, nir::varchar(15), nir::char(15), nir::varchar(3), nir::char(20), CAST(p.nir AS bpchar) AS x FROM lab.patient p`, nil},
	{`SELECT email::text, email::varchar, email::varchar(5), email::char(4), email::varchar(3)::text, last_name::varchar(80) FROM lab.patient`, nil},
	{`SELECT id FROM lab.patient WHERE nir::text = $1 OR nir::varchar IN ('1234', '278037512345642 ')`, []string{"185057800608436"}},
	{`SELECT id FROM lab.patient WHERE nir::text = '1234 ' OR nir::char(20) = '1234 '`, nil},
	{`SELECT d_int2::int, d_int4::int8, d_int4::text, d_int8::numeric, r_numeric::int, d_date::text, d_date::timestamp, r_jsonb::text, d_uuid::text, d_bool::text, r_timestamptz::date FROM lab.every WHERE id = 1`, nil},
	{`SELECT d_int8::int FROM lab.every`, nil},
	{`SELECT r_numeric::numeric(4,1), r_double::numeric, d_timestamp::timestamp(0), d_text::varchar(2) FROM lab.every`, nil},
	{`SELECT (CASE WHEN id = 1 THEN nir ELSE 'x ' END)::text FROM lab.patient`, nil},
	{`SELECT CASE WHEN id = 1 THEN nir::text ELSE 'x ' END FROM lab.patient`, nil},
	{`SELECT coalesce(nir, '-')::text, coalesce(email, '-')::varchar(2) AS short FROM lab.patient`, nil},
	{`SELECT array_agg(nir ORDER BY id)::text[] FROM lab.patient`, nil},
	{`SELECT nir::text, count(*) FROM lab.result GROUP BY nir::text`, nil},
	{`SELECT x.t FROM (SELECT nir::text AS t FROM lab.patient) x WHERE t = '1234'`, nil},
	{`SELECT birth_date::text || 'x' FROM lab.plain, (SELECT '2000-01-01'::date AS birth_date) y WHERE EXISTS (SELECT nir::text FROM lab.patient)`, nil},
	// Joins, windows, grouping.
	{`SELECT nir, p.id, r.id FROM lab.patient p FULL JOIN lab.result r USING (nir)`, nil},
	{`SELECT j.nir, j.x FROM (lab.patient AS p (x) JOIN lab.result r USING (nir)) j ORDER BY j.x`, nil},
	{`SELECT l.n, p.id FROM lab.patient p CROSS JOIN LATERAL (SELECT r.nir AS n FROM lab.result r WHERE r.nir = p.nir LIMIT 1) l`, nil},
	{`SELECT row_number() OVER (PARTITION BY nir ORDER BY id), nir FROM lab.result`, nil},
	{`SELECT nir, city, count(*) FROM lab.patient GROUP BY GROUPING SETS ((nir), (city), ())`, nil},
	{`SELECT DISTINCT ON (nir) id, nir FROM lab.result`, nil},
	{`SELECT last_name FROM lab.patient p WHERE id = 1 FOR UPDATE OF p`, nil},
	{`SELECT * FROM lab.positive p JOIN lab.patient USING (nir)`, nil},
	{`TABLE lab.patient`, nil},
	{`SELECT nosuch FROM lab.patient WHERE nir = lower('A') OR 1 = 'x'`, nil},
}

// queryAnswer is what a client gets, to be compared.
func queryAnswer(t *testing.T, conn *pgconn.PgConn, q queryCase, mode string) string {
	t.Helper()
	ctx := context.Background()
	var result *pgconn.Result
	if mode == "simple" {
		results, err := conn.Exec(ctx, q.sql).ReadAll()
		if err != nil {
			return describeFailure(err)
		}
		result = results[0]
	} else {
		format := int16(0)
		if mode == "binary" {
			format = 1
		}
		result = conn.ExecParams(ctx, q.sql, q.params(), nil, nil, []int16{format}).Read()
		if result.Err != nil {
			return describeFailure(result.Err)
		}
	}
	var b strings.Builder
	for _, f := range result.FieldDescriptions {
		fmt.Fprintf(&b, "%s:%d/%d/%d format %d attribute %d table %t, ", f.Name, f.DataTypeOID, f.DataTypeSize, f.TypeModifier, f.Format, f.TableAttributeNumber, f.TableOID != 0)
	}
	rows := make([]string, len(result.Rows))
	for i, row := range result.Rows {
		for _, value := range row {
			if value == nil {
				rows[i] += "NULL|"
			} else {
				rows[i] += fmt.Sprintf("%q|", value)
			}
		}
	}
	if !strings.HasSuffix(q.sql, "ORDER BY id") {
		slices.Sort(rows)
	}
	return b.String() + "\n" + strings.Join(rows, "\n") + "\n" + result.CommandTag.String()
}

func describeFailure(err error) string {
	e, ok := err.(*pgconn.PgError)
	if !ok {
		return err.Error()
	}
	return fmt.Sprintf("%s %s at %d", e.Code, e.Message, e.Position)
}

// queryPair starts pgveil over sealed tables and a server with the same in the clear.
func queryPair(t *testing.T) (s *stack.Stack, through, direct *pgconn.PgConn) {
	t.Helper()
	s = stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}})
	clear := twin(t)
	if err := clear.Exec(context.Background(), strings.TrimPrefix(queryTables, "CREATE SCHEMA lab;")); err != nil {
		t.Fatal(err)
	}
	direct = connectPg(t, clear.DSN(clear.Superuser(), clear.SuperPassword(), "postgres"))
	through = connectPg(t, s.DSN("biologist"))
	for _, conn := range []*pgconn.PgConn{direct, through} {
		for _, sql := range strings.Split(queryRows, ";\n") {
			if _, err := conn.Exec(context.Background(), sql).ReadAll(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s, through, direct
}

// TestQueries: rows, types and errors are those of the same query on tables in the
// clear, in both protocols and formats.
func TestQueries(t *testing.T) {
	_, through, direct := queryPair(t)
	sameInAllModes(t, through, direct, sameQueries)
}

// sameInAllModes compares the answers to queries in both protocols and formats.
func sameInAllModes(t *testing.T, through, direct *pgconn.PgConn, queries []queryCase) {
	t.Helper()
	ctx := context.Background()
	for _, q := range queries {
		for _, mode := range []string{"simple", "text", "binary"} {
			if mode == "simple" && len(q.args) > 0 {
				continue
			}
			var got [2]string
			for i, conn := range []*pgconn.PgConn{direct, through} {
				_ = conn.Exec(ctx, "BEGIN").Close()
				got[i] = queryAnswer(t, conn, q, mode)
				_ = conn.Exec(ctx, "ROLLBACK").Close()
			}
			if got[0] != got[1] {
				t.Errorf("%s, %s\ndirectly\n%s\nthrough pgveil\n%s", q.sql, mode, got[0], got[1])
			}
		}
	}
}
