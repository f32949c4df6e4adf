package apply

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
)

// older is the condition of a value that another key has sealed than the one that does
// now.
func (c *Column) older() string {
	prefix := binary.BigEndian.AppendUint32([]byte{1}, c.key) // Tink's
	return fmt.Sprintf("pg_catalog.substr(%s, %d, %d) OPERATOR(pg_catalog.<>) '\\x%x'::pg_catalog.bytea", identifier(c.Name), keys.HeaderSize+1, len(prefix), prefix)
}

func (t *Table) older() string {
	var b strings.Builder
	for i, c := range t.Columns {
		if i > 0 {
			b.WriteString(" OR ")
		}
		b.WriteString(c.older())
	}
	return "(" + b.String() + ")"
}

// reseals finds the tables that hold randomized values under older keys, partitions and
// children among them.
func (r *reader) reseals(ctx context.Context) error {
	if r.key == nil {
		return nil
	}
	for _, t := range r.sealed {
		rows, err := r.tx.Query(ctx, `
			WITH RECURSIVE family (oid) AS (SELECT $1::pg_catalog.oid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = f.oid)
			SELECT c.oid, n.nspname::text, c.relname::text, c.reltuples::bigint FROM family f JOIN pg_catalog.pg_class c ON c.oid = f.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind = 'r' ORDER BY 2, 3`, t.oid)
		if err != nil {
			return err
		}
		var each Table
		var family []*Table
		_, err = pgx.ForEachRow(rows, []any{&each.oid, &each.Schema, &each.Name, &each.Rows}, func() error {
			member := each
			family = append(family, &member)
			return nil
		})
		if err != nil {
			return err
		}
		for _, member := range family {
			for _, c := range t.Columns {
				if c.tag.Mode == schema.Randomized {
					own := *c
					own.key = r.key(c.tag)
					member.Columns = append(member.Columns, &own)
				}
			}
			if len(member.Columns) == 0 {
				continue
			}
			var any bool
			if err := r.tx.QueryRow(ctx, fmt.Sprintf("SELECT EXISTS (SELECT FROM ONLY %s WHERE %s)", member.sql(), member.older())).Scan(&any); err != nil {
				return err
			}
			if any {
				r.plan.Reseal = append(r.plan.Reseal, &Unit{Tables: []*Table{member}})
			}
		}
	}
	return nil
}

// reseal seals the values of a table anew that older keys have sealed, in place. Whoever
// reads meanwhile opens the one and the other.
func (j *job) reseal(ctx context.Context, u *Unit, result *Result) error {
	t := u.Tables[0]
	var read, write []string
	for _, c := range t.Columns {
		read = append(read, fmt.Sprintf("CASE WHEN %s THEN %s END", c.older(), identifier(c.Name)))
		write = append(write, identifier(c.Name))
	}
	err := j.passes(ctx, u, t, StateReseal, func(ctx context.Context, tx pgx.Tx, where string) (int, error) {
		values := int64(0)
		b, err := j.readRows(ctx, tx, t, read, where+t.older(), func(c *Column, value []byte) ([]byte, error) {
			var err error
			if j.plain, err = j.sealers[c].Open(j.plain[:0], value); err != nil {
				return nil, errors.New("does not open")
			}
			values++
			return j.sealers[c].Seal(nil, j.plain)
		})
		if err != nil {
			return 0, err
		}
		n, err := b.write(ctx, tx, t, write)
		if err == nil {
			result.Resealed += values
		}
		return n, err
	})
	if err != nil {
		return err
	}
	var left int64
	if err := j.conn.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM ONLY %s WHERE %s", t.sql(), t.older())).Scan(&left); err != nil {
		return err
	}
	if left > 0 {
		return fmt.Errorf("%d rows still hold values under older keys: a pgveil that has not taken the new key over yet writes them; run it again", left)
	}
	return j.tell(ctx, u, StateDone, 0)
}
