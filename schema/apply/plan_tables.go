package apply

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
)

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// readFamily reads the partitions of a table, as they are now.
func (t *Table) readFamily(ctx context.Context, q querier) error {
	rows, err := q.Query(ctx, `
		WITH RECURSIVE family (oid) AS (SELECT $1::pg_catalog.oid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = f.oid)
		SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.reltuples::bigint, CASE WHEN c.relkind = 'f' THEN 0 ELSE pg_catalog.pg_total_relation_size(c.oid) END
		FROM family f JOIN pg_catalog.pg_class c ON c.oid = f.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		ORDER BY c.oid <> $1, 2, 3`, t.oid)
	if err != nil {
		return err
	}
	t.family = nil
	t.Rows, t.Bytes, t.Partitions = 0, 0, 0
	member := &Table{}
	var m Table
	_, err = pgx.ForEachRow(rows, []any{&m.oid, &m.Schema, &m.Name, &m.kind, &m.Rows, &m.Bytes}, func() error {
		if member = t; m.oid != t.oid {
			member = &Table{Schema: m.Schema, Name: m.Name, Columns: t.Columns, Rows: m.Rows, Bytes: m.Bytes, oid: m.oid, kind: m.kind, root: t}
		}
		t.family = append(t.family, member)
		switch {
		case m.kind != "r":
		case m.Rows < 0 || t.Rows < 0:
			t.Rows = -1
		default:
			t.Rows += m.Rows
		}
		if t.Bytes += m.Bytes; m.kind == "r" && m.oid != t.oid {
			t.Partitions++
		}
		return nil
	})
	return err
}

// tables reads what the tables are like.
func (r *reader) tables(ctx context.Context) error {
	for _, t := range r.done {
		if err := t.readFamily(ctx, r.tx); err != nil {
			return err
		}
	}
	for _, t := range r.found {
		if err := t.readFamily(ctx, r.tx); err != nil {
			return err
		}
		var partition, child bool
		err := r.tx.QueryRow(ctx, `SELECT relispartition, EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = $1) FROM pg_catalog.pg_class WHERE oid = $1`, t.oid).Scan(&partition, &child)
		switch {
		case err != nil:
			return err
		case partition:
			r.block(t.String(), "Tag the partitioned table instead; its partitions follow.", "it is a partition")
		case child || t.kind == "r" && len(t.family) > 1:
			r.block(t.String(), "Make an ordinary or a partitioned table of it first (ALTER TABLE … NO INHERIT …), or let schema apply work on the tables one by one.", "it inherits from another table, or another inherits from it")
		}
		for _, m := range t.family {
			r.byOID[m.oid] = t
			if err := r.member(ctx, t, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// member looks at a table, or a partition.
func (r *reader) member(ctx context.Context, t, m *Table) error {
	var owns bool
	if err := r.tx.QueryRow(ctx, `SELECT pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class WHERE oid = $1`, m.oid).Scan(&owns); err != nil {
		return err
	}
	if !owns {
		r.block(m.String(), "Run as its owner, or as a member of that role.", "the role that does this does not own it")
	}
	if m.kind != "r" && m.kind != "p" {
		r.block(m.String(), "Detach it first.", "it is a partition on another server")
	}
	for _, c := range t.Columns {
		var taken, key bool
		if c.to != nil {
			err := r.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = $1 AND conname = $2 AND conname <> ALL ($3))`, m.oid, c.to.ConstraintName(), c.constraints).Scan(&taken)
			if err != nil {
				return err
			}
		}
		if taken {
			r.block(c.tag.QualifiedName(), "ALTER TABLE "+m.sql()+" RENAME CONSTRAINT "+identifier(c.to.ConstraintName())+" TO …;", "its table has a constraint of the name that the seal's gets")
		}
		// The server has a column depend on the table that is partitioned by it.
		err := r.tx.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.objid AND a.attnum = d.objsubid
				WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = $1 AND a.attname = $2
					AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1 AND d.refobjsubid = 0)`, m.oid, c.Name).Scan(&key)
		if err != nil {
			return err
		}
		if key {
			r.block(c.tag.QualifiedName(), "Partition it by another column.", "table %s is partitioned by it", m)
		}
	}
	return nil
}

// unite makes units of the tables.
func (r *reader) unite() {
	unit := make(map[*Table]*Unit)
	for _, t := range r.found {
		unit[t] = &Unit{Tables: []*Table{t}}
	}
	join := func(a, b *Table) {
		from, to := unit[b], unit[a]
		if from == to {
			return
		}
		to.Tables = append(to.Tables, from.Tables...)
		for _, t := range from.Tables {
			unit[t] = to
		}
	}
	byContext := make(map[string]*Table)
	for _, t := range r.found {
		for _, c := range t.Columns {
			for _, form := range []*schema.Column{c.from, c.to} {
				if form == nil || form.Mode != schema.Deterministic {
					continue
				}
				if other := byContext[form.Context]; other != nil {
					join(other, t)
				}
				byContext[form.Context] = t
			}
		}
	}
	for _, pair := range r.pairs {
		join(pair[0], pair[1])
	}
	units := make(map[*Unit]bool)
	for _, t := range r.found {
		if u := unit[t]; !units[u] {
			units[u] = true
			slices.SortFunc(u.Tables, byName)
			r.plan.Units = append(r.plan.Units, u)
		}
	}
	for i, k := range r.fks {
		u := unit[r.pairs[i][0]]
		u.keys = append(u.keys, k)
	}
}
