package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
)

func byName(a, b *Table) int { return strings.Compare(a.String(), b.String()) }

// unverified finds what a job has swapped and no job has verified.
func (r *reader) unverified(ctx context.Context) error {
	var begun bool
	if err := r.tx.QueryRow(ctx, `SELECT pg_catalog.to_regclass('pgveil.seal_job') IS NOT NULL`).Scan(&begun); err != nil || !begun {
		return err
	}
	names, err := r.names(ctx, `SELECT unit FROM pgveil.seal_job WHERE state = $1 ORDER BY unit`, string(StateVerify))
	if err != nil {
		return err
	}
	for _, name := range names {
		u := &Unit{}
		for _, t := range r.done {
			if !slices.Contains(strings.Split(name, ", "), t.String()) {
				continue
			}
			u.Tables = append(u.Tables, t)
			keys, err := r.names(ctx, `SELECT conname::text FROM pg_catalog.pg_constraint WHERE conrelid = $1 AND contype = 'f' AND NOT convalidated ORDER BY conname`, t.oid)
			if err != nil {
				return err
			}
			for _, key := range keys {
				u.keys = append(u.keys, foreignKey{table: t.sql(), name: key, valid: true})
			}
		}
		if slices.SortFunc(u.Tables, byName); len(u.Tables) > 0 {
			r.plan.Unverified = append(r.plan.Unverified, u)
		}
	}
	return nil
}

// leftovers tells of what was prepared for columns that are not to be changed any more.
func (r *reader) leftovers(ctx context.Context) error {
	prepared, err := preparedTables(ctx, r.tx)
	for _, p := range prepared {
		if !slices.ContainsFunc(r.found, func(t *Table) bool { return t.oid == p.oid }) {
			r.plan.Notices = append(r.plan.Notices, fmt.Sprintf("%s has shadow columns, and nothing of it is to be changed: pgveil schema apply --abort takes them away", p))
		}
	}
	return err
}

// preparedTables gives the tables that a job has given shadows, partitions left out, with
// the shadows as columns, each with its comment as type.
func preparedTables(ctx context.Context, q querier) ([]*Table, error) {
	rows, err := q.Query(ctx, `
		SELECT c.oid, n.nspname::text, c.relname::text, a.attname::text, coalesce(pg_catalog.col_description(a.attrelid, a.attnum), '')
		FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE a.attname LIKE $1 AND NOT a.attisdropped AND a.attislocal AND c.relkind IN ('r', 'p') ORDER BY 2, 3, a.attnum`, strings.ReplaceAll(schema.ShadowPrefix, "_", `\_`)+"%")
	if err != nil {
		return nil, err
	}
	var list []*Table
	var t Table
	var c Column
	_, err = pgx.ForEachRow(rows, []any{&t.oid, &t.Schema, &t.Name, &c.Name, &c.Type}, func() error {
		if len(list) == 0 || list[len(list)-1].oid != t.oid {
			list = append(list, &Table{oid: t.oid, Schema: t.Schema, Name: t.Name})
		}
		last := list[len(list)-1]
		last.Columns = append(last.Columns, &Column{Name: c.Name, Type: c.Type})
		return nil
	})
	return list, err
}
