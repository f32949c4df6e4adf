package schema

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// OwnEquality reports whether a schema other than pg_catalog has an operator = or <> of
// two values of type bytea, which comes before the server's own where search_path puts
// that schema before pg_catalog.
func (c *Catalog) OwnEquality() bool { return c.ownEquality }

// OwnComparison reports whether a schema other than pg_catalog has an operator = or <> that takes a
// value of one of the server's own types: with a value of another type beside it, it may come before
// the server's own whatever search_path is.
func (c *Catalog) OwnComparison() bool { return c.ownComparison }

func (l *loader) readOperators(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT EXISTS (SELECT FROM pg_catalog.pg_operator
			WHERE oprname IN ('=', '<>') AND oprleft = 'pg_catalog.bytea'::regtype AND oprright = 'pg_catalog.bytea'::regtype
				AND oprnamespace <> 'pg_catalog'::regnamespace),
			EXISTS (SELECT FROM pg_catalog.pg_operator
			WHERE oprname IN ('=', '<>') AND (oprleft < 12000 OR oprright < 12000) AND oprnamespace <> 'pg_catalog'::regnamespace)`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, []any{&l.ownEquality, &l.ownComparison}, func() error { return nil })
	return err
}
