package proxy_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestAttackMissing: the values meant for a prepared statement that is not there, because
// its PREPARE was refused or because it was made in a session that is over, do not reach
// the server. One that a function has made runs.
func TestAttackMissing(t *testing.T) {
	s := attackStack(t)
	const missing = `ErrorResponse ERROR 26000 "prepared statement \"s\" does not exist"`
	secret := secretOf(0)
	for name, c := range map[string]struct {
		before string
		in     messages
	}{
		"never made":      {`SELECT 1`, messages{query(`EXECUTE s('` + secret + `')`)}},
		"refused":         {`PREPARE s (text) AS INSERT INTO lab.patient (id, last_name) VALUES (9, md5($1) || random())`, messages{query(`EXECUTE s('` + secret + `')`)}},
		"EXPLAIN":         {`SELECT 1`, messages{query(`EXPLAIN EXECUTE s('` + secret + `')`)}},
		"CREATE TABLE AS": {`SELECT 1`, messages{query(`CREATE TABLE other.x AS EXECUTE s($$` + secret + `$$)`)}},
		"deallocated":     {`PREPARE s (text) AS INSERT INTO lab.patient (id, last_name) VALUES (9, $1); DEALLOCATE s`, messages{query(`SELECT 1; EXECUTE s('` + secret + `')`)}},
		"extended":        {`SELECT 1`, messages{parse("", `EXECUTE s('`+secret+`')`), bind("", ""), execute("", 0), sync_}},
		"a parameter":     {`SELECT 1`, messages{parse("", `EXECUTE s($1)`), bind("", "", secret), execute("", 0), sync_}},
		"Bind":            {`SELECT 1`, messages{bind("", "s", secret), execute("", 0), sync_}},
		"Bind in a pipeline": {`SELECT 1`, messages{
			parse("", `SELECT 1`), bind("", ""), execute("", 0), bind("", "s", secret), execute("", 0), sync_,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c1 := dialWire(t, s.DSN("biologist"))
			c1.everything(messages{query(c.before)})
			if said := c1.everything(c.in); !strings.Contains(said, missing) {
				t.Error(said)
			}
			if line := logged(t, s, secret); line != "" {
				t.Fatalf("reached the server: %s", line)
			}
			failed := c1.everything(append(messages{query(`BEGIN`), query(`SELECT 1/0`)}, c.in...))
			if line := logged(t, s, secret); line != "" {
				t.Fatalf("in a failed transaction, reached the server: %s", line)
			}
			want := "25P02"
			if name == "Bind" { // looks for the statement before it asks about the transaction
				want = missing
			}
			if !strings.Contains(failed, want) {
				t.Errorf("in a failed transaction, want %s: %s", want, failed)
			}
		})
	}
	c := dialWire(t, s.DSN("biologist"))
	for _, in := range []messages{
		{query(`DO $$ BEGIN EXECUTE 'PREPARE "it''s \" (text) AS SELECT $1'; END $$`), query(`EXECUTE "it's \"('7')`)},
		{bind("", `it's \`, "7"), execute("", 0), sync_},
		{query(`EXPLAIN EXECUTE "it's \"('7')`)},
		{&pgproto3.Parse{Query: `EXECUTE "it's \"('7')`}, bind("", ""), execute("", 0), sync_},
	} {
		if said := c.everything(in); strings.Contains(said, "ErrorResponse") {
			t.Error(said)
		}
	}
}
