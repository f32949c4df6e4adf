package bench

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// auditClients read at once in BenchmarkAudit.
const auditClients = 32

// BenchmarkAudit prints what the durable record of each statement that opens values
// costs, as the ratio to a pgveil that records nothing, in interleaved measurements of
// this run. Statements of many clients share a sync.
func BenchmarkAudit(b *testing.B) {
	testenv.Require(b, testenv.PartPgbench)
	defer proxy.Ballast()()
	durable := stack.Start(b, stack.Options{Postgres: serverOptions})
	off := stack.Start(b, stack.Options{Postgres: serverOptions, NoAudit: true})
	point := "SELECT nir, last_name, birth_date FROM lab.patient WHERE nir = '%s';\n"
	options := []string{"-c", fmt.Sprint(auditClients)}
	ways := []struct {
		stack *stack.Stack
		load  load
		rates []float64
	}{
		{stack: durable, load: load{options: options, around: "-", through: fmt.Sprintf(point, fill(b, durable))}},
		{stack: off, load: load{options: options, around: "-", through: fmt.Sprintf(point, fill(b, off))}},
	}
	for range b.N {
		for range *rounds {
			for i := range ways {
				w := &ways[i]
				w.rates = append(w.rates, pgbench(b, w.stack, way{"pgveil", w.stack.Addr, true}, w.load))
			}
		}
	}
	for i := range ways {
		slices.Sort(ways[i].rates)
	}
	median := func(i int) float64 { return ways[i].rates[len(ways[i].rates)/2] }
	fmt.Printf("\nPoint reads by sealed NIR of 3 sealed columns, %d clients, medians of %d interleaved measurements of %d s:\n", auditClients, len(ways[0].rates), *seconds)
	fmt.Printf("durable audit %.0f tps, no audit %.0f tps: ratio %.2f. A sync takes %v here.\n", median(0), median(1), median(0)/median(1), syncTime(b))
	b.ReportMetric(median(0)/median(1), "durable/off")
}
