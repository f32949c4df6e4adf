package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// While a partition is detached nothing keeps its shadows true. The server takes a trigger of
// the whole table away from it then, and with the trigger its comment, by which a job knows the
// partitions that have been there all the time.

// mark is the statement that leaves the comment.
func (t *Table) mark() string {
	return fmt.Sprintf("COMMENT ON TRIGGER %s ON %s IS 'pgveil: what the shadows hold is true'", trigger, t.sql())
}

// markedLeaves gives those partitions, or the table itself, by their OIDs.
func markedLeaves(ctx context.Context, q querier, t *Table) (map[uint32]bool, error) {
	var oids []uint32
	for _, leaf := range t.leaves() {
		oids = append(oids, leaf.oid)
	}
	rows, err := q.Query(ctx, `
		SELECT tgrelid FROM pg_catalog.pg_trigger WHERE tgrelid = ANY ($1) AND tgname = $2 AND pg_catalog.obj_description(oid, 'pg_trigger') IS NOT NULL`, oids, trigger)
	if err != nil {
		return nil, err
	}
	marked := make(map[uint32]bool)
	var oid uint32
	_, err = pgx.ForEachRow(rows, []any{&oid}, func() error {
		marked[oid] = true
		return nil
	})
	return marked, err
}

// errJoined is that a partition has come to the table since it was filled.
var errJoined = errors.New("a partition was attached meanwhile")

// adopt empties the shadows of partitions that have come to the table, whatever they were
// filled with before.
func (j *job) adopt(ctx context.Context, u *Unit, t *Table) error {
	marked, err := markedLeaves(ctx, j.conn, t)
	if err != nil {
		return err
	}
	var sets, filled []string
	for _, c := range t.Columns {
		sets = append(sets, identifier(t.shadow(c))+" = NULL")
		filled = append(filled, identifier(t.shadow(c))+" IS NOT NULL")
	}
	condition := "(" + strings.Join(filled, " OR ") + ")"
	for _, leaf := range t.leaves() {
		if marked[leaf.oid] {
			continue
		}
		err := j.passes(ctx, u, leaf, StateFill, func(ctx context.Context, tx pgx.Tx, where string) (int, error) {
			tag, err := tx.Exec(ctx, fmt.Sprintf("UPDATE ONLY %[1]s SET %[2]s WHERE ctid = ANY (ARRAY(SELECT ctid FROM ONLY %[1]s WHERE %[3]s%[4]s LIMIT %[5]d FOR NO KEY UPDATE SKIP LOCKED))",
				leaf.sql(), strings.Join(sets, ", "), where, condition, j.Batch))
			return int(tag.RowsAffected()), err
		})
		if err != nil {
			return err
		}
		err = j.locked(ctx, Progress{Table: leaf.String(), State: StateFill}, leaf.mark(), func(tx pgx.Tx) error { // behind its lock nobody detaches it
			var left bool
			if err := tx.QueryRow(ctx, fmt.Sprintf("SELECT EXISTS (SELECT FROM ONLY %s WHERE %s)", leaf.sql(), condition)).Scan(&left); err != nil {
				return err
			}
			if left { // somebody holds rows of it: the swap will find it unmarked, and all begins again
				return errJoined
			}
			return nil
		})
		if err != nil && !errors.Is(err, errJoined) {
			return err
		}
	}
	return nil
}
