package schema

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// readPartitionKeys marks what tables are partitioned by.
func (l *loader) readPartitionKeys(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT p.partrelid, p.partattrs::int2[], coalesce(pg_catalog.pg_get_expr(p.partexprs, p.partrelid), '')
		FROM pg_catalog.pg_partitioned_table p`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	var oid uint32
	var columns []int16
	var expressions string
	_, err = pgx.ForEachRow(rows, []any{&oid, &columns, &expressions}, func() error {
		r := l.byOID[oid]
		if r == nil {
			return nil
		}
		for _, a := range attributesByNumber(r, columns) {
			a.PartitionKey = true
		}
		for i := range r.Attributes {
			if a := &r.Attributes[i]; expressions != "" && mentionsColumn(expressions, a.Name) {
				a.PartitionKey = true
			}
		}
		return nil
	})
	return err
}

// readSealing marks the columns whose CHECK constraint is pgveil's as orphans: tag
// takes those out that it finds a tag for. A session may print the constraint's
// bytes in another form, so its name counts, too.
func (l *loader) readSealing(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT conrelid, conkey[1]
		FROM pg_catalog.pg_constraint
		WHERE contype = 'c' AND conrelid <> 0 AND array_length(conkey, 1) = 1
			AND (strpos(pg_catalog.pg_get_constraintdef(oid), 'x`+sealedMagic()+`') > 0 OR left(conname::text, 7) = 'pgveil_')`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	var oid uint32
	var number int16
	_, err = pgx.ForEachRow(rows, []any{&oid, &number}, func() error {
		r := l.byOID[oid]
		if r == nil {
			return nil
		}
		for _, a := range attributesByNumber(r, []int16{number}) {
			a.Orphan = a.TypeOID == byteaOID
		}
		return nil
	})
	return err
}
