package proxy_test

import (
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestEndOfFailedTransaction ends, in every way, a transaction that has changed the
// catalog and failed: what pgveil may want to ask first cannot be answered there.
func TestEndOfFailedTransaction(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	extended := func(sql string) messages { return messages{parse("", sql), bind("", ""), execute("", 0), sync_} }
	ends := [][]messages{
		{{query(`ROLLBACK`)}},
		{{query(`COMMIT`)}},
		{extended(`ROLLBACK`)},
		{extended(`COMMIT`)},
		{extended(``), extended(`END`)},
		{extended(`SELECT 1`), {query(`SELECT 1`)}, extended(`ROLLBACK TO a`), extended(`SELECT count(*) FROM lab.made`), {query(`ROLLBACK`)}},
		{{parse("e", `ABORT`), sync_}, {bind("", "e"), execute("", 0), sync_}, {closing('S', "e"), sync_}},
	}
	for _, ddl := range []string{`CREATE TABLE lab.made (id int)`, `CREATE TABLE lab.made (patient int)`, `CREATE SCHEMA made`} {
		for i, end := range ends {
			in := append([]messages{{query(`BEGIN`)}, {query(`SAVEPOINT a`)}, {query(ddl)}, {query(`SELECT 1/0`)}}, end...)
			in = append(in, messages{query(`SELECT 1`)})
			var answers [2][]string // one after the other: both make the same
			for k, dsn := range []string{s.Postgres.DSN("biologist", stack.Password, stack.Database), s.DSN("biologist")} {
				client := dialWire(t, dsn)
				for _, m := range in {
					answers[k] = append(answers[k], client.exchange(m...))
				}
				client.Conn.Close()
			}
			for k, want := range answers[0] {
				if answers[1][k] != want {
					t.Errorf("%s, end %d: %v gives\n%s\nwant\n%s", ddl, i, in[k], answers[1][k], want)
				}
			}
		}
	}
}
