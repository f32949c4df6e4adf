package statement

import (
	"bytes"
	"testing"
)

func TestIsASCII(t *testing.T) {
	for n := range 40 {
		text := bytes.Repeat([]byte{0x7f}, n)
		if !IsASCII(text) {
			t.Errorf("%d bytes of ASCII", n)
		}
		for i := range text {
			text[i] = 0x80
			if IsASCII(text) {
				t.Errorf("%d bytes, of which byte %d is not", n, i)
			}
			text[i] = 'a'
		}
	}
}
