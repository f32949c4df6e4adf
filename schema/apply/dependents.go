package apply

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
)

// dependents finds all else that depends on the columns: it would compute with sealed
// values, or keep the server from altering them.
func (r *reader) dependents(ctx context.Context) error {
	for _, t := range r.found {
		for _, m := range t.family {
			for _, c := range t.Columns {
				if err := r.dependentsOf(ctx, m, c); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *reader) dependentsOf(ctx context.Context, m *Table, c *Column) error {
	rows, err := r.tx.Query(ctx, `
		WITH a AS (SELECT attnum FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attname = $2 AND NOT attisdropped)
		SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid),
			EXISTS (SELECT FROM pg_catalog.pg_attrdef x WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND x.oid = d.objid),
			coalesce((SELECT x.ev_class FROM pg_catalog.pg_rewrite x JOIN pg_catalog.pg_class v ON v.oid = x.ev_class
				WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND x.oid = d.objid AND x.ev_type = '1' AND v.relkind = 'v'), 0)
		FROM a, pg_catalog.pg_depend d
		WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1 AND d.refobjsubid = a.attnum AND d.deptype <> 'i'
			AND NOT (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
				AND EXISTS (SELECT FROM pg_catalog.pg_attrdef x WHERE x.oid = d.objid AND x.adrelid = $1 AND x.adnum = a.attnum))
			AND NOT (d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
				AND EXISTS (SELECT FROM pg_catalog.pg_constraint x WHERE x.oid = d.objid AND (x.contype IN ('p', 'u', 'f') OR x.contype = 'c' AND x.conname = ANY ($3))))
			AND NOT (d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND EXISTS (SELECT FROM pg_catalog.pg_trigger x WHERE x.oid = d.objid AND x.tgname IN ($4, $6)))
			AND NOT (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
				AND EXISTS (SELECT FROM pg_catalog.pg_index x WHERE x.indexrelid = d.objid AND a.attnum = ANY (x.indkey::int2[])
					AND coalesce(pg_catalog.pg_get_expr(x.indexprs, x.indrelid), '') || coalesce(pg_catalog.pg_get_expr(x.indpred, x.indrelid), '') = ''))
			AND NOT (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = $1)
			-- what a partition has of its table is that one's
			AND NOT (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
				AND EXISTS (SELECT FROM pg_catalog.pg_attrdef x JOIN pg_catalog.pg_attribute y ON y.attrelid = x.adrelid AND y.attnum = x.adnum WHERE x.oid = d.objid AND x.adrelid <> $5 AND y.attinhcount > 0))
			AND NOT (d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
				AND EXISTS (SELECT FROM pg_catalog.pg_constraint x WHERE x.oid = d.objid AND x.conrelid <> $5 AND x.coninhcount > 0))
			AND NOT (d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND EXISTS (SELECT FROM pg_catalog.pg_trigger x WHERE x.oid = d.objid AND x.tgparentid <> 0))
		UNION
		SELECT pg_catalog.pg_describe_object('pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid, 0), false, 0
		FROM a, pg_catalog.pg_statistic_ext s WHERE s.stxrelid = $1 AND a.attnum = ANY (s.stxkeys::int2[])
		ORDER BY 1`, m.oid, c.Name, c.constraints, trigger, m.of().oid, inserted)
	if err != nil {
		return err
	}
	var object string
	var generated bool
	var view uint32
	var views []uint32
	_, err = pgx.ForEachRow(rows, []any{&object, &generated, &view}, func() error {
		if view != 0 && c.from != nil && c.to != nil {
			views = append(views, view)
			return nil
		}
		if generated {
			r.block(c.tag.QualifiedName(), "Drop it (ALTER TABLE … DROP EXPRESSION keeps its values), and have the application compute it.", "a generated column (%s) is computed of it", object)
			return nil
		}
		r.block(c.tag.QualifiedName(), "Drop it, and create it anew behind the swap, through pgveil, if it can work on sealed values.", "%s depends on it", object)
		return nil
	})
	if err != nil || len(views) == 0 {
		return err
	}
	c.beneath = true
	return r.views(ctx, c, views)
}

// views lets views stay over a column that is sealed before and after: its type does not
// change. What they show of it must not be stored, nor may it be compared with a value in
// its old form.
func (r *reader) views(ctx context.Context, c *Column, views []uint32) error {
	rows, err := r.tx.Query(ctx, `
		WITH RECURSIVE above (oid) AS (SELECT unnest($1::pg_catalog.oid[]) UNION
			SELECT w.ev_class FROM above v JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = v.oid
				JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND w.oid = d.objid)
		SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, c.oid, 0) FROM above v JOIN pg_catalog.pg_class c ON c.oid = v.oid WHERE c.relkind = 'm' ORDER BY 1`, views)
	if err != nil {
		return err
	}
	var object string
	_, err = pgx.ForEachRow(rows, []any{&object}, func() error {
		r.block(c.tag.QualifiedName(), "Drop it, and create it anew behind the swap, through pgveil.", "%s keeps its values", object)
		return nil
	})
	return err
}

// literals finds what holds values that were sealed for the columns, besides the columns: they
// would equal none of those to come.
func (r *reader) literals(ctx context.Context) error {
	seen := make(map[[7]byte]bool)
	for _, t := range r.found {
		for _, c := range t.Columns {
			if c.from == nil || c.from.Mode != schema.Deterministic || seen[c.from.Header()] {
				continue
			}
			seen[c.from.Header()] = true
			rows, err := r.tx.Query(ctx, `
				SELECT pg_catalog.pg_describe_object('pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 0) FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
				WHERE p.prokind IN ('f', 'p') AND l.lanname NOT IN ('c', 'internal') AND lower(pg_catalog.pg_get_functiondef(p.oid)) LIKE $1
				UNION ALL SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, v.oid, 0) FROM pg_catalog.pg_class v
				WHERE v.relkind IN ('v', 'm') AND v.relnamespace <> 'pg_catalog'::pg_catalog.regnamespace AND pg_catalog.pg_get_viewdef(v.oid) LIKE $1
				UNION ALL SELECT pg_catalog.pg_describe_object('pg_catalog.pg_rewrite'::pg_catalog.regclass, w.oid, 0) FROM pg_catalog.pg_rewrite w
				WHERE w.ev_type <> '1' AND pg_catalog.pg_get_ruledef(w.oid) LIKE $1 ORDER BY 1`, fmt.Sprintf("%%%x%%", c.from.Header()))
			if err != nil {
				return err
			}
			var object string
			_, err = pgx.ForEachRow(rows, []any{&object}, func() error {
				r.block(c.tag.QualifiedName(), "Drop it, and create it anew behind the swap, through pgveil.", "%s holds a value in the column's old form", object)
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
