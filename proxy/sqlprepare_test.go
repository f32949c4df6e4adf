package proxy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestSQLPrepare: PREPARE, EXECUTE and DEALLOCATE of statements that use a tagged
// table answer as they do in the clear.
func TestSQLPrepare(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	extended := func(sql string, values ...string) messages {
		return messages{parse("", sql), describe('S', ""), bind("", "", values...), describe('P', ""), execute("", 0), sync_}
	}
	binaryBind := bind("", "", nir2)
	binaryBind.PreparedStatement = "p"
	binaryBind.ResultFormatCodes = []int16{1}
	q := func(texts ...string) []messages {
		var all []messages
		for _, sql := range texts {
			all = append(all, messages{query(sql)})
		}
		return all
	}
	sameAnswers(t, s, twinOfAll(t), []conversation{
		{"search", q(`PREPARE p AS SELECT id, nir, last_name FROM lab.patient WHERE nir = $1`, `EXECUTE p('`+nir1+`')`, `EXECUTE p ('`+nir2+`'::char(15))`, `EXECUTE p(NULL)`, `EXECUTE p('none')`, `DEALLOCATE p`, `EXECUTE p('x')`)},
		{"declared types", q(`PREPARE p (text, int) AS SELECT last_name FROM lab.patient WHERE nir = $1 AND id = $2`, `EXECUTE p('`+nir1+`', 1)`, `EXECUTE p('`+nir1+`', 1 + 0)`, `EXECUTE p('`+nir1+`', 2)`)},
		{"fewer types than parameters", q(`PREPARE p (int) AS SELECT last_name FROM lab.patient WHERE id = $1 AND nir = $2`, `EXECUTE p(1, '`+nir1+`')`)},
		{"unknown types", q(`PREPARE p (unknown, unknown) AS SELECT last_name FROM lab.patient WHERE nir = $2 AND id = $1`, `EXECUTE p(1, '`+nir1+`')`)},
		{"no types, the sealed one last", q(`PREPARE p AS SELECT last_name FROM lab.patient WHERE id = $1 AND nir = $2`, `EXECUTE p(1, '`+nir1+`')`)},
		{"no parameters", q(`PREPARE p AS SELECT last_name, birth_date FROM lab.patient ORDER BY id`, `EXECUTE p`, `EXECUTE p`, `EXECUTE p()`)},
		{"insert", q(`BEGIN`, `PREPARE p (int, varchar, date) AS INSERT INTO lab.patient (id, last_name, birth_date) VALUES ($1, $2, $3) RETURNING *`, `EXECUTE p(10, 'Zoé', '1999-12-31')`, `EXECUTE p(11, NULL, NULL)`, `EXECUTE p(12, 'x'::text, date '2000-01-01')`, `EXECUTE p(10, 'again', NULL)`, `ROLLBACK`)},
		{"update, literals within", q(`BEGIN`, `PREPARE p AS UPDATE lab.patient SET last_name = 'Durand', email = $2 WHERE nir = $1 RETURNING last_name, email`, `EXECUTE p('`+nir1+`', 'a@b.c')`, `ROLLBACK`)},
		{"a number", q(`PREPARE p (text) AS SELECT id FROM lab.patient WHERE nir = $1`, `EXECUTE p(185057800608436)`, `PREPARE r AS SELECT id FROM lab.patient WHERE nir = $1`, `EXECUTE r(`+nir1+`)`)},
		{"two forms of a parameter", q(`PREPARE p (text) AS SELECT p.id, r.id FROM lab.patient p, lab.result r WHERE p.email = $1 OR r.nir = $1 ORDER BY 1, 2`, `EXECUTE p('`+nir1+`')`, `EXECUTE p('anne@exemple.fr')`, `EXECUTE p(NULL)`)},
		{"expressions", q(`PREPARE p (varchar) AS SELECT id FROM lab.patient WHERE nir = $1`, `EXECUTE p(trim(' `+nir1[:5]+`') || '`+nir1[5:]+`')`, `EXECUTE p(coalesce(NULL, '`+nir2+`'))`, `EXECUTE p(nullif('a', 'a'))`, `EXECUTE p(CASE WHEN 'a' = 'b' THEN 'x' ELSE '`+nir1+`'::varchar END)`, `EXECUTE p(substr('x`+nir2+`', 2))`)},
		{"expressions stored", q(`BEGIN`, `PREPARE p (int, text, date) AS UPDATE lab.patient SET last_name = $2, birth_date = $3 WHERE id = $1 RETURNING last_name, birth_date`, `EXECUTE p(1, upper('durand') || '-b', coalesce(NULL, date '1980-02-03'))`, `EXECUTE p(2 - 1, left('Martin-Marie', 6), NULL)`, `SAVEPOINT a`, `EXECUTE p(1, replace('x', 'x', 'yz'), '1980-02-31')`, `ROLLBACK TO a`, `ROLLBACK`)},
		{"an array", q(`PREPARE p (text[]) AS SELECT id FROM lab.patient WHERE nir = ANY($1) ORDER BY id`, `EXECUTE p('{`+nir1+`,`+nir2+`}')`)},
		{"bad values", q(`PREPARE p AS UPDATE lab.patient SET birth_date = $1 WHERE id = 2`, `EXECUTE p('2024-02-31')`, `PREPARE v (varchar, int) AS UPDATE lab.patient SET nir = $1 WHERE id = $2`, `EXECUTE v('1234567890123456', 1)`, `EXECUTE v('x', 'y')`)},
		{"wrong number of arguments", q(`PREPARE p AS SELECT id FROM lab.patient WHERE nir = $1`, `EXECUTE p`, `EXECUTE p('a', 'b')`, `PREPARE r (int, text) AS SELECT id FROM lab.patient WHERE nir = $2`, `EXECUTE r(1)`)},
		{"duplicate", q(`PREPARE p AS SELECT nir FROM lab.patient ORDER BY id`, `PREPARE p AS SELECT note FROM lab.plain`, `EXECUTE p`, `DEALLOCATE ALL`, `PREPARE p AS SELECT note FROM lab.plain`, `EXECUTE p`, `PREPARE p AS SELECT nir FROM lab.patient`, `EXECUTE p`)},
		{"a burst", []messages{{query(`PREPARE p AS SELECT nir FROM lab.patient ORDER BY id`), query(`EXECUTE p`), query(`PREPARE p AS SELECT note FROM lab.plain`), query(`EXECUTE p`), query(`DEALLOCATE p`), query(`PREPARE p AS SELECT note FROM lab.plain`), query(`EXECUTE p`), query(`DISCARD ALL`), query(`PREPARE p AS SELECT last_name FROM lab.patient`), query(`EXECUTE p`)}}},
		{"one message", q(`PREPARE p AS SELECT nir FROM lab.patient WHERE id = $1; EXECUTE p(1); EXECUTE p(2); DEALLOCATE p`, `PREPARE p AS SELECT id FROM lab.patient WHERE nir = $1; EXECUTE p('`+nir1+`')`)},
		{"not transactional", q(`BEGIN`, `PREPARE p AS SELECT nir FROM lab.patient ORDER BY id`, `ROLLBACK`, `EXECUTE p`)},
		{"fails", q(`PREPARE p AS SELECT nosuch FROM lab.patient`, `EXECUTE p`, `BEGIN`, `SELECT 1/0`, `PREPARE p AS SELECT nir FROM lab.patient`, `ROLLBACK`, `EXECUTE p`)},
		{"bound by the protocol", []messages{{query(`PREPARE p AS SELECT id, nir FROM lab.patient WHERE nir = $1`)}, {describe('S', "p"), bind("", "p", nir1), describe('P', ""), execute("", 0), sync_}, {bind("", "p", nir2), execute("", 0), sync_}, {binaryBind, execute("", 0), sync_}, {bind("", "p"), sync_}, {closing('S', "p"), sync_}, {query(`EXECUTE p('x')`)}}},
		{"untagged, bound by the protocol", []messages{{query(`PREPARE p AS SELECT note FROM lab.plain WHERE id = $1`)}, {describe('S', "p"), bind("", "p", "1"), describe('P', ""), execute("", 0), sync_}}},
		{"made by the protocol, run by SQL", []messages{{parse("p", `SELECT id, last_name FROM lab.patient WHERE nir = $1 OR id = $2 ORDER BY id`), sync_}, {query(`EXECUTE p('` + nir1 + `', 2)`)}, {query(`EXECUTE p('x')`)}, {query(`DEALLOCATE p`)}, {bind("", "p", "x", "1"), sync_}}},
		{"all by the extended protocol", []messages{extended(`PREPARE p (text) AS SELECT id, last_name FROM lab.patient WHERE nir = $1`), extended(`EXECUTE p('` + nir1 + `')`), extended(`EXECUTE p('` + nir2 + `')`), extended(`DEALLOCATE p`), extended(`EXECUTE p('x')`)}},
		{"EXECUTE prepared", []messages{{query(`PREPARE p AS SELECT last_name FROM lab.patient WHERE nir = $1`)}, {parse("e", `EXECUTE p('`+nir1+`')`), sync_}, {bind("", "e"), describe('P', ""), execute("", 0), sync_}, {bind("", "e"), execute("", 0), sync_}}},
		{"EXECUTE with a parameter", []messages{{query(`PREPARE p AS SELECT note FROM lab.plain WHERE id = $1`)}, extended(`EXECUTE p($1)`, "1")}},
		{"strings that a setting could change", q(`PREPARE p AS SELECT id FROM lab.patient WHERE nir = $1`, `SET search_path TO lab`, `EXECUTE p(U&'\003185057800608436')`, `BEGIN`, `EXECUTE p(U&' x')`, `ROLLBACK`, `DEALLOCATE ALL`, `SELECT '\101'::bytea, U&'p\0031' AS p`)},
		{"untagged", q(`PREPARE p AS SELECT * FROM lab.plain`, `EXECUTE p`, `DEALLOCATE PREPARE p`)},
		{"strange text", q("prepare/**/\"P p\" -- x\n (text) as select id from lab.patient where nir=$1", `execute "P p" ( 'x' )`, `EXECUTE "p p"('x')`)},
	})
}

// TestSQLPrepareRefused: what is not sealed exactly is not sent; roles count when
// EXECUTE runs; a name that has come to mean something else is found.
func TestSQLPrepareRefused(t *testing.T) {
	ctx := context.Background()
	s := attackStack(t)
	change := func(sql ...string) {
		t.Helper()
		if err := s.Postgres.ExecIn(ctx, stack.Database, sql...); err != nil {
			t.Fatal(err)
		}
	}
	change(`CREATE VIEW lab.shown AS SELECT id, NULL::bytea AS x FROM lab.plain`, `GRANT SELECT ON lab.shown TO biologist`, `GRANT secretary, researcher TO biologist`,
		`CREATE PROCEDURE other.run(q text) LANGUAGE plpgsql AS $$ BEGIN EXECUTE q; END $$`)
	if err := s.Server.Check(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name       string
		in         []messages
		want, none string
	}{
		{"an expression", []messages{{query(`PREPARE p AS INSERT INTO lab.patient (id, last_name) VALUES (90, $1)`)}, {query(`EXECUTE p('Quasi' || 'modo' || now())`)}}, "0A000", "INSERT 0 1"},
		{"a function", []messages{{query(`PREPARE p AS INSERT INTO lab.patient (id, last_name) VALUES (90, $1)`)}, {query(`EXECUTE p(initcap('Quasimodo'))`)}}, "0A000", "INSERT 0 1"},
		{"in the clear, too", []messages{{query(`PREPARE p AS SELECT id FROM lab.patient WHERE nir = $1 AND length($1) = 3`)}}, "0A000", "PREPARE"},
		{"CREATE TABLE AS", []messages{{query(`PREPARE p AS SELECT last_name FROM lab.patient`)}, {query(`CREATE TABLE lab.copied AS EXECUTE p`)}}, "0A000", "SELECT 2"},
		{"EXPLAIN CREATE TABLE AS", []messages{{query(`PREPARE p AS SELECT last_name FROM lab.patient`)}, {query(`EXPLAIN ANALYZE CREATE TABLE lab.copied AS EXECUTE p`)}}, "0A000", "EXPLAIN"},
		{"denied", []messages{{query(`PREPARE p AS SELECT email FROM lab.patient`)}, {query(`SET ROLE researcher`)}, {query(`EXECUTE p`)}}, "42501", "DataRow"},
		{"denied, bound", []messages{{query(`PREPARE p AS SELECT email FROM lab.patient`)}, {query(`SET ROLE researcher`)}, {bind("", "p"), execute("", 0), sync_}}, "42501", "DataRow"},
		{"masked", []messages{{query(`PREPARE p AS SELECT nir FROM lab.patient ORDER BY id`)}, {query(`SET ROLE secretary`)}, {query(`EXECUTE p`)}}, `"1**************"`, nir1},
		{"EXPLAIN denied", []messages{{query(`PREPARE p AS SELECT email FROM lab.patient`)}, {query(`SET ROLE researcher`)}, {query(`EXPLAIN EXECUTE p`)}}, "42501", "QUERY"},
		{"of a prepared FETCH", []messages{{query(`BEGIN`)}, {query(`DECLARE c CURSOR FOR SELECT last_name FROM lab.patient`)}, {parse("f", `FETCH c`), sync_}, {query(`EXECUTE f`)}}, "0A000", "DataRow"},
		{"prepared in a procedure", []messages{{query(`CALL other.run('PREPARE p AS SELECT last_name FROM lab.pat' || 'ient')`)}, {query(`EXECUTE p`)}}, "XX000", "DataRow"},
		{"prepared in a procedure, bound", []messages{{query(`CALL other.run('PREPARE p AS SELECT last_name FROM lab.pat' || 'ient')`)}, {bind("", "p"), execute("", 0), sync_}}, "XX000", "DataRow"},
		{"in a DO", []messages{{query(`PREPARE p AS INSERT INTO lab.patient (id, last_name) VALUES (90, $1)`)}, {query(`DO $$ BEGIN EXECUTE 'EXECUTE p(''Quasimodo'')'; END $$`)}}, "0A000", "CommandComplete DO"},
		{"redefined since it was prepared", []messages{{query(`PREPARE p AS SELECT last_name FROM lab.patient`)}, {parse("e", `EXECUTE p`), sync_}, {query(`DEALLOCATE p`)}, {query(`PREPARE p AS SELECT note FROM lab.plain`)}, {bind("", "e"), execute("", 0), sync_}}, "0A000", "DataRow"},
		{"under another search_path", []messages{{query(`SET search_path TO other`)}, {query(`PREPARE p AS INSERT INTO patient (id, nir) VALUES (999, $1)`)}, {query(`SET search_path TO lab`)}, {query(`EXECUTE p('Quasimodo')`)}}, "0A000", "INSERT 0 1"},
		{"under another search_path, tagged first", []messages{{query(`SET search_path TO lab`)}, {query(`PREPARE p AS SELECT nir FROM patient`)}, {query(`SET search_path TO other`)}, {query(`EXECUTE p`)}}, "0A000", "DataRow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := dialWire(t, s.DSN("biologist"))
			said := ""
			for _, in := range c.in {
				said = w.everything(in)
			}
			if !strings.Contains(said, c.want) || strings.Contains(said, c.none) {
				t.Errorf("want %q, not %q:\n%s", c.want, c.none, said)
			}
		})
	}
	t.Run("a view that reaches a tagged table since", func(t *testing.T) {
		w := dialWire(t, s.DSN("biologist"))
		w.everything(messages{query(`PREPARE p AS SELECT x FROM lab.shown`), query(`PREPARE u AS SELECT nir FROM lab.patient WHERE id = 1`), parse("t", `SELECT nir FROM lab.patient WHERE id = 1`), &pgproto3.Sync{}})
		change(`CREATE OR REPLACE VIEW lab.shown AS SELECT id, last_name AS x FROM lab.patient`, `ALTER TABLE lab.patient RENAME COLUMN nir TO email2`,
			`ALTER TABLE lab.patient RENAME COLUMN email TO nir`, `ALTER TABLE lab.patient RENAME COLUMN email2 TO email`)
		if err := s.Server.Check(ctx); err != nil {
			t.Log(err)
		}
		for _, in := range []messages{{query(`EXECUTE p`)}, {bind("", "p"), execute("", 0), sync_}, {query(`CREATE TABLE lab.copied AS EXECUTE p`)}} {
			if said := w.everything(in); !strings.Contains(said, "0A000") || strings.Contains(said, "DataRow") {
				t.Errorf("a view: %s", said)
			}
		}
	})
}

// TestPlannedAgain: a statement prepared before a change of the catalog that does not
// concern it goes on; its parameters whose type the server tells, too.
func TestPlannedAgain(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	w := dialWire(t, s.DSN("biologist"))
	w.exchange(parse("d", `SELECT id, last_name FROM lab.patient WHERE city = $1 OR nir = $1 ORDER BY id`), parse("s", `SELECT nir FROM lab.patient WHERE nir = $1`), sync_,
		query(`PREPARE p (text) AS SELECT last_name FROM lab.patient WHERE nir = $1`))
	if err := s.Postgres.ExecIn(context.Background(), stack.Database, `CREATE TABLE lab.another (id int)`, `ALTER TABLE lab.patient ADD COLUMN note text`); err != nil {
		t.Fatal(err)
	}
	if err := s.Server.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, in := range []messages{
			{bind("", "d", nir1), execute("", 0), sync_}, {bind("", "s", nir1), execute("", 0), sync_}, {query(`EXECUTE p('` + nir1 + `')`)}, {bind("", "p", nir1), describe('P', ""), execute("", 0), sync_}, {query(`EXECUTE s('` + nir1 + `')`)},
		} {
			if got := w.exchange(in...); !strings.Contains(got, "DataRow") || strings.Contains(got, "ErrorResponse") {
				t.Errorf("%s", got)
			}
		}
	}
}
