package keylife

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
)

// stored is how the columns have to be in the server at the end of a phase.
type stored struct {
	clear bool                                             // in the clear
	only  func(context.Context) (map[string]uint32, error) // the only key of each keyset that has sealed; nil: any
}

// columns are all that hold secrets, with what each value begins with in the clear.
var columns = []struct{ table, name, clear string }{
	{"lab.patient", "nir", "NIR"}, {"lab.patient", "name", "Nom"}, {"lab.result", "patient_nir", "NIR"}, {"lab.result", "outcome", "Issue"},
}

// checkStored looks at every stored value, at the server itself.
func (l *life) checkStored(ctx context.Context, want stored) error {
	conn, err := l.postgres.Conn(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var only map[string]uint32
	if want.only != nil {
		if only, err = want.only(ctx); err != nil {
			return err
		}
	}
	for _, c := range columns {
		i := slices.IndexFunc(l.file.Columns, func(column *schema.Column) bool {
			return column.Schema+"."+column.Table == c.table && column.Name == c.name
		})
		if err := l.checkColumn(ctx, conn, l.file.Columns[i], c.clear, want.clear, only); err != nil {
			return fmt.Errorf("%s.%s: %w", c.table, c.name, err)
		}
	}
	var orphans, shadows int
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM lab.result r LEFT JOIN lab.patient p ON p.nir = r.patient_nir WHERE p.id IS NULL").Scan(&orphans); err != nil {
		return err
	}
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_attribute WHERE attrelid IN ('lab.patient'::regclass, 'lab.result'::regclass) AND starts_with(attname, $1) AND NOT attisdropped", schema.ShadowPrefix).Scan(&shadows); err != nil {
		return err
	}
	if orphans > 0 || shadows > 0 {
		return fmt.Errorf("%d results without patient, %d shadow columns", orphans, shadows)
	}
	var constraints int
	const valid = "SELECT count(*) FROM pg_constraint WHERE conrelid IN ('lab.patient'::regclass, 'lab.result'::regclass) AND contype IN ('u', 'f') AND convalidated"
	if err := conn.QueryRow(ctx, valid).Scan(&constraints); err != nil {
		return err
	}
	if constraints != 2 {
		return fmt.Errorf("%d UNIQUE and FOREIGN KEY constraints are left of 2", constraints)
	}
	return nil
}

func (l *life) checkColumn(ctx context.Context, conn *pgx.Conn, column *schema.Column, clear string, inClear bool, only map[string]uint32) error {
	var kind string
	err := conn.QueryRow(ctx, "SELECT atttypid::regtype::text FROM pg_attribute WHERE attrelid = $1::regclass AND attname = $2",
		column.Schema+"."+column.Table, column.Name).Scan(&kind)
	if err != nil {
		return err
	}
	if inClear != (kind != "bytea") {
		return fmt.Errorf("it is of type %s", kind)
	}
	rows, err := conn.Query(ctx, fmt.Sprintf("SELECT coalesce(%s::text, '') FROM %s.%s", column.Name, column.Schema, column.Table))
	if err != nil {
		return err
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || inClear {
		return err
	}
	// A bytea is shown as \x and hex digits: magic, mode, context, 01, key.
	header := column.Header()
	want := fmt.Sprintf(`\x%x`, header[:])
	if id, ok := only[column.Key]; ok {
		want += fmt.Sprintf("01%08x", id)
	}
	bad, plain := 0, 0
	for _, v := range values {
		switch {
		case v == "":
		case contains(v, clear+mark):
			plain++
		case v[:min(len(v), len(want))] != want:
			bad++
		}
	}
	if bad+plain > 0 {
		return fmt.Errorf("of %d stored values %d are in the clear and %d do not begin with %s", len(values), plain, bad, want)
	}
	return nil
}

// contains reports whether a bytea, as it is shown, contains a text.
func contains(shown, text string) bool {
	hex := fmt.Sprintf("%x", text)
	for i := 2; i+len(hex) <= len(shown); i += 2 {
		if shown[i:i+len(hex)] == hex {
			return true
		}
	}
	return false
}
