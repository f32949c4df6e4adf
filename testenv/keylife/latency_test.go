package keylife

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// figures are how long transactions and reads took, and which errors clients were given, by
// phase.
type figures struct {
	mu     sync.Mutex
	phase  string
	phases []string
	took   map[[2]string][]time.Duration // by phase and kind
	errors map[string]map[string]int     // by phase and SQLSTATE
}

func newFigures() *figures {
	return &figures{took: make(map[[2]string][]time.Duration), errors: make(map[string]map[string]int)}
}

// begin begins a phase.
func (f *figures) begin(phase string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.phase = phase
	if !slices.Contains(f.phases, phase) {
		f.phases = append(f.phases, phase)
		f.errors[phase] = make(map[string]int)
	}
}

func (f *figures) now() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.phase
}

// done counts what has succeeded. It belongs to the phase in which it ended.
func (f *figures) done(kind string, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := [2]string{f.phase, kind}
	f.took[key] = append(f.took[key], took)
}

func (f *figures) failed(code string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errors[f.phase][code]++
}

// count gives how many reads or transactions of the phase have succeeded.
func (f *figures) count(kind string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.took[[2]string{f.phase, kind}])
}

func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(q*float64(len(sorted)-1))].Microseconds()) / 1000
}

// String is a table in Markdown, times in milliseconds.
func (f *figures) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	b.WriteString("| phase | transactions | p50 | p99 | longest | reads | p50 | p99 | longest | errors that clients try again after |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n")
	for _, phase := range f.phases {
		fmt.Fprintf(&b, "| %s |", phase)
		for _, kind := range []string{kindWrite, kindRead} {
			took := slices.Sorted(slices.Values(f.took[[2]string{phase, kind}]))
			fmt.Fprintf(&b, " %d | %.1f | %.1f | %.0f |", len(took), quantile(took, .5), quantile(took, .99), quantile(took, 1))
		}
		var list []string
		for _, code := range slices.Sorted(maps.Keys(f.errors[phase])) {
			list = append(list, fmt.Sprintf("%d × %s", f.errors[phase][code], code))
		}
		fmt.Fprintf(&b, " %s |\n", strings.Join(list, ", "))
	}
	return b.String()
}
