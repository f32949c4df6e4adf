package proxy_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/schema"
)

// TestAttackWaiting: what a session has set of its own holds for the wait at the guard, and
// leaves the session as it would be left: usable, its transaction failed.
func TestAttackWaiting(t *testing.T) {
	s := guardStack(t)
	ctx := t.Context()
	direct, err := s.Postgres.Conn(ctx, s.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close(ctx)
	if _, err := direct.Exec(ctx, `INSERT INTO lab.patient VALUES (1, '11', 'note 1', 'kept')`); err != nil {
		t.Fatal(err)
	}
	j := seal(t, s)
	awaitShadows(t, s)
	c := s.Connect(t, "biologist")
	note := func(mode pgx.QueryExecMode) error {
		var note string
		err := c.QueryRow(ctx, `SELECT note FROM lab.patient WHERE nir = '11'`, mode).Scan(&note)
		if err == nil && note != "note 1" {
			t.Errorf("%q", note)
		}
		return err
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	lock := func(f string) {
		t.Helper()
		if _, err := direct.Exec(ctx, fmt.Sprintf(`SELECT %s(%d)`, f, int64(schema.SwapLock))); err != nil {
			t.Fatal(err)
		}
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeCacheStatement} {
		for _, set := range []struct{ sql, code string }{{`SET lock_timeout = 100`, "55P03"}, {`SET statement_timeout = 100`, "57014"}} {
			for _, block := range []bool{false, true} {
				where := fmt.Sprintf("%s, %s, in a block: %t", mode, set.sql, block)
				if block {
					exec(`BEGIN`)
				}
				exec(set.sql)
				lock("pg_advisory_lock")
				err := note(mode)
				lock("pg_advisory_unlock")
				var e *pgconn.PgError
				if !errors.As(err, &e) || e.Code != set.code {
					t.Errorf("%s: %v", where, err)
				}
				if block {
					if err := note(mode); !errors.As(err, &e) || e.Code != "25P02" {
						t.Errorf("%s: afterwards: %v", where, err)
					}
					exec(`ROLLBACK`)
				}
				exec(`RESET ALL`)
				if err := note(mode); err != nil {
					t.Errorf("%s: in the end: %v", where, err)
				}
			}
		}
		// Transactions that may not write, or see one snapshot only.
		for _, begin := range []string{
			`BEGIN READ ONLY`, `BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY`, `BEGIN ISOLATION LEVEL REPEATABLE READ`, `BEGIN; SAVEPOINT s`,
		} {
			exec(begin)
			if err := note(mode); err != nil {
				t.Errorf("%s, %s: %v", mode, begin, err)
			}
			if begin == `BEGIN; SAVEPOINT s` { // which gives the lock back
				exec(`ROLLBACK TO s`)
				if err := note(mode); err != nil {
					t.Errorf("%s, behind a savepoint: %v", mode, err)
				}
			}
			exec(`COMMIT`)
		}
		exec(`SET default_transaction_isolation = 'serializable'; SET default_transaction_read_only = on`)
		if err := note(mode); err != nil {
			t.Errorf("%s, serializable by default: %v", mode, err)
		}
		exec(`RESET ALL`)
	}
	close(j.resume)
	if err := <-j.done; err != nil {
		t.Fatal(err)
	}
	if err := note(pgx.QueryExecModeExec); err != nil {
		t.Error(err)
	}
}
