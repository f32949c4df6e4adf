package apply_test

import (
	"testing"

	"github.com/pgveil/pgveil/schema/apply"
	"github.com/pgveil/pgveil/testenv/stack"
)

// TestSealHot: filling ends although clients change rows as fast as they are filled.
func TestSealHot(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	super := unseal(t, s)
	client := connect(t, s)
	o := options(s)
	o.Batch = 1000
	batches := 0
	o.Progress = func(p apply.Progress) {
		if batches++; p.Table == "lab.patient" && p.State == apply.StateFill {
			for _, sql := range []string{`UPDATE lab.patient SET last_name = reverse(last_name)`, `VACUUM lab.patient`} {
				if _, err := client.Exec(t.Context(), sql); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if _, err := run(t.Context(), super, s, o); err != nil {
		t.Fatal(err)
	}
	if batches > 200 {
		t.Errorf("%d batches for 1200 rows", batches)
	}
}
