package schema

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// SealCheck is a CHECK constraint by which the server holds a sealed column to values
// sealed for it: see [Column.CheckExpression].
type SealCheck struct {
	OID  uint32
	Name string
}

// Index is an index of a relation. Columns are the numbers of the relation's attributes
// that it holds, in order; 0 for an expression.
type Index struct {
	OID     uint32
	Columns []int16
	Primary int16 // how many of the first columns are the relation's primary key; 0 if it is of none
}

// PrimaryKey gives the names of the columns of the primary key, nil if there is none or
// the relation's indexes were not read.
func (r *Relation) PrimaryKey() []string {
	for _, index := range r.Indexes {
		if index.Primary == 0 {
			continue
		}
		var names []string
		for _, number := range index.Columns[:index.Primary] {
			for _, a := range r.Attributes {
				if a.Num == number {
					names = append(names, a.Name)
				}
			}
		}
		if len(names) == int(index.Primary) {
			return names
		}
	}
	return nil
}

// taggedTables gives the OIDs of the relations that have a tagged attribute.
func (l *loader) taggedTables() []uint32 {
	var oids []uint32
	for _, r := range l.relations {
		for i := range r.Attributes {
			if r.Attributes[i].Tagged != nil {
				oids = append(oids, r.OID)
				break
			}
		}
	}
	return oids
}

// readChecks reads which constraints of the tagged tables are pgveil's own.
func (l *loader) readChecks(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT oid, conrelid, conname::text, conkey,
			CASE WHEN pg_catalog.pg_table_is_visible(conrelid) IS NOT NULL THEN pg_catalog.pg_get_constraintdef(oid) END
		FROM pg_catalog.pg_constraint WHERE contype = 'c' AND conrelid = ANY (`+oidArray(l.taggedTables())+`)
		ORDER BY conrelid, conname`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	var k SealCheck
	var table uint32
	var columns []int16
	var definition *string // NULL of one that was dropped meanwhile
	_, err = pgx.ForEachRow(rows, []any{&k.OID, &table, &k.Name, &columns, &definition}, func() error {
		if r := l.byOID[table]; definition != nil && r.sealedBy(columns, *definition) {
			r.Checks = append(r.Checks, k)
		}
		return nil
	})
	return err
}

// sealedBy reports whether a constraint on these columns is what [Column.CheckExpression]
// makes for a tagged one.
func (r *Relation) sealedBy(columns []int16, definition string) bool {
	for _, a := range attributesByNumber(r, columns) {
		if a.Tagged == nil {
			continue
		}
		if seal, ok := parseCheck(definition, a.Name); ok && seal.isFor(a.Tagged) {
			return true
		}
	}
	return false
}

// readIndexes reads the indexes of what is or reaches a tagged table: materialized
// views have indexes, too.
func (l *loader) readIndexes(ctx context.Context, q Querier) error {
	var reaching []uint32
	for _, r := range l.relations {
		if r.Reaches {
			reaching = append(reaching, r.OID)
		}
	}
	rows, err := q.Query(ctx, `
		SELECT indexrelid, indrelid, indkey::int2[], CASE WHEN indisprimary THEN indnkeyatts ELSE 0 END::int2 FROM pg_catalog.pg_index
		WHERE indrelid = ANY (`+oidArray(reaching)+`) ORDER BY indrelid, indexrelid`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	var table, oid uint32
	var columns []int16
	var primary int16
	_, err = pgx.ForEachRow(rows, []any{&oid, &table, &columns, &primary}, func() error {
		r := l.byOID[table]
		r.Indexes = append(r.Indexes, Index{OID: oid, Columns: slices.Clone(columns), Primary: primary})
		return nil
	})
	return err
}
