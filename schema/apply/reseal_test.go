package apply_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/apply"
	"github.com/pgveil/pgveil/testenv/stack"
)

// rotating is a stack whose keys can be rotated while it serves.
type rotating struct {
	*stack.Stack
	mu   sync.Mutex
	live map[string][]*keys.LiveSealer
}

func startRotating(t *testing.T, o stack.Options) *rotating {
	t.Helper()
	r := &rotating{live: make(map[string][]*keys.LiveSealer)}
	o.Sealer = func(c *schema.Column, s proxy.Sealer) proxy.Sealer {
		r.mu.Lock()
		defer r.mu.Unlock()
		live := keys.NewLiveSealer(s.(*keys.Sealer))
		r.live[c.Key] = append(r.live[c.Key], live)
		return live
	}
	r.Stack = stack.Start(t, o)
	return r
}

// rotate makes a new key the primary one and gives its ID.
func (r *rotating) rotate(t *testing.T, name string) uint32 {
	t.Helper()
	ctx := t.Context()
	id, err := r.Store.AddKey(ctx, name)
	if err == nil {
		err = r.Store.Promote(ctx, name, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	ring, err := r.Store.Open(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.SetKey(ring)
	for _, live := range r.live[name] {
		if err := live.Exchange(ring); err != nil {
			t.Fatal(err)
		}
	}
	return id
}

// underOthers counts the values of a column under other keys than this.
func (r *rotating) underOthers(t *testing.T, conn *pgx.Conn, key uint32) (n int) {
	t.Helper()
	err := conn.QueryRow(t.Context(), fmt.Sprintf(`SELECT count(*) FROM lab.patient WHERE substr(last_name, 8, 5) <> '\x01%08x'`, key)).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestReseal rotates a key and seals all values anew, while clients read and write them:
// nothing is lost, nothing is shown otherwise, and nothing is left under the old key.
func TestReseal(t *testing.T) {
	r := startRotating(t, stack.Options{})
	const patients = 1500
	client := r.Connect(t, "biologist")
	_, err := client.CopyFrom(t.Context(), pgx.Identifier{"lab", "patient"}, []string{"id", "nir", "last_name"}, pgx.CopyFromSlice(patients, func(i int) ([]any, error) {
		if i%10 == 0 {
			return []any{i, nil, nil}, nil
		}
		return []any{i, fmt.Sprint(i), fmt.Sprintf("Quasimodo%d", i)}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	conn := connect(t, r.Stack)
	key := r.rotate(t, "medical")
	if n := r.underOthers(t, conn, key); n != patients*9/10 {
		t.Fatalf("%d values under the old key", n)
	}
	var stop atomic.Bool
	var clients sync.WaitGroup
	var mu sync.Mutex
	ledger := make(map[int]string)
	for w := range 4 {
		c := r.Connect(t, "biologist")
		clients.Go(func() {
			ctx := context.Background()
			for i := w; !stop.Load(); i += 4 {
				id := i % patients
				if id%10 == 0 {
					continue
				}
				var name string
				if err := c.QueryRow(ctx, `SELECT last_name FROM lab.patient WHERE id = $1`, id).Scan(&name); err != nil || name != fmt.Sprintf("Quasimodo%d", id) && name != ledgerOf(&mu, ledger, id) {
					t.Errorf("%d is %q, %v", id, name, err)
					return
				}
				if i%3 == 0 {
					mu.Lock()
					ledger[id] = fmt.Sprintf("Esmeralda%d-%d", id, i)
					mu.Unlock()
					if _, err := c.Exec(ctx, `UPDATE lab.patient SET last_name = $2 WHERE id = $1`, id, ledgerOf(&mu, ledger, id)); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	plan := func() *apply.Plan {
		t.Helper()
		p, err := apply.Read(t.Context(), conn, r.File.Databases[r.Database], r.Keys)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := plan()
	if len(first.Reseal) != 1 || len(first.Units) != 0 || len(first.Blockers) != 0 {
		t.Fatalf("%+v", first)
	}
	result, err := run(t.Context(), conn, r.Stack, options(r.Stack))
	stop.Store(true)
	clients.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if result.Resealed < 100 || result.Resealed > patients*9/10 {
		t.Errorf("%+v", result)
	}
	if n := r.underOthers(t, conn, key); n != 0 {
		t.Errorf("%d values are left under the old key", n)
	}
	if again := plan(); len(again.Reseal) != 0 {
		t.Errorf("planned again: %+v", again)
	}
	rows, err := client.Query(t.Context(), `SELECT id, last_name FROM lab.patient WHERE last_name IS NOT NULL`)
	if err != nil {
		t.Fatal(err)
	}
	var id, n int
	var name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		n++
		want, changed := ledger[id]
		if !changed {
			want = fmt.Sprintf("Quasimodo%d", id)
		}
		if name != want {
			t.Errorf("%d is %q, not %q", id, name, want)
		}
		return nil
	})
	if err != nil || n != patients*9/10 {
		t.Errorf("%d rows, %v", n, err)
	}
	// The old key can go now.
	ring, err := r.Store.Open(t.Context(), "medical")
	if err != nil {
		t.Fatal(err)
	}
	info := ring.Info()
	old := info.Keys[slices.IndexFunc(info.Keys, func(k keys.KeyInfo) bool { return k.ID != key })].ID
	version, err := r.Store.Version(t.Context(), "medical")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Store.Retire(t.Context(), "medical", old, version); err != nil {
		t.Fatal(err)
	}
}

func ledgerOf(mu *sync.Mutex, ledger map[int]string, id int) string {
	mu.Lock()
	defer mu.Unlock()
	return ledger[id]
}

// TestResealTampered: a value that does not open ends the job, which names the row.
func TestResealTampered(t *testing.T) {
	r := startRotating(t, stack.Options{})
	client := r.Connect(t, "biologist")
	if _, err := client.Exec(t.Context(), `INSERT INTO lab.patient (id, last_name) VALUES (1, 'Quasimodo'), (2, 'Esmeralda')`); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, r.Stack)
	if _, err := conn.Exec(t.Context(), `UPDATE lab.patient SET last_name = set_byte(last_name, 40, get_byte(last_name, 40) # 1) WHERE id = 2`); err != nil {
		t.Fatal(err)
	}
	key := r.rotate(t, "medical")
	if _, err := run(t.Context(), conn, r.Stack, options(r.Stack)); err == nil || err.Error() != "lab.patient: reseal: the value of column last_name in the row at ctid (0,3) of lab.patient: does not open" {
		t.Error(err)
	}
	if n := r.underOthers(t, conn, key); n != 2 {
		t.Errorf("%d values under the old key", n)
	}
}
