package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// underway gives the sessions on the database that run something in a transaction; of those that
// the role may not look into, all in a transaction.
const underway = `
	SELECT a.pid FROM pg_catalog.pg_stat_activity a
	WHERE a.datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AND a.pid <> pg_catalog.pg_backend_pid() AND a.usesysid IS NOT NULL
		AND coalesce(a.backend_type, 'client backend') = 'client backend' AND coalesce(a.state, '') NOT LIKE 'idle%'
		AND EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND l.locktype = 'virtualxid' AND l.granted AND l.mode = 'ExclusiveLock')`

// drain waits until what pgveils have sent before they looked has ended: they have planned that
// by how the columns are stored now, and guard none of it. A session is waited for until it
// is seen to rest, since more may have been sent to it.
func (j *job) drain(ctx context.Context) error {
	rest, err := j.pids(ctx, underway)
	for err == nil && len(rest) > 0 {
		j.report(Progress{
			Table: j.plan.Units[0].name(), State: StateFill,
			Why: fmt.Sprintf("%d sessions run what was sent before all pgveils have seen that columns are about to change; the first is process %d", len(rest), rest[0]),
		})
		if err = sleep(ctx, 50*time.Millisecond); err == nil {
			rest, err = j.pids(ctx, underway+` AND a.pid = ANY ($1)`, rest)
		}
	}
	return err
}

func (j *job) pids(ctx context.Context, sql string, args ...any) ([]int32, error) {
	rows, err := j.conn.Query(ctx, sql+" ORDER BY 1", args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int32])
}
