package bench

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

var part = flag.Int("part", 1, "BenchmarkMemory moves sizes divided by this")

// BenchmarkMemory prints by how much pgveil's resident memory grows at most while much passes.
func BenchmarkMemory(b *testing.B) {
	testenv.Require(b, testenv.PartPostgres)
	s := stack.Start(b, stack.Options{Postgres: serverOptions})
	built, dir := program(b), files(b, s)
	ctx := context.Background()
	const row = 1000
	pass := func(conn *pgconn.PgConn, sql string) error {
		result := conn.ExecParams(ctx, sql, nil, nil, nil, nil)
		for result.NextRow() {
		}
		_, err := result.Close()
		return err
	}
	copyIn := func(conn *pgconn.PgConn, size int) error {
		_, err := conn.CopyFrom(ctx, &lines{left: size / row, text: strings.Repeat("x", row-20)}, "COPY lab.every (id, r_text) FROM STDIN")
		return err
	}
	fmt.Printf("\n%-54s %12s %12s\n", "", "before", "at most")
	for range b.N {
		for _, w := range []struct {
			name string
			do   func(conn *pgconn.PgConn) error
		}{
			{"a result of 2 GB", func(conn *pgconn.PgConn) error {
				return pass(conn, fmt.Sprintf("SELECT repeat('x', %d) FROM generate_series(1, %d)", row, (2<<30)/row / *part))
			}},
			{"a field of 512 MB", func(conn *pgconn.PgConn) error {
				return pass(conn, fmt.Sprintf("SELECT repeat('x', %d)", (512<<20) / *part))
			}},
			{"a COPY of 1 GB into a sealed column", func(conn *pgconn.PgConn) error { return copyIn(conn, (1<<30) / *part) }},
			{"the same read, and opened", func(conn *pgconn.PgConn) error { return pass(conn, "SELECT id, r_text FROM lab.every") }},
			{"the same by COPY", func(conn *pgconn.PgConn) error {
				_, err := conn.CopyTo(ctx, io.Discard, "COPY lab.every (id, r_text) TO STDOUT")
				return err
			}},
		} {
			if !strings.Contains(w.name, *only) {
				continue
			}
			p := serve(b, built, dir)
			conn, err := pgconn.Connect(ctx, p.dsn(s))
			if err != nil {
				b.Fatal(err)
			}
			if err := pass(conn, "SELECT nir FROM lab.patient"); err != nil {
				b.Fatal(err)
			}
			before, began := resident(b, p.pid, "VmHWM"), time.Now()
			if err := w.do(conn); err != nil {
				b.Fatal(w.name, ": ", err)
			}
			most := resident(b, p.pid, "VmHWM")
			fmt.Printf("%-54s %8.1f MiB %+8.1f MiB  in %v\n", w.name, mib(before), mib(most-before), time.Since(began).Round(time.Second/10))
			conn.Close(ctx)
			p.stop()
		}
	}
}

func mib(n int) float64 { return float64(n) / (1 << 20) }

// lines is what COPY is given: so many rows of a number and a text.
type lines struct {
	left, n int
	text    string
	line    []byte
}

func (l *lines) Read(p []byte) (int, error) {
	if len(l.line) == 0 {
		if l.left == 0 {
			return 0, io.EOF
		}
		l.left--
		l.n++
		l.line = fmt.Appendf(l.line[:0], "%d\t%s\n", l.n, l.text)
	}
	n := copy(p, l.line)
	l.line = l.line[n:]
	return n, nil
}
