package proxy

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/forced:gc-cycles"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

var tidied []byte

// TestTidy: garbage is collected when nothing happens, and only then. Not parallel: what other
// tests allocate counts.
func TestTidy(t *testing.T) {
	defer func() { tidied = nil }()
	tidier := newTidier()
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range 64 {
		tidied = make([]byte, 1<<20)
	}
	before := collections()
	tidier.look()
	if n := collections() - before; n != 0 {
		t.Errorf("%d collections while much happens", n)
	}
	for range 100 { // other goroutines of the tests may go on for a while
		if tidier.look(); collections() > before {
			break
		}
	}
	if collections() == before {
		t.Error("no collection when nothing happened")
	}
	after := collections()
	for range 3 {
		tidier.look()
	}
	if n := collections() - after; n != 0 {
		t.Errorf("%d collections more, of what was collected", n)
	}
}
