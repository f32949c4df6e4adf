package proxy_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/apply"
	"github.com/pgveil/pgveil/testenv/stack"
)

// TestAttackHiddenColumns: what is sealed beside its clients is reached under no name of theirs,
// nor does it shift the columns that a name is given to.
func TestAttackHiddenColumns(t *testing.T) {
	s := guardStack(t)
	ctx := t.Context()
	direct, err := s.Postgres.Conn(ctx, s.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close(context.WithoutCancel(ctx))
	if _, err := direct.Exec(ctx, `INSERT INTO lab.patient VALUES (1, '11', 'note 1', 'kept'); INSERT INTO lab.visit VALUES (7, '11', 'v')`); err != nil {
		t.Fatal(err)
	}
	c := s.Connect(t, "biologist")
	j := seal(t, s)
	awaitShadows(t, s)
	for sql, want := range map[string]string{
		`SELECT e FROM lab.patient AS p (a, b, c, d, e)`:                                                      "0A000",
		`SELECT e FROM (lab.patient p JOIN lab.visit v ON v.nir = p.nir) AS j (a, b, c, d, e)`:                "0A000",
		`SELECT e || '' FROM (lab.patient p JOIN lab.visit v USING (nir)) AS j (a, b, c, d, e)`:               "0A000",
		`SELECT e || '' FROM (lab.patient p NATURAL JOIN lab.visit v) AS j (a, b, c, d, e)`:                   "0A000",
		`SELECT f FROM ((lab.patient p CROSS JOIN lab.visit v) JOIN (SELECT) s ON true) j (a,b,c,d,e,f)`:      "0A000",
		`SELECT d FROM ((SELECT 8) s (x) CROSS JOIN (lab.visit CROSS JOIN lab.patient)) j (a,b,c,d,e,f)`:      "0A000",
		`SELECT a, d FROM (lab.patient p JOIN lab.visit v ON v.nir = p.nir) AS j (a, b, c, d)`:                "1 kept",
		`SELECT a, b, d FROM ((SELECT 8) s (x) CROSS JOIN lab.patient) AS j (a, b, c, d, e)`:                  "8 1 note 1",
		`SELECT a FROM (lab.patient p JOIN lab.visit v USING (nir)) AS j (a)`:                                 "11             ",
		`SELECT json_agg(x) FROM (SELECT * FROM lab.visit) x`:                                                 `[{"id":7,"nir":"11             ","kept":"v"}]`,
		`CREATE TEMP TABLE like_it (LIKE lab.patient)`:                                                        "0A000",
		`CREATE TABLE lab.under_it () INHERITS (lab.patient)`:                                                 "0A000",
		`BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT note FROM lab.patient; ROLLBACK`:      "note 1",
		`INSERT INTO lab.patient VALUES (2, '22', 'x', 'y', 'extra')`:                                         "42601",
		`INSERT INTO lab.patient SELECT 2, '22', 'x', 'y', 'extra'`:                                           "42601",
		`SELECT * FROM lab.visit WHERE id IN (SELECT * FROM lab.patient)`:                                     "42601",
		`WITH x AS (UPDATE lab.visit SET kept = 'w' WHERE false RETURNING *) SELECT count(*), max(id) FROM x`: "0 ",
	} {
		if got := sayings(c.PgConn().Exec(ctx, sql).ReadAll()); got != want {
			t.Errorf("%s: %q", sql, got)
		}
	}
	for _, sql := range []string{`BEGIN`, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT note FROM lab.patient; ROLLBACK`} {
		if got := sayings(c.PgConn().Exec(ctx, sql).ReadAll()); got != "" && got != "note 1" {
			t.Errorf("%s: %q", sql, got)
		}
	}
	close(j.resume)
	if err := <-j.done; err != nil {
		t.Fatal(err)
	}
}

// sayings gives the values of all rows, or the code of the error.
func sayings(results []*pgconn.Result, err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	if err != nil {
		return err.Error()
	}
	var values []string
	for _, r := range results {
		for _, row := range r.Rows {
			for _, v := range row {
				values = append(values, string(v))
			}
		}
	}
	return strings.Join(values, " ")
}

// TestAttackPreparedBefore: what was prepared before the schema file named the table waits for
// the swap like all else, and is described as it will run.
func TestAttackPreparedBefore(t *testing.T) {
	s := guardStack(t)
	ctx := t.Context()
	head, _, _ := strings.Cut(guardSchema, "      lab.patient:")
	_, visit, _ := strings.Cut(guardSchema, "      lab.visit:")
	before, err := schema.Parse("before.yaml", []byte(head+"      lab.visit:"+visit))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Server.Reload(before.Databases); err != nil {
		t.Fatal(err)
	}
	direct, err := s.Postgres.Conn(ctx, s.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close(context.WithoutCancel(ctx))
	if _, err := direct.Exec(ctx, `INSERT INTO lab.patient VALUES (1, '11', 'note 1', 'kept'); SELECT pg_advisory_lock(770077)`); err != nil {
		t.Fatal(err)
	}
	c := dialWire(t, s.DSN("biologist"))
	described := func() string {
		return c.exchange(describe('S', "read"), sync_, describe('S', "write"), sync_)
	}
	c.exchange(parse("read", `SELECT note, nir FROM lab.patient WHERE nir = $1`), parse("write", `INSERT INTO lab.patient VALUES ($1, $2, $3, 'kept')`), sync_)
	want := described()
	if err := s.Server.Reload(s.File.Databases); err != nil {
		t.Fatal(err)
	}
	j := seal(t, s)
	waiting := make(chan string, 1)
	go func() {
		waiting <- c.exchange(parse("", `SELECT pg_advisory_xact_lock(770077)`), bind("", ""), execute("", 0),
			bind("", "write", "3", "33", "note 3"), execute("", 0), sync_)
	}()
	awaitLock(t, direct)
	close(j.resume)
	for swapped, tries := false, 0; !swapped && tries < 1000; tries++ { // or is waited for
		if err := direct.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND (classid::bigint << 32 | objid::bigint) = $1 AND NOT granted)
			OR EXISTS (SELECT FROM pgveil.seal_job WHERE state <> 'fill')`, int64(schema.SwapLock)).Scan(&swapped); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := direct.Exec(ctx, `SELECT pg_advisory_unlock_all()`); err != nil {
		t.Fatal(err)
	}
	if got := <-waiting; !strings.Contains(got, "INSERT 0 1") {
		t.Errorf("%s", got)
	}
	if err := <-j.done; err != nil {
		t.Fatal(err)
	}
	if got := described(); got != want {
		t.Errorf("described as %s\nbefore: %s", got, want)
	}
	var all string
	if got := sayings(s.Connect(t, "biologist").PgConn().Exec(ctx, `SELECT note FROM lab.patient WHERE nir IN ('11', '33')`).ReadAll()); strings.Count(got, "note") != 2 {
		t.Errorf("%s", got)
	}
	if err := direct.QueryRow(ctx, `SELECT string_agg(encode(note::text::bytea, 'escape'), ' ') FROM lab.patient`).Scan(&all); err != nil || strings.Contains(all, "note") {
		t.Errorf("stored: %.200s, %v", all, err)
	}
}

// TestAttackLockedSnapshot: LOCK is the first that a transaction does, whose snapshot then is
// newer than the lock.
func TestAttackLockedSnapshot(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	ctx := t.Context()
	holder, c := s.Connect(t, "biologist"), s.Connect(t, "biologist")
	direct, err := s.Postgres.Conn(ctx, s.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close(context.WithoutCancel(ctx))
	for _, sql := range []string{`BEGIN; LOCK TABLE lab.patient IN SHARE ROW EXCLUSIVE MODE`, `UPDATE lab.patient SET city = 'Nantes' WHERE id = 1`} {
		if got := sayings(holder.PgConn().Exec(ctx, sql).ReadAll()); got != "" {
			t.Fatal(got)
		}
	}
	if got := sayings(c.PgConn().Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ`).ReadAll()); got != "" {
		t.Fatal(got)
	}
	ended := make(chan string, 1)
	go func() {
		ended <- sayings(c.PgConn().Exec(ctx, `LOCK TABLE lab.patient IN SHARE ROW EXCLUSIVE MODE`).ReadAll())
	}()
	awaitLock(t, direct)
	if got := sayings(holder.PgConn().Exec(ctx, `COMMIT`).ReadAll()); got != "" {
		t.Fatal(got)
	}
	if got := <-ended; got != "" {
		t.Fatal(got)
	}
	if got := sayings(c.PgConn().Exec(ctx, `SELECT city FROM lab.patient WHERE nir = '`+nir1+`'`).ReadAll()); got != "Nantes" {
		t.Errorf("%q", got)
	}
}

// TestAttackSentBefore: what was sent before pgveil could know of a job, and runs only now, is not
// overtaken by the swap.
func TestAttackSentBefore(t *testing.T) {
	s := guardStack(t)
	ctx := t.Context()
	direct, err := s.Postgres.Conn(ctx, s.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close(context.WithoutCancel(ctx))
	if _, err := direct.Exec(ctx, `SELECT pg_advisory_lock(770077)`); err != nil {
		t.Fatal(err)
	}
	c := s.Connect(t, "biologist")
	wrote := make(chan string, 1)
	go func() {
		wrote <- sayings(c.PgConn().Exec(ctx, `SELECT pg_advisory_xact_lock(770077); INSERT INTO lab.patient VALUES (1, '100000000000001', 'sent before', 'kept')`).ReadAll())
	}()
	awaitLock(t, direct)
	conn, err := s.Postgres.Conn(ctx, s.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	ended, waits := make(chan error, 1), make(chan struct{}, 1)
	go func() {
		_, _, err := apply.Run(ctx, conn, s.File.Databases[s.Database], apply.Options{
			Settle: 2 * time.Second,
			Keys:   func(context.Context) (apply.Keys, error) { return s.Keys, nil },
			Progress: func(p apply.Progress) {
				if strings.Contains(p.Why, "what was sent before") {
					select {
					case waits <- struct{}{}:
					default:
					}
				}
			},
		})
		ended <- err
	}()
	select {
	case <-waits:
	case err := <-ended:
		ended <- err
		t.Errorf("the job did not wait: %v", err)
	case <-time.After(time.Minute):
		t.Error("the job does nothing")
	}
	if _, err := direct.Exec(ctx, `SELECT pg_advisory_unlock(770077)`); err != nil {
		t.Fatal(err)
	}
	if got := <-wrote; got != "" {
		t.Errorf("insert: %s", got)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := sayings(c.PgConn().Exec(ctx, `SELECT note FROM lab.patient WHERE nir = '100000000000001'`).ReadAll()); got != "sent before" {
		t.Errorf("%q", got)
	}
}
