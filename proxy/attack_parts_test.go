package proxy_test

import (
	"strings"
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestAttackParts: whatever stands around a Query that is sent in two messages, its
// answers and what stays of it are the server's own.
func TestAttackParts(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	run := func(sql string) messages { return messages{parse("", sql), bind("", ""), execute("", 0)} }
	const (
		to    = `SET LOCAL search_path TO lab; `
		read  = `SELECT email FROM patient WHERE id = 1; `
		write = `INSERT INTO lab.plain VALUES (7, 'first part', ''); `
		bad   = `SELECT 1/0; `
	)
	join := func(all ...messages) (m messages) {
		for _, each := range all {
			m = append(m, each...)
		}
		return m
	}
	var conversations []conversation
	for name, in := range map[string][]messages{
		"isolation":                {{query(`SET search_path TO public`)}, {query(`BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; ` + to + read + `SHOW transaction_isolation; COMMIT`)}, {query(`ROLLBACK`)}},
		"isolation, behind other":  {{query(`SET search_path TO lab`), query(`BEGIN`), query(`SET TRANSACTION ISOLATION LEVEL SERIALIZABLE`), query(read), query(`SHOW transaction_isolation; COMMIT`)}, {query(`ROLLBACK`)}},
		"isolation after a commit": {{query(`COMMIT; BEGIN; SET TRANSACTION READ WRITE, ISOLATION LEVEL REPEATABLE READ; ` + to + read + `COMMIT`)}, {query(`ROLLBACK`)}},
		"notices":                  {{query(`BEGIN; BEGIN; ` + to + `DO $$ BEGIN RAISE NOTICE 'here' ; END $$; ` + read + `DO $$ BEGIN RAISE NOTICE 'there' ; END $$; ` + read + `COMMIT; COMMIT`)}},
		"empty between":            {{query(`BEGIN; ; ; ` + to + `; ; ` + read + `; ;COMMIT; ;`)}},
		"release":                  {{query(`BEGIN; SAVEPOINT a; ` + to + `RELEASE a; ` + read + `ROLLBACK TO a; ` + read)}, {query(`ROLLBACK`)}},
		"savepoints":               {{query(`BEGIN; ` + write + `SAVEPOINT a; ` + to + `INSERT INTO plain VALUES (8, 'second', ''); ` + read + `ROLLBACK TO a; SELECT count(*) FROM lab.plain; SELECT email FROM lab.patient WHERE id = 1; ROLLBACK; SELECT count(*) FROM lab.plain`)}},
		"chain":                    {{query(`BEGIN; ` + to + read + `COMMIT AND CHAIN; ` + write + to + read + bad)}, {query(`ROLLBACK AND CHAIN; ` + to + read + `ROLLBACK`)}},
		"in a pipeline, begins":    {join(run(write), messages{query(`BEGIN; ` + to + read + bad)}), {query(`ROLLBACK; SELECT count(*) FROM lab.plain`)}},
		"in a pipeline, ends":      {join(run(write), messages{query(`ROLLBACK; BEGIN; ` + to + read + `COMMIT`)}), {query(`SELECT count(*) FROM lab.plain`)}, {query(`DELETE FROM lab.plain WHERE id = 7`)}},
		"in a pipeline, many":      {join(run(write), messages{query(`BEGIN; ` + to + read + bad), query(`ROLLBACK`), query(`BEGIN; ` + to + read + `COMMIT`)}, run(`BEGIN`), messages{query(`BEGIN; ` + to + read), query(`COMMIT; BEGIN; ` + to + read), query(`ROLLBACK`)}), {query(`SELECT count(*) FROM lab.plain`)}},
		"prepared":                 {{query(`BEGIN; PREPARE p AS SELECT email FROM lab.patient WHERE id = $1; ` + to + read + `EXECUTE p (1); DEALLOCATE p; COMMIT`)}},
		"cursor":                   {{query(`BEGIN; ` + to + `DECLARE c CURSOR FOR SELECT email FROM patient ORDER BY id; SET LOCAL search_path TO public; FETCH c; FETCH ALL c; CLOSE c; COMMIT`)}},
		"bad value behind":         {{query(`BEGIN; ` + write + to + read + `UPDATE patient SET birth_date = '1942-03-55'; COMMIT`)}, {query(`ROLLBACK`)}},
		"bad value, then more":     {{query(`BEGIN; ` + write + to + `UPDATE patient SET birth_date = '1942-03-55'; ` + read + `COMMIT`)}, {query(`ROLLBACK`)}},
	} {
		conversations = append(conversations, conversation{name, append(in, messages{query(`SELECT count(*) FROM lab.plain`), query(`DELETE FROM lab.plain WHERE id > 1`)})})
	}
	sameAnswers(t, s, twinOfAll(t), conversations)
	// What is refused leaves nothing of its message.
	for name, in := range map[string]messages{
		"block ended without Sync":       join(messages{query(`BEGIN`)}, run(`COMMIT`), messages{query(write + to + read + bad), query(`ROLLBACK`)}),
		"block rolled back without Sync": join(messages{query(`BEGIN`)}, run(`ROLLBACK`), messages{query(write + to + read + bad), query(`ROLLBACK`)}),
		"block begun without Sync":       join(run(`BEGIN`), messages{query(write + to + read + bad), query(`ROLLBACK`)}),
		"in a pipeline":                  join(run(write), messages{query(`SAVEPOINT a; ` + to + read), query(`DELETE FROM lab.plain WHERE id > 1`)}),
		"no block":                       {query(write + to + read + bad)},
		"block ended by the message":     {query(`BEGIN`), query(write + `ROLLBACK; ` + write + to + read + bad)},
		"a second transaction":           {query(`BEGIN; ` + to + read + `COMMIT; ` + write + to + read + bad)},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialWire(t, s.DSN("biologist"))
			got := c.exchange(in...)
			if !strings.Contains(got, "ErrorResponse ERROR 0A000") {
				t.Errorf("not refused:\n%s", got)
			}
			if got := c.exchange(query(`SELECT count(*) FROM lab.plain`)); !strings.Contains(got, `["1"]`) || !strings.HasSuffix(got, "ReadyForQuery I") {
				t.Errorf("afterwards:\n%s", got)
			}
		})
	}
}

// TestAttackPartsSkipped: a Query that would be sent in two is skipped behind an error in
// messages without Sync.
func TestAttackPartsSkipped(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	parts := `SET LOCAL search_path TO lab; SELECT email FROM patient WHERE id = 1; COMMIT`
	for _, begun := range []string{"I", "T"} {
		c := dialWire(t, s.DSN("biologist"))
		if begun == "T" {
			c.exchange(query(`BEGIN`))
		} else {
			parts = `BEGIN; ` + parts
		}
		c.put(messages{parse("", `SELECT nosuch`), query(parts), query(parts), sync_})
		want := "ErrorResponse ERROR 42703 \"column \\\"nosuch\\\" does not exist\" position 8\nReadyForQuery " + map[string]string{"I": "I", "T": "E"}[begun]
		if got := c.receive(1); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if got := c.exchange(query(`ROLLBACK`), query(`SELECT 42`)); !strings.Contains(got, `["42"]`) {
			t.Errorf("afterwards\n%s", got)
		}
	}
}

// TestAttackPartsMuted: a value that does not open, in messages without Sync before a
// Query that would be sent in two, ends all of it.
func TestAttackPartsMuted(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	tamper(t, s)
	c := dialWire(t, s.DSN("biologist"))
	parts := query(`BEGIN; SET LOCAL search_path TO lab; SELECT email FROM patient WHERE id = 1; COMMIT`)
	for name, in := range map[string]messages{
		"before":       {parse("", `SELECT last_name FROM lab.patient`), bind("", ""), execute("", 0), parts, sync_},
		"in the first": {query(`BEGIN; SELECT last_name FROM lab.patient WHERE id = 1; SET LOCAL search_path TO lab; SELECT email FROM patient WHERE id = 1; COMMIT`)},
		"committed":    {query(`SELECT last_name FROM lab.patient WHERE id = 1; COMMIT; BEGIN; SET LOCAL search_path TO lab; SELECT email FROM patient WHERE id = 1; COMMIT`)},
	} {
		c.put(in)
		got := c.receive(1)
		if !strings.Contains(got, "XX001") || strings.Contains(got, "anne") {
			t.Errorf("%s: got\n%s", name, got)
		}
		if got := c.everything(messages{query(`ROLLBACK`), query(`SELECT 42`)}); !strings.HasSuffix(got, "\"42\"]\nCommandComplete SELECT 1\nReadyForQuery I") {
			t.Errorf("%s: afterwards\n%s", name, got)
		}
	}
}
