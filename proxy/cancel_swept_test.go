package proxy_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/testenv/stack"
)

// cancelled is a conversation that cancels are swept over. What it changes is rolled back.
var cancelled = []struct {
	name   string
	before messages // answered before the cancel
	in     messages
}{
	{name: "Query", in: messages{query(`SELECT nir, last_name FROM lab.patient WHERE nir IN ('` + nir1 + `', '` + nir2 + `') ORDER BY id`)}},
	{name: "many rows", in: messages{query(`SELECT last_name, g FROM lab.patient, generate_series(1, 2000) g WHERE id = 1 ORDER BY g`)}},
	{name: "two statements", in: messages{query(`SELECT last_name, g FROM lab.patient, generate_series(1, 500) g WHERE id = 1 ORDER BY g; SELECT nir FROM lab.patient WHERE id = 2`)}},
	{
		name: "extended", in: messages{
			parse("", `SELECT birth_date, city FROM lab.patient WHERE nir = $1`), describe('S', ""), bind("", "", nir1), describe('P', ""), execute("", 0), sync_,
		},
	},
	{
		name: "pipeline", in: messages{
			parse("s", `SELECT nir FROM lab.patient WHERE id = $1`), bind("", "s", "1"), execute("", 0), sync_,
			bind("", "s", "2"), execute("", 0), closing('S', "s"), sync_,
			query(`SELECT note FROM lab.plain WHERE id = 1`),
		},
	},
	{
		name: "changes", before: messages{query(`BEGIN`)}, in: messages{
			query(`SET LOCAL application_name TO 'x'`), // the session is asked for its state
			parse("", `UPDATE lab.patient SET last_name = $1 WHERE nir = $2 RETURNING last_name`), bind("", "", "Dupont", nir1), execute("", 0), sync_,
			query(`INSERT INTO lab.result (id, nir, outcome) SELECT g, '` + nir1 + `', 'positif' FROM generate_series(1000, 1200) g`),
		},
	},
	{
		name: "portal", before: messages{query(`BEGIN`)}, in: messages{
			parse("", `SELECT last_name, g FROM lab.patient, generate_series(1, 300) g WHERE id = 2 ORDER BY g`), bind("p", ""),
			execute("p", 100), execute("p", 100), sync_, execute("p", 0), sync_,
		},
	},
	{name: "COPY in", before: messages{query(`BEGIN`)}, in: copying2000()},
	{name: "COPY out", in: messages{query(`COPY (SELECT last_name, g FROM lab.patient, generate_series(1, 2000) g WHERE id = 2 ORDER BY g) TO STDOUT (FORMAT csv)`)}},
	{name: "untagged", in: messages{query(`SELECT g FROM generate_series(1, 3000) g`), query(`SELECT note FROM lab.plain WHERE id = 1`)}},
}

func copying2000() messages {
	in := messages{query(`COPY lab.result (id, outcome) FROM STDIN`)}
	for block := range 8 {
		var rows strings.Builder
		for row := range 250 {
			fmt.Fprintf(&rows, "%d\tpositif\n", 5000+250*block+row)
		}
		in = append(in, &pgproto3.CopyData{Data: []byte(rows.String())})
	}
	return append(in, &pgproto3.CopyDone{}, query(`SELECT outcome FROM lab.result WHERE id = 6999`))
}

// afterOneCancel says whether got is what whole may become by one cancel: one of its
// parts, each up to a ReadyForQuery, ends early with 57014, and what follows in the same
// transaction with 25P02. It gives the part, -1 when nothing was cut.
func afterOneCancel(whole, got string) (part int, ok bool) {
	for _, answer := range []*string{&whole, &got} { // settings are reported when they are undone, too
		*answer = strings.ReplaceAll(*answer, "ParameterStatus\n", "")
	}
	const canceled, ignored = `ErrorResponse ERROR 57014 "canceling statement due to user request" position 0`, "ErrorResponse ERROR 25P02 "
	parts, answers := strings.SplitAfter(whole, "ReadyForQuery "), strings.SplitAfter(got, "ReadyForQuery ")
	if len(parts) != len(answers) {
		return 0, false
	}
	// A part begins with the state of the one before, which tells what has failed.
	part = -1
	for i := range parts {
		before, rest := state(answers[i])
		_, want := state(parts[i])
		if before == 'E' && rest == "EmptyQueryResponse\nReadyForQuery " { // of a portal that was half made
			continue
		}
		// What was to be made by what was cut is not there.
		if part >= 0 && strings.Count(rest, "\n") == 1 && (strings.HasPrefix(rest, "ErrorResponse ERROR 26000 ") || strings.HasPrefix(rest, "ErrorResponse ERROR 34000 ")) {
			continue
		}
		if before == 'E' && rest != "" {
			if !strings.HasPrefix(rest, ignored) || strings.Count(rest, "\n") != 1 {
				return 0, false
			}
			continue
		}
		if rest == want {
			continue
		}
		at := strings.Index(rest, canceled)
		if part >= 0 || at < 0 || !strings.HasPrefix(want, rest[:at]) || rest[at+len(canceled):] != "\nReadyForQuery " {
			return 0, false
		}
		part = i
	}
	return part, true
}

// state takes the letter of the ReadyForQuery before from a part.
func state(part string) (before byte, rest string) {
	if len(part) > 1 && part[1] == '\n' || len(part) == 1 {
		return part[0], strings.TrimPrefix(part[1:], "\n")
	}
	return 0, part
}

// TestAfterOneCancel judges the judge.
func TestAfterOneCancel(t *testing.T) {
	const failed = "ErrorResponse ERROR 57014 \"canceling statement due to user request\" position 0\n"
	const ignored = "ErrorResponse ERROR 25P02 \"…\" position 0\n"
	const missing = "ErrorResponse ERROR 26000 \"…\" position 0\n"
	const one, two = "DataRow 1\nDataRow 2\nCommandComplete SELECT 2\n", "ParseComplete\nCommandComplete INSERT 0 1\n"
	for _, test := range []struct {
		whole, got string
		part       int
		ok         bool
	}{
		{one + "ReadyForQuery I\n" + two + "ReadyForQuery I", one + "ReadyForQuery I\n" + two + "ReadyForQuery I", -1, true},
		{one + "ReadyForQuery I\n" + two + "ReadyForQuery I", "DataRow 1\n" + failed + "ReadyForQuery I\n" + two + "ReadyForQuery I", 0, true},
		{one + "ReadyForQuery I\n" + two + "ReadyForQuery I", one + "ReadyForQuery I\n" + failed + "ReadyForQuery I", 1, true},
		{one + "ReadyForQuery T\n" + two + "ReadyForQuery T", failed + "ReadyForQuery E\n" + ignored + "ReadyForQuery E", 0, true},
		{one + "ReadyForQuery T\n" + two + "ReadyForQuery T", failed + "ReadyForQuery E\nEmptyQueryResponse\nReadyForQuery E", 0, true},
		{one + "ReadyForQuery I\n" + two + "ReadyForQuery I", failed + "ReadyForQuery I\nEmptyQueryResponse\nReadyForQuery I", 0, false},
		{one + "ReadyForQuery I\n" + two + "ReadyForQuery I", failed + "ReadyForQuery I\n" + missing + "ReadyForQuery I", 0, true},
		{one + "ReadyForQuery I\n" + two + "ReadyForQuery I", one + "ReadyForQuery I\n" + missing + "ReadyForQuery I", 0, false},
		{one + "ReadyForQuery I\n" + two + "ReadyForQuery I", failed + "ReadyForQuery I\n" + failed + "ReadyForQuery I", 0, false},
		{one + "ReadyForQuery I\n" + two + "ReadyForQuery I", failed + "ReadyForQuery I\n" + one + "ReadyForQuery I", 0, false},
		{one + "ReadyForQuery I", "DataRow 2\n" + failed + "ReadyForQuery I", 0, false},
		{one + "ReadyForQuery I", "DataRow 1\n" + failed + "DataRow 2\nReadyForQuery I", 0, false},
		{one + "ReadyForQuery I", "DataRow 1\nCommandComplete SELECT 2\nReadyForQuery I", 0, false},
		{one + "ReadyForQuery I\n" + two + "ReadyForQuery I", one + "ReadyForQuery I", 0, false},
	} {
		if part, ok := afterOneCancel(test.whole, test.got); ok != test.ok || ok && part != test.part {
			t.Errorf("%q of %q: %d, %v", test.got, test.whole, part, ok)
		}
	}
}

// TestCancelSwept sends one cancel at every message of a conversation and at some moments
// behind it. Through pgveil as in the clear, it cuts one statement or none, nothing
// hangs, and the session is in step afterwards.
func TestCancelSwept(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	through, direct := cancelSides(t, s)
	const moments = 16 // of each conversation
	sweep := func(c cancelSide) (outcomes [2]int) {
		for _, talk := range cancelled {
			c.exchange(talk.before...)
			whole := c.receive(c.put(talk.in))
			c.exchange(query(`ROLLBACK`))
			after := c.exchange(afterCancel...)
			for moment := range moments {
				c.exchange(talk.before...)
				first := moment % (len(talk.in) + 1)
				ready := c.put(talk.in[:first])
				asked := make(chan error, 1)
				go func() {
					time.Sleep(time.Duration(moment*moment*16) * time.Microsecond)
					asked <- c.cancel(c.SecretKey)
				}()
				ready += c.put(talk.in[first:])
				got := c.receive(ready)
				if err := <-asked; err != nil {
					c.t.Errorf("%s: %v", talk.name, err)
				}
				part, ok := afterOneCancel(whole, got)
				if !ok {
					c.t.Errorf("%s, moment %d:\n%s\nwithout a cancel\n%s", talk.name, moment, got, whole)
				}
				outcomes[min(part+1, 1)]++
				// The signal may be late, as without pgveil: these take it.
				c.exchange(query(`ROLLBACK`), query(`SELECT pg_sleep(0.005)`), query(`DEALLOCATE ALL`))
				if got := c.exchange(afterCancel...); got != after {
					c.t.Fatalf("%s, moment %d: afterwards\n%s\nnot\n%s", talk.name, moment, got, after)
				}
			}
		}
		return outcomes
	}
	for name, c := range map[string]cancelSide{"through pgveil": through, "directly": direct} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outcomes := sweep(c.in(t))
			t.Logf("%d whole, %d cut", outcomes[0], outcomes[1])
			if outcomes[0] == 0 || outcomes[1] == 0 {
				t.Error("one of the outcomes was not met")
			}
		})
	}
}

// gatedMAC holds the audit log's writer while the gate is locked.
type gatedMAC struct {
	audit.MAC
	gate *sync.Mutex
}

func (g gatedMAC) ComputeMAC(data []byte) ([]byte, error) {
	g.gate.Lock()
	defer g.gate.Unlock()
	return g.MAC.ComputeMAC(data)
}

// TestCancelBeforeRecord cancels what waits for its audit record: what the server has
// completed is given in full once the record is written, what it has not ends with 57014, and
// no row comes before.
func TestCancelBeforeRecord(t *testing.T) {
	var gate sync.Mutex
	s := stack.Start(t, stack.Options{AuditMAC: func(mac audit.MAC) audit.MAC { return gatedMAC{mac, &gate} }})
	through, direct := cancelSides(t, s)
	for _, test := range []struct {
		name  string
		in    messages
		until string // this, the cancel is not sent
	}{
		{"completed", messages{query(`SELECT nir FROM lab.patient ORDER BY id`)}, `state = 'idle'`},
		{"extended", messages{parse("", `SELECT nir FROM lab.patient WHERE nir = $1`), bind("", "", nir1), execute("", 0), sync_}, `state = 'idle'`},
		{"underway", messages{query(`SELECT last_name, CASE WHEN id = 2 THEN pg_sleep(60)::text END FROM lab.patient ORDER BY id`)}, `wait_event = 'PgSleep'`},
		{"COPY out", messages{query(`COPY (SELECT last_name, CASE WHEN id = 2 THEN pg_sleep(60)::text END FROM lab.patient ORDER BY id) TO STDOUT`)}, `wait_event = 'PgSleep'`},
	} {
		t.Run(test.name, func(t *testing.T) {
			run := func(c cancelSide, hold bool) string {
				c = c.in(t)
				var begun time.Time
				if err := c.admin.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&begun); err != nil {
					t.Fatal(err)
				}
				var held atomic.Bool
				if hold {
					gate.Lock()
					held.Store(true)
				}
				ready := c.put(test.in)
				answer := make(chan string, 1)
				go func() { answer <- c.watch(ready, &held) }()
				c.until(test.until + ` AND query LIKE '%FROM lab.patient%' AND query_start > '` + begun.Format(time.RFC3339Nano) + `'`)
				if err := c.cancel(c.SecretKey); err != nil {
					t.Error(err)
				}
				if hold {
					held.Store(false)
					gate.Unlock()
				}
				return <-answer + c.exchange(query(`SELECT pg_sleep(0.005)`), query(`SELECT city FROM lab.patient WHERE id = 1`))
			}
			got, want := run(through, true), run(direct, false)
			if got != want {
				t.Errorf("through pgveil\n%s\ndirectly\n%s", got, want)
			}
		})
	}
}

// watch gives what comes until n ReadyForQuery have, and says so when rows come while
// they are held.
func (c *wireClient) watch(n int, held *atomic.Bool) string {
	var lines strings.Builder
	for n > 0 {
		m, err := c.Frontend.Receive()
		if err != nil {
			fmt.Fprintln(&lines, err)
			break
		}
		switch m.(type) {
		case *pgproto3.DataRow, *pgproto3.CopyData:
			if held.Load() {
				fmt.Fprintln(&lines, "before its record:")
			}
		case *pgproto3.ReadyForQuery:
			n--
		}
		fmt.Fprintln(&lines, line(m))
	}
	return lines.String()
}
