package audit

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/testenv"
)

// auditTable is a server with the table of a copy, and a role that may add to it.
func auditTable(t *testing.T) (pg *testenv.Postgres, connect func(context.Context) (*pgx.Conn, error)) {
	t.Helper()
	testenv.Require(t, testenv.PartPostgres)
	pg, err := testenv.StartPostgres(t.Context(), testenv.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pg.Stop() })
	if err := pg.CreateRole(t.Context(), "writer", "a-test-password"); err != nil {
		t.Fatal(err)
	}
	if err := pg.CreateDatabase(t.Context(), "evidence"); err != nil {
		t.Fatal(err)
	}
	if err := pg.ExecIn(t.Context(), "evidence", TableDDL(`"writer"`)); err != nil {
		t.Fatal(err)
	}
	return pg, func(ctx context.Context) (*pgx.Conn, error) {
		return pgx.Connect(ctx, pg.DSN("writer", "a-test-password", "evidence"))
	}
}

// exported gives the lines of the table in their order.
func exported(t *testing.T, pg *testenv.Postgres) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pg.DSN(pg.Superuser(), pg.SuperPassword(), "evidence"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var all string
	if err := conn.QueryRow(t.Context(), `SELECT coalesce(string_agg(line || E'\n', '' ORDER BY seq), '') FROM pgveil.audit_record`).Scan(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// verifyLines verifies the lines of a copy.
func verifyLines(t *testing.T, lines string) *Report {
	t.Helper()
	dir := t.TempDir()
	if err := SplitLines(dir, strings.NewReader(lines)); err != nil {
		t.Fatal(err)
	}
	r, err := Verify(VerifyOptions{Dir: dir, MAC: theMAC, Verifier: theKey, Copy: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTableCopy: the table has each line of the log as it is, also of what was written while its server was away and of
// what was sent twice, over restarts and rotation; what it gives back verifies, and what was changed in it does not.
func TestTableCopy(t *testing.T) {
	pg, connect := auditTable(t)
	var away atomic.Bool
	open := func() Copy {
		return NewTableCopy("table", func(ctx context.Context) (*pgx.Conn, error) {
			if away.Load() {
				return nil, errors.New("away")
			}
			return connect(ctx)
		})
	}
	dir := logDir(t)
	var all []byte
	for run := range 3 {
		o := options(dir)
		to := open()
		o.Copies, o.SegmentSize = []Copy{to}, 4096
		l := mustOpen(t, o)
		for n := range 30 {
			away.Store(run == 1 && n < 20)
			do(t, l, "session")
		}
		mustClose(t, l)
		all = []byte(logText(t, dir))
		if run == 2 { // as after a connection that broke before the answer
			again := open().(*tableCopy)
			if err := again.Write(all); err != nil {
				t.Fatal(err)
			}
			_ = again.Close()
		}
	}
	lines := exported(t, pg)
	if lines != string(all) {
		t.Fatalf("the table has %d bytes, the log %d", len(lines), len(all))
	}
	if r := verifyLines(t, lines); !r.OK() || r.Segments < 6 || len(r.Notes) == 0 {
		t.Errorf("%d segments, %v, %v", r.Segments, r.Problems, r.Notes)
	}
	for what, change := range map[string]string{
		"edited":  `UPDATE pgveil.audit_record SET line = replace(line, '"rows":', '"rows":1') WHERE line LIKE '%"outcome"%' AND seq > 10`,
		"removed": `DELETE FROM pgveil.audit_record WHERE seq = 12`,
		"swapped": `UPDATE pgveil.audit_record a SET line = b.line FROM pgveil.audit_record b WHERE (a.seq, b.seq) IN ((13, 14), (14, 13))`,
	} {
		if err := pg.ExecIn(t.Context(), "evidence", `CREATE TABLE kept AS TABLE pgveil.audit_record`, change); err != nil {
			t.Fatal(err)
		}
		if r := verifyLines(t, exported(t, pg)); r.OK() {
			t.Errorf("%s: nothing is found", what)
		}
		if err := pg.ExecIn(t.Context(), "evidence", `TRUNCATE pgveil.audit_record`, `INSERT INTO pgveil.audit_record TABLE kept`, `DROP TABLE kept`); err != nil {
			t.Fatal(err)
		}
	}
	// Who adds can neither read nor change.
	writer, err := connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close(context.Background())
	for _, sql := range []string{`SELECT line FROM pgveil.audit_record`, `DELETE FROM pgveil.audit_record`, `UPDATE pgveil.audit_record SET seq = 0`, `SELECT FROM pgveil.audit_log`} {
		if _, err := writer.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s runs", sql)
		}
	}
}

// TestTableCopyLeaves: the connection does not stand in the way of DROP DATABASE.
func TestTableCopyLeaves(t *testing.T) {
	pg, connect := auditTable(t)
	o := options(logDir(t))
	o.Copies = []Copy{NewTableCopy("table", connect)}
	l := mustOpen(t, o)
	defer mustClose(t, l)
	do(t, l, "session")
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(exported(t, pg), `"outcome"`); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the outcome has not come")
		}
	}
	if err := pg.ExecIn(t.Context(), "evidence", `SELECT count(*) FROM pgveil.audit_log WHERE kind = 'intent' AND time > now() - interval '1 hour'`); err != nil {
		t.Error(err)
	}
	if err := pg.Exec(t.Context(), `DROP DATABASE evidence`); err != nil {
		t.Error(err)
	}
}

// TestSplitLines: lines that cannot be those of a copy are no log.
func TestSplitLines(t *testing.T) {
	o := options(logDir(t))
	l := mustOpen(t, o)
	do(t, l, "session")
	mustClose(t, l)
	whole := logText(t, o.Dir)
	_, rest, _ := strings.Cut(whole, "\n")
	for what, lines := range map[string]string{"without its first": rest, "twice": whole + whole, "outside": strings.Replace(whole, `"segment":"pgveil-`, `"segment":"../pgveil-`, 1), "no record": "hello\n"} {
		if err := SplitLines(t.TempDir(), strings.NewReader(lines)); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	cut := strings.TrimSuffix(whole, "\n")
	if r := verifyLines(t, cut[:len(cut)-4]); r.OK() {
		t.Error("half a line: nothing is found")
	}
}
