package keys_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"unicode/utf8"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/daead"

	"github.com/pgveil/pgveil/keys"
)

// The tags are what sha256sum prints for the context names.
func TestHeaderNeverChanges(t *testing.T) {
	for _, c := range []struct {
		mode    byte
		context string
		want    string
	}{
		{keys.ModeRandomized, "column:lab.result.outcome", "fe9d117fc08a88"},
		{keys.ModeDeterministic, "domain:nir", "fe9d12a7f8af4d"},
		{keys.ModeRandomized, `column:lab.patient."née"`, "fe9d1168e1336b"},
	} {
		header := keys.Header(c.mode, c.context)
		if got := hex.EncodeToString(header[:]); got != c.want {
			t.Errorf("Header(%d, %q) = %s, want %s", c.mode, c.context, got, c.want)
		}
	}
}

func TestMagicBeginsNoText(t *testing.T) {
	header := keys.Header(keys.ModeRandomized, "x")
	for second := range 256 {
		if r, n := utf8.DecodeRune([]byte{header[0], byte(second), 0x80, 0x80}); r != utf8.RuneError || n != 1 {
			t.Fatalf("%x %x decodes as UTF-8", header[0], second)
		}
	}
	for _, bom := range []string{"\xfe\xff", "\xff\xfe", "\xef\xbb\xbf"} {
		if bytes.HasPrefix(header[:], []byte(bom)) {
			t.Fatalf("the magic is the byte order mark %x", bom)
		}
	}
}

type goldenValue struct {
	Key     string
	Mode    byte
	Context string
	Padding int
	Value   string `json:"value_hex"`
	Sealed  string `json:"sealed_hex"`
}

func goldenValues(t testing.TB) []goldenValue {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var values []goldenValue
	if err := json.Unmarshal(data, &values); err != nil {
		t.Fatal(err)
	}
	if len(values) != 144 {
		t.Fatalf("%d golden values, want 144", len(values))
	}
	return values
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGolden(t *testing.T) {
	resealed := 0
	for i, g := range goldenValues(t) {
		value, sealed := unhex(t, g.Value), unhex(t, g.Sealed)
		s := testSealer(t, g.Mode, g.Context, g.Padding)
		got, err := s.Open(nil, sealed)
		if err != nil || !bytes.Equal(got, value) || got == nil {
			t.Errorf("%d: Open = %x, %v; want %x", i, got, err, value)
		}
		again := mustSeal(t, s, value)
		if len(again) != len(sealed) {
			t.Errorf("%d: sealed again in %d bytes, not %d", i, len(again), len(sealed))
		}
		// The first half of the deterministic ones is by the old key.
		if g.Mode == keys.ModeDeterministic && bytes.Equal(again[:12], sealed[:12]) {
			resealed++
			if !bytes.Equal(again, sealed) {
				t.Errorf("%d: sealed again differently: %x, want %x", i, again, sealed)
			}
		}
	}
	if resealed != 36 {
		t.Errorf("%d deterministic values sealed again, want 36", resealed)
	}
}

func TestPaddingHidesLength(t *testing.T) {
	const overhead = 7 + 5 + 12 + 16
	for _, c := range []struct{ padding, length, plaintext int }{
		{32, 0, 32},
		{32, 1, 32},
		{32, 31, 32}, // the byte that ends the value is the 32nd
		{32, 32, 64},
		{32, 63, 64},
		{32, 1 << 20, 1<<20 + 32},
		{8, 7, 8},
		{8, 8, 16},
		{7, 7, 14},
		{1, 5, 6},
		{0, 5, 6},
		{0, 0, 1},
		{keys.MaxPadding, 3, keys.MaxPadding},
	} {
		s := testSealer(t, keys.ModeRandomized, "column:a.b.c", c.padding)
		value := bytes.Repeat([]byte{0x80}, c.length)
		sealed := mustSeal(t, s, value)
		if got := len(sealed) - overhead; got != c.plaintext {
			t.Errorf("padding %d: %d bytes become %d, want %d", c.padding, c.length, got, c.plaintext)
		}
		if got, err := s.Open(nil, sealed); err != nil || !bytes.Equal(got, value) {
			t.Errorf("padding %d: %d bytes do not come back: %v", c.padding, c.length, err)
		}
	}
}

// A schema file may change a column's padding while values sealed before stay.
func TestOpenWithAnotherPadding(t *testing.T) {
	eachMode(t, func(t *testing.T, mode byte) {
		for _, value := range [][]byte{{}, {0}, {0x80}, {0x80, 0, 0}, []byte("négatif"), make([]byte, 64)} {
			for _, before := range []int{0, 8, 32} {
				sealed := mustSeal(t, testSealer(t, mode, "domain:x", before), value)
				for _, after := range []int{0, 8, 32} {
					got, err := testSealer(t, mode, "domain:x", after).Open(nil, sealed)
					if err != nil || !bytes.Equal(got, value) {
						t.Errorf("%x sealed with padding %d opens as %x, %v with padding %d", value, before, got, err, after)
					}
				}
			}
		}
	})
}

// What is sealed here opens with Tink's own factories, and the other way round.
func TestTinkCompatibility(t *testing.T) {
	const context, padding = "column:lab.patient.nir", 16
	gcm, err := aead.New(testHandle(t, "randomized"))
	if err != nil {
		t.Fatal(err)
	}
	siv, err := daead.New(testHandle(t, "deterministic"))
	if err != nil {
		t.Fatal(err)
	}
	eachMode(t, func(t *testing.T, mode byte) {
		encrypt, decrypt := gcm.Encrypt, gcm.Decrypt
		if mode == keys.ModeDeterministic {
			encrypt, decrypt = siv.EncryptDeterministically, siv.DecryptDeterministically
		}
		s := testSealer(t, mode, context, padding)
		header := keys.Header(mode, context)
		ad := append(header[:], context...)
		for n := range 70 {
			value := bytes.Repeat([]byte{byte(n)}, n)
			plaintext := append(append([]byte{}, value...), 0x80)
			for len(plaintext)%padding != 0 {
				plaintext = append(plaintext, 0)
			}
			sealed := mustSeal(t, s, value)
			if !bytes.Equal(sealed[:7], header[:]) {
				t.Fatalf("header %x, want %x", sealed[:7], header)
			}
			if got, err := decrypt(sealed[7:], ad); err != nil || !bytes.Equal(got, plaintext) {
				t.Fatalf("Tink decrypts %d bytes to %x, %v; want %x", n, got, err, plaintext)
			}
			foreign, err := encrypt(plaintext, ad)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Open(nil, append(header[:], foreign...)); err != nil || !bytes.Equal(got, value) {
				t.Fatalf("Tink's ciphertext opens to %x, %v; want %x", got, err, value)
			}
		}
		// Authenticated, but without the end of a value.
		for _, plaintext := range [][]byte{{}, {0}, {0, 0}, {1}, {0x80, 1}, {0x80, 0, 7, 0}} {
			foreign, err := encrypt(plaintext, ad)
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 1, 64)
			if got, err := s.Open(buf, append(header[:], foreign...)); err != keys.ErrOpen || len(got) != 1 {
				t.Errorf("plaintext %x opens as %x, %v", plaintext, got, err)
			}
			if left := buf[1:cap(buf)]; !bytes.Equal(left, make([]byte, len(left))) {
				t.Errorf("plaintext %x left %x in the buffer", plaintext, left)
			}
		}
	})
}

func TestEmptyContextAndOddArguments(t *testing.T) {
	ring := newKeyring(t, testHandle(t, "randomized"))
	for _, c := range []struct {
		mode    byte
		context string
		padding int
	}{
		{keys.ModeRandomized, "", 0},
		{0, "column:a.b.c", 0},
		{3, "column:a.b.c", 0},
		{keys.ModeRandomized, "column:a.b.c", -1},
		{keys.ModeRandomized, "column:a.b.c", keys.MaxPadding + 1},
	} {
		if s, err := ring.Sealer(c.mode, c.context, c.padding); err == nil {
			t.Errorf("Sealer(%d, %q, %d) = %v", c.mode, c.context, c.padding, s)
		}
	}
	if s, err := ring.Sealer(keys.ModeRandomized, "column:a.b.c", 32); err != nil || fmt.Sprint(s) != "sealer fe9d11be99b764" {
		t.Errorf("Sealer = %v, %v", s, err)
	}
}
