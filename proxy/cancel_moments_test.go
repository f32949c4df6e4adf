package proxy_test

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// cancelSide is a session and somebody who watches it at the server, through pgveil or
// in the clear.
type cancelSide struct {
	*wireClient
	admin *pgx.Conn
}

// cancelSides are a session through pgveil and one of the twin. An INSERT of result 99
// sleeps there.
func cancelSides(t *testing.T, s *stack.Stack) (through, direct cancelSide) {
	t.Helper()
	fill(t, s)
	clear := twinOfAll(t)
	for _, side := range []struct {
		server   *testenv.Postgres
		database string
	}{{s.Postgres, s.Database}, {clear, "postgres"}} {
		if err := side.server.ExecIn(t.Context(), side.database,
			`CREATE FUNCTION lab.slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = 99 THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END'`,
			`CREATE TRIGGER slow BEFORE INSERT ON lab.result FOR EACH ROW EXECUTE FUNCTION lab.slow()`); err != nil {
			t.Fatal(err)
		}
	}
	watch := func(server *testenv.Postgres, database string) *pgx.Conn {
		conn, err := server.Conn(t.Context(), database)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		return conn
	}
	through = cancelSide{dialWire(t, s.DSN("biologist")), watch(s.Postgres, s.Database)}
	direct = cancelSide{dialWire(t, clear.DSN(clear.Superuser(), clear.SuperPassword(), "postgres")), watch(clear, "postgres")}
	return through, direct
}

// in is the same for a subtest.
func (c cancelSide) in(t *testing.T) cancelSide {
	client := *c.wireClient
	client.t = t
	return cancelSide{&client, c.admin}
}

// cancel asks for the end of what the session does, with this key, and returns when the
// connection has been closed: by then the signal has been sent.
func (c *wireClient) cancel(secret []byte) error {
	conn, err := net.DialTimeout("tcp", c.Conn.RemoteAddr().String(), 10*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	request, err := (&pgproto3.CancelRequest{ProcessID: c.PID, SecretKey: secret}).Encode(nil)
	if err != nil {
		return err
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}

// until waits for a state of the session's server process.
func (c cancelSide) until(condition string) {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		var met bool
		err := c.admin.QueryRow(context.Background(), `SELECT count(*) > 0 FROM pg_stat_activity WHERE pid = $1 AND `+condition, c.PID).Scan(&met)
		if err != nil || time.Now().After(deadline) {
			c.t.Fatalf("waiting for %s: %v", condition, err)
		}
		if met {
			return
		}
	}
}

// put sends messages without waiting for an answer, and gives how many ReadyForQuery
// they call for.
func (c *wireClient) put(in messages) (ready int) {
	c.t.Helper()
	for _, m := range in {
		switch m.(type) {
		case *pgproto3.Sync, *pgproto3.Query:
			ready++
		}
		c.Frontend.Send(m)
	}
	_ = c.Conn.SetDeadline(time.Now().Add(20 * time.Second))
	if err := c.Frontend.Flush(); err != nil {
		c.t.Fatal(err)
	}
	return ready
}

// afterCancel shows that a session is in step and reads sealed values.
var afterCancel = messages{
	query(`ROLLBACK`), query(`SELECT nir, city FROM lab.patient WHERE id = 1`),
	parse("", `SELECT last_name FROM lab.patient WHERE nir = $1`), bind("", "", nir2), execute("", 0), sync_,
	query(`SELECT count(*) FROM lab.result`),
}

// TestCancelAsleep cancels statements that are known to be underway, each at a certain
// point: the answers are those of a server in the clear, message by message.
func TestCancelAsleep(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	through, direct := cancelSides(t, s)
	const asleep, blocked = `wait_event = 'PgSleep'`, `wait_event_type = 'Lock'`
	slowRead := `SELECT last_name, CASE WHEN id = 2 THEN pg_sleep(60)::text END FROM lab.patient ORDER BY id`
	for _, test := range []struct {
		name     string
		before   messages // answered first
		lock     string   // which the admin then holds
		in       messages // at which the session waits
		for_     string
		then     messages // sent after the cancel
		wrongKey bool
	}{
		{name: "rows of a Query", in: messages{query(slowRead)}, for_: asleep},
		{name: "second statement of a Query", in: messages{query(`SELECT nir FROM lab.patient WHERE id = 1; ` + slowRead + `; SELECT 1`)}, for_: asleep},
		{
			name: "the second of three sequences",
			in: messages{
				parse("", `SELECT nir FROM lab.patient WHERE id = 1`), bind("", ""), execute("", 0), sync_,
				parse("", slowRead), bind("", ""), describe('P', ""), execute("", 0), parse("", `SELECT 1`), bind("", ""), execute("", 0), sync_,
				parse("", `SELECT email FROM lab.patient WHERE id = 1`), bind("", ""), execute("", 0), sync_,
			}, for_: asleep,
		},
		{
			name: "a portal that was suspended", before: messages{query(`BEGIN`)},
			in: messages{parse("", slowRead), bind("", ""), execute("", 1), execute("", 1), execute("", 1), sync_}, for_: asleep,
		},
		{name: "Parse", lock: `LOCK lab.patient`, in: messages{parse("p", `SELECT nir FROM lab.patient WHERE nir = $1`), describe('S', "p")}, for_: blocked, then: messages{bind("", "p", nir1), execute("", 0), sync_}},
		{
			name: "Bind", before: messages{parse("b", `SELECT nir FROM lab.patient WHERE nir = $1`), sync_}, lock: `LOCK lab.patient`,
			in: messages{bind("", "b", nir1)}, for_: blocked, then: messages{execute("", 0), sync_, bind("", "b", nir1), execute("", 0), closing('S', "b"), sync_},
		},
		{name: "an UPDATE of a locked row", lock: `SELECT FROM lab.patient WHERE id = 1 FOR UPDATE`, in: messages{query(`UPDATE lab.patient SET last_name = 'Dupont' WHERE id = 1 RETURNING last_name`)}, for_: blocked},
		{name: "FETCH", before: messages{query(`BEGIN`), query(`DECLARE c CURSOR FOR ` + slowRead)}, in: messages{query(`FETCH ALL FROM c`)}, for_: asleep, then: messages{query(`FETCH ALL FROM c`)}},
		{name: "EXECUTE", before: messages{query(`PREPARE e AS ` + slowRead)}, in: messages{query(`EXECUTE e`)}, for_: asleep, then: messages{query(`DEALLOCATE e`)}},
		{name: "EXPLAIN ANALYZE", in: messages{query(`EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ` + slowRead)}, for_: asleep},
		{name: "INSERT", in: messages{query(`INSERT INTO lab.result (id, outcome) VALUES (98, 'positif'), (99, 'positif') RETURNING outcome`)}, for_: asleep},
		{
			name: "COPY in", in: messages{query(`COPY lab.result (id, outcome) FROM STDIN`), &pgproto3.CopyData{Data: []byte("98\tpositif\n99\tposi")}, &pgproto3.CopyData{Data: []byte("tif\n")}}, for_: asleep,
			then: messages{&pgproto3.CopyData{Data: []byte("100\tpositif\n")}, &pgproto3.CopyDone{}, query(`SELECT outcome FROM lab.result WHERE id = 1`)},
		},
		{
			name: "COPY in, in a transaction", before: messages{query(`BEGIN`)},
			in: messages{query(`COPY lab.result (id, outcome) FROM STDIN (FORMAT csv)`), &pgproto3.CopyData{Data: []byte("99,positif\n")}}, for_: asleep,
			then: messages{&pgproto3.CopyData{Data: []byte("100,positif\n")}, &pgproto3.CopyFail{Message: "no more"}, query(`SELECT outcome FROM lab.result WHERE id = 1`)},
		},
		{name: "COPY out", in: messages{query(`COPY (` + slowRead + `) TO STDOUT`)}, for_: asleep},
		{name: "wrong key", in: messages{query(`SELECT last_name, pg_sleep(0.2)::text FROM lab.patient ORDER BY id`)}, for_: asleep, wrongKey: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			run := func(c cancelSide) string {
				c = c.in(t)
				got := c.exchange(test.before...)
				ctx := context.Background()
				if test.lock != "" {
					if _, err := c.admin.Exec(ctx, "BEGIN; "+test.lock); err != nil {
						t.Fatal(err)
					}
				}
				ready := c.put(test.in)
				c.until(test.for_)
				secret := slices.Clone(c.SecretKey)
				if test.wrongKey {
					secret[0] ^= 1
				}
				if err := c.cancel(secret); err != nil {
					t.Fatal(err)
				}
				if test.lock != "" {
					// The lock is held until the statement waits for it no more.
					c.until(`NOT coalesce(` + test.for_ + `, false)`)
					if _, err := c.admin.Exec(ctx, "ROLLBACK"); err != nil {
						t.Fatal(err)
					}
				}
				ready += c.put(test.then)
				return got + "\n" + c.receive(ready) + "\n" + c.exchange(afterCancel...)
			}
			got, want := run(through), run(direct)
			if got != want {
				t.Errorf("through pgveil\n%s\ndirectly\n%s", got, want)
			}
			if n := strings.Count(got, "ErrorResponse ERROR 57014"); n != map[bool]int{false: 1, true: 0}[test.wrongKey] {
				t.Errorf("%d cancelled\n%s", n, got)
			}
		})
	}
}
