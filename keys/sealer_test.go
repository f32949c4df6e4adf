package keys_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/daead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/pgveil/pgveil/keys"
)

const column = "column:lab.result.outcome"

func TestSealAppends(t *testing.T) {
	eachMode(t, func(t *testing.T, mode byte) {
		s := testSealer(t, mode, column, 32)
		for _, room := range []int{0, 10, 4096} {
			dst := append(make([]byte, 0, 5+room), "front"...)
			sealed, err := s.Seal(dst, []byte("positif"))
			if err != nil || !bytes.HasPrefix(sealed, []byte("front")) {
				t.Fatalf("Seal = %x, %v", sealed, err)
			}
			opened, err := s.Open(dst, bytes.Clone(sealed[5:]))
			if err != nil || string(opened) != "frontpositif" {
				t.Fatalf("Open = %q, %v", opened, err)
			}
		}
	})
}

func TestRandomizedDiffersDeterministicDoesNot(t *testing.T) {
	random := testSealer(t, keys.ModeRandomized, column, 32)
	seen := map[string]bool{}
	for range 1000 {
		seen[string(mustSeal(t, random, []byte("positif")))] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d different randomized values of 1000", len(seen))
	}
	fixed := testSealer(t, keys.ModeDeterministic, column, 32)
	a, b := mustSeal(t, fixed, []byte("positif")), mustSeal(t, fixed, []byte("positif"))
	if !bytes.Equal(a, b) {
		t.Error("a deterministic value is sealed in two ways")
	}
	if c := mustSeal(t, fixed, []byte("positif\x00")); bytes.Equal(a, c) {
		t.Error("two values are sealed the same")
	}
	other := testSealer(t, keys.ModeDeterministic, "column:lab.result.comment", 32)
	if c := mustSeal(t, other, []byte("positif")); bytes.Equal(a[12:], c[12:]) {
		t.Error("two contexts seal the same")
	}
}

// No byte of a sealed value may be changed, none added and none taken away.
func TestOpenRefusesTampering(t *testing.T) {
	eachMode(t, func(t *testing.T, mode byte) {
		s := testSealer(t, mode, column, 32)
		sealed := mustSeal(t, s, []byte("positif"))
		refused := func(what string, value []byte) {
			t.Helper()
			dst := []byte("kept")
			if got, err := s.Open(dst, value); err != keys.ErrOpen || string(got) != "kept" {
				t.Errorf("%s: Open = %q, %v", what, got, err)
			}
		}
		for i := range sealed {
			for bit := range 8 {
				changed := bytes.Clone(sealed)
				changed[i] ^= 1 << bit
				refused("a bit changed", changed)
			}
			refused("truncated", sealed[:i])
			refused("beginning cut off", sealed[i+1:])
		}
		refused("nil", nil)
		refused("a byte more", append(bytes.Clone(sealed), 0))
		refused("twice", append(bytes.Clone(sealed), sealed...))
		refused("plaintext", []byte("positif"))
		if got, err := s.Open(nil, sealed); err != nil || string(got) != "positif" {
			t.Errorf("untouched: Open = %q, %v", got, err)
		}
	})
}

// A value moved to another column does not open, even if its header is made to
// match.
func TestOpenRefusesAnotherContext(t *testing.T) {
	eachMode(t, func(t *testing.T, mode byte) {
		sealed := mustSeal(t, testSealer(t, mode, column, 32), []byte("positif"))
		const elsewhere = "column:lab.result.comment"
		s := testSealer(t, mode, elsewhere, 32)
		if got, err := s.Open(nil, sealed); err != keys.ErrOpen {
			t.Errorf("moved: Open = %q, %v", got, err)
		}
		header := keys.Header(mode, elsewhere)
		copy(sealed, header[:])
		if got, err := s.Open(nil, sealed); err != keys.ErrOpen {
			t.Errorf("moved with its header rewritten: Open = %q, %v", got, err)
		}
	})
}

// The context tag has 32 bits only, so two contexts may share one: the full
// name in the associated data still tells them apart.
func TestOpenRefusesAnotherContextOfTheSameTag(t *testing.T) {
	tags := map[[7]byte]string{}
	var a, b string
	for i := uint64(0); b == ""; i++ {
		name := string(binary.AppendUvarint([]byte("domain:"), i))
		header := keys.Header(keys.ModeDeterministic, name)
		if a = tags[header]; a != "" {
			b = name
		}
		tags[header] = name
	}
	sealed := mustSeal(t, testSealer(t, keys.ModeDeterministic, a, 0), []byte("positif"))
	if got, err := testSealer(t, keys.ModeDeterministic, b, 0).Open(nil, sealed); err != keys.ErrOpen {
		t.Errorf("context %q opens a value of %q: %q, %v", b, a, got, err)
	}
}

func TestOpenRefusesAnotherKey(t *testing.T) {
	for mode, template := range map[byte]*keyset.Handle{
		keys.ModeRandomized:    newHandle(t, aead.AES256GCMKeyTemplate()),
		keys.ModeDeterministic: newHandle(t, daead.AESSIVKeyTemplate()),
	} {
		other, err := newKeyring(t, template).Sealer(mode, column, 32)
		if err != nil {
			t.Fatal(err)
		}
		sealed := mustSeal(t, other, []byte("positif"))
		s := testSealer(t, mode, column, 32)
		if got, err := s.Open(nil, sealed); err != keys.ErrOpen {
			t.Errorf("mode %d: unknown key: Open = %q, %v", mode, got, err)
		}
		// The prefix of a key that is known does not help.
		copy(sealed[7:12], mustSeal(t, s, nil)[7:12])
		if got, err := s.Open(nil, sealed); err != keys.ErrOpen {
			t.Errorf("mode %d: wrong key under a known prefix: Open = %q, %v", mode, got, err)
		}
	}
}

func TestLargeValues(t *testing.T) {
	value := bytes.Repeat([]byte("négatif\x00"), 1<<18) // 2.25 MiB
	eachMode(t, func(t *testing.T, mode byte) {
		s := testSealer(t, mode, column, 32)
		sealed := mustSeal(t, s, value)
		if bytes.Contains(sealed, []byte("gatif")) {
			t.Error("the sealed value holds plaintext")
		}
		if got, err := s.Open(nil, sealed); err != nil || !bytes.Equal(got, value) {
			t.Errorf("Open: %d bytes, %v", len(got), err)
		}
	})
}

func TestRandomizedAllocatesNothing(t *testing.T) {
	s := testSealer(t, keys.ModeRandomized, column, 32)
	value := []byte("négatif")
	sealed := mustSeal(t, s, value)
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(200, func() { _, _ = s.Seal(buf, value) }); n != 0 {
		t.Errorf("Seal allocates %v times", n)
	}
	if n := testing.AllocsPerRun(200, func() { _, _ = s.Open(buf, sealed) }); n != 0 {
		t.Errorf("Open allocates %v times", n)
	}
	if n := testing.AllocsPerRun(200, func() { _, _ = s.Open(buf, sealed[1:]) }); n != 0 {
		t.Errorf("a failing Open allocates %v times", n)
	}
}

func TestSealerIsSafeForConcurrentUse(t *testing.T) {
	eachMode(t, func(t *testing.T, mode byte) {
		s := testSealer(t, mode, column, 16)
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(worker)))
				var sealed, opened []byte
				for range 300 {
					value := []byte(strings.Repeat(string(rune('a'+worker)), random.IntN(50)))
					var err1, err2 error
					sealed, err1 = s.Seal(sealed[:0], value)
					opened, err2 = s.Open(opened[:0], sealed)
					if err1 != nil || err2 != nil || !bytes.Equal(opened, value) {
						t.Errorf("%q came back as %q: %v, %v", value, opened, err1, err2)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// FuzzOpen: nothing but what Seal made opens, and whatever opens can be sealed
// and opened again.
func FuzzOpen(f *testing.F) {
	for _, g := range goldenValues(f) {
		f.Add(unhex(f, g.Sealed), []byte{})
	}
	f.Add([]byte{}, []byte("value"))
	sealers := []*keys.Sealer{
		testSealer(f, keys.ModeRandomized, column, 32),
		testSealer(f, keys.ModeDeterministic, "domain:nir", 0),
	}
	genuine := map[string]bool{}
	for _, g := range goldenValues(f) {
		genuine[g.Sealed] = true
	}
	f.Fuzz(func(t *testing.T, sealed, value []byte) {
		for _, s := range sealers {
			before := bytes.Clone(sealed)
			got, err := s.Open([]byte("kept"), sealed)
			if !bytes.Equal(sealed, before) {
				t.Fatal("Open changed its input")
			}
			switch {
			case err == nil && !genuine[hex.EncodeToString(sealed)]:
				t.Fatalf("%x opens as %x", sealed, got)
			case err != nil && (err != keys.ErrOpen || string(got) != "kept"):
				t.Fatalf("Open = %x, %v", got, err)
			}
			made := mustSeal(t, s, value)
			if back, err := s.Open(nil, made); err != nil || !bytes.Equal(back, value) {
				t.Fatalf("%x comes back as %x, %v", value, back, err)
			}
			if len(sealed) > 0 && len(made) > 0 {
				i := int(sealed[0]) % len(made)
				made[i] ^= sealed[len(sealed)-1] | 1
				if back, err := s.Open(nil, made); err != keys.ErrOpen {
					t.Fatalf("byte %d changed: opens as %x, %v", i, back, err)
				}
			}
		}
	})
}
