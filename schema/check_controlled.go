package schema

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// checkControlled compares the controlled columns with the database, and tells of what there tells of
// them past pgveil's verdicts.
func (c *checker) checkControlled(ctx context.Context, q Querier) error {
	for _, column := range c.db.Controlled {
		i := slices.IndexFunc(c.relations, func(r *Relation) bool { return r.Schema == column.Schema && r.Name == column.Table && isTable(r) })
		if i < 0 {
			c.report(SeverityError, column, "table "+column.TableName(), "", "there is no such table")
			continue
		}
		r := c.relations[i]
		a := r.Attribute(column.Name)
		if a == nil {
			var existing []string
			for _, a := range r.Attributes {
				existing = append(existing, a.Name)
			}
			c.report(SeverityError, column, column.QualifiedName(), "", "there is no such column%s", yamlfile.DidYouMean(column.Name, existing))
			continue
		}
		if err := c.checkClear(ctx, q, column, r, a); err != nil {
			return err
		}
	}
	return nil
}

// clearSQL asks of one column for its type, and for the constraints, generated columns and policies
// that name it beside others, and partitioning.
const clearSQL = `
	SELECT '' AS kind, pg_catalog.format_type(atttypid, atttypmod) AS name, '' AS expression FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum = $2
	UNION ALL SELECT CASE contype WHEN 'f' THEN 'foreign key' WHEN 'c' THEN 'CHECK constraint' WHEN 'x' THEN 'exclusion constraint' ELSE 'unique constraint' END,
		conname::text, pg_catalog.pg_get_constraintdef(oid)
	FROM pg_catalog.pg_constraint WHERE (conrelid = $1 AND $2 = ANY (conkey) OR confrelid = $1 AND $2 = ANY (confkey)) AND contype <> 'p'
		AND (contype = 'f' OR array_length(conkey, 1) > 1)
	UNION ALL SELECT 'generated column', a.attname::text, pg_catalog.pg_get_expr(d.adbin, d.adrelid)
	FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = $1 AND a.attgenerated <> ''
	UNION ALL SELECT 'row security policy', polname::text, concat(pg_catalog.pg_get_expr(polqual, polrelid), ' ', pg_catalog.pg_get_expr(polwithcheck, polrelid))
	FROM pg_catalog.pg_policy WHERE polrelid = $1
	UNION ALL SELECT 'partitioning', '', pg_catalog.pg_get_partkeydef(partrelid) FROM pg_catalog.pg_partitioned_table WHERE partrelid = $1
	ORDER BY 1, 2`

func (c *checker) checkClear(ctx context.Context, q Querier, column *Column, r *Relation, a *Attribute) error {
	rows, err := q.Query(ctx, clearSQL, pgx.QueryExecModeExec, r.OID, a.Num)
	if err != nil {
		return err
	}
	object := column.QualifiedName()
	if a.Orphan {
		c.report(SeverityError, column, object, "Say in the schema file how it is sealed.", "it holds sealed values, and the schema file says that it is in the clear")
	}
	var kind, name, expression string
	_, err = pgx.ForEachRow(rows, []any{&kind, &name, &expression}, func() error {
		what := kind
		if name != "" {
			what += " " + identifier(name)
		}
		switch {
		case kind == "" && a.TypeOID != column.Type.OID():
			c.report(SeverityError, column, object, "", "its type is %s and the schema file's %s", name, column.Type)
		case kind == "":
			c.report(SeverityWarning, column, object, "", "it is stored in the clear: the server, its dumps and whoever goes round pgveil show it, and verdicts hold for what passes pgveil alone")
		case !mentionsColumn(expression, column.Name):
		case kind == "generated column", kind == "partitioning":
			c.report(SeverityWarning, column, fmt.Sprintf("%s of %s", what, column.TableName()), "", "it tells of %s: a role that may not decrypt that cannot use the table", column.Name)
		default:
			c.report(SeverityWarning, column, fmt.Sprintf("%s on %s", what, column.TableName()), "", "whether it holds tells of %s, also a role that may not search it", column.Name)
		}
		return nil
	})
	return err
}
