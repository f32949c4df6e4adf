package schema

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// The server's functions that print a stored expression are asked of few tables, and only
// while these exist, by pg_table_is_visible, which is NULL otherwise: for a table that
// another session has dropped they raise an error, in a client's own transaction perhaps.

// readPartitionKeys marks what the tagged tables are partitioned by.
func (l *loader) readPartitionKeys(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT p.partrelid, p.partattrs::int2[],
			coalesce(CASE WHEN pg_catalog.pg_table_is_visible(p.partrelid) IS NOT NULL THEN pg_catalog.pg_get_expr(p.partexprs, p.partrelid) END, '')
		FROM pg_catalog.pg_partitioned_table p
		WHERE p.partrelid = ANY (`+oidArray(l.taggedTables())+`)`, pgx.QueryExecModeExec)
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

// readSealing reads what pgveil's CHECK constraints ask for, and marks the columns whose CHECK constraint is pgveil's as orphans: tag
// takes those out that it finds a tag for. A session may print the constraint's
// bytes in another form, so its name counts, too. CASE names the type once more, and is
// so computed for rows of the join only.
func (l *loader) readSealing(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT k.conrelid, k.conkey[1],
			coalesce(CASE WHEN a.atttypid = 'pg_catalog.bytea'::regtype AND pg_catalog.pg_table_is_visible(k.conrelid) IS NOT NULL THEN pg_catalog.pg_get_constraintdef(k.oid) END, '')
		FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
		WHERE k.contype = 'c' AND array_length(k.conkey, 1) = 1 AND a.atttypid = 'pg_catalog.bytea'::regtype
			AND CASE WHEN left(k.conname::text, 7) = 'pgveil_' THEN true
				WHEN a.atttypid = 'pg_catalog.bytea'::regtype AND pg_catalog.pg_table_is_visible(k.conrelid) IS NOT NULL
					THEN strpos(pg_catalog.pg_get_constraintdef(k.oid), 'x`+sealedMagic()+`') > 0 END`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	var oid uint32
	var number int16
	var definition string
	_, err = pgx.ForEachRow(rows, []any{&oid, &number, &definition}, func() error {
		r := l.byOID[oid]
		if r == nil {
			return nil
		}
		for _, a := range attributesByNumber(r, []int16{number}) {
			a.Orphan = a.TypeOID == byteaOID
			if seal, ok := parseCheck(definition, a.Name); ok {
				l.seals[a] = seal
			}
		}
		return nil
	})
	return err
}
