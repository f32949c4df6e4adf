package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/testenv/stack"
)

// BenchmarkBulk prints how fast many rows with two sealed columns are read and written. Directly the
// same ciphertext is.
func BenchmarkBulk(b *testing.B) {
	w := start(b)
	w.fill(b)
	r := newResults("rows per second")
	both := []string{direct, veil}
	for range b.N {
		for _, read := range []struct {
			name, sql string
			binary    bool
		}{
			{"2 randomized columns, text", "SELECT id, last_name, birth_date FROM lab.patient", false},
			{"2 randomized columns, binary", "SELECT id, last_name, birth_date FROM lab.patient", true},
			{"1 deterministic, 1 randomized, text", "SELECT id, nir, last_name FROM lab.patient", false},
		} {
			name := fmt.Sprintf("%d rows read, %s", *rows, read.name)
			w.bulk(b, r, name, both, func(way string) time.Duration { return w.read(b, way, read.sql, read.binary) })
		}
		for _, format := range []string{"text", "csv", "binary"} {
			name := fmt.Sprintf("COPY out of %d rows, %s", *rows, format)
			w.bulk(b, r, name, both, func(way string) time.Duration {
				return w.read(b, way, "COPY lab.patient (id, last_name, birth_date) TO STDOUT (FORMAT "+format+")", false)
			})
		}
		w.writes(b, r)
	}
	r.print()
	r.goals([]goal{
		{"rows read, text", 0.9, ratioTo(direct, r, "read, 2 randomized columns, text")},
		{"rows read, binary", 0.9, ratioTo(direct, r, "read, 2 randomized columns, binary")},
		{"COPY in", 0.8, ratioTo(direct, r, "COPY in")},
		{"INSERT of 1000 rows each", 0.8, ratioTo(direct, r, "INSERT")},
	})
	r.write(b, "bulk")
}

// ratioTo is pgveil's ratio in the workload whose name has this in it.
func ratioTo(way string, r *results, part string) func(r *results) float64 {
	for _, name := range r.names {
		if strings.Contains(name, part) {
			return ratio(name, veil, name, way)
		}
	}
	return func(*results) float64 { return 0 }
}

// bulk measures something that takes all the rows, over the ways in turn.
func (w *ways) bulk(b *testing.B, r *results, name string, ways []string, once func(way string) time.Duration) {
	b.Helper()
	if !strings.Contains(name, *only) {
		return
	}
	for range *rounds {
		for _, way := range append(ways, other) {
			if w.addr[way] != "" {
				r.add(name, way, float64(*rows)/once(way).Seconds())
			}
		}
	}
}

// read reads what a query gives, and looks at nothing of it.
func (w *ways) read(b *testing.B, way, sql string, binaryFormat bool) time.Duration {
	b.Helper()
	conn := w.connect(b, way)
	hijacked, err := conn.Hijack()
	if err != nil {
		b.Fatal(err)
	}
	defer hijacked.Conn.Close()
	f := hijacked.Frontend
	if binaryFormat {
		f.Send(&pgproto3.Parse{Query: sql})
		f.Send(&pgproto3.Bind{ResultFormatCodes: []int16{1}})
		f.Send(&pgproto3.Execute{})
		f.Send(&pgproto3.Sync{})
	} else {
		f.Send(&pgproto3.Query{String: sql})
	}
	began := time.Now()
	if err := f.Flush(); err != nil {
		b.Fatal(err)
	}
	in := bufio.NewReaderSize(hijacked.Conn, 64<<10)
	for {
		head, err := in.Peek(5)
		if err != nil {
			b.Fatal(err)
		}
		switch typ := head[0]; typ {
		case 'E':
			b.Fatalf("%s: an error of %s", way, sql)
		case 'Z':
			return time.Since(began)
		}
		if _, err := in.Discard(1 + int(binary.BigEndian.Uint32(head[1:]))); err != nil {
			b.Fatal(err)
		}
	}
}

// writes measures COPY in and INSERT.
func (w *ways) writes(b *testing.B, r *results) {
	b.Helper()
	ctx := context.Background()
	const into = "lab.every (id, r_text, r_varchar) "
	truncate := func() {
		if err := w.Postgres.ExecIn(ctx, stack.Database, "TRUNCATE lab.every"); err != nil {
			b.Fatal(err)
		}
	}
	var clearText bytes.Buffer
	for i := range *rows {
		fmt.Fprintf(&clearText, "%d\ttext %d\tanother text %d\n", i, i, i)
	}
	data := map[string][]byte{veil: clearText.Bytes()}
	copyIn := func(way string) time.Duration {
		truncate()
		conn := w.connect(b, way)
		began := time.Now()
		if _, err := conn.CopyFrom(ctx, bytes.NewReader(data[way]), "COPY "+into+"FROM STDIN"); err != nil {
			b.Fatal(way, ": ", err)
		}
		return time.Since(began)
	}
	copyIn(veil)
	var stored bytes.Buffer
	if _, err := w.connect(b, direct).CopyTo(ctx, &stored, "COPY "+into+"TO STDOUT"); err != nil {
		b.Fatal(err)
	}
	data[direct], data[other] = stored.Bytes(), data[veil]
	w.bulk(b, r, fmt.Sprintf("COPY in of %d rows, 2 randomized columns", *rows), []string{direct, veil}, copyIn)

	inserts := map[string][]string{}
	for way, text := range data {
		inserts[way] = insertsOf(text, into)
	}
	w.bulk(b, r, fmt.Sprintf("INSERT of %d rows, 1000 each, 2 randomized columns", *rows), []string{direct, veil}, func(way string) time.Duration {
		truncate()
		conn := w.connect(b, way)
		began := time.Now()
		err := conn.Exec(ctx, "BEGIN").Close()
		for _, sql := range inserts[way] {
			err = errors.Join(err, conn.Exec(ctx, sql).Close())
		}
		if err = errors.Join(err, conn.Exec(ctx, "COMMIT").Close()); err != nil {
			b.Fatal(way, ": ", err)
		}
		return time.Since(began)
	})
}

// insertsOf makes INSERTs of what COPY takes in text format.
func insertsOf(data []byte, into string) (inserts []string) {
	var sql strings.Builder
	n := 0
	for line := range bytes.Lines(data) {
		fields := strings.Split(strings.TrimSuffix(string(line), "\n"), "\t")
		if n%1000 == 0 {
			if n > 0 {
				inserts = append(inserts, sql.String())
			}
			sql.Reset()
			sql.WriteString("INSERT INTO " + into + " VALUES ")
		} else {
			sql.WriteByte(',')
		}
		n++
		// COPY writes a bytea's backslash twice.
		fmt.Fprintf(&sql, "(%s,'%s','%s')", fields[0], strings.TrimPrefix(fields[1], `\`), strings.TrimPrefix(fields[2], `\`))
	}
	return append(inserts, sql.String())
}
