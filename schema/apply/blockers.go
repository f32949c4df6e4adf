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

// indexes looks for indexes on the columns that serve nothing on their new form, or that the
// server cannot make anew over it.
func (r *reader) indexes(ctx context.Context) error {
	for _, t := range r.found {
		for _, m := range t.family {
			if err := r.indexesOf(ctx, t, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) indexesOf(ctx context.Context, t, m *Table) error {
	rows, err := r.tx.Query(ctx, `
		SELECT x.relname::text, coalesce(k.conname::text, ''), m.amname::text, i.indnkeyatts,
			ARRAY(SELECT coalesce((SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = c.number), '') FROM unnest(i.indkey::int2[]) WITH ORDINALITY c (number, n) ORDER BY c.n),
			ARRAY(SELECT o.opcdefault FROM unnest(i.indclass::oid[]) WITH ORDINALITY c (oid, n) JOIN pg_catalog.pg_opclass o ON o.oid = c.oid ORDER BY c.n),
			ARRAY(SELECT c.oid = 0 OR c.oid = coalesce((SELECT a.attcollation FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = (i.indkey::int2[])[c.n - 1]), 0)
				FROM unnest(i.indcollation::oid[]) WITH ORDINALITY c (oid, n) ORDER BY c.n)
		FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = x.relam
			LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
		WHERE i.indrelid = $1 AND NOT x.relispartition ORDER BY x.relname`, m.oid)
	if err != nil {
		return err
	}
	var index, constraint, method string
	var columns []string
	var keys int16
	var usual, collated []bool
	_, err = pgx.ForEachRow(rows, []any{&index, &constraint, &method, &keys, &columns, &usual, &collated}, func() error {
		drop := fmt.Sprintf("DROP INDEX %s;", identifier(m.Schema, index))
		if constraint != "" {
			drop = fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s;", m.sql(), identifier(constraint))
		}
		for i, name := range columns {
			c := t.column(name)
			switch {
			case c == nil || c.to == nil:
			case c.to.Mode == schema.Randomized:
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
	return err
}

// foreignKeys finds those over the columns. Both sides have to be changed alike and at
// once.
func (r *reader) foreignKeys(ctx context.Context) error {
	var oids []uint32
	for oid := range r.byOID {
		oids = append(oids, oid)
	}
	rows, err := r.tx.Query(ctx, `
		SELECT k.conrelid, k.confrelid, k.conname::text, k.conrelid::pg_catalog.regclass::text, pg_catalog.pg_get_constraintdef(k.oid), k.convalidated, c.relkind = 'p',
			ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY x (number, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.number ORDER BY x.n),
			ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY x (number, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = x.number ORDER BY x.n)
		FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
		WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.conrelid = ANY ($1) OR k.confrelid = ANY ($1)) ORDER BY k.conrelid, k.conname`, oids)
	if err != nil {
		return err
	}
	var k foreignKey
	var table, foreign uint32
	var near, far []string
	_, err = pgx.ForEachRow(rows, []any{&table, &foreign, &k.name, &k.table, &k.definition, &k.valid, &k.partitioned, &near, &far}, func() error {
		a, b := r.byOID[table], r.byOID[foreign]
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
				r.block(k.table, "Have both columns changed alike, with one domain, or drop it.", "foreign key %s compares a column that is to be stored otherwise with one that is not, or that is sealed already", k.name)
				return nil
			case !from.comparable(to):
				r.block(k.table, "Give both columns one domain and key, or drop it.", "foreign key %s compares columns that are not sealed alike", k.name)
				return nil
			}
			counts = true
		}
		if counts {
			r.fks = append(r.fks, k)
			r.pairs = append(r.pairs, [2]*Table{a, b})
		}
		return nil
	})
	return err
}

// comparable reports whether equal values of two columns will be equal in their new form.
func (c *Column) comparable(o *Column) bool {
	if c.to == nil || o.to == nil {
		return c.to == o.to
	}
	return c.to.Mode == schema.Deterministic && c.to.Mode == o.to.Mode && c.to.Context == o.to.Context && c.to.Key == o.to.Key
}

// constantDefault matches a default that is a constant, as the server prints it.
var constantDefault = regexp.MustCompile(`^\(?(?:'(?:[^']|'')*'|-?[0-9][0-9.]*|true|false|NULL)\)?(?:::[a-z" ]+(?:\([0-9, ]+\))?[a-z ]*)*$`)

// defaults reads the defaults. Constants are brought into the new form.
func (r *reader) defaults(ctx context.Context) error {
	for _, t := range r.found {
		for _, c := range t.Columns {
			if err := r.defaultOf(ctx, t, c); err != nil {
				return err
			}
		}
	}
	return nil
}

const readDefault = `
	SELECT coalesce((SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
		WHERE d.adrelid = $1 AND a.attname = $2), '')`

func (r *reader) defaultOf(ctx context.Context, t *Table, c *Column) error {
	var expression string
	if err := r.tx.QueryRow(ctx, readDefault, t.oid, c.Name).Scan(&expression); err != nil {
		return err
	}
	c.expression = expression
	for _, m := range t.family {
		var own string
		if err := r.tx.QueryRow(ctx, readDefault, m.oid, c.Name).Scan(&own); err != nil {
			return err
		}
		if own != expression {
			r.block(c.tag.QualifiedName(), fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT, or set that of the whole table.", m.sql(), identifier(c.Name)), "partition %s has another default for it than the table", m)
			return nil
		}
	}
	if expression == "" {
		return nil
	}
	if !constantDefault.MatchString(expression) {
		r.block(c.tag.QualifiedName(), fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT;", t.sql(), identifier(c.Name)), "its default is not a constant, so that the server would compute it in the clear")
		return nil
	}
	// Its constant alone is evaluated, in a form that is the same for all types.
	as := c.Type
	if c.from != nil {
		as = "bytea"
	}
	rows, err := r.tx.Query(ctx, fmt.Sprintf(`SELECT (%s)::%s`, expression, as), pgx.QueryResultFormats{1})
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if v := rows.RawValues()[0]; v != nil {
			c.binary, c.hasNull = hex.EncodeToString(v), false
		}
	}
	return rows.Err()
}

// triggers tells of what fires for each row that is filled, and finds what could change a
// value behind the trigger that sees to it.
func (r *reader) triggers(ctx context.Context) error {
	replica, err := mayReplicate(ctx, r.tx)
	if err != nil {
		return err
	}
	for _, t := range r.found {
		var fire []string
		for _, m := range t.family {
			rows, err := r.tx.Query(ctx, `
				SELECT tgname::text, tgtype & 16 <> 0,
					(SELECT CASE WHEN p.prosrc ~* '\m(new|old)\s*\)?\s*\.\s*\*' THEN p.oid::pg_catalog.regprocedure::text ELSE '' END FROM pg_catalog.pg_proc p WHERE p.oid = tgfoid)
				FROM pg_catalog.pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal AND tgenabled <> 'D' AND tgname NOT IN ($2, $3) ORDER BY tgname`, m.oid, trigger, inserted)
			if err != nil {
				return err
			}
			var name, whole string
			var update bool
			_, err = pgx.ForEachRow(rows, []any{&name, &update, &whole}, func() error {
				if whole != "" {
					r.block(m.String(), "Name the columns in its body.", "function %s of trigger %s takes all columns of a row, NEW.* or OLD.*: it would get the shadow columns, too", whole, name)
				}
				if update && !slices.Contains(fire, name) {
					fire = append(fire, name)
				}
				return nil
			})
			if err != nil {
				return err
			}
			later, err := m.laterTriggers(ctx, r.tx)
			if err != nil {
				return err
			}
			for _, name := range later {
				r.block(m.String(), fmt.Sprintf("ALTER TRIGGER %s ON %s RENAME TO …;", identifier(name), m.sql()), "trigger %s fires behind %s, which has to see what it changes; let its name sort before", name, trigger)
			}
			rules, err := r.names(ctx, `SELECT rulename::text FROM pg_catalog.pg_rewrite WHERE ev_class = $1 AND ev_type = '2' AND ev_enabled <> 'D' ORDER BY rulename`, m.oid)
			if err != nil {
				return err
			}
			fire = append(fire, rules...)
			publications, err := r.names(ctx, `SELECT DISTINCT pubname::text FROM pg_catalog.pg_publication_tables WHERE schemaname = $1 AND tablename = $2 ORDER BY 1`, m.Schema, m.Name)
			if err != nil {
				return err
			}
			if len(publications) > 0 {
				r.plan.Notices = append(r.plan.Notices, fmt.Sprintf("%s: it is published (%v): give the tables of subscribers the shadow columns (\\d shows them once schema apply fills) and the new types, or their replication stops", m, publications))
			}
		}
		if len(fire) > 0 && !replica {
			r.plan.Notices = append(r.plan.Notices, fmt.Sprintf("%s: triggers and rules on UPDATE (%v) fire for each row while it is filled, unless a superuser does it, or whoever may (PostgreSQL 15: GRANT SET ON PARAMETER session_replication_role)", t, fire))
		}
	}
	return nil
}

// laterTriggers gives the triggers that change a row behind the one that empties its shadows.
func (t *Table) laterTriggers(ctx context.Context, q querier) ([]string, error) {
	rows, err := q.Query(ctx, `
		SELECT tgname::text FROM pg_catalog.pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal AND tgenabled <> 'D' AND tgname NOT IN ($2, $3)
			AND tgtype & 3 = 3 AND tgtype & 20 <> 0 AND tgname > $2 AND tgparentid = 0 ORDER BY tgname`, t.oid, trigger, inserted)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (r *reader) names(ctx context.Context, sql string, args ...any) ([]string, error) {
	rows, err := r.tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// mayReplicate reports whether the session may keep the applications' triggers from firing.
func mayReplicate(ctx context.Context, q querier) (may bool, err error) {
	var version int
	if err := q.QueryRow(ctx, `SELECT rolsuper, pg_catalog.current_setting('server_version_num')::int FROM pg_catalog.pg_roles WHERE rolname = current_user`).Scan(&may, &version); err != nil || may || version < 150000 {
		return may, err
	}
	err = q.QueryRow(ctx, `SELECT pg_catalog.has_parameter_privilege('session_replication_role', 'SET')`).Scan(&may)
	return may, err
}
