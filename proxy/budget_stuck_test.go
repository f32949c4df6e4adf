package proxy_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestBudgetStuck: while the counts cannot be had, all who wait for them fail together, and not one
// after the other; then all goes on.
func TestBudgetStuck(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := startBudget(t, "{patients_per_day: 30}")
	var clients []*pgx.Conn
	for range 6 {
		clients = append(clients, s.Connect(t, "biologist"))
	}
	locker, err := pgx.Connect(ctx, s.Postgres.DSN(s.Postgres.Superuser(), s.Postgres.SuperPassword(), s.Database))
	if err != nil {
		t.Fatal(err)
	}
	defer locker.Close(ctx)
	locked, err := locker.Begin(ctx)
	if err == nil {
		_, err = locked.Exec(ctx, `LOCK TABLE pgveil.budget`)
	}
	if err != nil {
		t.Fatal(err)
	}
	const sql = `SELECT nir FROM lab.patient WHERE id = 1`
	began := time.Now()
	codes := make(chan string, len(clients))
	for _, conn := range clients {
		go func() {
			n, code := rowsOf(conn, sql)
			if n != 0 {
				code = "rows"
			}
			codes <- code
		}()
	}
	for range clients {
		if code := <-codes; code != "58000" {
			t.Errorf("%q", code)
		}
	}
	if took := time.Since(began); took > 40*time.Second { // ten seconds each would be sixty
		t.Errorf("it took %v", took)
	}
	if err := locked.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	for _, conn := range clients {
		if n, code := rowsOf(conn, sql); n != 1 || code != "" {
			t.Errorf("afterwards: %d rows, %q", n, code)
		}
	}
}
