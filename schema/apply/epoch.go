package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
)

// jobObjects are where a job tells of itself; what is still to do is not taken from there.
//
// The epoch is by what a transaction that uses the columns through pgveil finds out whether
// they were swapped since its statement was planned: guard keeps swaps away until the
// transaction ends, and gives the epoch as the transaction sees it, and as it is. The second
// is another one for a transaction whose snapshot is older than the last swap.
var jobObjects = fmt.Sprintf(`
CREATE TABLE IF NOT EXISTS pgveil.seal_job (
	unit text PRIMARY KEY, state text NOT NULL, rows_done bigint NOT NULL DEFAULT 0, rows_total bigint NOT NULL DEFAULT 0,
	started timestamptz NOT NULL DEFAULT pg_catalog.now(), heartbeat timestamptz NOT NULL DEFAULT pg_catalog.now(), host text NOT NULL, process int NOT NULL
);
CREATE SEQUENCE IF NOT EXISTS pgveil.epoch_seq;
CREATE TABLE IF NOT EXISTS pgveil.epoch (n bigint NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS epoch_is_one ON pgveil.epoch ((true));
INSERT INTO pgveil.epoch SELECT pg_catalog.setval('pgveil.epoch_seq', s.last_value) FROM pgveil.epoch_seq s WHERE NOT EXISTS (SELECT FROM pgveil.epoch);
DO $do$ BEGIN
	IF pg_catalog.to_regprocedure('pgveil.guard()') IS NULL THEN
		CREATE FUNCTION pgveil.guard(OUT n bigint, OUT last bigint) LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$ BEGIN
			PERFORM pg_catalog.pg_advisory_xact_lock_shared(%d);
			SELECT e.n, (SELECT s.last_value FROM pgveil.epoch_seq s) INTO n, last FROM pgveil.epoch e;
		END $$;
	END IF;
END $do$;
GRANT USAGE ON SCHEMA pgveil TO PUBLIC;
GRANT SELECT ON pgveil.epoch, pgveil.epoch_seq TO PUBLIC;
GRANT EXECUTE ON FUNCTION pgveil.guard() TO PUBLIC`, schema.SwapLock)

// objects makes what a job needs besides the tables.
func (j *job) objects(ctx context.Context) error {
	var trusted bool
	_, err := j.conn.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS pgveil`)
	if err == nil {
		err = j.conn.QueryRow(ctx, `SELECT pg_catalog.pg_has_role(nspowner, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = 'pgveil'`).Scan(&trusted)
	}
	switch {
	case err != nil:
		return fmt.Errorf("cannot make schema pgveil: %w", err)
	case !trusted: // all sessions are to call its function
		return errors.New("schema pgveil belongs to a role that the one that does this is no member of; drop it, or do this as its owner")
	}
	if _, err := j.conn.Exec(ctx, jobObjects); err != nil {
		return fmt.Errorf("cannot make the objects of schema pgveil: %w", err)
	}
	return j.resync(ctx)
}

// newEpoch tells all that have planned statements that the columns are others. The server may
// leave out numbers of nextval after a crash, and none of setval.
func newEpoch(ctx context.Context, tx pgx.Tx) error {
	tag, err := tx.Exec(ctx, `UPDATE pgveil.epoch SET n = pg_catalog.setval('pgveil.epoch_seq', (SELECT s.last_value + 1 FROM pgveil.epoch_seq s))`)
	if err == nil && tag.RowsAffected() != 1 {
		err = errors.New("pgveil.epoch has not one row")
	}
	return err
}

// resync makes the epoch as it is and as it is seen one again: a swap that was rolled back at its
// very end leaves the sequence ahead.
func (j *job) resync(ctx context.Context) error {
	var same bool
	if err := j.conn.QueryRow(ctx, `SELECT e.n = s.last_value FROM pgveil.epoch e, pgveil.epoch_seq s`).Scan(&same); err != nil || same {
		return err
	}
	return j.locked(ctx, Progress{Table: "pgveil.epoch", State: StateFill}, swapLock, func(tx pgx.Tx) error { return newEpoch(ctx, tx) })
}
