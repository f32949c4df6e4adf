package schema

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
)

// isEpoch reports whether a relation is where a job counts changes. It makes that before
// any shadow.
func isEpoch(r *Relation) bool { return r.Schema == "pgveil" && r.Name == "epoch" }

// Announced is an expression in SQL, true while a job is underway: the table where changes are
// counted has a comment then. It waits for no lock and needs no search_path, and a comment stands in
// the way of nobody, pg_dump among them.
const Announced = `EXISTS (SELECT FROM pg_catalog.pg_description d WHERE d.objsubid OPERATOR(pg_catalog.=) 0` +
	` AND d.classoid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objoid OPERATOR(pg_catalog.=)` +
	` (SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relname OPERATOR(pg_catalog.=) 'epoch' AND c.relnamespace OPERATOR(pg_catalog.=)` +
	` (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.=) 'pgveil')))`

// readEpoch reads how many changes jobs have made, and whether one is underway.
func (l *loader) readEpoch(ctx context.Context, q Querier) error {
	if !slices.ContainsFunc(l.relations, isEpoch) {
		return nil
	}
	rows, err := q.Query(ctx, `SELECT n, `+Announced+` FROM pgveil.epoch`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	type epoch struct {
		N         int64
		Announced bool
	}
	epochs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[epoch])
	if err != nil {
		return err
	}
	if len(epochs) != 1 {
		return errors.New("pgveil.epoch has not one row: run pgveil schema apply again")
	}
	l.epoch = epochs[0].N
	l.changing = epochs[0].Announced || slices.ContainsFunc(l.relations, func(r *Relation) bool {
		return r.Reaches && slices.ContainsFunc(r.Attributes, func(a Attribute) bool { return a.Shadow })
	})
	return nil
}
