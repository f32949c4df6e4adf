package proxy_test

import (
	"context"
	"testing"
	"time"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestCatalogBehindLock: a transaction holds a lock on pg_class, somebody waits for a
// stronger one, and pgveil's login waits behind him. The transaction goes on.
func TestCatalogBehindLock(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	holder, other := s.Connect(t, "biologist"), s.Connect(t, "biologist")
	tx, err := holder.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, `LOCK TABLE pg_class IN ACCESS SHARE MODE`); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(ctx, `CREATE VIEW lab.of_patients AS SELECT nir FROM lab.patient`); err != nil {
		t.Fatal(err)
	}
	strong := make(chan error, 1)
	go func() {
		strong <- s.Postgres.ExecIn(ctx, stack.Database, `BEGIN; LOCK TABLE pg_class IN ACCESS EXCLUSIVE MODE; COMMIT`)
	}()
	for waiting := false; !waiting; {
		const query = `SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'pg_class'::regclass AND NOT granted)`
		if err := tx.QueryRow(ctx, query).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	// DDL of another session that the transaction has to know of.
	started := time.Now()
	var nir string
	if err := tx.QueryRow(ctx, `SELECT nir FROM lab.patient WHERE id = 1`).Scan(&nir); err != nil || nir != nir1 {
		t.Errorf("the transaction reads %q, %v", nir, err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Error(err)
	}
	if spent := time.Since(started); spent > 15*time.Second {
		t.Errorf("it took %v", spent)
	}
	if err := <-strong; err != nil {
		t.Error(err)
	}
	if err := other.QueryRow(ctx, `SELECT nir FROM lab.of_patients WHERE nir = $1`, nir1).Scan(&nir); err != nil || nir != nir1 {
		t.Errorf("the view reads %q, %v", nir, err)
	}
}
