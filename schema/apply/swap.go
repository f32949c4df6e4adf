package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
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
		if err := j.lockFamilies(ctx, tx, u.Tables...); err != nil {
			return err
		}
		if err := j.quiet(ctx, tx); err != nil {
			return err
		}
		// What waits for the end of the transaction would keep tables from being altered.
		if _, err := tx.Exec(ctx, `SET CONSTRAINTS ALL IMMEDIATE`); err != nil {
			return err
		}
		for _, t := range u.Tables {
			if err := j.complete(ctx, tx, t); err != nil {
				return err
			}
		}
		for _, k := range u.keys {
			if _, err := tx.Exec(ctx, fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s", k.table, identifier(k.name))); err != nil {
				return err
			}
		}
		for _, t := range u.Tables {
			if err := j.replace(ctx, tx, t); err != nil {
				return fmt.Errorf("%s: %w", t, err)
			}
		}
		if j.replica {
			if _, err := tx.Exec(ctx, `SET LOCAL session_replication_role = origin`); err != nil {
				return err
			}
		}
		for _, k := range u.keys {
			definition := strings.TrimSuffix(k.definition, " NOT VALID")
			if !k.partitioned {
				definition += " NOT VALID"
			}
			if _, err := tx.Exec(ctx, fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", k.table, identifier(k.name), definition)); err != nil {
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

// complete brings into their new form what was written since, and fails unless all that a
// table holds is in the shadows. The table is locked.
func (j *job) complete(ctx context.Context, tx pgx.Tx, t *Table) error {
	if err := still(ctx, tx, t); err != nil {
		return err
	}
	if err := watched(ctx, tx, t); err != nil {
		return err
	}
	if err := unspoilt(ctx, tx, t); err != nil {
		return err
	}
	for _, leaf := range t.leaves() {
		var left, apart int64
		if err := tx.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM ONLY %s WHERE %s", leaf.sql(), t.todo())).Scan(&left); err != nil {
			return err
		}
		// A trigger that changes its row anew each time would never let it be done.
		for ; left > 0; left -= int64(j.Batch) {
			if _, err := j.convertRows(ctx, tx, leaf, ""); err != nil {
				return err
			}
		}
		var differ strings.Builder
		for i, c := range t.Columns {
			if i > 0 {
				differ.WriteString(" OR ")
			}
			fmt.Fprintf(&differ, "(%s IS NULL) <> (%s IS NULL)", identifier(c.Name), identifier(t.shadow(c)))
		}
		if err := tx.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM ONLY %s WHERE %s", leaf.sql(), differ.String())).Scan(&apart); err != nil {
			return err
		}
		if apart > 0 {
			return fmt.Errorf("%d rows of %s cannot be filled: a trigger or rule keeps them from being changed, or changes them anew each time; nothing was swapped", apart, leaf)
		}
	}
	return nil
}

// unspoilt fails where somebody has changed meanwhile what decides whether the shadows are true.
func unspoilt(ctx context.Context, tx pgx.Tx, t *Table) error {
	marked, err := markedLeaves(ctx, tx, t)
	if err != nil {
		return err
	}
	for _, leaf := range t.leaves() {
		if !marked[leaf.oid] {
			return errJoined
		}
	}
	for _, m := range t.family {
		later, err := m.laterTriggers(ctx, tx)
		if err != nil {
			return err
		}
		if len(later) > 0 {
			return fmt.Errorf("trigger %s of %s was made meanwhile, and fires behind %s, which has to see what it changes: rename it, then pgveil schema apply --abort, and begin again", later[0], m, trigger)
		}
	}
	return nil
}

// quiet keeps the applications' triggers from firing, where that may be.
func (j *job) quiet(ctx context.Context, tx pgx.Tx) error {
	if !j.replica {
		return nil
	}
	_, err := tx.Exec(ctx, `SET LOCAL session_replication_role = replica`)
	return err
}

// still refuses to go on where a table is another than was planned for.
func still(ctx context.Context, tx pgx.Tx, t *Table) error {
	for _, c := range t.Columns {
		was := c.tag.Type.OID()
		if c.from != nil {
			was = byteaOID
		}
		var same bool
		err := tx.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum = $2 AND attname = $3 AND NOT attisdropped AND atttypid = $4)
				AND (SELECT count(*) FROM pg_catalog.pg_constraint WHERE conrelid = $1 AND contype = 'c' AND conname = ANY ($5)) = cardinality($5::pg_catalog.text[])
				AND EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1 AND n.nspname = $6 AND c.relname = $7)`,
			t.oid, c.number, c.Name, was, c.constraints, t.Schema, t.Name).Scan(&same)
		if err != nil {
			return err
		}
		for _, m := range t.family {
			if !same {
				break
			}
			var expression string
			if err := tx.QueryRow(ctx, readDefault, m.oid, c.Name).Scan(&expression); err != nil {
				return err
			}
			same = expression == c.expression
		}
		if !same {
			return fmt.Errorf("column %s was altered meanwhile; run the job again", c.tag.QualifiedName())
		}
	}
	return nil
}

// replace puts the shadows of a table in the place of its columns.
func (j *job) replace(ctx context.Context, tx pgx.Tx, t *Table) error {
	var first, second, third, comments []string
	for _, c := range t.Columns {
		name, shadow := identifier(c.Name), identifier(t.shadow(c))
		first = append(first, fmt.Sprintf("ALTER COLUMN %s DROP DEFAULT", name))
		for _, constraint := range c.constraints {
			first = append(first, "DROP CONSTRAINT "+identifier(constraint))
		}
		if !c.beneath {
			second = append(second, fmt.Sprintf("ALTER COLUMN %s TYPE %s USING %s", name, c.newType(), shadow))
		}
		if len(t.beneath()) < len(t.Columns) { // the table is written anew: it takes no room from there on
			second = append(second, fmt.Sprintf("ALTER COLUMN %s TYPE bytea USING NULL", shadow))
		}
		if !c.hasNull {
			value, err := j.convertDefault(c)
			if err != nil {
				return err
			}
			second = append(second, fmt.Sprintf("ALTER COLUMN %s SET DEFAULT %s", name, value))
		}
		third = append(third, "DROP COLUMN "+shadow)
		if c.to == nil {
			comments = append(comments, fmt.Sprintf("COMMENT ON COLUMN %s.%s IS NULL", t.sql(), name))
			continue
		}
		second = append(second, "ADD "+c.to.CheckConstraint())
		comments = append(comments, c.to.Comment())
	}
	alter := "ALTER TABLE " + t.sql() + " "
	err := execAll(ctx, tx, []string{
		fmt.Sprintf("DROP TRIGGER %s ON %s", trigger, t.sql()),
		fmt.Sprintf("DROP TRIGGER %s ON %s", inserted, t.sql()),
		fmt.Sprintf("DROP FUNCTION %s()", t.function()),
		alter + strings.Join(first, ", "),
	})
	if err == nil {
		err = t.moveBeneath(ctx, tx)
	}
	if err != nil {
		return err
	}
	return execAll(ctx, tx, append([]string{alter + strings.Join(second, ", "), alter + strings.Join(third, ", ")}, comments...))
}

// moveBeneath writes into the columns that views are over what their shadows hold.
func (t *Table) moveBeneath(ctx context.Context, tx pgx.Tx) error {
	var sets, apart []string
	for _, c := range t.beneath() {
		name, shadow := identifier(c.Name), identifier(t.shadow(c))
		sets = append(sets, name+" = "+shadow)
		apart = append(apart, name+" IS DISTINCT FROM "+shadow)
	}
	if len(sets) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf("UPDATE %s SET %s", t.sql(), strings.Join(sets, ", "))); err != nil {
		return err
	}
	var missed int64
	if err := tx.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s", t.sql(), strings.Join(apart, " OR "))).Scan(&missed); err != nil {
		return err
	}
	if missed > 0 {
		return fmt.Errorf("%d rows cannot be changed: a trigger keeps them from it; nothing was swapped", missed)
	}
	return nil
}

// beneath gives the columns that views are over, whose values take the place of the old ones
// row by row: the server does not alter even the type to what it is.
func (t *Table) beneath() []*Column {
	return slices.DeleteFunc(slices.Clone(t.Columns), func(c *Column) bool { return !c.beneath })
}
