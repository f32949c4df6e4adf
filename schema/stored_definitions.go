package schema

import (
	"context"
	"encoding/hex"

	"github.com/jackc/pgx/v5"
)

// countDefinitions counts the sealed values in what the server keeps as SQL: a literal that
// pgveil has sealed in a statement that defines something stands there as it was sent. What
// only begins like a value and ends with the key's ID is of pgveil's own CHECK constraint.
func (c *counter) countDefinitions(ctx context.Context) error {
	var number int
	if err := c.tx.QueryRow(ctx, `SELECT pg_catalog.current_setting('server_version_num')::int`, pgx.QueryExecModeExec).Scan(&number); err != nil {
		return err
	}
	bodies := `p.prosrc`
	if number >= 140000 { // bodies in standard SQL have no source
		bodies = `pg_catalog.concat(p.prosrc, pg_catalog.pg_get_function_sqlbody(p.oid))`
	}
	rows, err := c.tx.Query(ctx, `
		WITH definition (object, text) AS (
			SELECT 'default of ' || d.adrelid::regclass::text || '.' || a.attname::text, pg_catalog.pg_get_expr(d.adbin, d.adrelid)
			FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
			UNION ALL
			SELECT 'view ' || oid::regclass::text, pg_catalog.pg_get_viewdef(oid) FROM pg_catalog.pg_class
			WHERE relkind IN ('v', 'm') AND relnamespace <> 'pg_catalog'::regnamespace
			UNION ALL
			SELECT 'rule ' || rulename::text || ' of ' || ev_class::regclass::text, pg_catalog.pg_get_ruledef(oid)
			FROM pg_catalog.pg_rewrite WHERE rulename <> '_RETURN'
			UNION ALL
			SELECT 'index ' || indexrelid::regclass::text, pg_catalog.pg_get_indexdef(indexrelid) FROM pg_catalog.pg_index
			WHERE indexprs IS NOT NULL OR indpred IS NOT NULL
			UNION ALL
			SELECT pg_catalog.concat('constraint ', conname, ' of ' || nullif(conrelid, 0)::regclass::text), pg_catalog.pg_get_constraintdef(oid)
			FROM pg_catalog.pg_constraint WHERE contype IN ('c', 'x')
			UNION ALL
			SELECT 'trigger ' || tgname::text || ' of ' || tgrelid::regclass::text, pg_catalog.pg_get_triggerdef(oid)
			FROM pg_catalog.pg_trigger WHERE NOT tgisinternal
			UNION ALL
			SELECT 'policy ' || polname::text || ' of ' || polrelid::regclass::text,
				pg_catalog.concat(pg_catalog.pg_get_expr(polqual, polrelid), pg_catalog.pg_get_expr(polwithcheck, polrelid))
			FROM pg_catalog.pg_policy
			UNION ALL
			SELECT 'bounds of ' || oid::regclass::text, pg_catalog.pg_get_expr(relpartbound, oid) FROM pg_catalog.pg_class WHERE relispartition
			UNION ALL
			SELECT 'function ' || p.oid::regprocedure::text, pg_catalog.concat(`+bodies+`, pg_catalog.pg_get_expr(p.proargdefaults, 0))
			FROM pg_catalog.pg_proc p WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
		)
		SELECT d.object, m.id[1], pg_catalog.count(*) FILTER (WHERE m.id[2] <> ''), pg_catalog.count(*) FILTER (WHERE m.id[2] = '')
		FROM definition d CROSS JOIN LATERAL pg_catalog.regexp_matches(d.text, '`+sealedMagic()+`1[12][0-9a-f]{8}01([0-9a-f]{8})([0-9a-f]?)', 'gi') m(id)
		GROUP BY 1, 2 ORDER BY 1, 2`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	var object, id string
	var values, checks int64
	_, err = pgx.ForEachRow(rows, []any{&object, &id, &values, &checks}, func() error {
		b, err := hex.DecodeString(id)
		if err == nil {
			c.stored = append(c.stored, Stored{Database: c.db.Name, Object: object, Key: keyID(b), Values: values, Checks: checks})
		}
		return err
	})
	return err
}
