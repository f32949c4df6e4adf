package proxy_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/testenv/stack"
)

// besideClients write and read lab.patient and lab.visit of guardTables, in every mode of pgx.
type besideClients struct {
	t       *testing.T
	clients []besideClient
	next    int // id and number of the next patient
}

type besideClient struct {
	*pgx.Conn
	mode pgx.QueryExecMode
}

func newBesideClients(t *testing.T, s *stack.Stack) *besideClients {
	b := &besideClients{t: t}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeDescribeExec} {
		b.clients = append(b.clients, besideClient{s.Connect(t, "biologist"), mode})
	}
	return b
}

// each has each client work.
func (b *besideClients) each(where string) {
	b.t.Helper()
	for _, c := range b.clients {
		b.work(where, c, c)
	}
}

// work inserts a patient and a visit, and looks for all that are known.
func (b *besideClients) work(where string, c besideClient, tx interface {
	QueryRow(context.Context, string, ...any) pgx.Row
	Query(context.Context, string, ...any) (pgx.Rows, error)
},
) {
	t, ctx := b.t, b.t.Context()
	t.Helper()
	nir := func(n int) string { return fmt.Sprintf("1%014d", n) }
	n := b.next
	b.next++
	var id int
	var gotNIR, gotNote, kept string
	err := tx.QueryRow(ctx, `INSERT INTO lab.patient VALUES ($1, $2, $3, 'kept') RETURNING *`, c.mode, n, nir(n), "note").Scan(&id, &gotNIR, &gotNote, &kept)
	if err != nil || id != n || gotNIR != nir(n) || gotNote != "note" || kept != "kept" {
		t.Errorf("%s: %s: insert: %v, %d %q %q %q", where, c.mode, err, id, gotNIR, gotNote, kept)
		return
	}
	if err := tx.QueryRow(ctx, `INSERT INTO lab.visit VALUES ($1, $2, 'v') RETURNING id`, c.mode, n, nir(n)).Scan(&id); err != nil {
		t.Errorf("%s: %s: second insert: %v", where, c.mode, err)
	}
	for known := range b.next {
		rows, err := tx.Query(ctx, `SELECT * FROM lab.patient p JOIN lab.visit v USING (nir) WHERE p.nir = $1 AND note IS NOT NULL`, c.mode, nir(known))
		if err != nil {
			t.Errorf("%s: %s: %v", where, c.mode, err)
			continue
		}
		count := 0
		for rows.Next() {
			values, err := rows.Values()
			if count++; err != nil || len(values) != 6 || values[0] != nir(known) || values[2] != "note" || values[3] != "kept" || values[5] != "v" {
				t.Errorf("%s: %s: %v: %v", where, c.mode, values, err)
			}
		}
		if rows.Err() != nil || count != 1 {
			t.Errorf("%s: %s: %d rows of %d: %v", where, c.mode, count, known, rows.Err())
		}
	}
}
