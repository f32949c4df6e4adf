package proxy_test

import (
	"context"
	"fmt"
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
	beside(`CREATE OR REPLACE VIEW lab.beside AS SELECT id, nir AS a, last_name AS b FROM lab.patient`)
	expect(`SELECT b, a FROM lab.beside WHERE id = 1`, `Lefèvre|`+nir1)
	expect(all, `1|`+nir1+`|Lefèvre`)
	for i := range 20 { // in a row, and in the transaction of a session that holds locks
		begin, end := "SELECT 1", "SELECT 2"
		if i%2 == 1 {
			begin, end = "BEGIN; LOCK TABLE lab.result IN EXCLUSIVE MODE", "COMMIT"
		}
		show(t, conn, begin)
		hidden, shown := "nir", "last_name"
		if i%3 == 0 {
			hidden, shown = shown, hidden
		}
		beside(fmt.Sprintf(`DROP VIEW lab.beside; CREATE VIEW lab.beside AS SELECT id, %s AS a, %s AS b FROM lab.patient; GRANT SELECT ON lab.beside TO biologist`, hidden, shown))
		want := map[string]string{"nir": nir1, "last_name": "Lefèvre"}
		expect(fmt.Sprintf(`SELECT a, b, id AS n%d FROM lab.beside WHERE id = 1`, i), want[hidden]+"|"+want[shown]+"|1")
		show(t, conn, end)
	}
	beside(`DROP VIEW lab.beside; CREATE VIEW lab.beside AS SELECT id, nir AS a, last_name AS b FROM lab.patient; GRANT SELECT ON lab.beside TO biologist`)
	expect(`SELECT a, b FROM lab.beside WHERE id = 1 LIMIT 1`, nir1+`|Lefèvre`)
	expect(all, `1|`+nir1+`|Lefèvre`)
	beside(`ALTER TABLE lab.patient ADD COLUMN extra int DEFAULT 7`)
	beside(`DROP VIEW lab.beside; CREATE VIEW lab.beside AS SELECT id, extra, last_name FROM lab.patient; GRANT SELECT ON lab.beside TO biologist`)
	expect(all, `XX000`)
	expect(all, `1|7|Lefèvre`)
}
