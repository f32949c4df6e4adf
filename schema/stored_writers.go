package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// writersPoll is how often AwaitWriters looks again.
const writersPoll = 100 * time.Millisecond

// AwaitWriters returns when every transaction that has begun to write to a table with sealed
// columns has ended: what they wrote is then committed and seen by [CountStored], or never
// will be. A job that seals what is stored is waited for, too: it has the keys that it began
// with. It does not wait for those that come meanwhile, takes no lock itself, and gives up
// after that time with an error that names a transaction.
func AwaitWriters(ctx context.Context, conn *pgx.Conn, db *Database, patience time.Duration) error {
	var tables []uint32
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL search_path = `+CatalogSearchPath); err != nil {
			return err
		}
		catalog, err := ReadCatalog(ctx, tx, db)
		if err != nil {
			return err
		}
		for _, r := range catalog.Reaching() {
			if len(sealedAttributes(r)) > 0 {
				tables = append(tables, r.OID)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("database %q: %w", db.Name, err)
	}
	end := time.Now().Add(patience)
	var first []writer
	for {
		now, err := writers(ctx, conn, tables)
		if err != nil {
			return fmt.Errorf("database %q: %w", db.Name, err)
		}
		if first == nil {
			first = now
		}
		i := slices.IndexFunc(now, func(w writer) bool {
			return slices.ContainsFunc(first, func(f writer) bool { return f.transaction == w.transaction })
		})
		if i < 0 {
			return nil
		}
		if !time.Now().Before(end) {
			return fmt.Errorf("database %q: %s for longer than %v: end it, or try again when it has ended", db.Name, &now[i], patience)
		}
		select {
		case <-time.After(writersPoll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// writer is a transaction that holds a lock of those that come with changes of rows.
type writer struct {
	transaction string
	process     *int32 // nil of a prepared transaction
	table       string // "" of a job
}

func (w *writer) String() string {
	switch {
	case w.table == "":
		return fmt.Sprintf("pgveil schema apply is running, as the server's process %d,", *w.process)
	case w.process == nil:
		return fmt.Sprintf("a prepared transaction has been writing to %s", w.table)
	default:
		return fmt.Sprintf("a transaction of the server's process %d has been writing to %s", *w.process, w.table)
	}
}

// JobLock is the advisory lock of a job that seals what a database holds: its digits are those
// of "pgveil" in hex.
const JobLock = 0x70677665696c

// SwapLock is the advisory lock that keeps a swap of columns and the transactions apart that
// use them through pgveil: these share it, by pgveil.guard(), until they end; the swap takes
// it for itself before any other lock.
const SwapLock = 0x70677665696d

// writeLocks are the modes of locks that whoever changes rows holds at least one of.
var writeLocks = []string{"RowExclusiveLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"}

func writers(ctx context.Context, conn *pgx.Conn, tables []uint32) ([]writer, error) {
	rows, err := conn.Query(ctx, `
		SELECT l.virtualtransaction, l.pid, l.relation::pg_catalog.regclass::text
		FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
		WHERE l.locktype = 'relation' AND l.granted AND d.datname = pg_catalog.current_database()
			AND l.relation = ANY (`+oidArray(tables)+`) AND l.mode IN ('`+strings.Join(writeLocks, "', '")+`')
		UNION ALL
		SELECT 'job ' || l.pid::text, l.pid, ''
		FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
		WHERE l.locktype = 'advisory' AND l.granted AND d.datname = pg_catalog.current_database()
			AND l.classid = $1::oid AND l.objid = $2::oid AND l.objsubid = 1`, pgx.QueryExecModeExec, uint32(JobLock>>32), uint32(JobLock&0xffffffff))
	if err != nil {
		return nil, err
	}
	var list []writer
	var w writer
	_, err = pgx.ForEachRow(rows, []any{&w.transaction, &w.process, &w.table}, func() error {
		list = append(list, w)
		return nil
	})
	return list, err
}
