package proxy_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestBudgetGivenBack: what is left of a budget, and too little for a statement, is there for another proxy
// once that one was refused.
func TestBudgetGivenBack(t *testing.T) {
	t.Parallel()
	s := startBudget(t, "{patients_per_day: 12}")
	other := s.Another(t)
	conn, elsewhere := s.Connect(t, "biologist"), other.Connect(t, "biologist")
	const simple = pgx.QueryExecModeSimpleProtocol
	if n, code := rowsOf(conn, `SELECT nir FROM lab.patient WHERE id < 10`, simple); n != 10 || code != "" {
		t.Fatalf("%d rows, %q", n, code)
	}
	time.Sleep(1500 * time.Millisecond) // what is not used is given back after a second
	for range 2 {
		if n, code := rowsOf(conn, `SELECT array_agg(nir) FROM lab.patient WHERE id BETWEEN 20 AND 24`, simple); n != 0 || code != "53400" {
			t.Fatalf("more than is left: %d rows, %q", n, code)
		}
	}
	for end := time.Now().Add(10 * time.Second); usedOf(t, s) != 10; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d patients are counted, and 10 were seen", usedOf(t, s))
		}
	}
	if n, code := rowsOf(elsewhere, `SELECT nir FROM lab.patient WHERE id IN (10, 11)`, simple); n != 2 || code != "" {
		t.Errorf("what is left, at another proxy: %d rows, %q", n, code)
	}
}
