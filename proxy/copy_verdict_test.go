package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

func sqlstate(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// TestCopyVerdicts: every role copies what it may see, and writes what it may write.
func TestCopyVerdicts(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	for _, c := range []struct{ role, sql, want, code string }{
		{"biologist", `COPY lab.patient (id, nir, birth_date) TO STDOUT`, "1\t" + nir1 + "\t1985-05-17\n2\t" + nir2 + "\t1978-03-01\n", ""},
		{"secretary", `COPY lab.patient (id, nir) TO STDOUT CSV`, "1,1**************\n2,2**************\n", ""},
		{"researcher", `COPY lab.patient (id, nir, birth_date) TO STDOUT (NULL 'none')`, "1\tnone\t1985-01-01\n2\tnone\t1978-01-01\n", ""},
		{"researcher", `COPY lab.patient (id, nir) TO STDOUT (FORMAT csv, FORCE_QUOTE *)`, "\"1\",\n\"2\",\n", ""},
		{"researcher", `COPY lab.patient TO STDOUT`, "", "42501"},
		{"secretary", `COPY (SELECT outcome FROM lab.result) TO STDOUT`, "", "42501"},
		{"biologist", `COPY (SELECT last_name, outcome FROM lab.positive WHERE nir = '` + nir1 + `') TO STDOUT`, "Lefèvre\tpositif\n", ""},
		{"biologist", `COPY lab.positive TO STDOUT`, "", "42809"},
		{"biologist", `COPY (SELECT nir FROM lab.patient ORDER BY nir) TO STDOUT`, "", "0A000"},
		{"biologist", `COPY lab.patient TO '/tmp/never'`, "", "0A000"},
		{"biologist", `COPY lab.patient TO STDOUT (ENCODING 'SJIS')`, "", "0A000"},
		{"biologist", `COPY lab.patient (id) TO STDOUT (ENCODING 'LATIN1')`, "1\n2\n", ""},
	} {
		var b bytes.Buffer
		_, err := s.Connect(t, c.role).PgConn().CopyTo(ctx, &b, c.sql)
		if b.String() != c.want || sqlstate(err) != c.code {
			t.Errorf("%s: %s: %q, %v, want %q %s", c.role, c.sql, b.String(), err, c.want, c.code)
		}
	}
	for _, c := range []struct{ role, sql, data, code string }{
		{"researcher", `COPY lab.patient (id, nir) FROM STDIN`, "9\t" + nir1 + "\n", "42501"},
		{"researcher", `COPY lab.patient (id, last_name) FROM STDIN`, "9\tx\n", ""},
		{"researcher", `COPY lab.patient (id, last_name) FROM STDIN WHERE nir = 'x'`, "9\tx\n", "42501"},
		{"secretary", `COPY lab.patient (id, nir) FROM STDIN`, "10\t" + nir1 + "\n", "23505"},
		{"secretary", `COPY lab.patient (id, nir) FROM '/tmp/never'`, "", "0A000"},
	} {
		if err := copyIn(s.Connect(t, c.role).PgConn(), c.sql, []byte(c.data)); sqlstate(err) != c.code {
			t.Errorf("%s: %s: %v, want %q", c.role, c.sql, err, c.code)
		}
	}
	conn := s.Connect(t, "biologist")
	if _, err := conn.Exec(ctx, "SET client_encoding TO 'SJIS'"); err != nil {
		t.Fatal(err)
	}
	if err := copyIn(conn.PgConn(), `COPY lab.patient (id, nir) FROM STDIN`, []byte("11\tx\n")); sqlstate(err) != "0A000" {
		t.Errorf("SJIS: %v", err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for !strings.Contains(auditText(t, s), `"rows":2,"opened":4`) {
		if time.Now().After(deadline) {
			t.Fatalf("the audit log does not say what the first COPY opened:\n%s", auditText(t, s))
		}
		time.Sleep(10 * time.Millisecond)
	}
	if log := auditText(t, s); strings.Contains(log, nir1) || strings.Contains(log, "Lef") || !strings.Contains(log, `COPY lab.patient (id, nir, birth_date) TO STDOUT`) {
		t.Errorf("the audit log:\n%s", log)
	}
}

// tamper changes the last byte of the first patient's sealed last name.
func tamper(t *testing.T, s *stack.Stack) {
	t.Helper()
	if err := s.Postgres.ExecIn(context.Background(), stack.Database, `UPDATE lab.patient SET last_name = set_byte(last_name, octet_length(last_name) - 1, get_byte(last_name, octet_length(last_name) - 1) # 1) WHERE id = 1`); err != nil {
		t.Fatal(err)
	}
}

// TestCopyTampered: a value that does not open ends the COPY, fails the transaction,
// and leaves the connection usable; so it does for a COPY FROM that has been sent
// behind it.
func TestCopyTampered(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	tamper(t, s)
	c := dialWire(t, s.DSN("biologist"))
	opaque := `ErrorResponse ERROR XX001 "a value of column lab.patient.last_name cannot be opened" position 0`
	good := "CopyOutResponse 0 [0]\nCopyData \"Bernard\\n\"\n"
	out := `COPY (SELECT last_name FROM lab.patient ORDER BY id DESC) TO STDOUT`
	for _, step := range []struct {
		in   messages
		want string
	}{
		{messages{query(out)}, good + opaque + "\nReadyForQuery I"},
		{messages{parse("", out), bind("", ""), execute("", 0), sync_}, "ParseComplete\nBindComplete\n" + good + opaque + "\nReadyForQuery I"},
		{messages{query(`BEGIN`)}, "CommandComplete BEGIN\nReadyForQuery T"},
		{messages{query(out)}, good + opaque + "\nReadyForQuery E"},
		{messages{query(`ROLLBACK`)}, "CommandComplete ROLLBACK\nReadyForQuery I"},
		{messages{query(`SELECT last_name FROM lab.patient WHERE id = 1; COPY lab.patient (id, last_name) FROM STDIN`)}, "RowDescription last_name:1043:-1:84:0\n" + opaque + "\nReadyForQuery I"},
		{
			messages{parse("", `SELECT last_name FROM lab.patient WHERE id = 1`), bind("", ""), execute("", 0), parse("", `COPY lab.patient (id, last_name) FROM STDIN`), bind("", ""), execute("", 0), data("8\tx\n"), copyDone, sync_},
			"ParseComplete\nBindComplete\n" + opaque + "\nReadyForQuery I",
		},
		{messages{query(`SELECT id FROM lab.patient WHERE nir = '` + nir2 + `'`)}, "RowDescription id:23:4:-1:0\nDataRow [\"2\"]\nCommandComplete SELECT 1\nReadyForQuery I"},
	} {
		if got := c.exchange(step.in...); got != step.want {
			t.Errorf("got\n%s\nwant\n%s", got, step.want)
		}
	}
}

// TestCopyCancel cancels COPY in and out in the middle.
func TestCopyCancel(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	conn := s.Connect(t, "biologist").PgConn()
	admin, err := s.Postgres.Conn(t.Context(), s.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	for i := range 6 {
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		go func() {
			for underway := false; !underway; {
				if err := admin.QueryRow(ctx, `SELECT count(*) > 0 FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query LIKE 'COPY%'`, conn.PID()).Scan(&underway); err != nil {
					t.Error(err)
					return
				}
			}
			time.Sleep(time.Duration(10*i) * time.Millisecond)
			_ = conn.CancelRequest(ctx)
		}()
		var err error
		if i%2 == 0 {
			_, err = conn.CopyTo(ctx, io.Discard, `COPY (SELECT last_name, g FROM lab.patient, generate_series(1, 5000000) g) TO STDOUT`)
		} else {
			_, err = conn.CopyFrom(ctx, &endless{next: 1000}, `COPY lab.patient (id, last_name) FROM STDIN`)
		}
		cancel()
		if sqlstate(err) != "57014" {
			t.Errorf("cancelled: %v", err)
		}
		result := conn.ExecParams(context.Background(), `SELECT count(*) FROM lab.patient WHERE nir = $1`, [][]byte{[]byte(nir1)}, nil, nil, nil).Read()
		if result.Err != nil || string(result.Rows[0][0]) != "1" {
			t.Fatalf("afterwards: %v", result)
		}
	}
}

// endless gives rows without end.
type endless struct{ next int }

func (e *endless) Read(p []byte) (int, error) {
	time.Sleep(100 * time.Microsecond)
	e.next++
	return copy(p, fmt.Sprintf("%d\tname\n", e.next)), nil
}

// TestCopyMemory copies 200,000 rows and a value of 20 MB: what is held does not grow
// with the number of rows, and the large buffer is given back.
func TestCopyMemory(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{DiscardWAL: true}})
	conn := s.Connect(t, "biologist").PgConn()
	const rows = 200_000
	var most uint64
	measure := func() {
		least := ^uint64(0)
		for range 3 { // others allocate between the two calls
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			least = min(least, m.HeapAlloc)
		}
		most = max(most, least)
	}
	measure()
	before := most
	pr, pw := io.Pipe()
	go func() {
		var b bytes.Buffer
		for i := range rows {
			fmt.Fprintf(&b, "%d\tname %d\tParis\n", i, i)
			if b.Len() > 1<<20 || i == rows-1 {
				_, _ = pw.Write(b.Bytes())
				b.Reset()
				measure()
			}
		}
		pw.Close()
	}()
	if tag, err := conn.CopyFrom(ctx, pr, `COPY lab.patient (id, last_name, city) FROM STDIN`); err != nil || tag.RowsAffected() != rows {
		t.Fatalf("%v, %v", tag, err)
	}
	n := &counter{each: measure}
	if tag, err := conn.CopyTo(ctx, n, `COPY lab.patient (id, last_name, city) TO STDOUT`); err != nil || tag.RowsAffected() != rows {
		t.Fatalf("%v, %v", tag, err)
	}
	if n.lines != rows {
		t.Errorf("%d rows came back", n.lines)
	}
	t.Logf("heap %d KiB before, at most %d KiB", before>>10, most>>10)
	if most > before+8<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, most)
	}
	large := bytes.Repeat([]byte("é"), 10<<20)
	if err := copyIn(conn, `COPY lab.result (id, outcome) FROM STDIN`, []byte("1\tx\n")); err != nil {
		t.Fatal(err)
	}
	if err := copyIn(conn, `COPY lab.every (id, r_text) FROM STDIN`, append(append([]byte("1\t"), large...), '\n')); err != nil {
		t.Fatal(err)
	}
	if got := copyOut(t, conn, `COPY lab.every (r_text) TO STDOUT`); !bytes.Equal(got, append(large, '\n')) {
		t.Errorf("%d bytes came back", len(got))
	}
}

// counter counts lines and calls each now and then.
type counter struct {
	lines int
	each  func()
}

func (c *counter) Write(p []byte) (int, error) {
	before := c.lines
	c.lines += bytes.Count(p, []byte("\n"))
	if before/20_000 != c.lines/20_000 {
		c.each()
	}
	return len(p), nil
}
