package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// TestBodyGrowsAndShrinks: the buffer has the size that frames need, whatever their headers say.
func TestBodyGrowsAndShrinks(t *testing.T) {
	sizes := []int{10, 100_000, 10, 4 * mostSize, 10, 10}
	r := NewReader(bytes.NewReader(stream(sizes...)), 0)
	for i, n := range sizes {
		if _, _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		body, err := r.Body()
		if err != nil || !bytes.Equal(body, pattern(n)) {
			t.Fatalf("frame %d: %v", i, err)
		}
		if len(r.buf) < n {
			t.Errorf("frame %d: buffer of %d bytes", i, len(r.buf))
		}
	}
	if len(r.buf) > mostSize {
		t.Errorf("a buffer of %d bytes at last", len(r.buf))
	}
	// A header alone does not make the buffer grow.
	r = NewReader(bytes.NewReader(stream(1 << 20)[:100]), 0)
	_, _, _ = r.Next()
	if _, err := r.Body(); err != io.ErrUnexpectedEOF || len(r.buf) > defaultSize {
		t.Errorf("%v, buffer of %d bytes", err, len(r.buf))
	}
}

// TestWriterGivesBack: after Flush nothing is held but what is being built.
func TestWriterGivesBack(t *testing.T) {
	w := NewWriter(io.Discard, 0)
	for _, n := range []int{10, 100_000, 4 * mostSize, 10} {
		w.Message('D')
		w.Bytes(make([]byte, n))
		if err := errors.Join(w.End(), w.Flush()); err != nil || w.held != nil || w.buf != nil {
			t.Fatal(n, err, w.held)
		}
	}
	w.Message('D')
	w.Abandon()
	if err := w.Flush(); err != nil || w.held != nil {
		t.Error("it holds a buffer for what was abandoned", err)
	}
	var out bytes.Buffer
	w = NewWriter(&out, 0)
	if err := w.Raw([]byte("before")); err != nil {
		t.Fatal(err)
	}
	w.Message('D')
	if err := w.Flush(); err != nil || w.held == nil {
		t.Error("it holds nothing of what it builds", err)
	}
	w.Byte('x')
	if err := errors.Join(w.End(), w.Flush()); err != nil || out.String() != "before"+string(frame('D', []byte("x"))) {
		t.Errorf("%q %v", out.String(), err)
	}
}

// TestLent: buffers have at least the size, are lent again, and huge ones are not kept.
func TestLent(t *testing.T) {
	for _, n := range []int{0, 1, 64, 1<<leastBits - 1, 1 << leastBits, 1<<leastBits + 1, mostSize, mostSize + 1} {
		if b := lend(n); len(b.bytes) < n || n >= 1<<leastBits && n <= mostSize && len(b.bytes) >= 2*n {
			t.Errorf("%d: %d", n, len(b.bytes))
		}
	}
	moved := lend(1 << leastBits)
	moved.bytes = append(moved.bytes, make([]byte, 1<<leastBits)...) // some capacity of append's own
	giveBack(moved, false)
	for range 10 {
		if b := lend(2 << leastBits); len(b.bytes) != 2<<leastBits {
			t.Error(len(b.bytes))
		}
	}
}

// TestWiped: no password is left in what others are lent.
func TestWiped(t *testing.T) {
	secret := bytes.Repeat([]byte("secret"), 500)
	r := NewReader(io.MultiReader(bytes.NewReader(frame('p', secret)), bytes.NewReader(frame('p', secret)), bytes.NewReader(frame('Q', []byte("kept")))), 1<<leastBits)
	w := NewWriter(io.Discard, 0)
	var lent [][]byte // what was held and will be given back
	note := func() {
		if r.buf != nil {
			lent = append(lent, r.buf)
		}
		if w.held != nil {
			lent = append(lent, w.held.bytes)
		}
	}
	for range 2 {
		_, _, _ = r.Next()
		note()
		if err := r.Forward(w); err != nil {
			t.Fatal(err)
		}
		note()
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		r.Wipe()
	}
	if _, _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	r.Wipe()
	if body, err := r.Body(); err != nil || string(body) != "kept" {
		t.Fatalf("%q %v", body, err)
	}
	if len(lent) < 4 {
		t.Errorf("only %d buffers seen", len(lent))
	}
	for i, b := range lent {
		if bytes.Contains(b[:cap(b)], []byte("secret")) {
			t.Errorf("buffer %d has a copy", i)
		}
	}
}
