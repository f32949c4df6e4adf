package proxy

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	tidyEvery   = 5 * time.Second
	tidyQuiet   = 1 << 20 // bytes that are allocated in that time when nothing happens
	tidyGarbage = 8 << 20 // bytes that are worth a collection
)

// Tidy gives memory back to the system whenever nothing has happened for a while, until ctx
// ends: what many connections leave behind when they begin would otherwise stay until the
// next collection, which the Ballast puts off.
func Tidy(ctx context.Context) {
	t := newTidier()
	ticker := time.NewTicker(tidyEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			t.look()
		}
	}
}

type tidier struct {
	samples []metrics.Sample
	before  uint64 // allocated until the last look
}

func newTidier() *tidier {
	t := &tidier{}
	for _, name := range []string{
		"/gc/heap/allocs:bytes", "/gc/heap/live:bytes", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes",
	} {
		t.samples = append(t.samples, metrics.Sample{Name: name})
	}
	t.allocated()
	return t
}

// allocated gives what was allocated since the last call, in bytes.
func (t *tidier) allocated() uint64 {
	metrics.Read(t.samples)
	now := t.samples[0].Value.Uint64()
	n := now - t.before
	t.before = now
	return n
}

// look collects garbage if there is much and nothing happens.
func (t *tidier) look() {
	if t.allocated() > tidyQuiet {
		return
	}
	live, objects, free := t.samples[1].Value.Uint64(), t.samples[2].Value.Uint64(), t.samples[3].Value.Uint64()
	if objects+free > live+tidyGarbage {
		debug.FreeOSMemory()
		t.allocated()
	}
}
