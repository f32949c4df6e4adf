package apply

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// after does what can wait until the swap is over: foreign keys are validated, statistics
// made anew, and every value opened.
func (j *job) after(ctx context.Context, u *Unit, result *Result) error {
	for _, k := range u.keys {
		if !k.valid {
			continue
		}
		if _, err := j.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", u.table(k.table).sql(), identifier(k.name))); err != nil {
			return fmt.Errorf("foreign key %s: %w", k.name, err)
		}
	}
	for _, t := range u.Tables {
		if _, err := j.conn.Exec(ctx, "ANALYZE "+t.sql()); err != nil {
			return err
		}
		opened, err := j.verify(ctx, u, t)
		if err != nil {
			return fmt.Errorf("%s: verify: %w", t, err)
		}
		result.Opened += opened
		result.Columns += len(t.Columns)
	}
	result.Left = left
	return j.tell(ctx, u, StateDone, 0)
}

// left is where values may still be in the clear that the database no longer holds.
var left = []string{
	"backups and dumps made before the swap: destroy them, or keep them as secret as the values",
	"archived WAL, and standbys' WAL, from before the swap: it goes as it is recycled (pg_wal) and expired (the archive)",
	"the server's logs, if statements were logged",
	"blocks of the file system that the old table's files have left: what erases a disk erases them",
}

// verify opens every value of a table.
func (j *job) verify(ctx context.Context, u *Unit, t *Table) (opened int64, err error) {
	names := ""
	for i, c := range t.Columns {
		if i > 0 {
			names += ", "
		}
		names += identifier(c.Name)
	}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, j.conn, options, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("DECLARE pgveil_verify NO SCROLL CURSOR FOR SELECT ctid::pg_catalog.text, %s FROM ONLY %s", names, t.sql())); err != nil {
			return err
		}
		var rows int64
		for {
			n, values, err := j.verifyBatch(ctx, tx, t)
			if err != nil {
				return err
			}
			if n == 0 {
				return nil
			}
			rows += n
			opened += values
			j.report(Progress{Table: t.String(), State: StateVerify, Rows: rows, Total: max(t.Rows, 0)})
		}
	})
	return opened, err
}

func (j *job) verifyBatch(ctx context.Context, tx pgx.Tx, t *Table) (n, opened int64, err error) {
	rows, err := tx.Query(ctx, fmt.Sprintf("FETCH %d FROM pgveil_verify", j.Batch), pgx.QueryResultFormats{1})
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	var plain []byte
	for rows.Next() {
		n++
		values := rows.RawValues()
		for i, c := range t.Columns {
			if values[1+i] == nil {
				continue
			}
			if plain, err = j.sealers[c].Open(plain[:0], values[1+i]); err != nil {
				return n, opened, fmt.Errorf("the value of column %s in the row at ctid %s does not open", c.Name, values[0])
			}
			opened++
		}
	}
	return n, opened, rows.Err()
}
