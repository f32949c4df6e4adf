package proxy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestCopyMuted sends a COPY FROM behind a statement whose value does not open, and its data
// at several moments: the data reaches nothing, and the session goes on.
func TestCopyMuted(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	tamper(t, s)
	c := dialWire(t, s.DSN("biologist"))
	read := messages{parse("", `SELECT last_name FROM lab.patient WHERE id = 1`), bind("", ""), execute("", 0)}
	const want = "ParseComplete\nBindComplete\n" + `ErrorResponse ERROR XX001 "a value of column lab.patient.last_name cannot be opened" position 0` + "\nReadyForQuery I"
	for _, table := range []string{"lab.patient (id, last_name)", "lab.plain (id, note)"} {
		for round := range 60 {
			ready := c.put(append(read, parse("", `COPY `+table+` FROM STDIN`), bind("", ""), execute("", 0)))
			time.Sleep(time.Duration(round%20) * 100 * time.Microsecond)
			ready += c.put(messages{data("8\tx\n"), copyDone, sync_})
			if got := c.receive(ready); got != want {
				t.Fatalf("%s, round %d: got\n%s\nwant\n%s", table, round, got, want)
			}
		}
	}
	if got := c.exchange(query(`SELECT id FROM lab.patient WHERE id = 8`)); !strings.Contains(got, "SELECT 0") {
		t.Errorf("the data came in: %s", got)
	}
}
