package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestFaultCancel cancels sessions at random moments, also while pgveil asks a
// session for its state: each stays in step.
func TestFaultCancel(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	until := time.Now().Add(2 * time.Second)
	var copied [6]string // of each session
	for n := range copied {
		for id := range 2000 {
			copied[n] += fmt.Sprintf("%d\tpositif\n", 10_000*(n+1)+id)
		}
	}
	var sessions sync.WaitGroup
	for n := range copied {
		conn, err := pgconn.Connect(context.Background(), s.DSN("biologist"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		sessions.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			cancelling := make(chan struct{})
			go func() {
				defer close(cancelling)
				for time.Now().Before(until) {
					time.Sleep(time.Duration(rand.IntN(4000)) * time.Microsecond)
					_ = conn.CancelRequest(ctx)
				}
			}()
			run := func(want string, sql string) error {
				results, err := conn.Exec(ctx, sql).ReadAll()
				if err == nil && want != "" {
					if got := string(results[len(results)-1].Rows[0][0]); got != want {
						t.Errorf("session %d: %s: %q", n, sql, got)
					}
				}
				return err
			}
			check := func(err error, done bool) {
				var e *pgconn.PgError
				if err != nil && (done || !errors.As(err, &e) || e.Code != "57014" && e.Code != "25P02") {
					t.Errorf("session %d: %v", n, err)
				}
			}
			for i := 0; time.Now().Before(until); i++ {
				check(run("", fmt.Sprintf("SET application_name TO 'a%d'", i)), false) // pgveil has to ask again
				check(run(nir1, `SELECT nir FROM lab.patient WHERE id = 1`), false)
				result := conn.ExecParams(ctx, `SELECT last_name FROM lab.patient WHERE nir = $1`, [][]byte{[]byte(nir2)}, nil, nil, nil).Read()
				if result.Err == nil && (len(result.Rows) != 1 || string(result.Rows[0][0]) != "Bernard") {
					t.Errorf("session %d: %q", n, result.Rows)
				}
				check(result.Err, false)
				if i%3 == 0 {
					var out strings.Builder
					_, err := conn.CopyTo(ctx, &out, `COPY (SELECT last_name, g FROM lab.patient, generate_series(1, 2000) g WHERE id = 2) TO STDOUT`)
					if err == nil && (strings.Count(out.String(), "Bernard\t") != 2000 || !strings.HasSuffix(out.String(), "Bernard\t2000\n")) {
						t.Errorf("session %d: COPY gives %d bytes", n, out.Len())
					}
					check(err, false)
				}
				if i%4 == 0 {
					check(run("", "BEGIN"), false)
					if conn.TxStatus() == 'T' {
						tag, err := conn.CopyFrom(ctx, strings.NewReader(copied[n]), `COPY lab.result (id, outcome) FROM STDIN`)
						if err == nil && tag.RowsAffected() != 2000 {
							t.Errorf("session %d: %s", n, tag)
						}
						check(err, false)
					}
					check(run("", "ROLLBACK"), false)
				}
				if i%5 == 0 {
					check(run("", "BEGIN; SET LOCAL application_name TO 'b'"), false)
					check(run("", `SELECT last_name FROM lab.patient WHERE id = 2`), false)
					check(run("", "ROLLBACK"), false)
				}
			}
			<-cancelling
			_ = run("", "SELECT pg_sleep(0.05)") // takes the last signal
			_ = run("", "ROLLBACK")
			check(run(nir1, `SELECT nir FROM lab.patient WHERE id = 1`), true)
		})
	}
	sessions.Wait()
}

// TestFaultTerminated: the server's last word reaches the client, also when it
// answers pgveil's own question, and nothing is left.
func TestFaultTerminated(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	admin := s.Direct(t, "biologist")
	for _, in := range []messages{
		{query(`SELECT pg_sleep(10)`)},
		{query(`SELECT last_name, pg_sleep(10) FROM lab.patient`)},
		{parse("", `SELECT nir, pg_sleep(5) FROM lab.patient WHERE id = $1`), bind("", "", "1"), execute("", 0), sync_},
		{parse("", `SELECT pg_sleep(10)`), bind("", ""), execute("", 0), parse("", `SELECT nir FROM lab.patient`), sync_},
	} {
		c := dialWire(t, s.DSN("biologist"))
		for _, m := range in {
			c.Frontend.Send(m)
		}
		if err := c.Frontend.Flush(); err != nil {
			t.Fatal(err)
		}
		for sleeping := false; !sleeping; time.Sleep(5 * time.Millisecond) {
			if err := admin.QueryRow(context.Background(), `SELECT count(*) > 0 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'`, c.PID).Scan(&sleeping); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Postgres.Exec(context.Background(), fmt.Sprintf("SELECT pg_terminate_backend(%d)", c.PID)); err != nil {
			t.Fatal(err)
		}
		_ = c.Conn.SetDeadline(time.Now().Add(10 * time.Second))
		var last string
		for {
			m, err := c.Frontend.Receive()
			if err != nil {
				break
			}
			last = line(m)
		}
		if !strings.Contains(last, "FATAL 57P01") {
			t.Errorf("%+v: the last message is %s", in, last)
		}
	}
}

// TestFaultTamperedInPipeline: a value that does not open in a pipeline ends its
// sequence alone, outside of a transaction, and fails the transaction within one.
func TestFaultTamperedInPipeline(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	tamper(t, s)
	read := func(id string) messages {
		return messages{parse("", `SELECT last_name FROM lab.patient WHERE id = $1`), bind("", "", id), execute("", 0)}
	}
	const bad = `ErrorResponse ERROR XX001 "a value of column lab.patient.last_name cannot be opened" position 0`
	good := "ParseComplete\nBindComplete\nDataRow [\"Bernard\"]\nCommandComplete SELECT 1\n"
	c := dialWire(t, s.DSN("biologist"))
	var in messages
	for _, id := range []string{"2", "1", "2"} {
		in = append(append(in, read(id)...), sync_)
	}
	want := good + "ReadyForQuery I\nParseComplete\nBindComplete\n" + bad + "\nReadyForQuery I\n" + good + "ReadyForQuery I"
	if got := c.exchange(in...); got != want {
		t.Errorf("several Syncs:\n%s\nwant\n%s", got, want)
	}
	in = append(append(append(read("2"), read("1")...), read("2")...), sync_)
	if got := c.exchange(in...); got != good+"ParseComplete\nBindComplete\n"+bad+"\nReadyForQuery I" {
		t.Errorf("one Sync:\n%s", got)
	}
	c.exchange(query(`BEGIN`))
	if got := c.exchange(append(append(read("1"), read("2")...), sync_)...); got != "ParseComplete\nBindComplete\n"+bad+"\nReadyForQuery E" {
		t.Errorf("in a transaction:\n%s", got)
	}
	if got := c.exchange(query(`ROLLBACK`), query(`SELECT last_name FROM lab.patient WHERE id = 2`)); !strings.Contains(got, "Bernard") {
		t.Errorf("afterwards:\n%s", got)
	}
}

// TestFaultManyMessages: 100,000 messages before the one Sync, a client that reads
// nothing for a while, and no more memory than for a few.
func TestFaultManyMessages(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	c := dialWire(t, s.DSN("biologist"))
	_ = c.Conn.SetDeadline(time.Now().Add(60 * time.Second))
	const n = 50000
	go func() {
		c.Frontend.Send(parse("a", `SELECT nir FROM lab.patient WHERE id = $1`))
		for i := range n {
			c.Frontend.Send(bind("", "a", "1"))
			c.Frontend.Send(execute("", 0))
			if i%1000 == 0 && c.Frontend.Flush() != nil {
				return
			}
		}
		c.Frontend.Send(sync_)
		_ = c.Frontend.Flush()
	}()
	time.Sleep(300 * time.Millisecond)
	rows := 0
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	before := memory.HeapInuse
	for {
		m, err := c.Frontend.Receive()
		if err != nil {
			t.Fatalf("after %d rows: %v", rows, err)
		}
		switch m := m.(type) {
		case *pgproto3.DataRow:
			rows++
			if rows%10000 == 0 {
				runtime.ReadMemStats(&memory)
				if memory.HeapInuse > before+64<<20 {
					t.Fatalf("the heap grows from %d to %d MiB", before>>20, memory.HeapInuse>>20)
				}
			}
			if string(m.Values[0]) != nir1 {
				t.Fatalf("row %d: %q", rows, m.Values)
			}
		case *pgproto3.ErrorResponse:
			t.Fatal(m.Message)
		case *pgproto3.ReadyForQuery:
			if rows != n {
				t.Errorf("%d rows", rows)
			}
			return
		}
	}
}

// TestFaultDisconnects: clients that leave at any point leave nothing behind, and
// Shutdown does not wait for one that has said nothing.
func TestFaultDisconnects(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	time.Sleep(100 * time.Millisecond)
	before := runtime.NumGoroutine()
	var all []byte
	for _, m := range (messages{parse("", `SELECT nir, pg_sleep(0.01) FROM lab.patient`), bind("", ""), execute("", 0), sync_, query(`SELECT last_name FROM lab.patient`)}) {
		var err error
		if all, err = m.Encode(all); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i <= len(all); i += 7 {
		c := dialWire(t, s.DSN("biologist"))
		if _, err := c.Conn.Write(all[:i]); err != nil {
			t.Fatal(err)
		}
		if tcp, ok := c.Conn.(*net.TCPConn); ok && i%2 == 0 {
			_ = tcp.SetLinger(0) // a reset
		}
		c.Conn.Close()
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before+2 {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(20 * time.Millisecond)
	}
	silent, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	time.Sleep(50 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.Server.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// TestFaultAudit: while the audit log cannot be written, what decrypts fails and the
// rest goes on; afterwards all does.
func TestFaultAudit(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	conn := s.Connect(t, "biologist")
	const read = `SELECT nir FROM lab.patient WHERE id = 1`
	if got := show(t, conn, read); got != nir1 {
		t.Fatal(got)
	}
	away := s.AuditDir + ".away"
	if err := os.Rename(s.AuditDir, away); err != nil {
		t.Fatal(err)
	}
	_ = os.WriteFile(s.AuditDir, nil, 0o600) // so that it cannot be made again
	for _, name := range []string{away} {
		entries, _ := os.ReadDir(name)
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".jsonl") {
				_ = os.Truncate(name+"/"+e.Name(), 10) // somebody else writes to it
			}
		}
	}
	if got := show(t, conn, read); got != "58030" {
		t.Errorf("reading: %q", got)
	}
	if got := show(t, conn, `SELECT note FROM lab.plain WHERE id = 1`); got != "a note" {
		t.Errorf("untagged: %q", got)
	}
	if got := show(t, conn, `BEGIN; `+read); got != "58030" {
		t.Errorf("in a transaction: %q", got)
	}
	if got := string(conn.PgConn().TxStatus()); got != "E" {
		t.Errorf("transaction status %s", got)
	}
	show(t, conn, `ROLLBACK`)
}
