package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/testenv/stack"
)

// withFormats asks for the results of a Bind in these formats.
func withFormats(b *pgproto3.Bind, formats ...int16) *pgproto3.Bind {
	b.ResultFormatCodes = formats
	return b
}

// TestTellingIsNotSeen: what pgveil asks for to know of whom the rows are changes nothing of what the client gets.
func TestTellingIsNotSeen(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: subjectSchema()})
	fill(t, s)
	clear := twinOfAll(t)
	var conversations []conversation
	for _, sql := range []string{
		`SELECT id, last_name FROM lab.patient ORDER BY 1`,
		`SELECT id, last_name AS nir FROM lab.patient ORDER BY id`,
		`SELECT last_name FROM lab.patient p ORDER BY nir IS NULL, id`,
		`SELECT p.last_name, r.outcome FROM lab.patient p JOIN lab.result r ON r.patient = p.id ORDER BY p.id`,
		`SELECT last_name, outcome FROM lab.patient LEFT JOIN lab.result USING (id) ORDER BY id`,
		`SELECT last_name FROM lab.patient FOR UPDATE`,
		`SELECT last_name, id IS DISTINCT FROM 1 FROM lab.patient ORDER BY id`,
		`SELECT id IS NOT DISTINCT FROM 2 AS from, last_name from lab.patient -- FROM
			ORDER BY id LIMIT 1`,
		`SELECT extract(year FROM now()) > 1, last_name -- a comment
			FROM lab.patient ORDER BY id`,
		`(SELECT last_name FROM lab.patient ORDER BY id)`,
		`SELECT count(*) OVER (), last_name FROM lab.patient ORDER BY id`,
		`SELECT count(last_name) FROM lab.patient`,
		`SELECT array_agg(last_name ORDER BY id) FROM lab.patient`,
		`SELECT DISTINCT email FROM lab.patient ORDER BY email IS NULL`,
		`SELECT email FROM lab.patient GROUP BY email ORDER BY email IS NULL`,
		`SELECT email FROM lab.patient GROUP BY email HAVING count(*) > 0 ORDER BY email IS NULL`,
		`SELECT last_name FROM lab.patient WHERE id = 1 UNION ALL SELECT last_name FROM lab.patient WHERE id = 2`,
		`SELECT s.last_name FROM (SELECT id, nir, last_name FROM lab.patient) s ORDER BY id`,
		`SELECT s.last_name FROM (SELECT id, last_name FROM lab.patient) s ORDER BY id`,
		`WITH x AS (SELECT id, nir AS n, last_name FROM lab.patient) SELECT last_name FROM x ORDER BY id`,
		`SELECT b.last_name FROM lab.patient AS a (x), lab.patient b WHERE a.x = b.id ORDER BY b.id`,
		`SELECT (SELECT last_name FROM lab.patient WHERE id = 1)`,
		`SELECT last_name, (SELECT max(q.id) FROM lab.patient q WHERE q.id <= p.id) FROM lab.patient p ORDER BY id`,
		`SELECT email, (SELECT max(p.id)) FROM lab.patient p GROUP BY email, p.id ORDER BY p.id`,
		`SELECT (SELECT max(p.id)), id FROM lab.patient p`,
		`UPDATE lab.patient SET city = 'Nice' WHERE id = 1 RETURNING last_name, city -- end`,
		`INSERT INTO lab.patient (id, last_name) VALUES (9, 'Petit') RETURNING last_name;`,
		`INSERT INTO lab.plain (id, note) SELECT id + 10, city FROM lab.patient WHERE id < 3 RETURNING note`,
		`DELETE FROM lab.patient WHERE id = 9 RETURNING (last_name)`,
		`SELECT last_name, 1/(id-1) FROM lab.patient ORDER BY id DESC`,
		`SELECT last_name, nosuch FROM lab.patient`,
		`SELECT last_name FROM lab.patient WHERE id = 'x'`,
		`SELECT last_name FROM lab.patient ORDER BY city || nosuch`,
		`SELECT last_name FROM lab.patient WHERE id = 1; SELECT email, id FROM lab.patient WHERE id = 1; SELECT 1`,
	} {
		in := []messages{{query(sql)}}
		if !strings.Contains(sql, "; ") {
			sql = strings.TrimSuffix(sql, ";")
			in = append(in, messages{parse("p", sql), describe('S', "p"), sync_})
			for n, formats := range [][]int16{nil, {0}, {1}, {0, 1}, {1, 0}, {1, 1, 0}} {
				portal := fmt.Sprint("c", n)
				in = append(in, messages{withFormats(bind(portal, "p"), formats...), describe('P', portal), execute(portal, 1), execute(portal, 0), sync_})
			}
			in = append(in, messages{withFormats(bind("", "p"), 1), execute("", 0), sync_}, messages{closing('S', "p"), sync_})
			in = append(in, messages{query(`BEGIN`), query(`DECLARE d CURSOR FOR ` + sql), query(`FETCH ALL FROM d`), query(`ROLLBACK`)})
			in = append(in, messages{query(`PREPARE q AS ` + sql), query(`EXECUTE q`)})
		}
		if !strings.HasPrefix(sql, "INSERT") { // which would be there twice
			conversations = append(conversations, conversation{sql, in})
		} else {
			conversations = append(conversations, conversation{sql, in[:2]})
		}
	}
	conversations = append(conversations,
		conversation{"a portal by FETCH", []messages{
			{query(`BEGIN`)},
			{parse("", `SELECT id, last_name FROM lab.patient ORDER BY id`), bind("held", ""), execute("held", 1), sync_},
			{query(`FETCH 1 FROM held`)},
			{query(`FETCH 1 FROM held`)},
			{query(`COMMIT`)},
		}},
		conversation{"a statement by EXECUTE", []messages{
			{parse("e", `SELECT last_name FROM lab.patient WHERE id = $1`), sync_},
			{query(`EXECUTE e (1)`)},
			{query(`EXPLAIN (COSTS OFF) EXECUTE e (1)`)},
			{parse("", `EXECUTE e (2)`), withFormats(bind("", ""), 1), describe('P', ""), execute("", 0), sync_},
		}},
		conversation{"EXPLAIN", []messages{{query(`EXPLAIN (VERBOSE, COSTS OFF) SELECT last_name FROM lab.patient`)}}},
	)
	sameAnswers(t, s, clear, conversations)
}

// TestTellingNeedsTheRight: a role that may not read the subject's column on the server has its statements run as they
// are, whatever it was when they were prepared.
func TestTellingNeedsTheRight(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: subjectSchema()})
	fill(t, s)
	ddl := func(statements ...string) {
		t.Helper()
		if err := s.Postgres.ExecIn(t.Context(), s.Database, statements...); err != nil {
			t.Fatal(err)
		}
	}
	ddl(`REVOKE ALL ON lab.patient FROM secretary`, `GRANT SELECT (id, last_name), UPDATE (city) ON lab.patient TO secretary`,
		`GRANT secretary TO biologist`, `CREATE VIEW lab.people AS SELECT id, nir, last_name FROM lab.patient`,
		`GRANT SELECT ON lab.people TO biologist`, `GRANT SELECT (id, last_name) ON lab.people TO secretary`)
	unnamed := func(mark string, want int64) {
		t.Helper()
		for _, of := range statements(t, s, mark) {
			if of.Outcome.Ended != "ok" || of.Outcome.Rows != 2 || of.Outcome.Unnamed != want {
				t.Errorf("%s: %s, %d rows, %d unnamed, want %d", of.Statement, of.Outcome.Ended, of.Outcome.Rows, of.Outcome.Unnamed, want)
			}
		}
	}
	biologist, secretary := s.Connect(t, "biologist"), s.Connect(t, "secretary")
	for n, test := range []struct {
		conn    *pgx.Conn
		sql     string
		unnamed int64
	}{
		{secretary, `SELECT last_name AS %s FROM lab.patient`, 2},
		{secretary, `SELECT last_name AS %s FROM lab.people`, 2},
		{secretary, `UPDATE lab.patient SET city = 'Brest' RETURNING last_name AS %s`, 2},
		{biologist, `SELECT last_name AS %s FROM lab.patient`, 0},
		{biologist, `SELECT last_name AS %s FROM lab.people`, 0},
		{biologist, `SELECT last_name AS %s FROM (SELECT * FROM lab.people) p`, 0},
		{biologist, `UPDATE lab.patient SET city = 'Brest' RETURNING last_name AS %s`, 0},
	} {
		for way, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement} {
			mark := fmt.Sprintf("right_%d_%d", n, way)
			if rows, code := rowsOf(test.conn, fmt.Sprintf(test.sql, mark), mode); rows != 2 || code != "" {
				t.Errorf("%s: %d rows, %q", test.sql, rows, code)
			}
			unnamed(mark, test.unnamed)
		}
	}
	// What was prepared with the right is run without it.
	prepared := `SELECT last_name AS changing FROM lab.patient`
	for i, role := range []string{"biologist", "secretary", "biologist"} {
		if _, err := biologist.Exec(t.Context(), `SET ROLE `+role); err != nil {
			t.Fatal(err)
		}
		if rows, code := rowsOf(biologist, prepared, pgx.QueryExecModeCacheStatement); rows != 2 || code != "" {
			t.Errorf("step %d: %d rows, %q", i, rows, code)
		}
	}
	// A right that is taken away is seen with the catalog, here by a statement through pgveil.
	ddl(`ALTER TABLE lab.patient OWNER TO researcher`)
	owner := s.Connect(t, "researcher")
	for _, sql := range []string{`REVOKE ALL ON lab.patient FROM biologist`, `GRANT SELECT (id, last_name) ON lab.patient TO biologist`} {
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if rows, code := rowsOf(biologist, `SELECT last_name AS revoked FROM lab.patient`, pgx.QueryExecModeSimpleProtocol); rows != 2 || code != "" {
		t.Errorf("after REVOKE: %d rows, %q", rows, code)
	}
	if rows, code := rowsOf(biologist, prepared, pgx.QueryExecModeCacheStatement); rows != 2 || code != "" {
		t.Errorf("prepared, after REVOKE: %d rows, %q", rows, code)
	}
	unnamed("revoked", 2)
}
