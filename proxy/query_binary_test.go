package proxy_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// TestQueryOfManyRows: a Query that gives many rows is sent in messages of the extended protocol,
// and to the client is the Query that it was: among other messages, in transactions, when it fails, and in
// what it leaves of the unnamed statement and portal.
func TestQueryOfManyRows(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	clear := twinOfAll(t)
	all := `SELECT id, nir, last_name FROM lab.patient ORDER BY id`
	fails := `SELECT nir, 1 / (id - 2) FROM lab.patient ORDER BY id` // behind the first row
	byNIR := `SELECT id, nir FROM lab.patient WHERE nir = $1`
	sameAnswers(t, s, clear, []conversation{
		{"alone", []messages{{query(all)}, {query(`SELECT nir FROM lab.patient ORDER BY id DESC;`)}}},
		{"in a row", []messages{{query(all), query(all), query(`SELECT 1`), query(all)}}},
		{"in a transaction", []messages{{query(`BEGIN`)}, {query(all)}, {query(all), query(`COMMIT`)}}},
		{"fails", []messages{{query(fails), query(all)}, {query(`BEGIN`)}, {query(fails), query(all)}, {query(all)}, {query(`ROLLBACK`)}, {query(all)}}},
		{"cannot be parsed", []messages{{query(`SELECT nir, nosuch FROM lab.patient`)}, {query(all)}}},
		{"has a parameter", []messages{{query(`SELECT nir, 'é', $1, $2 FROM lab.patient`)}, {query(all)}}},
		{"among messages", []messages{{parse("", byNIR), bind("", "", nir1), execute("", 0), query(all), sync_}, {query(all), parse("", byNIR), bind("", "", nir1), execute("", 0), sync_}}},
		{"skipped", []messages{{parse("", `SELECT nosuch`), skipped{query(all)}, sync_}, {query(all)}}},
		{"takes the unnamed statement", []messages{{parse("", byNIR), sync_}, {query(all)}, {bind("", "", nir1), execute("", 0), sync_}}},
		{"and when it fails", []messages{{parse("", `SELECT 1, 2`), sync_}, {query(fails)}, {describe('S', ""), sync_}, {bind("", ""), execute("", 0), sync_}}},
		{"and before it runs", []messages{{parse("", `SELECT 1`), sync_}, {query(`SELECT nir, nosuch FROM lab.patient`)}, {bind("", ""), execute("", 0), sync_}}},
		{"takes the unnamed portal", []messages{{query(`BEGIN`)}, {parse("", byNIR), bind("", "", nir1), sync_}, {query(all)}, {execute("", 0), sync_}, {query(`ROLLBACK`)}}},
		{"leaves those with names", []messages{{query(`BEGIN`)}, {parse("a", byNIR), bind("p", "a", nir1), sync_}, {query(all)}, {execute("p", 0), sync_}, {bind("", "a", nir2), execute("", 0), sync_}, {query(`COMMIT`)}}},
		{"notices", []messages{{query(`CREATE FUNCTION lab.noted() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'here'; RETURN 1; END $$`)}, {query(`SELECT nir, lab.noted() FROM lab.patient ORDER BY id`)}}},
	})
}

// skipped is a Query that gets no answer.
type skipped struct{ pgproto3.FrontendMessage }

// TestQueryLearns: how a Query is asked follows from how many rows it gave the last time.
func TestQueryLearns(t *testing.T) {
	s := stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}})
	fill(t, s)
	conn := connectPg(t, s.DSN("biologist"))
	n := 0
	asked := func(sql, want string, rows int) {
		t.Helper()
		n++
		mark := fmt.Sprintf("/* no %d */", n)
		results, err := conn.Exec(t.Context(), mark+sql).ReadAll()
		if err != nil || len(results) != 1 || len(results[0].Rows) != rows {
			t.Fatal(sql, len(results[0].Rows), err)
		}
		for _, row := range results[0].Rows {
			if v := string(row[0]); v != nir1 && v != nir2 {
				t.Fatalf("%s: %q", sql, v)
			}
		}
		if format := results[0].FieldDescriptions[0].Format; format != 0 {
			t.Errorf("%s: format %d", sql, format)
		}
		log, err := os.ReadFile(s.Postgres.LogFile())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(log), want+": "+mark) {
			t.Errorf("%s was not asked as %s", sql, want)
		}
	}
	const query, extended = "statement", "execute <unnamed>"
	byID := `SELECT p.nir FROM lab.patient p, generate_series(1, %d) WHERE p.id = 1`
	asked(`SELECT nir FROM lab.patient WHERE id = 1`, query, 1)
	asked(`SELECT nir FROM lab.patient LIMIT 1`, query, 1)
	asked(`SELECT nir FROM lab.patient`, extended, 2)
	asked(`SELECT nir FROM lab.patient`, query, 2)
	asked(fmt.Sprintf(byID, 255), query, 255)
	asked(fmt.Sprintf(byID, 256), query, 256)
	asked(fmt.Sprintf(byID, 300), extended, 300)
	asked(fmt.Sprintf(byID, 5), extended, 5)
	asked(fmt.Sprintf(byID, 5), query, 5)
}
