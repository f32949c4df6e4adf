package proxy_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestNoAllocationPerRow: what a statement allocates does not depend on the number of its rows,
// neither of rows that pass as they are, nor of rows in which values are opened.
func TestNoAllocationPerRow(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := s.Connect(t, "biologist")
	const few, many = 100, 20_000
	for from := 0; from < many; from += 1000 {
		var insert strings.Builder
		for id := from; id < from+1000; id++ {
			fmt.Fprintf(&insert, ",(%d,'plain','a text that is sealed','another',%d)", id, id)
		}
		if _, err := conn.Exec(context.Background(), "INSERT INTO lab.every (id, plain, r_text, r_varchar, r_int4) VALUES "+insert.String()[1:]); err != nil {
			t.Fatal(err)
		}
	}
	c := dialWire(t, s.DSN("biologist"))
	// run sends a query and reads its answer without allocating for it.
	skipped := make([]byte, 64<<10)
	run := func(sql string) {
		if _, err := c.Conn.Write(binary.BigEndian.AppendUint32([]byte{'Q'}, uint32(len(sql)+5))); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Conn.Write(append([]byte(sql), 0)); err != nil {
			t.Fatal(err)
		}
		var head [5]byte
		for head[0] != 'Z' {
			if _, err := io.ReadFull(c.Conn, head[:]); err != nil {
				t.Fatal(err)
			}
			if head[0] == 'E' {
				t.Fatal("an error: ", sql)
			}
			if _, err := io.ReadFull(c.Conn, skipped[:binary.BigEndian.Uint32(head[1:])-4]); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, sql := range map[string]string{
		"rows that pass":       "SELECT n, repeat('x', 20) FROM generate_series(1, %d) n",
		"rows that are opened": "SELECT id, r_text, r_varchar, plain, r_int4 FROM lab.every WHERE id < %d",
		"COPY":                 "COPY (SELECT id, r_text, r_varchar, r_int4 FROM lab.every WHERE id < %d) TO STDOUT",
		"binary COPY":          "COPY (SELECT id, r_text, r_varchar, r_int4 FROM lab.every WHERE id < %d) TO STDOUT (FORMAT binary)",
	} {
		allocated := func(rows int) uint64 {
			var before, after runtime.MemStats
			least := ^uint64(0)
			for range 5 { // others allocate beside
				runtime.ReadMemStats(&before)
				run(fmt.Sprintf(sql, rows))
				runtime.ReadMemStats(&after)
				least = min(least, after.Mallocs-before.Mallocs)
			}
			return least
		}
		a, b := allocated(few), allocated(many)
		if perRow := float64(int64(b-a)) / (many - few); perRow > 0.1 {
			t.Errorf("%s: %.2f allocations for each, %d for %d, %d for %d", name, perRow, a, few, b, many)
		}
	}
}
