package apply_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/apply"
	"github.com/pgveil/pgveil/testenv/stack"
)

// guard gives what pgveil.guard() does in a transaction, or a connection.
func guard(ctx context.Context, q interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) (n, last int64, err error) {
	err = q.QueryRow(ctx, `SELECT * FROM pgveil.guard()`).Scan(&n, &last)
	return n, last, err
}

// prepared runs a job until its first batch is done, so that the columns are being changed.
func prepared(t *testing.T, s *stack.Stack) {
	t.Helper()
	prepareFor(t, s, s.File.Databases[s.Database])
}

func prepareFor(t *testing.T, s *stack.Stack, db *schema.Database) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := options(s)
	o.Progress = func(apply.Progress) { cancel() }
	job := connect(t, s)
	if _, _, err := apply.Run(ctx, job, db, o); err == nil {
		t.Fatal("not cancelled")
	}
	_ = job.Close(context.Background())
}

func columnType(t *testing.T, conn *pgx.Conn, table, column string) (name string) {
	t.Helper()
	if err := conn.QueryRow(context.Background(), `SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = $1::text::regclass AND attname = $2`, table, column).Scan(&name); err != nil {
		t.Error(err)
	}
	return name
}

// TestSwapAwaitsGuards: a transaction that has asked pgveil.guard() keeps the swap away until it
// ends; others that ask behind the swap then see the new epoch, or that they cannot.
func TestSwapAwaitsGuards(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	prepared(t, s)
	ctx := t.Context()
	// Of a role that owns nothing.
	holder, late, repeatable := s.Direct(t, "biologist"), s.Direct(t, "biologist"), s.Direct(t, "biologist")
	tx, err := holder.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	before, last, err := guard(ctx, tx)
	if err != nil || before != last {
		t.Fatal(before, last, err)
	}
	old, err := repeatable.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Exec(ctx, `SELECT count(*) FROM lab.plain`); err != nil { // its snapshot is from here on
		t.Fatal(err)
	}
	o := options(s)
	o.LockTimeout = 20 * time.Millisecond
	tries := 0
	o.Progress = func(p apply.Progress) {
		if !strings.HasPrefix(p.Why, "a lock was not had") {
			return
		}
		if name := columnType(t, holder, "lab.patient", "last_name"); name != "character varying" {
			t.Errorf("swapped to %s", name)
		}
		if n, last, err := guard(ctx, holder); n != before || last != before || err != nil {
			t.Errorf("the epoch moved while nothing was swapped: %d, %d, %v", n, last, err)
		}
		if tries++; tries == 2 {
			if err := tx.Commit(ctx); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := run(ctx, conn, s, o); err != nil || tries < 2 {
		t.Fatal(tries, err)
	}
	n, last, err := guard(ctx, late)
	if err != nil || n <= before || n != last {
		t.Errorf("afterwards: %d, %d, %v", n, last, err)
	}
	seen, last, err := guard(ctx, old)
	if err != nil || seen != before || last != n {
		t.Errorf("in a snapshot from before: %d, %d, %v", seen, last, err)
	}
}

// TestGuardWaits: whoever asks while a swap is underway waits for its end, and sees it. The swap
// here is what holds its lock.
func TestGuardWaits(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	prepared(t, s)
	ctx := t.Context()
	var before int64
	if err := conn.QueryRow(ctx, `SELECT n FROM pgveil.epoch`).Scan(&before); err != nil {
		t.Fatal(err)
	}
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead} {
		tx, err := conn.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, sql := range []string{apply.SwapLockStatement, `UPDATE pgveil.epoch SET n = nextval('pgveil.epoch_seq')`} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				t.Fatal(err)
			}
		}
		client := s.Direct(t, "biologist")
		type answer struct {
			n, last int64
			err     error
		}
		answers := make(chan answer, 1)
		go func() {
			var a answer
			a.err = pgx.BeginTxFunc(context.Background(), client, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) (err error) {
				a.n, a.last, err = guard(context.Background(), tx)
				return err
			})
			answers <- a
		}()
		watcher := connect(t, s)
		for waits := false; !waits; {
			if err := watcher.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted AND locktype = 'advisory')`, client.PgConn().PID()).Scan(&waits); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		a := <-answers
		want := answer{before + 1, before + 1, nil}
		if level == pgx.RepeatableRead {
			want.n = before
		}
		if a != want {
			t.Errorf("%s: %+v, not %+v", level, a, want)
		}
		before++
	}
}

// TestSwapRolledBack: a swap that fails leaves the tables as they were, and the epoch as all see it.
func TestSwapRolledBack(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	before := all(t, conn)
	for _, sql := range []string{ // when the epoch is already another
		`CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF new.state = ''verify'' THEN RAISE ''no''; END IF; RETURN new; END'`,
		`CREATE SCHEMA pgveil`, `CREATE TABLE pgveil.seal_job (unit text PRIMARY KEY, state text NOT NULL, rows_done bigint NOT NULL DEFAULT 0, rows_total bigint NOT NULL DEFAULT 0,
			started timestamptz NOT NULL DEFAULT now(), heartbeat timestamptz NOT NULL DEFAULT now(), host text NOT NULL, process int NOT NULL)`,
		`CREATE TRIGGER refuse BEFORE UPDATE ON pgveil.seal_job FOR EACH ROW EXECUTE FUNCTION public.refuse()`,
	} {
		if err := s.Postgres.ExecIn(t.Context(), s.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := run(t.Context(), conn, s, options(s)); err == nil || !strings.Contains(err.Error(), "swap: ") {
		t.Fatalf("it ran: %v", err)
	}
	if n, last, err := guard(t.Context(), conn); err != nil || n != last || n < 3 { // 1 from the beginning, 2 of the swap
		t.Errorf("the epoch: %d, %d, %v", n, last, err)
	}
	// A job that has ended between may leave the sequence ahead; the next one makes them one.
	for _, sql := range []string{`SELECT setval('pgveil.epoch_seq', 77)`, `DROP FUNCTION public.refuse CASCADE`} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if n, last, err := guard(t.Context(), conn); err != nil || n == last {
		t.Errorf("the epoch: %d, %d, %v", n, last, err)
	}
	if _, err := run(t.Context(), conn, s, options(s)); err != nil {
		t.Fatal(err)
	}
	if n, last, err := guard(t.Context(), conn); err != nil || n != last || n <= 78 {
		t.Errorf("the epoch: %d, %d, %v", n, last, err)
	}
	same(t, all(t, s.Connect(t, "biologist", "default_query_exec_mode=exec")), before)
}

// TestNoDeadlocks has clients take the tables' locks, rows and the guard's in all orders while a
// job works: it is the job that gives way.
func TestNoDeadlocks(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	prepared(t, s)
	const (
		asks  = `SELECT * FROM pgveil.guard()`
		reads = `SELECT count(*) FROM lab.result WHERE id < $1`
		low   = `UPDATE lab.patient SET city = 'Lyon' WHERE id = 1 + $1 % 500`
		high  = `UPDATE lab.patient SET city = 'Nice' WHERE id = 600 + $1 % 500` // always behind low: none of them deadlocks with another
	)
	var stop, enough atomic.Bool // enough of those that ask only after they have a table
	var clients sync.WaitGroup
	for w, steps := range [][]string{{asks, low, high, reads}, {asks, reads, low, high}, {low, asks, high}, {low, high, asks, reads}} {
		client := s.Direct(t, "biologist")
		clients.Go(func() {
			for i := w; !stop.Load() && (steps[0] == asks || !enough.Load()); i += 4 {
				err := pgx.BeginFunc(context.Background(), client, func(tx pgx.Tx) error {
					for _, sql := range steps {
						args := []any{pgx.QueryExecModeExec}
						if sql != asks {
							args = append(args, i)
						}
						if _, err := tx.Exec(context.Background(), sql, args...); err != nil {
							return fmt.Errorf("%s: %w", sql, err)
						}
					}
					return nil
				})
				if err != nil {
					t.Errorf("client %d: %v", w, err)
					return
				}
			}
		})
	}
	// One holds a table and asks the guard while the swap waits for that table.
	holder := s.Direct(t, "biologist")
	clients.Go(func() {
		for met := 0; met < 2 && !stop.Load(); {
			err := pgx.BeginFunc(context.Background(), holder, func(tx pgx.Tx) error {
				if _, err := tx.Exec(context.Background(), `LOCK TABLE lab.patient IN ACCESS SHARE MODE`); err != nil {
					return err
				}
				for waits := false; !waits && !stop.Load(); {
					if err := tx.QueryRow(context.Background(), `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock')`).Scan(&waits); err != nil {
						return err
					}
				}
				met++
				_, _, err := guard(context.Background(), tx)
				return err
			})
			if err != nil {
				t.Errorf("the holder: %v", err)
				return
			}
		}
	})
	o := options(s)
	o.LockTimeout, o.LockTries = 100*time.Millisecond, 1000
	tries := 0
	o.Progress = func(p apply.Progress) {
		if strings.HasPrefix(p.Why, "a lock was not had") {
			tries++
			enough.Store(tries >= 3)
		}
	}
	_, err := run(t.Context(), conn, s, o)
	stop.Store(true)
	clients.Wait()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSettle: nothing changes until pgveils have seen that a job is about to begin; when all is
// done they need not look any more.
func TestSettle(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	o := options(s)
	o.Settle = time.Second
	var waited time.Time
	o.Progress = func(p apply.Progress) {
		if strings.HasPrefix(p.Why, "all pgveils") {
			waited = time.Now()
			if !announced(t, connect(t, s)) {
				t.Error("it waits unannounced")
			}
			var columns int
			err := connect(t, s).QueryRow(t.Context(), `SELECT count(*) FROM pg_attribute WHERE starts_with(attname::text, $1) AND NOT attisdropped`, schema.ShadowPrefix).Scan(&columns)
			if err != nil || columns != 0 {
				t.Error(columns, "shadow columns", err)
			}
		}
	}
	began := time.Now()
	if _, err := run(t.Context(), conn, s, o); err != nil || waited.IsZero() || time.Since(began) < o.Settle {
		t.Error(waited, time.Since(began), err)
	}
	if announced(t, conn) {
		t.Error("it is still announced")
	}
}

// TestAnnouncedBesideDump: what the job has in schema pgveil is there for those who have begun to
// dump it, and the job does not wait for them.
func TestAnnouncedBesideDump(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	o := options(s)
	o.Settle = time.Millisecond
	dump := connect(t, s)
	begun := false
	o.Progress = func(p apply.Progress) {
		if begun || !strings.HasPrefix(p.Why, "all pgveils") {
			return
		}
		begun = true
		var tables string
		err := dump.QueryRow(t.Context(), `SELECT string_agg(oid::regclass::text, ',') FROM pg_class WHERE relnamespace = 'pgveil'::regnamespace AND relkind = 'r'`).Scan(&tables)
		if err == nil {
			_, err = dump.Exec(t.Context(), "BEGIN; LOCK TABLE "+tables+" IN ACCESS SHARE MODE")
		}
		if err != nil || tables == "" {
			t.Error(tables, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, _, err := apply.Run(ctx, conn, s.File.Databases[s.Database], o); err != nil || !begun || announced(t, connect(t, s)) {
		t.Error(begun, err)
	}
}

func announced(t *testing.T, conn *pgx.Conn) (yes bool) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), `SELECT `+schema.Announced).Scan(&yes); err != nil {
		t.Fatal(err)
	}
	return yes
}

// TestServerCrashes: the server goes down at once while a job fills, and the next job goes on. In
// between nobody is told that columns were swapped.
func TestServerCrashes(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	conn := unseal(t, s)
	before := all(t, conn)
	crashed := 0
	for _, at := range []int{1, 9, 14} {
		job := connect(t, s)
		o := options(s)
		batches := 0
		o.Progress = func(apply.Progress) {
			if batches++; batches == at {
				if err := s.Postgres.Crash(t.Context()); err != nil {
					t.Error(err)
				}
				crashed++
			}
		}
		if _, err := run(t.Context(), job, s, o); err == nil {
			t.Fatalf("it ended in %d batches", batches)
		}
		if err := s.Postgres.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, last, err := guard(t.Context(), connect(t, s)); err != nil || n != last {
			t.Errorf("the epoch: %d, %d, %v", n, last, err)
		}
	}
	if _, err := run(t.Context(), connect(t, s), s, options(s)); err != nil || crashed != 3 {
		t.Fatal(crashed, err)
	}
	if n, last, err := guard(t.Context(), connect(t, s)); err != nil || n != last {
		t.Errorf("the epoch: %d, %d, %v", n, last, err)
	}
	same(t, all(t, s.Connect(t, "biologist", "default_query_exec_mode=exec")), before)
}
