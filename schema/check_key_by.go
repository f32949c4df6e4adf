package schema

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// checkKeyBy asks that what keys are by is there, and that nothing but statements changes it.
func (c *checker) checkKeyBy(ctx context.Context, q Querier) error {
	for _, oid := range c.tagged {
		r := c.byOID[oid]
		for i := range r.Attributes {
			column := r.Attributes[i].Tagged
			if column == nil || column.KeyBy == nil {
				continue
			}
			if _, err := r.KeyedBy(column); err != nil {
				c.report(SeverityError, column, "column "+column.QualifiedName(), "", "%v", err)
				continue
			}
			rows, err := q.Query(ctx, `
				SELECT coalesce(min(k.conname::text), '') FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
				WHERE k.conrelid = $1 AND a.attname = $2 AND k.contype = 'f' AND (k.confupdtype IN ('c', 'n', 'd') OR k.confdeltype IN ('n', 'd'))`, pgx.QueryExecModeExec, oid, column.KeyBy.Column)
			if err != nil {
				return err
			}
			name, err := pgx.CollectOneRow(rows, pgx.RowTo[string])
			if err != nil {
				return err
			}
			if name != "" {
				c.report(SeverityWarning, column, "column "+column.QualifiedName(), "",
					"foreign key %s changes column %s, which its keys are by: values stay under the key of before, until pgveil schema apply seals them anew", name, column.KeyBy.Column)
			}
		}
	}
	return nil
}
