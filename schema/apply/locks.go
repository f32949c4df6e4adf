package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/schema"
)

// No client is to lose a deadlock against a job. So a job waits for a lock for long only
// while it holds none that a client may want; with some in hand it asks for all others
// within a time in which no session that waits for it looks for deadlocks.

// readBrief finds that time: 300 ms, or a third of a shorter deadlock_timeout.
func (j *job) readBrief(ctx context.Context) error {
	var ms int64
	err := j.conn.QueryRow(ctx, `SELECT least(300, setting::bigint / 3) FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'`).Scan(&ms)
	j.brief = time.Duration(max(ms, 1)) * time.Millisecond
	return err
}

// wait bounds how long the rest of a transaction waits for each lock.
func wait(ctx context.Context, tx pgx.Tx, d time.Duration) error {
	_, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL lock_timeout = %d`, max(d.Milliseconds(), 1)))
	return err
}

// locked runs f in a transaction that has a lock, of the statement that takes it, for itself.
// Where that is not had within the time of a job's, all is tried again later.
func (j *job) locked(ctx context.Context, p Progress, lock string, f func(tx pgx.Tx) error) error {
	for try := 1; ; try++ {
		err := pgx.BeginFunc(ctx, j.conn, func(tx pgx.Tx) error {
			if err := wait(ctx, tx, j.LockTimeout); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, lock); err != nil {
				return err
			}
			if err := wait(ctx, tx, j.brief); err != nil {
				return err
			}
			return f(tx)
		})
		if !isLockTimeout(err) || try >= j.LockTries {
			return err
		}
		if err := j.pause(ctx, p, try); err != nil {
			return err
		}
	}
}

// swapLock is the statement that waits for the transactions that use the columns.
var swapLock = fmt.Sprintf(`SELECT pg_catalog.pg_advisory_xact_lock(%d)`, schema.SwapLock)

func (t *Table) lock() string {
	return fmt.Sprintf("LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE", t.sql())
}

// pause lets others go on before a lock is asked for again.
func (j *job) pause(ctx context.Context, p Progress, try int) error {
	p.Why = "a lock was not had; it is asked for again"
	j.report(p)
	return sleep(ctx, time.Duration(min(try, 10))*j.LockTimeout)
}

func isLockTimeout(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "55P03" || e.Code == "40P01") // or a deadlock
}

// isRetryable reports whether others have been in the way: a row that moves to another
// partition, too.
func isRetryable(err error) bool {
	var e *pgconn.PgError
	return isLockTimeout(err) || errors.As(err, &e) && e.Code == "40001"
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
