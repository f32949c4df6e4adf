package proxy_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/testenv/stack"
)

const cursorQuery = `SELECT id, nir, last_name, birth_date, city FROM lab.patient ORDER BY id`

// TestCursors: DECLARE, FETCH, MOVE and CLOSE over a tagged table answer as they do in
// the clear.
func TestCursors(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	begin, commit, rollback := query(`BEGIN`), query(`COMMIT`), query(`ROLLBACK`)
	declare := query(`DECLARE c CURSOR FOR ` + cursorQuery)
	scroll := query(`DECLARE c SCROLL CURSOR FOR ` + cursorQuery)
	hold := query(`DECLARE c CURSOR WITH HOLD FOR ` + cursorQuery)
	fetch, all := query(`FETCH c`), query(`FETCH ALL FROM c`)
	binaryBind := bind("", "")
	binaryBind.ResultFormatCodes = []int16{1}
	extended := func(sql string, values ...string) messages {
		return messages{parse("", sql), describe('S', ""), bind("", "", values...), describe('P', ""), execute("", 0)}
	}
	sameAnswers(t, s, twinOfAll(t), []conversation{
		{"forwards", []messages{{begin}, {declare}, {fetch}, {fetch}, {fetch}, {commit}, {fetch}}},
		{"all and in one burst", []messages{{begin, declare, all, query(`CLOSE c`), all, rollback}}},
		{"in one message", []messages{{query(`BEGIN; DECLARE c CURSOR FOR ` + cursorQuery + `; FETCH 1 FROM c; FETCH NEXT IN c; CLOSE c; COMMIT`)}, {fetch}}},
		{"scroll", []messages{{begin}, {scroll}, {query(`FETCH LAST c`)}, {query(`FETCH PRIOR c`)}, {query(`FETCH ABSOLUTE 2 FROM c`)}, {query(`FETCH RELATIVE -1 c`)}, {query(`FETCH BACKWARD ALL c`)}, {query(`MOVE FORWARD ALL IN c`)}, {query(`FETCH FIRST c`)}, {commit}}},
		{"not scrollable", []messages{{begin}, {query(`DECLARE c NO SCROLL CURSOR FOR ` + cursorQuery)}, {fetch}, {query(`FETCH PRIOR c`)}, {rollback}}},
		{"move", []messages{{begin}, {declare}, {query(`MOVE 1 c`)}, {fetch}, {query(`MOVE c`)}, {commit}}},
		{"binary", []messages{{begin}, {query(`DECLARE c BINARY CURSOR FOR SELECT id, nir, birth_date FROM lab.patient ORDER BY id`)}, {all}, append(messages{}, append(extended(`FETCH FIRST c`), sync_)...), {execute("c", 1), sync_}, {commit}}},
		{"with hold", []messages{{begin}, {hold}, {fetch}, {commit}, {fetch}, {begin}, {fetch}, {rollback}, {query(`CLOSE c`)}, {fetch}}},
		{"with hold, no transaction", []messages{{hold}, {fetch}, {query(`FETCH 5 c`)}, {query(`CLOSE ALL`)}, {fetch}}},
		{"with hold, rolled back", []messages{{begin}, {hold}, {rollback}, {fetch}}},
		{"with hold, a duplicate", []messages{{hold}, {begin}, {query(`DECLARE c CURSOR FOR SELECT 1`)}, {rollback}, {fetch}, {query(`CLOSE c`)}}},
		{"with hold, discarded", []messages{{hold}, {query(`DISCARD ALL`)}, {fetch}, {query(`DECLARE c CURSOR WITH HOLD FOR SELECT note FROM lab.plain`)}, {fetch}}},
		{"no transaction", []messages{{declare}, {fetch}}},
		{"savepoints", []messages{{begin}, {query(`SAVEPOINT a`)}, {declare}, {fetch}, {query(`ROLLBACK TO a`)}, {fetch}, {rollback}, {begin}, {query(`DECLARE c CURSOR FOR SELECT note FROM lab.plain`)}, {all}, {commit}}},
		{"a savepoint within", []messages{{begin}, {declare}, {query(`SAVEPOINT a`)}, {fetch}, {query(`ROLLBACK TO a`)}, {fetch}, {commit}}},
		{"closed in a savepoint, declared over another table", []messages{{begin}, {declare}, {query(`SAVEPOINT a`)}, {query(`CLOSE c`)}, {query(`DECLARE c CURSOR FOR SELECT note, nir FROM lab.plain`)}, {fetch}, {query(`ROLLBACK TO a`)}, {fetch}, {rollback}}},
		{"a name again, pipelined", []messages{{begin, declare, fetch, query(`CLOSE c`), query(`DECLARE c CURSOR FOR SELECT outcome FROM lab.result ORDER BY id`), all, query(`CLOSE c`), query(`DECLARE c CURSOR FOR SELECT nir FROM lab.plain`), all, commit}}},
		{"a duplicate, pipelined", []messages{{begin, declare, query(`SAVEPOINT a`), query(`DECLARE c CURSOR FOR SELECT nir FROM lab.plain`), query(`ROLLBACK TO a`), fetch, commit}}},
		{"a duplicate the other way, pipelined", []messages{{begin, query(`DECLARE c CURSOR FOR SELECT nir FROM lab.plain`), query(`SAVEPOINT a`), declare, query(`ROLLBACK TO a`), fetch, commit}}},
		{"search by a literal", []messages{{begin}, {query(`DECLARE c CURSOR FOR SELECT last_name FROM lab.patient WHERE nir = '` + nir2 + `'`)}, {all}, {commit}}},
		{"current of", []messages{{begin}, {query(`DECLARE c CURSOR FOR SELECT id, last_name FROM lab.patient WHERE id = 2 FOR UPDATE`)}, {fetch}, {query(`UPDATE lab.patient SET last_name = 'Durand' WHERE CURRENT OF c RETURNING last_name`)}, {rollback}}},
		{"quoted and folded names", []messages{{begin}, {query(`DECLARE "C d" CURSOR FOR ` + cursorQuery)}, {query(`FETCH "C d"`)}, {query(`FETCH "c d"`)}, {rollback}, {begin}, {query(`DECLARE Cc CURSOR FOR ` + cursorQuery)}, {query(`FETCH cC`)}, {rollback}}},
		{"extended", []messages{{begin}, append(extended(`DECLARE c CURSOR FOR SELECT nir, last_name FROM lab.patient WHERE nir = $1`, nir1), sync_), append(extended(`FETCH 1 FROM c`), sync_), append(extended(`FETCH ALL FROM c`), sync_), append(extended(`CLOSE c`), sync_), append(extended(`FETCH c`), sync_), {rollback}}},
		{"extended, one sequence", []messages{append(append(append(extended(`BEGIN`), extended(`DECLARE c CURSOR FOR `+cursorQuery)...), extended(`FETCH 2 c`)...), append(extended(`COMMIT`), sync_)...)}},
		{"extended, binary results", []messages{{begin}, {declare}, {parse("", `FETCH ALL c`), binaryBind, describe('P', ""), execute("", 0), sync_}, {commit}}},
		{"extended, prepared once", []messages{{begin}, {declare}, {parse("f", `FETCH 1 c`), sync_}, {bind("", "f"), execute("", 0), sync_}, {bind("", "f"), describe('P', ""), execute("", 0), sync_}, {commit}, {begin}, {query(`DECLARE c CURSOR FOR SELECT note FROM lab.plain`)}, {bind("", "f"), execute("", 0), sync_}, {rollback}}},
		{"extended, row limit", []messages{{begin}, {declare}, {parse("", `FETCH ALL c`), bind("p", ""), execute("p", 1), sync_}, {execute("p", 1), sync_}, {execute("p", 1), sync_}, {commit}}},
		{"a cursor as a portal", []messages{{begin}, {declare}, {describe('P', "c"), execute("c", 1), sync_}, {fetch}, {execute("c", 0), sync_}, {closing('P', "c"), sync_}, {fetch}, {rollback}}},
		{"a portal as a cursor", []messages{{begin}, {parse("", cursorQuery), bind("p", ""), sync_}, {query(`FETCH 1 p`)}, {query(`MOVE 1 p`)}, {query(`FETCH p`)}, {query(`CLOSE p`)}, {execute("p", 0), sync_}, {rollback}}},
		{"an unknown cursor", []messages{{fetch}, {begin}, {fetch}, {rollback}, {execute("c", 0), sync_}, append(extended(`FETCH c`), sync_), append(extended(`MOVE c`), sync_)}},
		{"an untagged cursor", []messages{{begin}, {query(`DECLARE c CURSOR FOR SELECT * FROM lab.plain`)}, {fetch}, {execute("c", 0), sync_}, {commit}}},
		{"a failed transaction", []messages{{begin}, {declare}, {query(`SELECT 1/0`)}, {fetch}, append(extended(`FETCH c`), sync_), {rollback}}},
		{"bad values", []messages{{begin}, {query(`DECLARE c CURSOR FOR SELECT id FROM lab.patient WHERE nir = 'x' AND id = 'y'`)}, {rollback}}},
	})
}

// TestCursorVerdicts: the role at the time of FETCH counts, and that of DECLARE.
func TestCursorVerdicts(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	if err := s.Postgres.ExecIn(context.Background(), stack.Database, `GRANT secretary, researcher TO biologist`,
		`CREATE FUNCTION lab.opened(c refcursor, q text) RETURNS refcursor LANGUAGE plpgsql AS $$ BEGIN OPEN c FOR EXECUTE q; RETURN c; END $$`); err != nil {
		t.Fatal(err)
	}
	if err := s.Server.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	hidden := `'SELECT last_name FROM lab.pat' || 'ient'`
	for _, c := range []struct {
		name       string
		in         []string
		want, none string
	}{
		{"masked", []string{`BEGIN`, `DECLARE c CURSOR FOR SELECT nir FROM lab.patient ORDER BY id`, `SET ROLE secretary`, `FETCH c`}, `DataRow ["1**************"]`, nir1},
		{"hidden", []string{`BEGIN`, `DECLARE c CURSOR FOR SELECT nir FROM lab.patient ORDER BY id`, `SET ROLE researcher`, `FETCH c`}, `DataRow [""]`, nir1},
		{"denied at FETCH", []string{`BEGIN`, `DECLARE c CURSOR FOR SELECT email FROM lab.patient ORDER BY id`, `SET ROLE researcher`, `FETCH c`}, `42501`, "anne@"},
		{"denied at MOVE", []string{`BEGIN`, `DECLARE c CURSOR FOR SELECT email FROM lab.patient ORDER BY id`, `SET ROLE researcher`, `MOVE c`}, `42501`, "MOVE 1"},
		{"denied at DECLARE", []string{`BEGIN`, `SET ROLE researcher`, `DECLARE c CURSOR FOR SELECT email FROM lab.patient ORDER BY id`, `RESET ROLE`, `FETCH c`}, `42501`, "anne@"},
		{"with hold", []string{`DECLARE c CURSOR WITH HOLD FOR SELECT last_name, nir FROM lab.patient ORDER BY id`, `SET ROLE researcher`, `FETCH c`}, `DataRow ["" ""]`, "Lef"},
		{"role in the same message", []string{`BEGIN`, `DECLARE c CURSOR FOR SELECT nir FROM lab.patient ORDER BY id`, `SET ROLE researcher; FETCH c`}, `DataRow [""]`, nir1},
		{"a portal under another role", []string{`BEGIN`, `DECLARE c CURSOR FOR SELECT email FROM lab.patient ORDER BY id`, `SET ROLE researcher`, `\execute c`}, `42501`, "anne@"},
		{"opened in a function", []string{`BEGIN`, `SELECT lab.opened('c', ` + hidden + `)`, `FETCH c`}, `XX000`, "DataRow [\"\\\\x"},
		{"opened in a function, as a portal", []string{`BEGIN`, `SELECT lab.opened('c', ` + hidden + `)`, `\execute c`}, `XX000`, "DataRow [\"\\\\x"},
		{"opened in a function, extended FETCH", []string{`BEGIN`, `SELECT lab.opened('c', ` + hidden + `)`, `\extended FETCH c`}, `XX000`, "DataRow [\"\\\\x"},
		{"opened in a function over a plain table", []string{`BEGIN`, `SELECT lab.opened('c', 'SELECT note FROM lab.plain')`, `FETCH c`}, `DataRow ["a note"]`, "XX000"},
		{"opened in a function under the name of another", []string{`BEGIN`, `DECLARE c CURSOR FOR SELECT nir FROM lab.patient`, `CLOSE c`, `SELECT lab.opened('c', ` + hidden + `)`, `FETCH c`}, `XX000`, "DataRow [\"\\\\x"},
		{"in a DO", []string{`BEGIN`, `DECLARE c CURSOR FOR SELECT last_name FROM lab.patient`, `DO $$ DECLARE r refcursor := 'c'; x bytea; BEGIN FETCH r INTO x; RAISE NOTICE '%', x; END $$`}, `0A000`, `\\x`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := dialWire(t, s.DSN("biologist"))
			var all []string
			for _, sql := range c.in {
				in := messages{query(sql)}
				if name, ok := strings.CutPrefix(sql, `\execute `); ok {
					in = messages{execute(name, 0), sync_}
				}
				if sql, ok := strings.CutPrefix(sql, `\extended `); ok {
					in = messages{parse("", sql), bind("", ""), execute("", 0), sync_}
				}
				all = append(all, w.exchange(in...))
			}
			said := strings.Join(all, "\n")
			if !strings.Contains(all[len(all)-1]+all[max(len(all)-3, 0)], c.want) || strings.Contains(said[strings.Index(said, "ReadyForQuery"):], c.none) {
				t.Errorf("want %q, not %q:\n%s", c.want, c.none, said)
			}
		})
	}
}

// TestCursorAudit: each FETCH that opens rows has its record, with the query behind it.
func TestCursorAudit(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	w := dialWire(t, s.DSN("biologist"))
	w.exchange(query(`BEGIN`))
	w.exchange(query(`DECLARE c CURSOR FOR SELECT last_name FROM lab.patient WHERE nir <> 'x' ORDER BY id`))
	w.exchange(query(`FETCH 1 c`))
	w.exchange(parse("", `FETCH 1 FROM c`), bind("", ""), execute("", 0), sync_)
	w.exchange(query(`MOVE 1 IN c`))
	// Nothing waits for the record of MOVE, which opens no row.
	log := auditText(t, s)
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(log, "MOVE") && time.Now().Before(deadline); log = auditText(t, s) {
		time.Sleep(10 * time.Millisecond)
	}
	for _, said := range []string{`FETCH ? c: DECLARE c CURSOR`, `FETCH ? FROM c: DECLARE c CURSOR`, `MOVE ? IN c: DECLARE c CURSOR`} {
		at := strings.Index(log, said)
		if at < 0 {
			t.Errorf("no record of %q:\n%s", said, log)
			continue
		}
		line := log[strings.LastIndexByte(log[:at], '\n')+1:]
		if line, _, _ = strings.Cut(line, "\n"); !strings.Contains(line, `"column":"lab.patient.last_name"`) {
			t.Errorf("the record names no column: %s", line)
		}
	}
}
