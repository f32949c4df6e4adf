package proxy_test

import (
	"context"
	"testing"
	"time"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestCatalogBeside: DDL that does not pass through pgveil is known to a statement of a
// new shape, and to one that has been planned before once the server disagrees with it,
// long before the next comparison is due.
func TestCatalogBeside(t *testing.T) {
	s := stack.Start(t, stack.Options{Refresh: time.Hour})
	fill(t, s)
	beside := func(sql string) {
		t.Helper()
		if err := s.Postgres.ExecIn(context.Background(), stack.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	beside(`CREATE VIEW lab.beside AS SELECT id, nir AS a FROM lab.patient; GRANT SELECT ON lab.beside TO biologist`)
	if err := s.Server.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	conn := s.Connect(t, "biologist")
	const all = `SELECT * FROM lab.beside WHERE id = 1`
	expect := func(sql, want string) {
		t.Helper()
		if got := show(t, conn, sql); got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	expect(all, `1|`+nir1)
	time.Sleep(300 * time.Millisecond) // what was compared is then old for a new shape
	beside(`CREATE OR REPLACE VIEW lab.beside AS SELECT id, nir AS a, last_name AS b FROM lab.patient`)
	expect(`SELECT b, a FROM lab.beside WHERE id = 1`, `Lefèvre|`+nir1)
	expect(all, `1|`+nir1+`|Lefèvre`)
	beside(`ALTER TABLE lab.patient ADD COLUMN extra int DEFAULT 7`)
	beside(`DROP VIEW lab.beside; CREATE VIEW lab.beside AS SELECT id, extra, last_name FROM lab.patient; GRANT SELECT ON lab.beside TO biologist`)
	expect(all, `XX000`)
	expect(all, `1|7|Lefèvre`)
}
