package bench

import (
	"testing"
	"time"
)

// BenchmarkProfile does what the other benchmarks do, with pgveil in its own process, for -cpuprofile.
func BenchmarkProfile(b *testing.B) {
	w := start(b)
	w.addr[veil] = w.Addr
	nir := w.fill(b)
	r := newResults("rows per second")
	b.ResetTimer()
	for range b.N {
		for _, l := range loads(nir) {
			if !l.tls {
				w.once(b, l, veil, b.TempDir())
			}
		}
		for _, sql := range []string{
			"SELECT id, last_name, birth_date FROM lab.patient", "SELECT id, nir, last_name FROM lab.patient",
			"COPY lab.patient (id, last_name, birth_date) TO STDOUT",
		} {
			for began := time.Now(); time.Since(began) < time.Duration(*seconds)*time.Second; {
				w.read(b, veil, sql, sql[0] == 'S')
			}
		}
		w.writes(b, r)
	}
}
