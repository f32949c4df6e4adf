package proxy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// TestAttackCommitGoesOn: DDL that is committed is known to other sessions although
// ReadyForQuery says that a transaction is open, and before it says anything.
func TestAttackCommitGoesOn(t *testing.T) {
	s := stack.Start(t, stack.Options{Refresh: time.Hour})
	fill(t, s)
	committed := func(more ...pgproto3.FrontendMessage) messages {
		return append(messages{parse("", `COMMIT`), bind("", ""), execute("", 0)}, more...)
	}
	for name, last := range map[string]messages{
		"AND CHAIN":   {query(`COMMIT AND CHAIN`)},
		"one message": {query(`COMMIT; BEGIN`)},
		"END":         {query(`END; START TRANSACTION`)},
		"behind DDL":  {query(`COMMENT ON VIEW lab.v IS 'x'; COMMIT; BEGIN`)},
		"a pipeline":  committed(parse("", `BEGIN`), bind("", ""), execute("", 0), sync_),
		"Flush":       committed(&pgproto3.Flush{}),
	} {
		t.Run(name, func(t *testing.T) {
			maker, other := dialWire(t, s.DSN("biologist")), s.Connect(t, "biologist")
			show(t, other, `SELECT 1`)
			maker.everything(messages{query(`BEGIN`), query(`CREATE VIEW lab.v AS SELECT id, nir FROM lab.patient`)})
			maker.everything(last)
			if name == "Flush" {
				for said := ""; said != "CommandComplete COMMIT"; {
					m, err := maker.Frontend.Receive()
					if err != nil {
						t.Fatal(err)
					}
					said = line(m)
				}
			}
			if got := show(t, other, `SELECT id, nir FROM lab.v WHERE nir = '`+nir1+`'`); got != `1|`+nir1 {
				t.Errorf("the other session reads %q", got)
			}
			if name == "Flush" {
				maker.everything(messages{sync_})
			}
			maker.everything(messages{query(`ROLLBACK`)})
			if got := show(t, s.Connect(t, "biologist"), `DROP VIEW lab.v`); got != "" {
				t.Error(got)
			}
		})
	}
}

// TestAttackCommitInPipeline: what SET LOCAL has set is over with COMMIT, in the middle of
// a pipeline, too: the text behind it is read as the server then reads it, which finds a
// tagged table where there was a string.
func TestAttackCommitInPipeline(t *testing.T) {
	s := stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}})
	fill(t, s)
	secret := "Quasimodo0000Esmeralda"
	hidden := `SELECT 1 FROM lab.plain WHERE note = 'a\' || ' OR EXISTS (SELECT FROM lab.result WHERE nir = $$` + secret + `$$) --'`
	c := dialWire(t, s.DSN("biologist"))
	for _, sql := range []string{`SET standard_conforming_strings TO off`, `BEGIN`, `SET LOCAL standard_conforming_strings TO on`, `SELECT nir FROM lab.result`} {
		c.everything(messages{query(sql)})
	}
	said := c.everything(messages{parse("", `COMMIT`), bind("", ""), execute("", 0), parse("", hidden), bind("", ""), execute("", 0), sync_})
	if !strings.Contains(said, "CommandComplete COMMIT") || !strings.Contains(said, "0A000") {
		t.Error(said)
	}
	if line := logged(t, s, secret); line != "" {
		t.Errorf("reached the server: %s", line)
	}
}
