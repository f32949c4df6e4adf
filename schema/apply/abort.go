package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Abort takes away what a job has prepared in the database that conn is connected to, whatever
// the schema file says by now. Nothing of the columns themselves has changed before the swap.
func Abort(ctx context.Context, conn *pgx.Conn) error {
	release, err := lock(ctx, conn)
	if err != nil {
		return err
	}
	defer release()
	prepared, err := preparedTables(ctx, conn)
	if err != nil {
		return err
	}
	j := &job{conn: conn, Options: Options{}.orDefaults()}
	if err := j.readBrief(ctx); err != nil {
		return err
	}
	for _, t := range prepared {
		statements := []string{
			fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", trigger, t.sql()),
			fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", inserted, t.sql()),
			fmt.Sprintf("DROP FUNCTION IF EXISTS %s()", t.function()),
		}
		for _, shadow := range t.Columns {
			statements = append(statements, t.dropShadow(shadow.Name, shadow.Type)...)
		}
		err := j.locked(ctx, Progress{}, swapLock, func(tx pgx.Tx) error {
			if err := j.lockFamilies(ctx, tx, t); err != nil {
				return err
			}
			return execAll(ctx, tx, statements)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	if _, err = conn.Exec(ctx, `DELETE FROM pgveil.seal_job WHERE state = $1`, string(StateFill)); err == nil {
		_, err = conn.Exec(ctx, withdraw)
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) && (refused.Code == "3F000" || refused.Code == "42P01") {
		return nil // no job was ever begun
	}
	return err
}
