package proxy_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/testenv/stack"
)

// TestBreakGlassPseudonyms: who sees pseudonyms sees the values by every way while the glass is broken, and searches by
// them; before and afterwards pseudonyms.
func TestBreakGlassPseudonyms(t *testing.T) {
	s := pseudonymStack(t)
	s.Reload(t, glassIn(pseudonymSchema, "researcher", "{for: 1h}"))
	conn, ways, other := s.Connect(t, "researcher"), s.Connect(t, "researcher"), s.Connect(t, "researcher")
	values := map[string]string{"nir": patient1, "name": "Lefèvre", "mail": "anne@exemple.fr", "device": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}
	pseudonyms := make(map[string]string)
	for column := range values {
		pseudonyms[column] = pseudonymOf(t, other, column, 1)
	}
	mine := pseudonyms["nir"]
	for name, nir := range map[string]string{"by_value": patient1, "by_pseudonym": mine} {
		if _, err := conn.Prepare(t.Context(), name, `SELECT nir FROM lab.shown WHERE nir = '`+nir+`'`); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Prepare(t.Context(), "given", `SELECT nir FROM lab.shown WHERE nir = $1`); err != nil {
		t.Fatal(err)
	}
	check := func(conn *pgx.Conn, when string, want map[string]string) {
		t.Helper()
		for column, value := range want {
			for way, got := range waysOut(t, conn, column, 1) {
				if got != value {
					t.Errorf("%s: %s by %s: %s, want %s", when, column, way, got, value)
				}
			}
		}
	}
	found := func(when, value, pseudonym string) {
		t.Helper()
		for given, want := range map[string]string{patient1: value, mine: pseudonym} {
			if got := asked(conn, `SELECT nir FROM lab.shown WHERE nir = '`+given+`'`, pgx.QueryExecModeSimpleProtocol); got != want {
				t.Errorf("%s: found by %s: %s, want %s", when, given, got, want)
			}
			if got := asked(conn, "given", given); got != want {
				t.Errorf("%s: prepared, found by %s: %s, want %s", when, given, got, want)
			}
		}
		// A value in a text that was prepared is not taken for another: it finds nothing, or has to be prepared again.
		for name, want := range map[string]string{"by_value": value, "by_pseudonym": pseudonym} {
			if got := asked(conn, name); got != want && got != "0A000" && got != "" {
				t.Errorf("%s: %s: %s, want %s", when, name, got, want)
			}
		}
	}
	check(ways, "before", pseudonyms)
	found("before", "", mine)
	must(t, conn, breakIt)
	must(t, ways, breakIt)
	check(ways, "under it", values)
	found("under it", patient1, "")
	check(other, "another session", pseudonyms)
	must(t, conn, `RESET pgveil.break_glass`)
	must(t, ways, `RESET pgveil.break_glass`)
	check(ways, "afterwards", pseudonyms)
	found("afterwards", "", mine)
}

// TestBreakGlassShifted: dates that are shifted are shown as they are, and shifted again afterwards.
func TestBreakGlassShifted(t *testing.T) {
	s := shiftStack(t)
	s.Reload(t, glassIn(shiftSchema, "researcher", "{for: 1h}"))
	conn := s.Connect(t, "researcher", "timezone=UTC")
	const birth, both = `SELECT birth FROM lab.shown WHERE id = 1`, `SELECT birth, nir FROM lab.shown WHERE id = 1`
	if _, err := conn.Prepare(t.Context(), "both", both); err != nil {
		t.Fatal(err)
	}
	shifted := show(t, conn, both)
	if strings.HasPrefix(shifted, "1985-05-17") || strings.Contains(shifted, patient1) {
		t.Fatal(shifted)
	}
	must(t, conn, breakIt)
	for sql, want := range map[string]string{birth: "1985-05-17", both: "1985-05-17|" + patient1} {
		if got := show(t, conn, sql); got != want {
			t.Errorf("%s: %s", sql, got)
		}
	}
	if got := asked(conn, "both"); !strings.HasPrefix(got, "1985-05-17") {
		t.Errorf("prepared: %s", got)
	}
	var out bytes.Buffer
	if _, err := conn.PgConn().CopyTo(t.Context(), &out, `COPY (SELECT birth FROM lab.shown WHERE id = 1) TO STDOUT`); err != nil || out.String() != "1985-05-17\n" {
		t.Errorf("COPY: %q, %v", out.String(), err)
	}
	must(t, conn, `RESET pgveil.break_glass`)
	if got := show(t, conn, both); got != shifted {
		t.Errorf("afterwards: %s, before %s", got, shifted)
	}
	if got := asked(conn, "both"); strings.HasPrefix(got, "1985-05-17") {
		t.Errorf("prepared, afterwards: %s", got)
	}
}

// TestBreakGlassOfPortal: a portal goes on by what holds when it is run again.
func TestBreakGlassOfPortal(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: glassSchema("{for: 2s}")})
	fill(t, s)
	p := dialWire(t, s.DSN("researcher"))
	for _, end := range []struct {
		how  string
		wait time.Duration
	}{{`RESET pgveil.break_glass`, 0}, {`SELECT 1`, 2100 * time.Millisecond}} {
		p.exchange(query("BEGIN"))
		p.exchange(query(`SET pgveil.break_glass = 'a reason for ` + end.how + `'`))
		got := p.exchange(parse("", `SELECT last_name FROM lab.patient ORDER BY id`), bind("names", ""), execute("names", 1),
			parse("", `SELECT email FROM lab.patient ORDER BY id`), bind("mails", ""), execute("mails", 1), &pgproto3.Sync{})
		if !strings.Contains(got, "Lefèvre") || !strings.Contains(got, "anne@exemple.fr") {
			t.Errorf("%s: under it: %s", end.how, got)
		}
		p.exchange(query(end.how))
		time.Sleep(end.wait)
		got = p.exchange(execute("names", 1), &pgproto3.Sync{})
		if !strings.Contains(got, "DataRow") || strings.Contains(got, "ErrorResponse") || strings.Contains(got, "Martin") {
			t.Errorf("%s: hidden: %s", end.how, got)
		}
		got = p.exchange(execute("mails", 1), &pgproto3.Sync{})
		if strings.Contains(got, "DataRow") || !strings.Contains(got, "42501") {
			t.Errorf("%s: denied: %s", end.how, got)
		}
		p.exchange(query("ROLLBACK"))
	}
}

// TestBreakGlassRolledBack: in one message and one pipeline, a ROLLBACK takes it back for what stands behind it.
func TestBreakGlassRolledBack(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: glassSchema("{for: 1h}")})
	fill(t, s)
	p := dialWire(t, s.DSN("researcher"))
	sequence := func(statements ...string) messages {
		var m messages
		for _, sql := range statements {
			m = append(m, parse("", sql), bind("", ""), execute("", 0))
		}
		return append(m, &pgproto3.Sync{})
	}
	got := p.exchange(sequence(`BEGIN`, breakIt, readName, `ROLLBACK`, readName)...)
	if n := strings.Count(got, "Lefèvre"); n != 1 || strings.Count(got, "DataRow") != 2 || strings.Contains(got, "ErrorResponse") {
		t.Errorf("pipeline: %s", got)
	}
	got = p.exchange(sequence(`BEGIN`, `SAVEPOINT a`, breakIt, readName, `ROLLBACK TO a`, readName, `COMMIT`)...)
	if n := strings.Count(got, "Lefèvre"); n != 1 || strings.Count(got, "DataRow") != 2 || strings.Contains(got, "ErrorResponse") {
		t.Errorf("savepoint: %s", got)
	}
	// In one Query it is not known beforehand; nothing opens that should not.
	if got = p.exchange(query(breakIt + `; ` + readName)); strings.Contains(got, "Lefèvre") || !strings.Contains(got, "ErrorResponse") {
		t.Errorf("one Query: %s", got)
	}
	if got = p.exchange(query(readName)); strings.Contains(got, "Lefèvre") {
		t.Errorf("after one Query: %s", got)
	}
	// An error takes back what its transaction has set.
	p.exchange(query(`BEGIN`))
	p.exchange(query(breakIt))
	p.exchange(query(readName))
	p.exchange(query(`SELECT 1/0`))
	p.exchange(query(`COMMIT`))
	if got = p.exchange(query(readName)); strings.Contains(got, "Lefèvre") || strings.Contains(got, "ErrorResponse") {
		t.Errorf("after an error: %s", got)
	}
}

// TestBreakGlassDetail: a key that an error quotes is opened under it, and that is marked; otherwise it is taken out.
func TestBreakGlassDetail(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: glassSchema("{for: 1h}"), Tables: append(stack.Tables[:len(stack.Tables):len(stack.Tables)],
		`ALTER TABLE lab.result ADD FOREIGN KEY (nir) REFERENCES lab.patient (nir)`, `ALTER TABLE lab.result DROP CONSTRAINT result_patient_fkey`)})
	fill(t, s)
	conn := s.Connect(t, "researcher")
	const remove = `DELETE FROM lab.patient WHERE id = 1`
	check := func(when string, opens bool) {
		t.Helper()
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
			if got := detailOf(t, conn, mode, remove); strings.Contains(got, nir1) != opens || !strings.Contains(got, "(nir)") {
				t.Errorf("%s: %s", when, got)
			}
		}
	}
	check("before", false)
	must(t, conn, breakIt)
	check("under it", true)
	must(t, conn, `RESET pgveil.break_glass`)
	check("afterwards", false)
	marked := regexp.MustCompile(`"break_glass":"\w{26}".*"statement":"DETAIL of error 23503"`).FindAllString(auditText(t, s), -1)
	if len(marked) != 2 {
		t.Errorf("%q", marked)
	}
}

// TestBreakGlassReason: what people are told of a reason is bounded and prints, however long it is; what does not print
// does not make it longer.
func TestBreakGlassReason(t *testing.T) {
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s := stack.Start(t, stack.Options{Schema: glassSchema("{for: 1h}"), Change: func(c *proxy.Config) {
		c.Log = slog.New(slog.NewTextHandler(log, nil))
		c.Alerts = alert.New(alert.Options{Audit: c.Audit, Log: c.Log})
	}})
	fill(t, s)
	conn := s.Connect(t, "researcher")
	set := func(reason string) {
		if _, err := conn.Exec(context.Background(), `SELECT set_config('pgveil.break_glass', $1, false)`, reason); err != nil {
			t.Fatal(err)
		}
	}
	for _, reason := range []string{"short" + strings.Repeat("\u200b", 20), "\u202e\u202e" + strings.Repeat(" ", 20), strings.Repeat("\t\n", 30) + "no"} {
		set(reason)
		if got := asked(conn, readMail); got != "42501" {
			t.Errorf("%q: %s", reason, got)
		}
	}
	long := "a\x1b[31m reason\r\n\u202ewith \"quotes\" " + strings.Repeat("é", 5000)
	for _, end := range []string{" one", " two"} { // which are told apart by more than is shown
		set(long + end)
		if got := asked(conn, readMail); got != "anne@exemple.fr" {
			t.Error(got)
		}
	}
	text := auditText(t, s)
	if n := strings.Count(text, `"about":"break_glass"`); n != 2 {
		t.Errorf("%d alerts", n)
	}
	lines, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	for from, told := range map[string]string{"the audit log": text, "pgveil's log": string(lines)} {
		for line := range strings.Lines(told) {
			if !strings.Contains(line, "glass broken until") {
				continue
			}
			if n := strings.Count(line, "é"); n < 300 || n > 500 || !strings.Contains(line, `a[31m reason`) || strings.ContainsAny(line, "\x1b\u202e") || strings.Contains(line, `\u202e`) {
				t.Errorf("%s: %d of é: %.200s", from, n, line)
			}
		}
	}
}

// TestBreakGlassShortened: a schema file with a shorter time shortens what runs.
func TestBreakGlassShortened(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: glassSchema("{for: 1h}")})
	fill(t, s)
	conn := s.Connect(t, "researcher")
	must(t, conn, breakIt)
	if got := asked(conn, readMail); got != "anne@exemple.fr" {
		t.Fatal(got)
	}
	s.Reload(t, glassSchema("{for: 1s}"))
	time.Sleep(1100 * time.Millisecond)
	if got := asked(conn, readMail); got != "42501" {
		t.Errorf("shortened: %s", got)
	}
	must(t, conn, `SET pgveil.break_glass = 'another reason of length'`)
	s.Reload(t, glassSchema("{for: 1h, columns: [lab.patient.last_name]}"))
	for sql, want := range map[string]string{readMail: "42501", readName: "Lefèvre"} {
		if got := asked(conn, sql); got != want {
			t.Errorf("of other columns: %s: %s", sql, got)
		}
	}
}

// TestBreakGlassBudget: budgets of the login role hold on under it, unless it has one of its own, which is counted apart.
func TestBreakGlassBudget(t *testing.T) {
	s := startBudget(t, "{rows: 10}")
	text := strings.ReplaceAll(stack.Schema, "      lab.patient:\n", "      lab.patient:\n        subject: nir\n")
	with := func(rule, budgets string) {
		t.Helper()
		s.Reload(t, strings.Replace(text, "  laboratory:\n", "  laboratory:\n    break_glass: {researcher: "+rule+"}\n"+budgets, 1))
	}
	const login = "    budgets: {researcher: {patients_per_day: 2, rows: 30}}\n"
	conn, other := s.Connect(t, "researcher"), s.Connect(t, "researcher")
	read := func(conn *pgx.Conn, when, condition string, rows int, sqlstate string) {
		t.Helper()
		if n, code := rowsOf(conn, `SELECT last_name, birth_date, nir FROM lab.patient WHERE `+condition, pgx.QueryExecModeSimpleProtocol); n != rows || code != sqlstate {
			t.Errorf("%s: %s: %d rows %s, want %d %s", when, condition, n, code, rows, sqlstate)
		}
	}
	with("{for: 1h}", login)
	must(t, conn, breakIt)
	read(conn, "of the login", "id < 2", 2, "")
	read(conn, "of the login", "id = 2", 0, "53400")
	with("{for: 1h, budget: {patients_per_hour: 3}}", login)
	read(conn, "its own", "id BETWEEN 10 AND 12", 3, "")
	read(conn, "its own", "id BETWEEN 10 AND 12", 3, "")
	read(conn, "its own", "id = 13", 0, "53400")
	must(t, other, `SET pgveil.break_glass = 'another reason of length'`)
	read(other, "its own, of another session", "id = 11", 1, "")
	read(other, "its own, of another session", "id = 14", 0, "53400")
	must(t, conn, `RESET pgveil.break_glass`)
	read(conn, "afterwards", "id = 0", 1, "")
	with("{for: 1h, budget: {rows: 3}}", "")
	read(conn, "no budget without it", "id < 9", 9, "")
	read(other, "rows of a statement", "id < 9", 3, "53400")
	if got := auditText(t, s); !regexp.MustCompile(`"about":"budget"`).MatchString(got) {
		t.Error("no alert")
	}
}
