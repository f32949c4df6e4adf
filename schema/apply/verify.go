package apply

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
)

// after does what can wait until the swap is over: foreign keys are validated, statistics
// made anew, and every value opened.
func (j *job) after(ctx context.Context, u *Unit, result *Result) error {
	for _, k := range u.keys {
		if !k.valid || k.partitioned {
			continue
		}
		if _, err := j.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", k.table, identifier(k.name))); err != nil {
			return fmt.Errorf("foreign key %s: %w", k.name, err)
		}
	}
	for _, t := range u.Tables {
		if _, err := j.conn.Exec(ctx, "ANALYZE "+t.sql()); err != nil {
			return err
		}
		if err := t.readFamily(ctx, j.conn); err != nil {
			return err
		}
		for _, leaf := range t.leaves() {
			if err := j.verify(ctx, leaf, result); err != nil {
				return fmt.Errorf("%s: verify: %w", leaf, err)
			}
		}
		for _, c := range t.Columns {
			if result.Columns++; c.to == nil {
				result.Cleared++
			}
		}
	}
	if len(result.Left) == 0 {
		result.Left = slices.Clone(left)
	}
	for _, t := range u.Tables {
		if len(t.beneath()) > 0 {
			result.Left = append(result.Left, deadRows(t))
		}
	}
	return j.tell(ctx, u, StateDone, 0)
}

// left is where values may still be in their old form that the database no longer holds.
var left = []string{
	"backups and dumps made before the swap: destroy them, or keep them as secret as the values",
	"archived WAL, and standbys' WAL, from before the swap: it goes as it is recycled (pg_wal) and expired (the archive)",
	"the server's logs, if statements were logged",
	"blocks of the file system that the old table's files have left: what erases a disk erases them",
}

func deadRows(t *Table) string {
	return fmt.Sprintf("dead rows of %s, sealed with older keys: VACUUM %s", t, t.sql())
}

// verify opens every value of a table that is sealed.
func (j *job) verify(ctx context.Context, t *Table, result *Result) error {
	var sealed []*Column
	names := ""
	for _, c := range t.Columns {
		if c.to != nil {
			sealed = append(sealed, c)
			names += ", " + identifier(c.Name)
		}
	}
	if len(sealed) == 0 {
		return nil
	}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, j.conn, options, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("DECLARE pgveil_verify NO SCROLL CURSOR FOR SELECT ctid::pg_catalog.text%s FROM ONLY %s", names, t.sql())); err != nil {
			return err
		}
		var rows int64
		for {
			n, err := j.verifyBatch(ctx, tx, sealed, result)
			if err != nil || n == 0 {
				return err
			}
			rows += n
			j.report(Progress{Table: t.String(), State: StateVerify, Rows: rows, Total: max(t.Rows, 0)})
		}
	})
}

func (j *job) verifyBatch(ctx context.Context, tx pgx.Tx, columns []*Column, result *Result) (n int64, err error) {
	rows, err := tx.Query(ctx, fmt.Sprintf("FETCH %d FROM pgveil_verify", j.Batch), pgx.QueryResultFormats{1})
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		n++
		values := rows.RawValues()
		for i, c := range columns {
			value := values[1+i]
			if value == nil {
				continue
			}
			if j.plain, err = j.sealers[c.to].Open(j.plain[:0], value); errors.Is(err, keys.ErrErased) {
				err = nil // of another value than those that were just sealed
				continue
			}
			if err != nil {
				return n, fmt.Errorf("the value of column %s in the row at ctid %s does not open", c.Name, values[0])
			}
			// What has opened has a header and a key's ID.
			if result.Opened++; c.Key != 0 && binary.BigEndian.Uint32(value[keys.HeaderSize+1:]) != c.Key {
				result.Older++
			}
		}
	}
	return n, rows.Err()
}
