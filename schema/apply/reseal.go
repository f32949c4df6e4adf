package apply

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
)

// older is the condition of a value that another key has sealed than the one that does
// now, or with a padding too short for the length to be a multiple of today's. A longer one
// cannot be seen.
func (c *Column) older() string {
	prefix := binary.BigEndian.AppendUint32([]byte{1}, c.Key) // Tink's
	is := fmt.Sprintf("pg_catalog.substr(%s, %d, %d)", identifier(c.Name), keys.HeaderSize+1, len(prefix))
	short := ""
	if c.to.Padding > 1 {
		short = fmt.Sprintf(" OR (pg_catalog.octet_length(%s) - %d) %% %d <> 0", identifier(c.Name), c.to.MinSealedLength()-1, c.to.Padding)
	}
	if c.byValue != nil {
		return c.byValue.older(is, short)
	}
	return fmt.Sprintf("%s OPERATOR(pg_catalog.<>) '\\x%x'::pg_catalog.bytea%s", is, prefix, short)
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

// reseals finds the tables that hold randomized values that are to be sealed anew where they
// are: whoever reads them meanwhile opens the one and the other.
func (r *reader) reseals(ctx context.Context) error {
	if r.keys == nil {
		return nil
	}
	for _, t := range r.done {
		var columns []*Column
		for _, c := range t.Columns {
			if c.to != nil && c.to.Mode == schema.Randomized && (c.byValue == nil || c.byValue.missing == "") {
				columns = append(columns, c)
			}
		}
		if len(columns) == 0 {
			continue
		}
		for _, leaf := range t.leaves() {
			own := leaf.alone(columns)
			var any bool
			if err := r.tx.QueryRow(ctx, fmt.Sprintf("SELECT EXISTS (SELECT FROM ONLY %s WHERE %s)", own.sql(), own.older())).Scan(&any); err != nil {
				return err
			}
			if any {
				r.plan.Reseal = append(r.plan.Reseal, &Unit{Tables: []*Table{own}})
			}
		}
	}
	return nil
}

// reseal seals the values of a table anew that older keys have sealed, in place.
func (j *job) reseal(ctx context.Context, u *Unit, result *Result) error {
	t := u.Tables[0]
	var read, write []string
	for _, c := range t.Columns {
		read = append(read, fmt.Sprintf("CASE WHEN %s THEN %s END", c.older(), identifier(c.Name)))
		write = append(write, identifier(c.Name))
	}
	err := j.passes(ctx, u, t, StateReseal, func(ctx context.Context, tx pgx.Tx, where string) (int, error) {
		values := int64(0)
		b, err := j.readRows(ctx, tx, t, read, where+t.older(), func(c *Column, value []byte, text *string) ([]byte, error) {
			values++
			return j.convert(c, value, text)
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
	result.Left = append(result.Left, deadRows(t))
	return j.tell(ctx, u, StateDone, 0)
}
