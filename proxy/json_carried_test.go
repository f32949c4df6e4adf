package proxy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv/stack"
)

// carriedJSON is JSON of rows that other parts of a query pass on, or cast.
var carriedJSON = []string{
	`SELECT j FROM (SELECT id, to_jsonb(p) AS j FROM lab.patient p) x ORDER BY id`,
	`SELECT x.*, x.j IS NULL, pg_typeof(x.j) FROM (SELECT json_build_object('nir', nir, 'n', last_name) AS j, id FROM lab.patient) x`,
	`WITH w AS (SELECT id, row_to_json(p) AS j FROM lab.patient p), v (k) AS (SELECT j FROM w WHERE id < 3) SELECT k FROM v`,
	`WITH u AS (UPDATE lab.patient SET city = 'x' WHERE id = 1 RETURNING id, to_jsonb(patient) AS j) SELECT u.j, r.outcome FROM u JOIN lab.result r ON r.patient = u.id`,
	`WITH RECURSIVE t AS (SELECT 1 AS id, to_json(nir) AS j FROM lab.patient WHERE id = 1 UNION ALL SELECT t.id + 1, to_json(p.nir) FROM t JOIN lab.patient p ON p.id = t.id + 1) SELECT j FROM t`,
	`SELECT to_json(nir) FROM lab.patient UNION ALL SELECT to_json(nir) FROM lab.result UNION ALL SELECT NULL`,
	`SELECT to_jsonb(x) FROM (SELECT nir, id FROM lab.patient) x UNION ALL SELECT to_jsonb(y) FROM (SELECT nir, id, outcome FROM lab.result) y UNION ALL SELECT '[]'`,
	`SELECT json_build_object('a', last_name) AS j FROM lab.patient UNION ALL SELECT json_build_object('b', outcome) FROM lab.result`,
	`SELECT x.j FROM (SELECT to_json(email) AS j, id FROM lab.patient UNION ALL SELECT to_json(outcome), 9 FROM lab.result) x WHERE id > 1`,
	`SELECT json_agg(x.j ORDER BY x.id) FROM (SELECT json_build_object('nir', nir) AS j, id FROM lab.patient) x`,
	`SELECT jsonb_build_object('all', (SELECT jsonb_agg(x ORDER BY id) FROM (SELECT to_jsonb(p) AS j, p.id, nir FROM lab.patient p) x))`,
	`SELECT row_to_json(x) FROM (SELECT p.id, (SELECT coalesce(json_agg(r), '[]') FROM lab.result r WHERE r.patient = p.id) AS results FROM lab.patient p) x`,
	`SELECT coalesce(x.j, '[]'), CASE WHEN x.id = 1 THEN x.j END, CASE x.id WHEN 2 THEN to_jsonb(x.nir) ELSE '"-"'::jsonb END IS NULL FROM (SELECT p.id, p.nir, (SELECT json_agg(r) FROM lab.result r WHERE r.patient = p.id) AS j FROM lab.patient p) x`,
	`SELECT q.j FROM lab.patient p, LATERAL (SELECT json_build_object('n', p.last_name) AS j) q`,
	`SELECT q.j FROM lab.patient p, LATERAL (VALUES (to_json(p.last_name)), (to_json(p.email)), (NULL)) q (j)`,
	`SELECT count(j) FROM (SELECT to_json(email) AS j FROM lab.patient) x`,
	`SELECT row_to_json(p)::text, to_jsonb(p)::json, to_jsonb(p)::text AS t, CAST(row_to_json(p) AS jsonb), json_agg(p)::jsonb::text FROM lab.patient p GROUP BY p.id`,
	`SELECT x.j::text, x.j::jsonb, x.j::json FROM (SELECT row_to_json(p) AS j FROM lab.patient p) x`,
	`SELECT DISTINCT ON (id) to_jsonb(p) FROM lab.patient p ORDER BY id`,
	`SELECT to_jsonb(e) FROM (SELECT id, d_text, r_varchar, r_char, d_int8, r_numeric, r_bool, d_date, r_timestamptz, r_jsonb, d_bytea FROM lab.every) e`,
	`SELECT (SELECT x.j FROM (SELECT to_jsonb(p) AS j FROM lab.patient p WHERE id = 1) x)`,
	`SELECT card FROM lab.cards ORDER BY id`,
	`SELECT jsonb_build_object('c', card, 'n', number) FROM lab.cards`,
	`SELECT card, results FROM lab.kept_cards`,
	// Errors of the server.
	`SELECT to_jsonb(p) FROM lab.patient p UNION ALL SELECT 1`,
}

// cardViews have JSON of rows among their columns.
var cardViews = []string{
	`CREATE VIEW lab.cards AS SELECT id, nir AS number, jsonb_build_object('nir', nir, 'name', last_name, 'city', city) AS card FROM lab.patient`,
	`CREATE MATERIALIZED VIEW lab.kept_cards AS SELECT p.id, to_jsonb(p) AS card, (SELECT json_agg(json_build_object('o', r.outcome)) FROM lab.result r WHERE r.patient = p.id) AS results FROM lab.patient p`,
}

// cardPair is queryPair with the views.
func cardPair(t *testing.T) (s *stack.Stack, through, direct *pgconn.PgConn) {
	t.Helper()
	s, through, direct = queryPair(t)
	ctx := context.Background()
	if err := s.Postgres.ExecIn(ctx, stack.Database, append(cardViews, `GRANT SELECT ON ALL TABLES IN SCHEMA lab TO PUBLIC`)...); err != nil {
		t.Fatal(err)
	}
	if err := s.Server.Check(ctx); err != nil {
		t.Fatal(err)
	}
	for _, sql := range cardViews {
		if err := direct.Exec(ctx, sql).Close(); err != nil {
			t.Fatal(err)
		}
	}
	return s, through, direct
}

// TestCarriedJSON: JSON of rows is opened wherever a query carries it to.
func TestCarriedJSON(t *testing.T) {
	_, through, direct := cardPair(t)
	for _, sql := range carriedJSON {
		sameInAllModes(t, through, direct, []queryCase{{sql: sql}})
	}
	sameCopies(t, through, direct, []string{
		`COPY (SELECT id, to_jsonb(p), row_to_json(p)::text FROM lab.patient p ORDER BY id) TO STDOUT`,
		`COPY (SELECT x.j FROM (SELECT json_agg(p ORDER BY id) AS j FROM lab.patient p) x) TO STDOUT (FORMAT csv)`,
		`COPY (SELECT to_jsonb(p), row_to_json(p), nir, to_jsonb(last_name) FROM lab.patient p ORDER BY id) TO STDOUT (FORMAT binary)`,
		`COPY (UPDATE lab.patient SET city = city WHERE id = 1 RETURNING to_json(patient)) TO STDOUT`,
	})
	sameSteps(t, through, direct, [][]string{
		{`BEGIN`, `DECLARE c CURSOR FOR SELECT to_jsonb(p), id FROM lab.patient p ORDER BY id`, `FETCH 2 FROM c`, `FETCH ALL FROM c`, `ROLLBACK`},
		{`BEGIN`, `DECLARE c BINARY CURSOR FOR SELECT to_jsonb(p), row_to_json(p) FROM lab.patient p ORDER BY id`, `FETCH ALL FROM c`, `ROLLBACK`},
		{`BEGIN`, `DECLARE c CURSOR WITH HOLD FOR SELECT x.j FROM (SELECT json_agg(p ORDER BY id) AS j FROM lab.patient p) x`, `COMMIT`, `FETCH ALL FROM c`, `CLOSE c`},
		{`PREPARE p AS SELECT json_build_object('a', nir, 'b', $2::text) FROM lab.patient WHERE nir = $1`, `EXECUTE p('1234', 'x')`, `DEALLOCATE p`},
		{`PREPARE p AS UPDATE lab.patient SET last_name = $1 WHERE id = 1 RETURNING row_to_json(patient)`, `EXECUTE p('Durand')`, `DEALLOCATE p`},
		{`SET client_encoding TO 'LATIN1'`, `SELECT to_jsonb(p), json_build_object('n', last_name, 'c', city) FROM lab.patient p ORDER BY id`, `RESET client_encoding`},
	})
}

// TestCarriedJSONVerdicts: what carries JSON shows of it what its role may read, and
// compares, sorts, stores or takes apart nothing of it.
func TestCarriedJSONVerdicts(t *testing.T) {
	s, through, _ := cardPair(t)
	fresh := func(sql string) string { return strings.ReplaceAll(show(t, s.Connect(t, "secretary"), sql), " ", "") }
	for sql, want := range map[string]string{
		`SELECT x.j FROM (SELECT json_build_object('a', nir, 'b', last_name)::text AS j FROM lab.patient WHERE id = 1) x`: `{"a":"1**************","b":"Lefèvre"}`,
		`SELECT card FROM lab.cards WHERE id = 1`:                                                   `{"nir":"1**************","city":"Paris","name":"Lefèvre"}`,
		`SELECT count(j) FROM (SELECT row_to_json(r) AS j FROM lab.result r) x`:                     `42501`,
		`BEGIN; DECLARE c CURSOR FOR SELECT row_to_json(r) FROM lab.result r`:                       `42501`,
		`SELECT results FROM lab.kept_cards`:                                                        `42501`,
		`SELECT id FROM lab.patient p WHERE to_jsonb(p) = '{}'`:                                     `0A000`,
		`SELECT id FROM lab.cards WHERE card = '{}'`:                                                `0A000`,
		`SELECT id FROM lab.cards WHERE card ->> 'nir' = 'x'`:                                       `0A000`,
		`SELECT id FROM lab.cards WHERE card @> '{"nir": "x"}'`:                                     `0A000`,
		`SELECT id FROM lab.cards WHERE card IN (SELECT card FROM lab.cards)`:                       `0A000`,
		`SELECT count(*) FROM lab.cards GROUP BY card`:                                              `0A000`,
		`SELECT count(DISTINCT card) FROM lab.cards`:                                                `0A000`,
		`SELECT DISTINCT card FROM lab.cards`:                                                       `0A000`,
		`SELECT id FROM lab.cards ORDER BY card`:                                                    `0A000`,
		`SELECT row_number() OVER (PARTITION BY card) FROM lab.cards`:                               `0A000`,
		`SELECT card FROM lab.cards UNION SELECT card FROM lab.cards`:                               `0A000`,
		`SELECT card FROM lab.cards EXCEPT ALL SELECT card FROM lab.cards`:                          `0A000`,
		`SELECT card::varchar(3) FROM lab.cards`:                                                    `0A000`,
		`SELECT length(card::text) FROM lab.cards`:                                                  `0A000`,
		`SELECT card::text || 'x' FROM lab.cards`:                                                   `0A000`,
		`SELECT array_agg(card) FROM lab.cards`:                                                     `0A000`,
		`SELECT ARRAY(SELECT card FROM lab.cards)`:                                                  `0A000`,
		`SELECT greatest(card, '{}') FROM lab.cards`:                                                `0A000`,
		`SELECT card['nir'] FROM lab.cards`:                                                         `0A000`,
		`SELECT jsonb_build_object('a', card::text) FROM lab.cards`:                                 `0A000`,
		`SELECT coalesce(card, jsonb_build_object('nir', city)) FROM lab.cards, lab.plain`:          `42703`,
		`SELECT coalesce(c.card, to_jsonb(p.note)) FROM lab.cards c, lab.plain p`:                   `0A000`,
		`SELECT e.* FROM lab.cards c, LATERAL jsonb_each(c.card) e`:                                 `0A000`,
		`SELECT c FROM lab.cards c`:                                                                 `0A000`,
		`SELECT a.id FROM lab.cards a JOIN lab.cards b USING (card)`:                                `0A000`,
		`INSERT INTO lab.plain (id, note) SELECT id, card::text FROM lab.cards`:                     `0A000`,
		`UPDATE lab.result SET document = (SELECT card FROM lab.cards WHERE id = 1)`:                `0A000`,
		`CREATE TABLE lab.copied AS SELECT id, card FROM lab.cards`:                                 `0A000`,
		`SELECT to_json(nir) FROM lab.patient UNION ALL SELECT to_json(last_name) FROM lab.patient`: `0A000`,
		`SELECT to_json(nir) FROM lab.patient UNION ALL SELECT to_json(id) FROM lab.plain`:          `0A000`,
	} {
		if got := fresh(sql); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", sql, got, want)
		}
	}
	// A constant that is beside JSON with sealed values and looks like it is not shown as
	// if it had been one of them.
	if err := through.Exec(context.Background(), `SELECT coalesce(NULL, card, '{"nir": "1234"}') FROM lab.cards WHERE false UNION ALL SELECT '{"nir": "1234"}'`).Close(); err == nil {
		t.Error("plaintext in the place of a sealed value was shown")
	}
}
