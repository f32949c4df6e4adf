package proxy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestExplain: EXPLAIN of what uses a tagged table shows the plan that a server shows
// in the clear; with ANALYZE it does what the statement does.
func TestExplain(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	extended := func(sql string, values ...string) messages {
		return messages{parse("", sql), describe('S', ""), bind("", "", values...), describe('P', ""), execute("", 0), sync_}
	}
	sameAnswers(t, s, twinOfAll(t), []conversation{
		{"select", []messages{{query(`EXPLAIN (COSTS OFF) SELECT last_name, nir FROM lab.patient WHERE id = 1`)}}},
		{"verbose", []messages{{query(`EXPLAIN (COSTS OFF, VERBOSE, FORMAT yaml) SELECT last_name FROM lab.patient p WHERE id = 1`)}}},
		{"insert", []messages{{query(`BEGIN`)}, {query(`EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) INSERT INTO lab.patient (id, nir) VALUES (80, '170017500100101')`)}, {query(`SELECT nir FROM lab.patient WHERE id = 80`)}, {query(`ROLLBACK`)}}},
		{"update returning", []messages{{query(`BEGIN`)}, {query(`EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) UPDATE lab.patient SET last_name = 'x' WHERE id = 1 RETURNING last_name`)}, {query(`SELECT last_name FROM lab.patient WHERE id = 1`)}, {query(`ROLLBACK`)}}},
		{"extended", []messages{extended(`EXPLAIN (COSTS OFF) SELECT last_name FROM lab.patient WHERE id = $1`, "1"), extended(`EXPLAIN (COSTS OFF) DELETE FROM lab.patient WHERE id = 1 RETURNING nir`)}},
		{"execute", []messages{{query(`PREPARE p AS SELECT last_name FROM lab.patient WHERE id = $1 AND nir IS NOT NULL`)}, {query(`EXPLAIN (COSTS OFF) EXECUTE p(1)`)}, extended(`EXPLAIN (COSTS OFF) EXECUTE p(1)`), {query(`EXPLAIN EXECUTE nosuch(1)`)}}},
		{"a cursor", []messages{{query(`EXPLAIN (COSTS OFF) DECLARE c CURSOR FOR SELECT last_name FROM lab.patient WHERE id = 1`)}, {query(`FETCH c`)}}},
		{"utility statements", []messages{{query(`BEGIN`)}, {query(`LOCK lab.patient IN SHARE MODE`)}, {query(`TRUNCATE lab.patient, lab.result`)}, {query(`SELECT * FROM lab.patient`)}, {query(`ROLLBACK`)}}},
		{"several in one message", []messages{{query(`SET statement_timeout = 10000; BEGIN; SET LOCAL lock_timeout = '5s'; LOCK lab.patient; SELECT nir FROM lab.patient WHERE id = 1; COMMIT`)}}},
	})
	c := dialWire(t, s.DSN("biologist"))
	for _, format := range []string{"text", "json", "yaml", "xml"} {
		for _, output := range []string{"hex", "escape"} {
			got := c.exchange(query(`SET bytea_output TO `+output), query(`EXPLAIN (FORMAT `+format+`) SELECT id FROM lab.patient WHERE nir = '`+nir1+`' AND email <> 'x'`))
			for _, sealed := range sealedMarks() {
				if strings.Contains(got, sealed) {
					t.Errorf("%s, %s: %s", format, output, got)
				}
			}
			if !strings.Contains(got, "(sealed)") || strings.Contains(got, nir1) {
				t.Errorf("%s, %s: %s", format, output, got)
			}
		}
	}
}

// TestExplainRights: what a role may not do it may not have explained.
func TestExplainRights(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	if err := s.Postgres.ExecIn(context.Background(), stack.Database, `ANALYZE lab.patient`); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ role, sql, want string }{
		{"researcher", `EXPLAIN SELECT email FROM lab.patient`, "42501"},
		{"researcher", `EXPLAIN SELECT id FROM lab.patient WHERE nir = '` + nir1 + `'`, "42501"},
		{"researcher", `EXPLAIN SELECT id FROM lab.patient WHERE nir IS NULL`, "42501"},
		{"researcher", `EXPLAIN DECLARE c CURSOR FOR SELECT email FROM lab.patient`, "42501"},
		{"researcher", `EXPLAIN ANALYZE INSERT INTO lab.patient (id, nir) VALUES (80, 'x')`, "42501"},
		{"secretary", `EXPLAIN SELECT id FROM lab.patient WHERE nir = '` + nir1 + `'`, ""},
		{"secretary", `EXPLAIN (ANALYZE) SELECT last_name FROM lab.patient`, ""},
	} {
		got := show(t, s.Connect(t, c.role), c.sql)
		if c.want != "" && got != c.want || c.want == "" && len(got) == 5 {
			t.Errorf("%s: %s: %q", c.role, c.sql, got)
		}
	}
}
