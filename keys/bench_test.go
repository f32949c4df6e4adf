package keys_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/pgveil/pgveil/keys"
)

func benchmark(b *testing.B, mode byte, f func(s *keys.Sealer, buf, value, sealed []byte) error) {
	for _, size := range []int{8, 16, 31, 63} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			s := testSealer(b, mode, column, 32)
			value := bytes.Repeat([]byte{'x'}, size)
			sealed := mustSeal(b, s, value)
			buf := make([]byte, 0, 256)
			b.ReportAllocs()
			for b.Loop() {
				if err := f(s, buf, value, sealed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func seal(s *keys.Sealer, buf, value, _ []byte) error {
	_, err := s.Seal(buf, value)
	return err
}

func open(s *keys.Sealer, buf, _, sealed []byte) error {
	_, err := s.Open(buf, sealed)
	return err
}

func BenchmarkSealRandomized(b *testing.B)    { benchmark(b, keys.ModeRandomized, seal) }
func BenchmarkSealDeterministic(b *testing.B) { benchmark(b, keys.ModeDeterministic, seal) }
func BenchmarkOpenRandomized(b *testing.B)    { benchmark(b, keys.ModeRandomized, open) }
func BenchmarkOpenDeterministic(b *testing.B) { benchmark(b, keys.ModeDeterministic, open) }
