package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/testenv/stack"
)

const aReason = `unconscious patient, no identity`

// glassSchema lets the researcher break the glass.
func glassSchema(rule string) string {
	return strings.Replace(stack.Schema, "databases:\n  laboratory:\n", "databases:\n  laboratory:\n    break_glass: {researcher: "+rule+"}\n", 1)
}

// asked gives the first column of the rows in one line, or the error's code.
func asked(conn *pgx.Conn, sql string, args ...any) string {
	rows, err := conn.Query(context.Background(), sql, args...)
	var all []string
	if err == nil {
		for rows.Next() {
			values, err := rows.Values()
			if err != nil {
				return err.Error()
			}
			all = append(all, fmt.Sprint(values[0]))
		}
		err = rows.Err()
	}
	if err != nil {
		return strings.TrimSpace(strings.Join(append(all, code(err)), " "))
	}
	return strings.Join(all, " ")
}

func must(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := conn.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

const (
	breakIt  = `SET pgveil.break_glass = '` + aReason + `'`
	readName = `SELECT last_name FROM lab.patient WHERE id = 1`        // hidden
	readBorn = `SELECT birth_date FROM lab.patient WHERE id = 1`       // masked
	readMail = `SELECT email FROM lab.patient WHERE id = 1`            // denied
	findNIR  = `SELECT id FROM lab.patient WHERE nir = '` + nir2 + `'` // no right to search
)

// TestBreakGlass: who may break the glass reads what is hidden, masked and denied, in every way and for as long as the
// setting holds; nobody else does meanwhile.
func TestBreakGlass(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: glassSchema("{for: 1h}")})
	fill(t, s)
	conn, other := s.Connect(t, "researcher"), s.Connect(t, "researcher")
	closed := func(conn *pgx.Conn, when string) {
		t.Helper()
		for _, mode := range []any{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec} {
			for sql, want := range map[string]string{readName: "<nil>", readMail: "42501", findNIR: "42501"} {
				if got := asked(conn, sql, mode); got != want {
					t.Errorf("%s: %s: %s, want %s", when, sql, got, want)
				}
			}
			if got := asked(conn, readBorn, mode); !strings.HasPrefix(got, "1985-01-01") {
				t.Errorf("%s: %s: %s", when, readBorn, got)
			}
		}
	}
	open := func(conn *pgx.Conn, when string) {
		t.Helper()
		for _, mode := range []any{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec} {
			for sql, want := range map[string]string{readName: "Lefèvre", readMail: "anne@exemple.fr", findNIR: "2"} {
				if got := asked(conn, sql, mode); got != want {
					t.Errorf("%s: %s: %s, want %s", when, sql, got, want)
				}
			}
			if got := asked(conn, readBorn, mode); !strings.HasPrefix(got, "1985-05-17") {
				t.Errorf("%s: %s: %s", when, readBorn, got)
			}
		}
		var out bytes.Buffer
		if _, err := conn.PgConn().CopyTo(context.Background(), &out, `COPY lab.patient (last_name, birth_date, email) TO STDOUT`); err != nil || !strings.Contains(out.String(), "Lefèvre\t1985-05-17\tanne@exemple.fr") {
			t.Errorf("%s: %q, %v", when, out.String(), err)
		}
	}
	closed(conn, "before")
	must(t, conn, breakIt)
	open(conn, "after SET")
	closed(other, "another session")
	must(t, conn, `RESET pgveil.break_glass`)
	closed(conn, "after RESET")
	must(t, conn, `BEGIN`, `SET LOCAL pgveil.break_glass = 'another reason of length'`)
	open(conn, "SET LOCAL")
	must(t, conn, `COMMIT`)
	closed(conn, "after COMMIT")
	must(t, conn, `BEGIN`, `SET pgveil.break_glass = 'a third reason of length'`)
	open(conn, "in a transaction")
	must(t, conn, `ROLLBACK`)
	closed(conn, "after ROLLBACK")
	must(t, conn, `SELECT set_config('pgveil.break_glass', '`+aReason+`', false)`)
	open(conn, "set_config")
	if err := conn.DeallocateAll(t.Context()); err != nil { // which pgx then knows of
		t.Fatal(err)
	}
	must(t, conn, `DISCARD ALL`)
	closed(conn, "after DISCARD ALL")

	// A cursor and a portal that were opened under it show what the verdicts allow afterwards.
	must(t, conn, breakIt, `BEGIN`, `DECLARE c CURSOR FOR SELECT last_name FROM lab.patient ORDER BY id`)
	if got := asked(conn, `FETCH 1 FROM c`, pgx.QueryExecModeSimpleProtocol); got != "Lefèvre" {
		t.Errorf("FETCH: %s", got)
	}
	must(t, conn, `RESET pgveil.break_glass`)
	if got := asked(conn, `FETCH 1 FROM c`, pgx.QueryExecModeSimpleProtocol); got != "<nil>" {
		t.Errorf("FETCH after RESET: %s", got)
	}
	must(t, conn, `ROLLBACK`, `RESET pgveil.break_glass`)
	closed(conn, "at the end")

	// As an option of the connection.
	started := s.Connect(t, "researcher", `options='-c pgveil.break_glass=a_reason_of_startup'`)
	open(started, "options")

	// Each statement says by which alert it was allowed, and that stands before it.
	text := auditText(t, s)
	alerts := regexp.MustCompile(`"kind":"alert".*"session_user":"researcher","role":"researcher","roles":\["researcher"\].*"break_glass":"(\w+)".*"about":"break_glass","text":"glass broken until \S+Z: ([^"]+)"`).FindAllStringSubmatchIndex(text, -1)
	var reasons []string
	for _, at := range alerts {
		id, reason := text[at[2]:at[3]], text[at[4]:at[5]]
		reasons = append(reasons, reason)
		intents := regexp.MustCompile(`"kind":"intent".*"break_glass":"`+id+`"`).FindAllStringIndex(text, -1)
		if len(intents) == 0 || intents[0][0] < at[0] {
			t.Errorf("%s: no intents, or before the alert", reason)
		}
	}
	if fmt.Sprint(reasons) != fmt.Sprint([]string{aReason, "another reason of length", "a third reason of length", "a_reason_of_startup"}) {
		t.Errorf("%q", reasons)
	}
	if n := s.Server.Stats().Alerts.Raised[alert.BreakGlass]; n != 4 {
		t.Errorf("%d alerts are counted", n)
	}
	if bytes.Contains([]byte(text), []byte(`\u0000`)) {
		t.Error("a role of pgveil's own is in the log")
	}
}

// TestBreakGlassRefused: who may not, or says no reason, gets nothing of tagged columns until he takes it back.
func TestBreakGlassRefused(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: glassSchema("{for: 1h}")})
	fill(t, s)
	for role, reason := range map[string]string{"biologist": aReason, "secretary": aReason, "researcher": "too short"} {
		conn := s.Connect(t, role)
		must(t, conn, `SET pgveil.break_glass = '`+reason+`'`)
		for _, mode := range []any{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement} {
			if got := asked(conn, readName, mode); got != "42501" {
				t.Errorf("%s: %s", role, got)
			}
			if got := asked(conn, `SELECT note FROM lab.plain`, mode); got != "a note" {
				t.Errorf("%s: %s", role, got)
			}
		}
		must(t, conn, `RESET pgveil.break_glass`)
		if got := asked(conn, readName); got == "42501" {
			t.Errorf("%s: %s", role, got)
		}
	}
	if text := auditText(t, s); strings.Contains(text, `"about":"break_glass"`) || !strings.Contains(text, `"kind":"refused"`) {
		t.Error(text)
	}
	// Role by role: a secretary who may become a researcher may as one.
	if err := s.Postgres.Exec(t.Context(), `GRANT researcher TO secretary`); err != nil {
		t.Fatal(err)
	}
	if err := s.Postgres.Exec(t.Context(), `ALTER ROLE secretary NOINHERIT`); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond) // until pgveil has seen it
	conn := s.Connect(t, "secretary")
	must(t, conn, breakIt)
	if got := asked(conn, readMail); got != "42501" {
		t.Error(got)
	}
	must(t, conn, `SET ROLE researcher`)
	if got := asked(conn, readMail); got != "anne@exemple.fr" {
		t.Error(got)
	}
	must(t, conn, `RESET ROLE`)
	if got := asked(conn, readMail); got != "42501" {
		t.Error(got)
	}
}

// TestBreakGlassColumns: only the columns of the rule are opened.
func TestBreakGlassColumns(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: glassSchema("{for: 1h, columns: [lab.patient.email, lab.result.*]}")})
	fill(t, s)
	conn := s.Connect(t, "researcher")
	must(t, conn, breakIt)
	for sql, want := range map[string]string{
		readName: "<nil>", readMail: "anne@exemple.fr", findNIR: "42501",
		`SELECT document::text FROM lab.result WHERE id = 1`: `{"ct": 21.5}`,
		`SELECT nir FROM lab.result WHERE id = 1`:            nir1,
	} {
		if got := asked(conn, sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

// TestBreakGlassEnds: when the time is over the verdicts hold again, for what was prepared, declared and bound under it, too;
// the same reason does not begin it anew, another does.
func TestBreakGlassEnds(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: glassSchema("{for: 2s}")})
	fill(t, s)
	ctx := t.Context()
	conn := s.Connect(t, "researcher")
	if _, err := conn.Prepare(ctx, "name", readName); err != nil {
		t.Fatal(err)
	}
	must(t, conn, breakIt)
	if got := asked(conn, "name"); got != "Lefèvre" {
		t.Fatal(got)
	}
	if _, err := conn.Prepare(ctx, "mail", readMail); err != nil {
		t.Fatal(err)
	}
	must(t, conn, `BEGIN`, `DECLARE c CURSOR FOR SELECT last_name FROM lab.patient ORDER BY id`, `DECLARE d CURSOR FOR SELECT email FROM lab.patient ORDER BY id`,
		`PREPARE p AS SELECT email FROM lab.patient WHERE id = 1`)
	for sql, want := range map[string]string{"name": "Lefèvre", "mail": "anne@exemple.fr", `EXECUTE p`: "anne@exemple.fr"} {
		if got := asked(conn, sql, pgx.QueryExecModeExec); got != want && !strings.HasPrefix(sql, "EX") {
			if got = asked(conn, sql); got != want {
				t.Fatalf("%s: %s", sql, got)
			}
		}
	}
	time.Sleep(2100 * time.Millisecond)
	if got := asked(conn, `FETCH 1 FROM c`, pgx.QueryExecModeSimpleProtocol); got != "<nil>" {
		t.Errorf("FETCH of what is hidden: %s", got)
	}
	if got := asked(conn, "name"); got != "<nil>" {
		t.Errorf("prepared: %s", got)
	}
	for _, sql := range []string{`FETCH 1 FROM d`, `EXECUTE p`, readMail} {
		must(t, conn, `SAVEPOINT a`)
		if got := asked(conn, sql, pgx.QueryExecModeSimpleProtocol); got != "42501" {
			t.Errorf("%s: %s", sql, got)
		}
		must(t, conn, `ROLLBACK TO a`)
	}
	must(t, conn, `COMMIT`)
	if got := asked(conn, "mail"); got != "42501" {
		t.Errorf("prepared: %s", got)
	}
	must(t, conn, `RESET pgveil.break_glass`)
	must(t, conn, breakIt)
	if got := asked(conn, readMail); got != "42501" {
		t.Errorf("the same reason: %s", got)
	}
	must(t, conn, `SET pgveil.break_glass = 'the patient is still unconscious'`)
	if got := asked(conn, readMail); got != "anne@exemple.fr" {
		t.Errorf("another reason: %s", got)
	}
	if n := strings.Count(auditText(t, s), `"about":"break_glass"`); n != 2 {
		t.Errorf("%d alerts", n)
	}
}

// TestBreakGlassPipelined: in one batch each statement goes by what holds in its place.
func TestBreakGlassPipelined(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: glassSchema("{for: 1h}")})
	fill(t, s)
	conn := s.Connect(t, "researcher")
	batch := &pgx.Batch{}
	var got []string
	queue := func(sql string) {
		batch.Queue(sql).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				values, err := rows.Values()
				if err != nil {
					return err
				}
				got = append(got, fmt.Sprint(values[0]))
			}
			return rows.Err()
		})
	}
	queue(readName)
	queue(breakIt)
	queue(readName)
	queue(`RESET pgveil.break_glass`)
	queue(readName)
	if err := conn.SendBatch(t.Context(), batch).Close(); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != "[<nil> Lefèvre <nil>]" {
		t.Errorf("%q", got)
	}
}

// TestBreakGlassReloaded: taken out of the schema file, the right ends for open sessions.
func TestBreakGlassReloaded(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: glassSchema("{for: 1h}")})
	fill(t, s)
	conn := s.Connect(t, "researcher")
	must(t, conn, breakIt)
	if got := asked(conn, readMail); got != "anne@exemple.fr" {
		t.Fatal(got)
	}
	s.Reload(t, stack.Schema)
	if got := asked(conn, readMail); got != "42501" {
		t.Error(got)
	}
	s.Reload(t, glassSchema("{for: 1h}"))
	if got := asked(conn, readMail); got != "anne@exemple.fr" {
		t.Error(got)
	}
}

// TestBreakGlassPooled: where another client may come by the session, the glass stays whole.
func TestBreakGlassPooled(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: glassSchema("{for: 1h}"), Pooler: proxy.PoolerTransaction})
	fill(t, s)
	conn := s.Connect(t, "researcher")
	must(t, conn, `BEGIN`, breakIt)
	if got := asked(conn, readMail, pgx.QueryExecModeSimpleProtocol); got != "0A000" {
		t.Error(got)
	}
	must(t, conn, `ROLLBACK`)
}

// TestBreakGlassOfControlled: columns in the clear that are read by verdict are opened by it, too.
func TestBreakGlassOfControlled(t *testing.T) {
	s := stack.Start(t, stack.Options{Schema: strings.Replace(glassSchema("{for: 1h}"), "      lab.every:\n", "      lab.plain:\n        columns:\n          note: {type: text, encryption: none, access: {biologist: decrypt, researcher: hide}}\n      lab.every:\n", 1)})
	if err := s.Postgres.ExecIn(t.Context(), s.Database, `INSERT INTO lab.plain VALUES (1, 'a note', '')`); err != nil {
		t.Fatal(err)
	}
	conn := s.Connect(t, "researcher")
	if _, err := conn.Prepare(t.Context(), "note", `SELECT note FROM lab.plain`); err != nil {
		t.Fatal(err)
	}
	read := func(want string) {
		t.Helper()
		for _, sql := range []string{"note", `SELECT note FROM lab.plain WHERE id = 1`} {
			if got := asked(conn, sql); got != want {
				t.Errorf("%s: %s, want %s", sql, got, want)
			}
		}
	}
	read("<nil>")
	must(t, conn, breakIt)
	read("a note")
	if got := asked(conn, `SELECT upper(note) FROM lab.plain`); got != "A NOTE" {
		t.Error(got)
	}
	must(t, conn, `RESET pgveil.break_glass`)
	read("<nil>")
}
