package logical

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"testing"
)

// TestDecodeHex compares every length and every byte in every place with the loose reader, which
// looks at one digit after the other.
func TestDecodeHex(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	same := func(text []byte) {
		t.Helper()
		got, gotErr := decodeHex([]byte("before"), text)
		want, wantErr := decodeLooseHex([]byte("before"), text)
		if (gotErr == nil) != (wantErr == nil) || gotErr == nil && !bytes.Equal(got, want) || gotErr != nil && gotErr.Error() != wantErr.Error() {
			t.Fatalf("%q: %q, %v, want %q, %v", text, got, gotErr, want, wantErr)
		}
	}
	for length := range 40 {
		value := make([]byte, length)
		for i := range value {
			value[i] = byte(random.Uint32())
		}
		text := []byte(hex.EncodeToString(value))
		if got, err := decodeHex(nil, text); err != nil || !bytes.Equal(got, value) {
			t.Fatalf("%s: %x, %v", text, got, err)
		}
		same(bytes.ToUpper(text))
		same(text[:max(0, len(text)-1)])
		for at := range text {
			was := text[at]
			for b := range 256 {
				text[at] = byte(b)
				same(text)
			}
			text[at] = was
		}
	}
}

func BenchmarkDecodeHex(b *testing.B) {
	text := []byte(hex.EncodeToString(bytes.Repeat([]byte{0xfe, 0x9d, 0x11, 0x30}, 20)))
	dst := make([]byte, 0, 80)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		dst, _ = decodeHex(dst[:0], text)
	}
}
