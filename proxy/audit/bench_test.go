package audit

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkCommit is the time of an intent until it is durable, and its outcome.
func BenchmarkCommit(b *testing.B) {
	for _, sessions := range []int{1, 64} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			l := mustOpen(b, options(logDir(b)))
			r := sample("s")
			b.ReportAllocs()
			b.ResetTimer()
			var next atomic.Int64
			var wg sync.WaitGroup
			for range sessions {
				wg.Go(func() {
					for next.Add(1) <= int64(b.N) {
						i := l.Begin(r)
						if err := i.Wait(); err != nil {
							b.Error(err)
							return
						}
						i.End(Outcome{Rows: 1, Opened: 1, Ended: "ok"})
					}
				})
			}
			wg.Wait()
		})
	}
}

// BenchmarkBegin is what the session itself pays: the encoding.
func BenchmarkBegin(b *testing.B) {
	r := sample("s")
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = r.append(dst[:0])
	}
}

func BenchmarkVerify(b *testing.B) {
	dir := logDir(b)
	l := mustOpen(b, options(dir))
	var intents []*Intent
	for range 10000 {
		intents = append(intents, l.Begin(sample("s")))
	}
	for _, i := range intents {
		if err := i.Wait(); err != nil {
			b.Fatal(err)
		}
		i.End(Outcome{Ended: "ok"})
	}
	mustClose(b, l)
	for b.Loop() {
		wantOK(b, verify(b, dir))
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/20000, "µs/record")
}
