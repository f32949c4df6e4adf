package proxy_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/testenv/stack"
)

// TestKeyChangedSincePrepared: a prepared statement with a value in its text does not go on
// storing it under a key that has been replaced; one without values goes on, with the new key.
func TestKeyChangedSincePrepared(t *testing.T) {
	ctx := context.Background()
	store, err := keys.CreateInsecureLocal(filepath.Join(t.TempDir(), "insecure-keys"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Create(ctx, "medical", keys.TypeRandomized); err != nil {
		t.Fatal(err)
	}
	ring, err := store.Open(ctx, "medical")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var live []*keys.LiveSealer
	s := stack.Start(t, stack.Options{Sealer: func(column *schema.Column, sealer proxy.Sealer) proxy.Sealer {
		if column.Mode != schema.Randomized {
			return sealer
		}
		own, err := ring.Sealer(byte(column.Mode), column.Context, column.Padding)
		if err != nil {
			t.Error(err)
			return sealer
		}
		l := keys.NewLiveSealer(own)
		mu.Lock()
		defer mu.Unlock()
		live = append(live, l)
		return l
	}})
	conn := s.Connect(t, "biologist")
	exec := func(sql string, args ...any) error { _, err := conn.Exec(ctx, sql, args...); return err }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	changed := func(what string, err error) {
		t.Helper()
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "0A000" || e.Message != "cached plan must not change result type" {
			t.Errorf("%s: %v", what, err)
		}
	}
	prepare := func() {
		t.Helper()
		must(exec(`PREPARE inserts (int) AS INSERT INTO lab.patient (id, last_name) VALUES ($1, 'Durand')`))
		must(exec(`PREPARE arguments (int, text) AS INSERT INTO lab.patient (id, last_name) VALUES ($1, $2)`))
	}
	prepare()
	const cached, executes = `INSERT INTO lab.patient (id, last_name) VALUES ($1, 'Petit')`, `EXECUTE arguments (21, 'Martin')`
	_, err = conn.Prepare(ctx, "parameters", `INSERT INTO lab.patient (id, nir, last_name) VALUES ($1, '185057800608436', $2)`)
	must(err)
	_, err = conn.Prepare(ctx, "executes", executes)
	must(err)
	must(exec(`EXECUTE inserts (1)`))
	must(exec(cached, 2))
	must(exec("parameters", 3, "Moreau"))

	added, err := store.AddKey(ctx, "medical")
	must(err)
	exchange := func() {
		t.Helper()
		ring, err := store.Open(ctx, "medical")
		must(err)
		for _, l := range live {
			must(l.Exchange(ring))
		}
	}
	// A key that only opens changes nothing.
	exchange()
	must(exec(`EXECUTE inserts (4)`))
	must(exec(cached, 5))
	must(store.Promote(ctx, "medical", added))
	exchange()
	changed("EXECUTE", exec(`EXECUTE inserts (11)`))
	must(exec(cached, 12)) // pgveil prepares it again
	changed("an argument of EXECUTE that was prepared", exec("executes"))
	must(exec(`DELETE FROM lab.patient WHERE id = 3`))
	must(exec("parameters", 13, "Moreau"))
	must(exec(`EXECUTE arguments (14, 'Martin')`))
	must(exec(cached, 15))
	must(exec(`DEALLOCATE inserts`))
	must(exec(`DEALLOCATE arguments`))
	prepare()
	must(exec(`EXECUTE inserts (16)`))

	rows, err := s.Direct(t, "biologist").Query(ctx, `SELECT id, substr(last_name, 9, 4) FROM lab.patient ORDER BY id`)
	must(err)
	defer rows.Close()
	for rows.Next() {
		var id int
		var key []byte
		must(rows.Scan(&id, &key))
		if is := uint32(key[0])<<24 | uint32(key[1])<<16 | uint32(key[2])<<8 | uint32(key[3]); (is == added) != (id > 10) {
			t.Errorf("row %d was sealed with %d; the new key is %d", id, is, added)
		}
	}
	if must(rows.Err()); rows.CommandTag().RowsAffected() != 9 {
		t.Errorf("%d rows", rows.CommandTag().RowsAffected())
	}
}
