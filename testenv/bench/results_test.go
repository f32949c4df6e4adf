package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var jsonDir = flag.String("json", "", "`directory` for the results as JSON")

// results are what was measured: by workload and way, a number a round.
type results struct {
	Unit     string                          `json:"unit"`
	Measured map[string]map[string][]float64 `json:"measured"`
	// Latencies of transactions, in microseconds: medians and 99th percentiles, one a round.
	P50, P99 map[string]map[string][]float64
	names    []string // of the workloads, in order
}

func newResults(unit string) *results {
	return &results{
		Unit: unit, Measured: make(map[string]map[string][]float64),
		P50: make(map[string]map[string][]float64), P99: make(map[string]map[string][]float64),
	}
}

func (r *results) add(name, way string, value float64) {
	if r.Measured[name] == nil {
		r.names = append(r.names, name)
	}
	put(r.Measured, name, way, value)
}

func put(m map[string]map[string][]float64, name, way string, value float64) {
	if m[name] == nil {
		m[name] = make(map[string][]float64)
	}
	m[name][way] = append(m[name][way], value)
}

// addLatencies reads what pgbench -l has written: the third field is a transaction's time.
func (r *results) addLatencies(b *testing.B, name, way, dir string) {
	b.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "pgbench_log.*"))
	if err != nil || len(logs) == 0 {
		b.Fatal("no log of pgbench's: ", err)
	}
	var times []float64
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			b.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) < 3 {
				continue
			}
			us, err := strconv.ParseFloat(fields[2], 64)
			if err != nil {
				b.Fatal(err)
			}
			times = append(times, us)
		}
	}
	slices.Sort(times)
	put(r.P50, name, way, times[len(times)/2])
	put(r.P99, name, way, times[len(times)*99/100])
}

// median gives 0 for what was not measured.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// spread is how far the measurements lie from each other, as a part of their median.
func spread(values []float64) float64 {
	return (slices.Max(values) - slices.Min(values)) / median(values)
}

// print prints every median with its spread, and as a ratio to the ways around pgveil.
func (r *results) print() {
	for _, name := range r.names {
		fmt.Printf("\n%s\n", name)
		byWay, printed := r.Measured[name], make(map[string]bool)
		for _, way := range append([]string{direct, relay, pgbouncer, recording, veil, inMemory, other}, slices.Sorted(maps.Keys(byWay))...) {
			values := byWay[way]
			if len(values) == 0 || printed[way] {
				continue
			}
			printed[way] = true
			fmt.Printf("  %-28s %10.0f  ±%3.0f %%", way, median(values), 50*spread(values))
			for _, other := range []string{direct, relay, pgbouncer, recording} {
				if than := median(byWay[other]); than > 0 && (way == veil || way == inMemory || way == other) {
					fmt.Printf("  %4.2f of %s", median(values)/than, other)
				}
			}
			if p := median(r.P50[name][way]); p > 0 {
				fmt.Printf("  p50 %.0f µs, p99 %.0f µs", p, median(r.P99[name][way]))
			}
			fmt.Println()
		}
	}
}

// goal is a ratio that is to be reached.
type goal struct {
	name string
	want float64
	got  func(r *results) float64 // 0: not measured
}

// ratio is that of the medians of two measurements, each a workload and a way.
func ratio(load, way, otherLoad, otherWay string) func(r *results) float64 {
	return func(r *results) float64 {
		than := median(r.Measured[otherLoad][otherWay])
		if than == 0 {
			return 0
		}
		return median(r.Measured[load][way]) / than
	}
}

// toBouncer is pgveil's ratio to PgBouncer in a workload.
func toBouncer(load string) goal {
	return goal{load + ", to PgBouncer", 1, ratio(load, veil, load, pgbouncer)}
}

var goals = []goal{
	toBouncer("select-only, prepared, 1 client"), toBouncer("select-only, prepared, 8 clients"),
	toBouncer("select-only, simple, 8 clients"), toBouncer("select-only, prepared, 64 clients"),
	toBouncer("select-only, prepared, 1 client, TLS"), toBouncer("select-only, prepared, 8 clients, TLS"), toBouncer("select-only, simple, 8 clients, TLS"),
	{"sealed point read to untagged, audit in memory, 1 client", 0.95, ratio("point read by sealed NIR, 3 columns, 1 client", inMemory, "point read, untagged, 1 client", veil)},
	{"sealed point read to untagged, audit in memory, 8 clients", 0.95, ratio("point read by sealed NIR, 3 columns, 8 clients", inMemory, "point read, untagged, 8 clients", veil)},
	{"sealed point read to untagged, audit on disk, 8 clients", 0.85, ratio("point read by sealed NIR, 3 columns, 8 clients", veil, "point read, untagged, 8 clients", veil)},
	{"sealed point read to a relay that records, 1 client", 0.85, ratio("point read by sealed NIR, 3 columns, 1 client", veil, "point read by sealed NIR, 3 columns, 1 client", recording)},
	{"new literals, simple to prepared, each to direct", 0.9, func(r *results) float64 {
		const load = "sealed point read, new values each time, "
		prepared := ratio(load+"prepared", inMemory, load+"prepared", direct)(r)
		if prepared == 0 {
			return 0
		}
		return ratio(load+"simple", inMemory, load+"simple", direct)(r) / prepared
	}},
	{"p50 at 1 client, PgBouncer's to pgveil's", 1, latencies(func(r *results) map[string]map[string][]float64 { return r.P50 })},
	{"p99 at 1 client, PgBouncer's to pgveil's", 1, latencies(func(r *results) map[string]map[string][]float64 { return r.P99 })},
}

func latencies(of func(r *results) map[string]map[string][]float64) func(r *results) float64 {
	return func(r *results) float64 {
		byWay := of(r)["select-only, prepared, 1 client"]
		if median(byWay[veil]) == 0 {
			return 0
		}
		return median(byWay[pgbouncer]) / median(byWay[veil])
	}
}

// goals prints how far each is.
func (r *results) goals(goals []goal) {
	fmt.Printf("\n%-62s %6s %8s\n", "", "goal", "measured")
	for _, g := range goals {
		if got := g.got(r); got > 0 {
			fmt.Printf("%-62s %6.2f %8.2f\n", g.name, g.want, got)
		}
	}
}

// write writes the results as JSON, if a directory was given.
func (r *results) write(b *testing.B, name string) {
	b.Helper()
	if *jsonDir == "" {
		return
	}
	data, err := json.MarshalIndent(r, "", " ")
	if err == nil {
		err = os.WriteFile(filepath.Join(*jsonDir, name+".json"), append(data, '\n'), 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
}
