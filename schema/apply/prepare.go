package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// goal names the form that a shadow is filled with. A job leaves it in the shadow's comment:
// what another job has filled for another goal is of no use.
func (c *Column) goal() string {
	if c.to == nil {
		return inClear + c.Type
	}
	return fmt.Sprintf("pgveil: %s, context %q, padding %d, key %s %d", c.to.Mode, c.to.Context, c.to.Padding, c.to.Key, c.to.KeyID)
}

const inClear = "pgveil: in the clear, "

// prepare gives a table its shadows, and the trigger that keeps them true.
func (j *job) prepare(ctx context.Context, t *Table) error {
	return j.locked(ctx, Progress{Table: t.String(), State: StateFill}, swapLock, func(tx pgx.Tx) error {
		if err := j.lockFamilies(ctx, tx, t); err != nil {
			return err
		}
		trusted := watched(ctx, tx, t)
		marked, err := markedLeaves(ctx, tx, t)
		if err != nil {
			return err
		}
		var statements []string
		var changes, inserts, when strings.Builder
		for i, c := range t.Columns {
			shadow := t.shadow(c)
			stale, err := staleShadow(ctx, tx, t, c, trusted == nil)
			if err != nil {
				return err
			}
			statements = append(statements, stale...)
			statements = append(statements,
				fmt.Sprintf("ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s %s", t.sql(), identifier(shadow), c.newType()),
				fmt.Sprintf("COMMENT ON COLUMN %s.%s IS '%s'", t.sql(), identifier(shadow), strings.ReplaceAll(c.goal(), "'", "''")))
			// By their bytes: 1.0 and 1.00 are equal.
			changed := fmt.Sprintf("ROW(NEW.%[1]s)::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW(OLD.%[1]s)::pg_catalog.record", identifier(c.Name))
			fmt.Fprintf(&changes, "IF %s THEN NEW.%s := NULL; END IF; ", changed, identifier(shadow))
			fmt.Fprintf(&inserts, "NEW.%s := NULL; ", identifier(shadow))
			if i > 0 {
				when.WriteString(" OR ")
			}
			when.WriteString(changed)
		}
		statements = append(statements,
			fmt.Sprintf("CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $pgveil$ BEGIN IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN %sELSE %sEND IF; RETURN NEW; END $pgveil$", t.function(), inserts.String(), changes.String()),
			fmt.Sprintf("REVOKE ALL ON FUNCTION %s() FROM public", t.function()),
			fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", trigger, t.sql()),
			fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", inserted, t.sql()),
			// The condition costs less than the function, which is not called for the job's own rows.
			fmt.Sprintf("CREATE TRIGGER %s BEFORE UPDATE ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION %s()", trigger, t.sql(), when.String(), t.function()),
			fmt.Sprintf("CREATE TRIGGER %s BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION %s()", inserted, t.sql(), t.function()))
		for _, m := range t.family { // for those, too, who keep triggers from firing
			statements = append(statements, fmt.Sprintf("ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %s, ENABLE ALWAYS TRIGGER %s", m.sql(), trigger, inserted))
			if trusted != nil || marked[m.oid] { // the shadows begin empty, or were true
				statements = append(statements, m.mark())
			}
		}
		if err := execAll(ctx, tx, statements); err != nil {
			return err
		}
		return newEpoch(ctx, tx) // clients are not to see the shadows
	})
}

func execAll(ctx context.Context, tx pgx.Tx, statements []string) error {
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// staleShadow gives the statements that take a shadow away that was filled for another goal,
// or while nothing watched the table.
func staleShadow(ctx context.Context, tx pgx.Tx, t *Table, c *Column, trusted bool) ([]string, error) {
	var goal string
	err := tx.QueryRow(ctx, `
		SELECT coalesce(pg_catalog.col_description(attrelid, attnum), '') FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attname = $2 AND NOT attisdropped`,
		t.oid, t.shadow(c)).Scan(&goal)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && goal == c.goal() && trusted {
		return nil, nil
	}
	return t.dropShadow(t.shadow(c), goal), err
}

// dropShadow gives the statements that take a shadow away. What was in the clear there does
// not stay in the table's files: these are written anew.
func (t *Table) dropShadow(name, goal string) []string {
	drop := fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s", t.sql(), identifier(name))
	if !strings.HasPrefix(goal, inClear) {
		return []string{drop}
	}
	return []string{fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE bytea USING NULL", t.sql(), identifier(name)), drop}
}

// lockFamilies takes tables and their partitions for the transaction alone, all within the
// time that is brief.
func (j *job) lockFamilies(ctx context.Context, tx pgx.Tx, tables ...*Table) error {
	end := time.Now().Add(j.brief)
	held := make(map[uint32]bool)
	for _, t := range tables {
		for more := true; more; {
			if err := t.readFamily(ctx, tx); err != nil {
				return err
			}
			more = false
			for _, m := range t.family { // of a table that is locked there are no new ones
				if held[m.oid] {
					continue
				}
				if err := wait(ctx, tx, time.Until(end)); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, m.lock()); err != nil {
					return err
				}
				held[m.oid], more = true, true
			}
		}
	}
	return wait(ctx, tx, j.brief)
}

// watched fails unless each table that holds rows has the trigger, which fires whatever is
// said of triggers in a session.
func watched(ctx context.Context, tx pgx.Tx, t *Table) error {
	var oids []uint32
	for _, leaf := range t.leaves() {
		oids = append(oids, leaf.oid)
	}
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM pg_catalog.pg_trigger WHERE tgrelid = ANY ($1) AND tgname IN ($2, $3) AND tgenabled = 'A'`, oids, trigger, inserted).Scan(&n)
	if err == nil && n != 2*len(oids) {
		err = fmt.Errorf("trigger %s of %s was taken away or disabled meanwhile, so that changes may have been missed: pgveil schema apply --abort, and begin again", trigger, t)
	}
	return err
}
