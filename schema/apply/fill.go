package apply

import (
	"context"
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
		fmt.Fprintf(&b, "%s IS NOT NULL AND %s IS NULL", identifier(c.Name), identifier(c.shadow()))
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

// fill seals rows in the order of the table's blocks until none is left that is to do: what
// is written meanwhile may lie anywhere.
func (j *job) fill(ctx context.Context, u *Unit, t *Table) error {
	if j.started.IsZero() {
		j.started = time.Now()
	}
	var done int64
	for pass := 0; pass < 4; pass++ { // if writers are quicker, the swap does the rest
		var blocks int64
		if err := j.conn.QueryRow(ctx, `SELECT pg_catalog.pg_relation_size($1::pg_catalog.oid::pg_catalog.regclass) / pg_catalog.current_setting('block_size')::bigint`, t.oid).Scan(&blocks); err != nil {
			return err
		}
		found := false
		for block := int64(0); block < blocks; {
			n, err := j.fillBatch(ctx, t, block)
			if err != nil {
				return err
			}
			if n == 0 {
				block += stretch
				continue
			}
			found = true
			done += int64(n)
			if err := j.tell(ctx, u, StateFill, int64(n)); err != nil {
				return err
			}
			j.report(Progress{Table: t.String(), State: StateFill, Rows: done, Total: max(t.Rows, 0)})
			if err := j.throttle(ctx, t, done, n); err != nil {
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
func (j *job) throttle(ctx context.Context, t *Table, done int64, n int) error {
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
		why := ""
		switch {
		case waiting > j.Waiting:
			why = fmt.Sprintf("%d sessions wait for locks", waiting)
		case lag > j.Lag:
			why = fmt.Sprintf("a standby is %d MiB behind", lag>>20)
		default:
			j.looked = time.Now()
			return ctx.Err()
		}
		j.report(Progress{Table: t.String(), State: StateFill, Rows: done, Total: max(t.Rows, 0), Why: why})
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// fillBatch seals one batch of a stretch in a transaction of its own.
func (j *job) fillBatch(ctx context.Context, t *Table, block int64) (n int, err error) {
	err = pgx.BeginFunc(ctx, j.conn, func(tx pgx.Tx) error {
		if j.replica {
			if _, err := tx.Exec(ctx, `SET LOCAL session_replication_role = replica`); err != nil {
				return err
			}
		}
		in := fmt.Sprintf("ctid >= '(%d,0)'::pg_catalog.tid AND ctid < '(%d,0)'::pg_catalog.tid AND ", block, block+stretch)
		n, err = j.sealRows(ctx, tx, t, in, j.Batch)
		return err
	})
	return n, err
}

// sealRows seals up to limit rows that fulfil a condition. A row that somebody changes
// meanwhile stays to do.
func (j *job) sealRows(ctx context.Context, tx pgx.Tx, t *Table, where string, limit int) (int, error) {
	b, err := j.readRows(ctx, tx, t, where, limit)
	if err != nil || len(b.places) == 0 {
		return 0, err
	}
	var sets, columns, arrays strings.Builder
	args := []any{b.places, b.versions}
	for i, c := range t.Columns {
		args = append(args, b.sealed[i])
		if i > 0 {
			sets.WriteString(", ")
		}
		fmt.Fprintf(&sets, "%[1]s = coalesce(v.s%[2]d, t.%[1]s)", identifier(c.shadow()), i)
		fmt.Fprintf(&columns, ", s%d", i)
		fmt.Fprintf(&arrays, ", $%d::pg_catalog.bytea[]", i+3)
	}
	tag, err := tx.Exec(ctx, fmt.Sprintf(`
		UPDATE %s t SET %s FROM unnest($1::pg_catalog.text[], $2::pg_catalog.text[]%s) v (place, version%s)
		WHERE t.ctid = ANY ($1::pg_catalog.text[]::pg_catalog.tid[]) AND t.ctid = v.place::pg_catalog.tid AND t.xmin = v.version::pg_catalog.xid`,
		t.sql(), sets.String(), arrays.String(), columns.String()), args...)
	return int(tag.RowsAffected()), err
}

// readRows reads rows and seals their values.
func (j *job) readRows(ctx context.Context, tx pgx.Tx, t *Table, where string, limit int) (*batch, error) {
	var columns strings.Builder
	for _, c := range t.Columns {
		fmt.Fprintf(&columns, ", CASE WHEN %s IS NULL THEN %s END", identifier(c.shadow()), identifier(c.Name))
	}
	rows, err := tx.Query(ctx, fmt.Sprintf("SELECT ctid::pg_catalog.text, xmin::pg_catalog.text%s FROM %s WHERE %s(%s) LIMIT %d", columns.String(), t.sql(), where, t.todo(), limit), pgx.QueryResultFormats{1})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	b := &batch{sealed: make([][][]byte, len(t.Columns))}
	var canonical []byte
	for rows.Next() {
		values := rows.RawValues()
		b.places, b.versions = append(b.places, string(values[0])), append(b.versions, string(values[1]))
		for i, c := range t.Columns {
			value := values[2+i]
			if value == nil {
				b.sealed[i] = append(b.sealed[i], nil)
				continue
			}
			if canonical, err = c.canonical(canonical[:0], value); err != nil {
				return nil, fmt.Errorf("the value of column %s in the row at ctid %s cannot be brought into its sealed form", c.Name, values[0])
			}
			sealed, err := j.sealers[c].Seal(nil, canonical)
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", c.Name, err)
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
