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

// readEpoch reads how many changes jobs have made, and whether one is underway.
func (l *loader) readEpoch(ctx context.Context, q Querier) error {
	if !slices.ContainsFunc(l.relations, isEpoch) {
		return nil
	}
	l.changing = slices.ContainsFunc(l.relations, func(r *Relation) bool {
		return r.Schema == "pgveil" && r.Name == "changing" || r.Reaches && slices.ContainsFunc(r.Attributes, func(a Attribute) bool { return a.Shadow })
	})
	rows, err := q.Query(ctx, `SELECT n FROM pgveil.epoch`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	var epochs []int64
	if epochs, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil {
		return err
	}
	if len(epochs) != 1 {
		return errors.New("pgveil.epoch has not one row: run pgveil schema apply again")
	}
	l.epoch = epochs[0]
	return nil
}
