package apply

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/schema"
)

// Status is what a job has written down of a unit.
type Status struct {
	Unit      string    `json:"unit"`
	State     State     `json:"state"`
	Rows      int64     `json:"rows"`
	Total     int64     `json:"total"`
	Started   time.Time `json:"started"`
	Heartbeat time.Time `json:"heartbeat"`
	Host      string    `json:"host"`
	Process   int       `json:"process"`
	Running   bool      `json:"running"` // a job works on the database at this moment
}

// ReadStatus gives what jobs have written down in the database that conn is connected to,
// the newest first; nothing if there has been none.
func ReadStatus(ctx context.Context, conn *pgx.Conn) ([]Status, error) {
	rows, err := conn.Query(ctx, `
		SELECT unit, state, rows_done, rows_total, started, heartbeat, host, process,
			EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
				AND classid = $1 AND objid = $2 AND granted)
		FROM pgveil.seal_job ORDER BY heartbeat DESC`, uint32(schema.JobLock>>32), uint32(schema.JobLock&0xffffffff))
	var list []Status
	if err == nil {
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Status])
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) && (refused.Code == "42P01" || refused.Code == "3F000") {
		return nil, nil
	}
	return list, err
}
