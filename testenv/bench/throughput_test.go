package bench

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	seconds      = flag.Int("seconds", 3, "length of one measurement")
	only         = flag.String("only", "", "measure only the workloads whose name contains this")
	rounds       = flag.Int("rounds", 5, "measurements of each way, of which the median counts")
	otherProgram = flag.String("other", "", "`path` of another pgveil program, to be measured beside this one")
	rows         = flag.Int("rows", 100_000, "rows of the large reads and writes")
)

// load is one workload of pgbench.
type load struct {
	name    string
	options []string
	tls     bool
	// script through pgveil; "" for pgbench's own select-only. around goes round pgveil.
	through, around string
	ways            []string
}

// plain are the ways that everything untagged can go.
var plain = []string{direct, relay, pgbouncer, veil}

// loads are the workloads, given the NIR of a patient.
func loads(nir string) []load {
	selectOnly := func(mode string, clients int, tls bool) load {
		l := load{name: fmt.Sprintf("select-only, %s, %s", mode, counted(clients)), options: []string{"-S", "-M", mode, "-c", strconv.Itoa(clients)}, ways: plain}
		if tls {
			l.name, l.tls, l.ways = l.name+", TLS", true, []string{pgbouncer, veil}
		}
		return l
	}
	all := []load{
		selectOnly("simple", 1, false), selectOnly("simple", 8, false),
		selectOnly("prepared", 1, false), selectOnly("prepared", 8, false), selectOnly("prepared", 64, false),
		selectOnly("prepared", 1, true), selectOnly("prepared", 8, true), selectOnly("simple", 8, true),
	}
	const columns = "SELECT nir, last_name, birth_date FROM %s.patient WHERE "
	sealed := []string{direct, relay, pgbouncer, veil, inMemory, recording}
	for _, clients := range []int{1, 8} {
		byNIR := columns + "nir = '" + nir + "';\n"
		all = append(all,
			load{
				name: "point read, untagged, " + counted(clients), options: []string{"-c", strconv.Itoa(clients)},
				through: fmt.Sprintf(byNIR, "clear"), around: fmt.Sprintf(byNIR, "clear"), ways: []string{direct, veil},
			},
			load{
				name: "point read by sealed NIR, 3 columns, " + counted(clients), options: []string{"-c", strconv.Itoa(clients)},
				through: fmt.Sprintf(byNIR, "lab"), around: fmt.Sprintf(byNIR, "clear"), ways: sealed,
			})
	}
	byID := "\\set id random(1, 1000)\n" + columns + "id = :id;\n"
	for _, mode := range []string{"simple", "prepared"} {
		all = append(all, load{
			name: "sealed point read, new values each time, " + mode, options: []string{"-c", "1", "-M", mode},
			through: fmt.Sprintf(byID, "lab"), around: fmt.Sprintf(byID, "clear"), ways: []string{direct, inMemory},
		})
	}
	return all
}

func counted(clients int) string {
	if clients == 1 {
		return "1 client"
	}
	return fmt.Sprintf("%d clients", clients)
}

// BenchmarkThroughput prints the table of make bench, and how far the goals are.
func BenchmarkThroughput(b *testing.B) {
	w := start(b)
	nir := w.fill(b)
	r := newResults("transactions per second")
	fmt.Printf("\nMedians of %d interleaved measurements of %d s. Around pgveil a point read goes to a twin of the table in the clear.\n", *rounds, *seconds)
	fmt.Printf("A statement that opens a value waits for the audit log's disk: %v here, with nobody else at it.\n", syncTime(b).Round(time.Microsecond))
	for range b.N {
		for _, l := range loads(nir) {
			if strings.Contains(l.name, *only) {
				w.measure(b, l, r)
			}
		}
	}
	r.print()
	r.goals(goals)
	r.write(b, "throughput")
}

// measure measures a workload over all its ways, in turn.
func (w *ways) measure(b *testing.B, l load, r *results) {
	b.Helper()
	for range *rounds {
		for _, way := range append(l.ways, other) {
			if w.addr[way] == "" {
				continue
			}
			dir := b.TempDir()
			r.add(l.name, way, w.once(b, l, way, dir))
			if slices.Contains(l.options, "1") {
				r.addLatencies(b, l.name, way, dir)
			}
		}
	}
}

// once measures a workload over one way. The directory gets pgbench's log of transactions.
func (w *ways) once(b *testing.B, l load, way, dir string) float64 {
	b.Helper()
	sslmode := "disable"
	if l.tls {
		sslmode = "require"
	}
	args := append([]string{"-n", "-T", strconv.Itoa(*seconds), "-j", "1", "-l"}, l.options...)
	if l.around != "" {
		script := l.around
		if way == veil || way == inMemory || way == other {
			script = l.through
		}
		if err := os.WriteFile(filepath.Join(dir, "script.sql"), []byte(script), 0o600); err != nil {
			b.Fatal(err)
		}
		args = append(args, "-f", "script.sql")
	}
	return w.pgbench(b, way, sslmode, dir, args...)
}

// syncTime is the median time in which the disk of the audit log takes a record.
func syncTime(b *testing.B) time.Duration {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "sync"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	times := make([]time.Duration, 200)
	for i := range times {
		began := time.Now()
		if _, err := f.Write(make([]byte, 1024)); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		times[i] = time.Since(began)
	}
	slices.Sort(times)
	return times[len(times)/2]
}
