package proxy_test

import (
	"context"
	"testing"
	"time"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestAttackLogin: while pgveil's login cannot connect, statements of new shapes run on,
// and so does what other sessions send: a comparison that was only a precaution stops
// nobody.
func TestAttackLogin(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{Refresh: time.Hour})
	fill(t, s)
	beside := func(sql string) {
		t.Helper()
		if err := s.Postgres.ExecIn(ctx, stack.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	one, other := s.Connect(t, "biologist"), s.Connect(t, "biologist")
	expect := func(sql string) {
		t.Helper()
		if got := show(t, one, sql); got != nir1 {
			t.Errorf("%s: %q", sql, got)
		}
		for _, untouched := range []string{`SELECT nir FROM lab.patient WHERE id = 1`, `SELECT note FROM lab.plain`} {
			if got := show(t, other, untouched); got != nir1 && got != "a note" {
				t.Errorf("%s: %q", untouched, got)
			}
		}
	}
	expect(`SELECT nir FROM lab.patient WHERE id = 1`)
	beside(`ALTER ROLE pgveil NOLOGIN`)
	beside(`SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'pgveil'`) // the kept connection
	expect(`SELECT nir AS a FROM lab.patient WHERE id = 1`)
	if got := show(t, one, `SELECT nosuch FROM lab.patient`); got != "57P03" {
		t.Errorf("what may have been made beside pgveil: %q", got)
	}
	expect(`SELECT nir AS b FROM lab.patient WHERE id = 1`)
	beside(`ALTER ROLE pgveil LOGIN`)
	if got := show(t, one, `SELECT nosuch FROM lab.patient`); got != "42703" {
		t.Errorf("what is not there: %q", got)
	}
}
