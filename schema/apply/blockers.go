package apply

import (
	"context"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
)

// column gives the column to seal of a number, nil if that is none.
func (t *Table) column(number int16) *Column {
	for _, c := range t.Columns {
		if c.number == number {
			return c
		}
	}
	return nil
}

// indexes looks for indexes on the columns that serve nothing on sealed values, or that
// the server cannot make anew over bytea.
func (r *reader) indexes(ctx context.Context) error {
	for _, t := range r.found {
		rows, err := r.tx.Query(ctx, `
			SELECT x.relname::text, coalesce(k.conname::text, ''), m.amname::text, i.indkey::int2[], i.indnkeyatts,
				ARRAY(SELECT o.opcdefault FROM unnest(i.indclass::oid[]) WITH ORDINALITY c (oid, n) JOIN pg_catalog.pg_opclass o ON o.oid = c.oid ORDER BY c.n),
				ARRAY(SELECT c.oid = 0 OR c.oid = coalesce((SELECT a.attcollation FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = (i.indkey::int2[])[c.n - 1]), 0)
					FROM unnest(i.indcollation::oid[]) WITH ORDINALITY c (oid, n) ORDER BY c.n)
			FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = x.relam
				LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
			WHERE i.indrelid = $1 ORDER BY x.relname`, t.oid)
		if err != nil {
			return err
		}
		var index, constraint, method string
		var columns []int16
		var keys int16
		var usual, collated []bool
		_, err = pgx.ForEachRow(rows, []any{&index, &constraint, &method, &columns, &keys, &usual, &collated}, func() error {
			drop := fmt.Sprintf("DROP INDEX %s;", identifier(t.Schema, index))
			if constraint != "" {
				drop = fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s;", t.sql(), identifier(constraint))
			}
			for i, number := range columns {
				c := t.column(number)
				switch {
				case c == nil:
				case c.tag.Mode == schema.Randomized:
					r.block(c.tag.QualifiedName(), "Make the column deterministic, or: "+drop, "index %s is on it, and randomized values equal nothing", index)
				case i >= int(keys): // INCLUDE
				case method != "btree" && method != "hash":
					r.block(c.tag.QualifiedName(), drop, "index %s on it is of type %s, which serves nothing on sealed values", index, method)
				case !usual[i] || !collated[i]:
					r.block(c.tag.QualifiedName(), drop+" Create it anew without operator class and collation.", "index %s on it has an operator class or collation that bytea does not have", index)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// foreignKeys finds those over the columns. Both sides have to be sealed alike and at
// once.
func (r *reader) foreignKeys(ctx context.Context) error {
	var oids []uint32
	for _, t := range r.found {
		oids = append(oids, t.oid)
	}
	rows, err := r.tx.Query(ctx, `
		SELECT conrelid, confrelid, conname::text, conrelid::pg_catalog.regclass::text, conkey, confkey, pg_catalog.pg_get_constraintdef(oid), convalidated
		FROM pg_catalog.pg_constraint WHERE contype = 'f' AND (conrelid = ANY ($1) OR confrelid = ANY ($1)) ORDER BY pg_constraint.conrelid, conname`, oids)
	if err != nil {
		return err
	}
	var k foreignKey
	var foreign uint32
	var object string
	var near, far []int16
	_, err = pgx.ForEachRow(rows, []any{&k.table, &foreign, &k.name, &object, &near, &far, &k.definition, &k.valid}, func() error {
		a, b := r.byOID[k.table], r.byOID[foreign]
		counts := false
		for i := range near {
			var from, to *Column
			if a != nil {
				from = a.column(near[i])
			}
			if b != nil {
				to = b.column(far[i])
			}
			switch {
			case from == nil && to == nil:
				continue
			case from == nil || to == nil:
				r.block(object, "Tag both columns with one domain, or drop it.", "foreign key %s compares a column that is to be sealed with one that is not, or that is sealed already", k.name)
				return nil
			case from.tag.Mode == schema.Randomized || from.tag.Context != to.tag.Context || from.tag.Key != to.tag.Key:
				r.block(object, "Give both columns one domain and key, or drop it.", "foreign key %s compares columns that are not sealed alike", k.name)
				return nil
			}
			counts = true
		}
		if counts {
			r.keys = append(r.keys, k)
			r.pairs = append(r.pairs, [2]*Table{a, b})
		}
		return nil
	})
	return err
}

// dependents finds all else that depends on the columns: it would compute with sealed
// values, or keep the server from altering them.
func (r *reader) dependents(ctx context.Context) error {
	for _, t := range r.found {
		for _, c := range t.Columns {
			rows, err := r.tx.Query(ctx, `
				SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
				FROM pg_catalog.pg_depend d
				WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1 AND d.refobjsubid = $2 AND d.deptype <> 'i'
					AND NOT (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
						AND EXISTS (SELECT FROM pg_catalog.pg_attrdef x WHERE x.oid = d.objid AND x.adrelid = $1 AND x.adnum = $2))
					AND NOT (d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
						AND EXISTS (SELECT FROM pg_catalog.pg_constraint x WHERE x.oid = d.objid AND x.contype IN ('p', 'u', 'f')))
					AND NOT (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
						AND EXISTS (SELECT FROM pg_catalog.pg_index x WHERE x.indexrelid = d.objid AND $2 = ANY (x.indkey::int2[])
							AND coalesce(pg_catalog.pg_get_expr(x.indexprs, x.indrelid), '') || coalesce(pg_catalog.pg_get_expr(x.indpred, x.indrelid), '') = ''))
				UNION
				SELECT pg_catalog.pg_describe_object('pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid, 0)
				FROM pg_catalog.pg_statistic_ext s WHERE s.stxrelid = $1 AND $2 = ANY (s.stxkeys::int2[])
				ORDER BY 1`, t.oid, c.number)
			if err != nil {
				return err
			}
			var object string
			_, err = pgx.ForEachRow(rows, []any{&object}, func() error {
				if object != fmt.Sprintf("trigger %s on table %s", trigger, t) {
					r.block(c.tag.QualifiedName(), "Drop it, and create it anew behind the swap, through pgveil, if it can work on sealed values.", "%s depends on it", object)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// constantDefault matches a default that is a constant, as the server prints it.
var constantDefault = regexp.MustCompile(`^\(?(?:'(?:[^']|'')*'|-?[0-9][0-9.]*|true|false|NULL)\)?(?:::[a-z" ]+(?:\([0-9, ]+\))?[a-z ]*)*$`)

// defaults reads the defaults. Constants are sealed.
func (r *reader) defaults(ctx context.Context) error {
	for _, t := range r.found {
		for _, c := range t.Columns {
			var expression *string
			err := r.tx.QueryRow(ctx, `SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = $1 AND d.adnum = $2`, t.oid, c.number).Scan(&expression)
			switch {
			case err == pgx.ErrNoRows || err == nil && expression == nil:
				continue
			case err != nil:
				return err
			case !constantDefault.MatchString(*expression):
				r.block(c.tag.QualifiedName(), fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT;", t.sql(), identifier(c.Name)), "its default is not a constant, so that the server would compute it in the clear")
				continue
			}
			// Its constant alone is evaluated, in a form that is the same for all types.
			rows, err := r.tx.Query(ctx, fmt.Sprintf(`SELECT (%s)::%s`, *expression, c.Type), pgx.QueryResultFormats{1})
			if err != nil {
				return err
			}
			for rows.Next() {
				if v := rows.RawValues()[0]; v != nil {
					c.binary, c.hasNull = hex.EncodeToString(v), false
				}
			}
			if err := rows.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// triggers tells of what fires for each row that is filled.
func (r *reader) triggers(ctx context.Context) error {
	for _, t := range r.found {
		rows, err := r.tx.Query(ctx, `
			SELECT tgname::text FROM pg_catalog.pg_trigger
			WHERE tgrelid = $1 AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 16 <> 0 AND tgname <> $2 ORDER BY tgname`, t.oid, trigger)
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if len(names) > 0 {
			slices.Sort(names)
			r.plan.Notices = append(r.plan.Notices, fmt.Sprintf("%s: triggers on UPDATE (%v) fire for each row while it is filled, unless a superuser does it", t, names))
		}
	}
	return nil
}
