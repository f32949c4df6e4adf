package schema

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// OwnEquality reports whether a schema other than pg_catalog has an operator = or <> of
// two values of type bytea, which comes before the server's own where search_path puts
// that schema before pg_catalog.
func (c *Catalog) OwnEquality() bool { return c.ownEquality }

func (l *loader) readOperators(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT EXISTS (SELECT FROM pg_catalog.pg_operator
			WHERE oprname IN ('=', '<>') AND oprleft = 'pg_catalog.bytea'::regtype AND oprright = 'pg_catalog.bytea'::regtype
				AND oprnamespace <> 'pg_catalog'::regnamespace)`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, []any{&l.ownEquality}, func() error { return nil })
	return err
}
