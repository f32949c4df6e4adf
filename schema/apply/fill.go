package apply

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// todo is the condition of a row of which something is still to seal.
func (t *Table) todo() string {
	var b strings.Builder
	for i, c := range t.Columns {
		if i > 0 {
			b.WriteString(" OR ")
		}
		fmt.Fprintf(&b, "%s IS NOT NULL AND %s IS NULL", identifier(c.Name), identifier(t.shadow(c)))
	}
	return b.String()
}

// batch is some rows of a table, to be written.
type batch struct {
	places, versions []string   // ctid and xmin
	values           [][][]byte // of each column; nil: there is nothing to write
}

// stretch is how many blocks of a table are looked through at once, mostRows how many rows
// one block can hold. Source: PostgreSQL's MaxHeapTuplesPerPage.
const (
	stretch  = 64
	mostRows = 291
)

// work is what is done to some rows in one transaction: those that fulfil a condition, up
// to the size of a batch. It gives how many it has done.
type work func(ctx context.Context, tx pgx.Tx, where string) (int, error)

// fill brings rows into their new form until none is left that is to do.
func (j *job) fill(ctx context.Context, u *Unit, t *Table) error {
	if err := t.readFamily(ctx, j.conn); err != nil {
		return err
	}
	if err := j.adopt(ctx, u, t); err != nil {
		return err
	}
	for _, leaf := range t.leaves() {
		err := j.passes(ctx, u, leaf, StateFill, func(ctx context.Context, tx pgx.Tx, where string) (int, error) {
			return j.convertRows(ctx, tx, leaf, where)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// passes does work in the order of a table's blocks until none is left: what is written
// meanwhile may lie anywhere.
func (j *job) passes(ctx context.Context, u *Unit, t *Table, state State, do work) error {
	if j.started.IsZero() {
		j.started = time.Now()
	}
	var done int64
	for pass := 0; pass < 4; pass++ { // if writers are quicker, it is not for more of these
		var blocks int64
		if err := j.conn.QueryRow(ctx, `SELECT pg_catalog.pg_relation_size($1::pg_catalog.oid::pg_catalog.regclass) / pg_catalog.current_setting('block_size')::bigint`, t.oid).Scan(&blocks); err != nil {
			return err
		}
		found := false
		here := 0
		for block := int64(0); block < blocks; {
			n, err := j.step(ctx, t, block, do)
			if err != nil {
				return err
			}
			// What writers keep changing, or hold, is left to the next pass.
			if here += n; n < j.Batch || here > stretch*mostRows {
				block, here = block+stretch, 0
			}
			if n == 0 {
				continue
			}
			found = true
			done += int64(n)
			if err := j.tell(ctx, u, state, int64(n)); err != nil {
				return err
			}
			p := Progress{Table: t.String(), State: state, Rows: done, Total: max(t.Rows, 0)}
			j.report(p)
			if err := j.throttle(ctx, p, n); err != nil {
				return err
			}
		}
		if !found {
			break
		}
	}
	return nil
}

// throttle keeps to the rate, and waits while the server has enough to do.
func (j *job) throttle(ctx context.Context, p Progress, n int) error {
	j.rows += int64(n)
	if j.Rate > 0 {
		if ahead := time.Duration(j.rows)*time.Second/time.Duration(j.Rate) - time.Since(j.started); ahead > 0 {
			if err := sleep(ctx, ahead); err != nil {
				return err
			}
		}
	}
	for time.Since(j.looked) > time.Second {
		var waiting int
		var lag int64
		err := j.conn.QueryRow(ctx, `
			SELECT (SELECT count(*) FROM pg_catalog.pg_locks WHERE NOT granted),
				coalesce((SELECT max(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), replay_lsn))::bigint FROM pg_catalog.pg_stat_replication WHERE state = 'streaming'), 0)`).
			Scan(&waiting, &lag)
		if err != nil {
			return err
		}
		switch {
		case waiting > j.Waiting:
			p.Why = fmt.Sprintf("%d sessions wait for locks", waiting)
		case lag > j.Lag:
			p.Why = fmt.Sprintf("a standby is %d MiB behind", lag>>20)
		default:
			j.looked = time.Now()
			return ctx.Err()
		}
		j.report(p)
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// step does work on a stretch of blocks, in a transaction of its own.
func (j *job) step(ctx context.Context, t *Table, block int64, do work) (n int, err error) {
	for try := 1; ; try++ {
		if n, err = j.tryStep(ctx, t, block, do); err == nil || !isRetryable(err) || try >= j.LockTries {
			return n, err
		}
		after := 10 * time.Millisecond
		if isLockTimeout(err) {
			after = j.brief
		}
		if err := sleep(ctx, time.Duration(min(try, 10))*after); err != nil {
			return 0, err
		}
	}
}

func (j *job) tryStep(ctx context.Context, t *Table, block int64, do work) (n int, err error) {
	err = pgx.BeginFunc(ctx, j.conn, func(tx pgx.Tx) error {
		if err := j.quiet(ctx, tx); err != nil {
			return err
		}
		if !j.replica { // triggers of the applications may wait for others, who wait for the rows
			if _, err := tx.Exec(ctx, fmt.Sprintf("LOCK TABLE ONLY %s IN ROW EXCLUSIVE MODE", t.sql())); err != nil {
				return err
			}
			if err := wait(ctx, tx, j.brief); err != nil {
				return err
			}
		}
		n, err = do(ctx, tx, fmt.Sprintf("ctid >= '(%d,0)'::pg_catalog.tid AND ctid < '(%d,0)'::pg_catalog.tid AND ", block, block+stretch))
		return err
	})
	return n, err
}

// convertRows brings up to a batch of rows into their new form.
func (j *job) convertRows(ctx context.Context, tx pgx.Tx, t *Table, where string) (int, error) {
	var read, write []string
	for _, c := range t.Columns {
		read = append(read, fmt.Sprintf("CASE WHEN %s IS NULL THEN %s END", identifier(t.shadow(c)), identifier(c.Name)))
		write = append(write, identifier(t.shadow(c)))
	}
	b, err := j.readRows(ctx, tx, t, read, where+"("+t.todo()+")", j.convert)
	if err != nil || len(b.places) == 0 {
		return 0, err
	}
	if t.clears() {
		return b.copy(ctx, tx, t, write)
	}
	return b.write(ctx, tx, t, write)
}

// write writes sealed values into columns. A row that somebody has changed meanwhile stays
// to do.
func (b *batch) write(ctx context.Context, tx pgx.Tx, t *Table, columns []string) (int, error) {
	if len(b.places) == 0 {
		return 0, nil
	}
	var names, arrays strings.Builder
	args := []any{b.places, b.versions}
	for i := range columns {
		args = append(args, b.values[i])
		fmt.Fprintf(&names, ", s%d", i)
		fmt.Fprintf(&arrays, ", $%d::pg_catalog.bytea[]", i+3)
	}
	tag, err := tx.Exec(ctx, t.update(columns, fmt.Sprintf("unnest($1::pg_catalog.text[], $2::pg_catalog.text[]%s) v (place, version%s)", arrays.String(), names.String())), args...)
	return int(tag.RowsAffected()), err
}

// update is the statement that writes the rows of source, which has them as v.
func (t *Table) update(columns []string, source string) string {
	var sets strings.Builder
	for i, column := range columns {
		if i > 0 {
			sets.WriteString(", ")
		}
		fmt.Fprintf(&sets, "%[1]s = coalesce(v.s%[2]d, t.%[1]s)", column, i)
	}
	return fmt.Sprintf(`UPDATE ONLY %s t SET %s FROM %s
		WHERE t.ctid = ANY ($1::pg_catalog.text[]::pg_catalog.tid[]) AND t.ctid = v.place::pg_catalog.tid AND t.xmin = v.version::pg_catalog.xid`, t.sql(), sets.String(), source)
}

// convert is given the text by which the row picks the key of keys by value, nil for NULL or none.
//
// readRows reads up to a batch of rows, and makes of each value what is to be written. Rows
// that somebody changes are left for later: whoever waits for a row while it holds others
// may be in a deadlock with a client.
func (j *job) readRows(ctx context.Context, tx pgx.Tx, t *Table, columns []string, where string, convert func(c *Column, value []byte, text *string) ([]byte, error)) (*batch, error) {
	texts := make([]int, len(t.Columns)) // where a row says which key it picks
	for i, c := range t.Columns {
		if c.byValue != nil {
			texts[i] = 2 + len(columns)
			columns = append(columns, c.byValue.sql)
		}
	}

	rows, err := tx.Query(ctx, fmt.Sprintf("SELECT ctid::pg_catalog.text, xmin::pg_catalog.text, %s FROM ONLY %s WHERE %s LIMIT %d FOR NO KEY UPDATE SKIP LOCKED", strings.Join(columns, ", "), t.sql(), where, j.Batch), pgx.QueryResultFormats{1})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	b := &batch{values: make([][][]byte, len(t.Columns))}
	for rows.Next() {
		values := rows.RawValues()
		b.places, b.versions = append(b.places, string(values[0])), append(b.versions, string(values[1]))
		for i, c := range t.Columns {
			var stored []byte
			if value := values[2+i]; value != nil {
				var text *string
				if at := texts[i]; at > 0 && values[at] != nil {
					s := string(values[at])
					text = &s
				}
				if stored, err = convert(c, value, text); err != nil {
					return nil, fmt.Errorf("the value of column %s in the row at ctid %s of %s: %w", c.Name, values[0], t, err)
				}
			}
			b.values[i] = append(b.values[i], stored)
		}
	}
	return b, rows.Err()
}
