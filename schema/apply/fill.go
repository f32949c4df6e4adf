package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema/logical"
)

// settings are those by which values in binary format are read: none of them counts.
var settings = logical.Settings{DateStyle: "ISO, MDY", TimeZone: "UTC", IntervalStyle: "postgres", Location: time.UTC}

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

// batch is some rows of a table, to be sealed.
type batch struct {
	places, versions []string   // ctid and xmin
	sealed           [][][]byte // of each column; nil: there is nothing to seal
}

// stretch is how many blocks of a table are looked through at once.
const stretch = 64

// work is what is done to some rows in one transaction: those that fulfil a condition, up
// to the size of a batch. It gives how many it has done.
type work func(ctx context.Context, tx pgx.Tx, where string) (int, error)

// fill seals rows until none is left that is to do.
func (j *job) fill(ctx context.Context, u *Unit, t *Table) error {
	return j.passes(ctx, u, t, StateFill, func(ctx context.Context, tx pgx.Tx, where string) (int, error) {
		return j.sealRows(ctx, tx, t, where)
	})
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
		for block := int64(0); block < blocks; {
			n, err := j.step(ctx, block, do)
			if err != nil {
				return err
			}
			if n == 0 {
				block += stretch
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
func (j *job) step(ctx context.Context, block int64, do work) (n int, err error) {
	err = pgx.BeginFunc(ctx, j.conn, func(tx pgx.Tx) error {
		if j.replica {
			if _, err := tx.Exec(ctx, `SET LOCAL session_replication_role = replica`); err != nil {
				return err
			}
		}
		n, err = do(ctx, tx, fmt.Sprintf("ctid >= '(%d,0)'::pg_catalog.tid AND ctid < '(%d,0)'::pg_catalog.tid AND ", block, block+stretch))
		return err
	})
	return n, err
}

// sealRows seals up to a batch of rows.
func (j *job) sealRows(ctx context.Context, tx pgx.Tx, t *Table, where string) (int, error) {
	var read, write []string
	for _, c := range t.Columns {
		read = append(read, fmt.Sprintf("CASE WHEN %s IS NULL THEN %s END", identifier(t.shadow(c)), identifier(c.Name)))
		write = append(write, identifier(t.shadow(c)))
	}
	b, err := j.readRows(ctx, tx, t, read, where+"("+t.todo()+")", func(c *Column, value []byte) ([]byte, error) {
		var err error
		if j.plain, err = c.canonical(j.plain[:0], value); err != nil {
			return nil, errors.New("cannot be brought into its sealed form")
		}
		return j.sealers[c].Seal(nil, j.plain)
	})
	if err != nil {
		return 0, err
	}
	return b.write(ctx, tx, t, write)
}

// write writes what was sealed into columns. A row that somebody has changed meanwhile
// stays to do.
func (b *batch) write(ctx context.Context, tx pgx.Tx, t *Table, columns []string) (int, error) {
	if len(b.places) == 0 {
		return 0, nil
	}
	var sets, names, arrays strings.Builder
	args := []any{b.places, b.versions}
	for i, column := range columns {
		args = append(args, b.sealed[i])
		if i > 0 {
			sets.WriteString(", ")
		}
		fmt.Fprintf(&sets, "%[1]s = coalesce(v.s%[2]d, t.%[1]s)", column, i)
		fmt.Fprintf(&names, ", s%d", i)
		fmt.Fprintf(&arrays, ", $%d::pg_catalog.bytea[]", i+3)
	}
	tag, err := tx.Exec(ctx, fmt.Sprintf(`
		UPDATE ONLY %s t SET %s FROM unnest($1::pg_catalog.text[], $2::pg_catalog.text[]%s) v (place, version%s)
		WHERE t.ctid = ANY ($1::pg_catalog.text[]::pg_catalog.tid[]) AND t.ctid = v.place::pg_catalog.tid AND t.xmin = v.version::pg_catalog.xid`,
		t.sql(), sets.String(), arrays.String(), names.String()), args...)
	return int(tag.RowsAffected()), err
}

// readRows reads up to a batch of rows, and makes of each value what is to be written. Rows
// that somebody changes are left for later: whoever waits for a row while it holds others
// may be in a deadlock with a client.
func (j *job) readRows(ctx context.Context, tx pgx.Tx, t *Table, columns []string, where string, seal func(c *Column, value []byte) ([]byte, error)) (*batch, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf("SELECT ctid::pg_catalog.text, xmin::pg_catalog.text, %s FROM ONLY %s WHERE %s LIMIT %d FOR NO KEY UPDATE SKIP LOCKED", strings.Join(columns, ", "), t.sql(), where, j.Batch), pgx.QueryResultFormats{1})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	b := &batch{sealed: make([][][]byte, len(t.Columns))}
	for rows.Next() {
		values := rows.RawValues()
		b.places, b.versions = append(b.places, string(values[0])), append(b.versions, string(values[1]))
		for i, c := range t.Columns {
			var sealed []byte
			if value := values[2+i]; value != nil {
				if sealed, err = seal(c, value); err != nil {
					return nil, fmt.Errorf("the value of column %s in the row at ctid %s: %w", c.Name, values[0], err)
				}
			}
			b.sealed[i] = append(b.sealed[i], sealed)
		}
	}
	return b, rows.Err()
}

// canonical appends the canonical form of a value of the column's own type, in binary
// format.
func (c *Column) canonical(dst, value []byte) ([]byte, error) {
	return c.tag.Type.Canonical(dst, value, c.tag.Type.OID(), 1, logical.Assign, &settings)
}
