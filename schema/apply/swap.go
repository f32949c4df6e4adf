package apply

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema/logical"
)

// swap puts the shadows of a unit in the place of its columns, in one transaction under
// exclusive locks: the columns keep their places, which an INSERT without names depends
// on, so that the server writes each table anew. It begins when no transaction is left that
// uses the columns through pgveil.
func (j *job) swap(ctx context.Context, u *Unit) error {
	return pgx.BeginFunc(ctx, j.conn, func(tx pgx.Tx) error {
		if err := wait(ctx, tx, j.LockTimeout); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, swapLock); err != nil {
			return err
		}
		if err := j.lockTables(ctx, tx, u.Tables); err != nil {
			return err
		}
		for _, t := range u.Tables { // what was written since
			for {
				n, err := j.sealRows(ctx, tx, t, "")
				if err != nil {
					return err
				}
				if n == 0 {
					break
				}
			}
		}
		if err := j.still(ctx, tx); err != nil {
			return err
		}
		for _, k := range u.keys {
			if _, err := tx.Exec(ctx, fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s", u.table(k.table).sql(), identifier(k.name))); err != nil {
				return err
			}
		}
		for _, t := range u.Tables {
			statements, err := j.replace(t)
			if err != nil {
				return err
			}
			for _, sql := range statements {
				if _, err := tx.Exec(ctx, sql); err != nil {
					return fmt.Errorf("%s: %w", t, err)
				}
			}
		}
		for _, k := range u.keys {
			if _, err := tx.Exec(ctx, fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID", u.table(k.table).sql(), identifier(k.name), strings.TrimSuffix(k.definition, " NOT VALID"))); err != nil {
				return err
			}
		}
		if err := newEpoch(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE pgveil.seal_job SET state = $2, rows_done = 0, heartbeat = pg_catalog.now() WHERE unit = $1`, u.name(), string(StateVerify))
		return err
	})
}

// still refuses to go on where the database is another than was planned for.
func (j *job) still(ctx context.Context, tx pgx.Tx) error {
	for _, u := range j.plan.Units {
		for _, t := range u.Tables {
			for _, c := range t.Columns {
				var same bool
				err := tx.QueryRow(ctx, `SELECT count(*) = 1 FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum = $2 AND attname = $3 AND NOT attisdropped
					AND (atttypid = $4 OR atttypid = 'pg_catalog.bytea'::pg_catalog.regtype)`, t.oid, c.number, c.Name, c.tag.Type.OID()).Scan(&same)
				if err != nil {
					return err
				}
				if !same {
					return fmt.Errorf("column %s was altered meanwhile; run the job again", c.tag.QualifiedName())
				}
			}
		}
	}
	return nil
}

func (u *Unit) table(oid uint32) *Table {
	for _, t := range u.Tables {
		if t.oid == oid {
			return t
		}
	}
	return nil
}

// replace gives the statements that make sealed columns of a table's columns.
func (j *job) replace(t *Table) ([]string, error) {
	var first, second, third []string
	var comments []string
	for _, c := range t.Columns {
		name := identifier(c.Name)
		first = append(first, fmt.Sprintf("ALTER COLUMN %s DROP DEFAULT", name))
		second = append(second,
			fmt.Sprintf("ALTER COLUMN %s TYPE bytea USING %s", name, identifier(t.shadow(c))),
			fmt.Sprintf("ADD %s", c.tag.CheckConstraint()))
		if !c.hasNull {
			sealed, err := j.sealedDefault(c)
			if err != nil {
				return nil, err
			}
			second = append(second, fmt.Sprintf("ALTER COLUMN %s SET DEFAULT '%s'::pg_catalog.bytea", name, sealed))
		}
		third = append(third, fmt.Sprintf("DROP COLUMN %s", identifier(t.shadow(c))))
		comments = append(comments, c.tag.Comment())
	}
	alter := "ALTER TABLE " + t.sql() + " "
	return append([]string{
		fmt.Sprintf("DROP TRIGGER %s ON %s", trigger, t.sql()),
		fmt.Sprintf("DROP FUNCTION %s()", t.function()),
		alter + strings.Join(first, ", "),
		alter + strings.Join(second, ", "),
		alter + strings.Join(third, ", "),
	}, comments...), nil
}

// sealedDefault gives a constant default as PostgreSQL writes bytea.
func (j *job) sealedDefault(c *Column) (string, error) {
	value, err := hex.DecodeString(c.binary)
	if err != nil {
		return "", err
	}
	canonical, err := c.canonical(nil, value)
	if err != nil {
		return "", fmt.Errorf("the default of column %s cannot be brought into its sealed form", c.Name)
	}
	sealed, err := j.sealers[c].Seal(nil, canonical)
	if err != nil {
		return "", err
	}
	return string(logical.AppendByteaHex(nil, sealed)), nil
}
