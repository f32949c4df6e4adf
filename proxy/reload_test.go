package proxy_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/testenv/stack"
)

// TestReload: what another schema file says holds for open sessions and what they have
// prepared, from the next statement on.
func TestReload(t *testing.T) {
	const secretary = `secretary: {search: true, mask: {keep_first: 1, fill: "*"}}`
	s := stack.Start(t, stack.Options{Tables: append(slices.Clone(stack.Tables), `CREATE TABLE lab.later (id int, note text)`, `GRANT ALL ON lab.later TO biologist`)})
	fill(t, s)
	ctx := t.Context()
	parsed := func(text string) map[string]*schema.Database {
		t.Helper()
		file, err := schema.Parse("schema.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return file.Databases
	}
	reload := func(with string) {
		t.Helper()
		if err := s.Server.Reload(parsed(strings.Replace(stack.Schema, secretary, with, 1))); err != nil {
			t.Fatal(err)
		}
	}
	c := s.Connect(t, "secretary")
	look := func() string {
		var nir string
		err := c.QueryRow(ctx, `SELECT nir FROM lab.patient WHERE id = $1`, 1).Scan(&nir) // prepared once
		var e *pgconn.PgError
		if errors.As(err, &e) {
			return e.Code
		}
		if err != nil {
			t.Error(err)
		}
		return nir
	}
	masked := look()
	if !strings.Contains(masked, "*") {
		t.Fatalf("masked: %q", masked)
	}
	stop, reading := make(chan struct{}), sync.WaitGroup{}
	for range 3 {
		other := s.Connect(t, "biologist")
		reading.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var nir string
				if err := other.QueryRow(ctx, `SELECT nir FROM lab.patient WHERE nir = $1`, nir1).Scan(&nir); err != nil || nir != nir1 {
					t.Errorf("%q, %v", nir, err)
					return
				}
			}
		})
	}
	for range 5 {
		reload("secretary: decrypt")
		if got := look(); got != nir1 {
			t.Errorf("may read: %q", got)
		}
		reload("secretary: deny")
		if got := look(); got != "42501" {
			t.Errorf("may not read: %q", got)
		}
		reload(secretary)
		if got := look(); got != masked {
			t.Errorf("sees a part: %q", got)
		}
	}
	close(stop)
	reading.Wait()

	// What is refused, or cannot run, stays prepared.
	w := dialWire(t, s.DSN("secretary"))
	w.everything(messages{parse("s", `SELECT nir FROM lab.patient WHERE id = 1`), sync_})
	run := func(want string) {
		t.Helper()
		if got := w.everything(messages{bind("", "s"), execute("", 0), sync_}); !strings.Contains(got, want) {
			t.Errorf("%s, not %s", got, want)
		}
	}
	run(masked)
	reload("secretary: deny")
	run("42501")
	run("42501")
	w.everything(messages{query("BEGIN")})
	w.everything(messages{query("SELECT 1 / 0")})
	reload("secretary: decrypt")
	run("25P02")
	run("25P02")
	w.everything(messages{query("ROLLBACK")})
	run(nir1)
	reload(secretary)
	run(masked)

	// A table that is tagged only now, and is in the clear until a job has sealed it.
	care := s.Connect(t, "biologist")
	note := func() string {
		t.Helper()
		var note string
		if err := care.QueryRow(ctx, `INSERT INTO lab.later VALUES ($1, $2) RETURNING note`, 1, "note").Scan(&note); err != nil { // prepared once
			t.Error(err)
		}
		return note
	}
	note()
	if err := s.Server.Reload(parsed(stack.Schema + `      lab.later:
        columns:
          note: {type: text, encryption: randomized, key: medical, access: care, was: {encryption: none}}
`)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := note(); got != "note" {
			t.Errorf("tagged meanwhile: %q", got)
		}
	}

	if err := s.Server.Reload(nil); err == nil {
		t.Error("a database can vanish")
	}
	if err := s.Server.Reload(parsed(strings.Replace(stack.Schema, "  laboratory:", "  another:", 1))); err == nil {
		t.Error("a database can come")
	}
	if got := look(); got != masked {
		t.Errorf("after files that were refused: %q", got)
	}
}
