package schema

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// shadowedSQL asks for the functions and operators outside pg_catalog that may take
// strings, and for those in it whose result, even for ASCII, is another one under the
// rules of Turkish.
const shadowedSQL = `
	SELECT p.proname::text FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
	WHERE n.nspname <> 'pg_catalog' AND p.proargtypes[0] IN (25, 1042, 1043, 2276, 2283, 5077)
	UNION SELECT o.oprname::text FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
	WHERE n.nspname <> 'pg_catalog' AND o.oprleft IN (25, 1042, 1043, 2283, 5077) AND o.oprright IN (25, 1042, 1043, 2283, 5077)
	UNION SELECT f FROM pg_catalog.pg_database d,
		LATERAL pg_catalog.jsonb_each_text(pg_catalog.to_jsonb(d)) AS s (name, value), (VALUES ('lower'), ('upper')) AS v (f)
	WHERE d.datname = pg_catalog.current_database() AND s.name IN ('datcollate', 'datctype', 'daticulocale', 'datlocale') AND s.value ~* '^(tr|az)'`

func (l *loader) readShadowed(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, shadowedSQL, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	l.shadowed = make(map[string]struct{})
	var name string
	_, err = pgx.ForEachRow(rows, []any{&name}, func() error {
		l.shadowed[name] = struct{}{}
		return nil
	})
	return err
}

// Shadowed reports whether a string function or operator of that name may do something
// else in this database than the server's own does elsewhere: another one has the
// name, or the database's locale changes what it does to ASCII letters.
func (c *Catalog) Shadowed(name string) bool {
	_, ok := c.shadowed[name]
	return ok
}
