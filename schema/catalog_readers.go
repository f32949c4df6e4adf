package schema

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// readers are the roles that the server lets read something: "" is every role.
type readers []string

// readersOf asks whom the server lets read the relations with these OIDs, as a whole (attribute 0) or by column. A table without
// an ACL is its owner's. Source: PostgreSQL manual, "Privileges".
func readersOf(oids []uint32) string {
	return `
		SELECT c.oid, 0::int2, CASE x.grantee WHEN 0 THEN '' ELSE g.rolname::text END
		FROM pg_catalog.pg_class c, LATERAL pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) x
			LEFT JOIN pg_catalog.pg_roles g ON g.oid = x.grantee
		WHERE c.oid = ANY (` + oidArray(oids) + `) AND x.privilege_type = 'SELECT' AND (x.grantee = 0 OR g.oid IS NOT NULL)
		UNION ALL
		SELECT a.attrelid, a.attnum, CASE x.grantee WHEN 0 THEN '' ELSE g.rolname::text END
		FROM pg_catalog.pg_attribute a, LATERAL pg_catalog.aclexplode(a.attacl) x
			LEFT JOIN pg_catalog.pg_roles g ON g.oid = x.grantee
		WHERE a.attrelid = ANY (` + oidArray(oids) + `) AND a.attnum > 0 AND x.privilege_type = 'SELECT' AND (x.grantee = 0 OR g.oid IS NOT NULL)
		UNION ALL
		SELECT 0::oid, 0::int2, rolname::text FROM pg_catalog.pg_roles WHERE rolsuper`
}

// readReaders reads who may read the relations that reach tagged tables, and who may read everything.
func (l *loader) readReaders(ctx context.Context, q Querier) error {
	var oids []uint32
	for _, r := range l.relations {
		if r.Reaches {
			oids = append(oids, r.OID)
		}
	}
	if len(oids) == 0 {
		return nil
	}
	rows, err := q.Query(ctx, readersOf(oids), pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	l.everything = readers{"pg_read_all_data"}
	var oid uint32
	var number int16
	var role string
	_, err = pgx.ForEachRow(rows, []any{&oid, &number, &role}, func() error {
		r := l.byOID[oid]
		switch {
		case oid == 0:
			l.everything = append(l.everything, role)
		case number == 0:
			r.readers = append(r.readers, role)
		default:
			if i := slices.IndexFunc(r.Attributes, func(a Attribute) bool { return a.Num == number }); i >= 0 {
				r.Attributes[i].readers = append(r.Attributes[i].readers, role)
			}
		}
		return nil
	})
	return err
}

// Readable reports whether the server lets one of these roles, whose rights a session has, read a column of a
// relation that reaches a tagged table. It errs on the side of false.
func (c *Catalog) Readable(oid uint32, number int16, roles []string) bool {
	r := c.byOID[oid]
	if r == nil {
		return false
	}
	if c.everything.any(roles) || r.readers.any(roles) {
		return true
	}
	i := slices.IndexFunc(r.Attributes, func(a Attribute) bool { return a.Num == number })
	return i >= 0 && r.Attributes[i].readers.any(roles)
}

// any reports whether one of the roles is among them.
func (r readers) any(roles []string) bool {
	return slices.ContainsFunc(r, func(name string) bool { return name == "" || slices.Contains(roles, name) })
}

// readAggregates reads the names of aggregate functions.
func (l *loader) readAggregates(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `SELECT DISTINCT proname::text FROM pg_catalog.pg_proc WHERE prokind = 'a'`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	l.aggregates = make(map[string]struct{})
	var name string
	_, err = pgx.ForEachRow(rows, []any{&name}, func() error {
		l.aggregates[name] = struct{}{}
		return nil
	})
	return err
}

// Aggregate reports whether a function of that name, in whatever schema, may be an aggregate.
func (c *Catalog) Aggregate(name string) bool {
	_, ok := c.aggregates[name]
	return ok || c.aggregates == nil
}
