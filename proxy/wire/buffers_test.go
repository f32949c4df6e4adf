package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
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

// pipe is a connection of sockets, which a Reader knows how to wait for.
func pipe(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	far, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	return near, far
}

// TestWaitsWithoutBuffer: a Reader of a socket holds a buffer only when there is something in it.
func TestWaitsWithoutBuffer(t *testing.T) {
	near, far := pipe(t)
	r := NewReader(near, 0)
	if r.raw == nil {
		t.Skip("not on this system")
	}
	sent := slicesJoin(frame('A', pattern(10)), frame('B', pattern(200_000)), frame('C', nil))
	go func() {
		for len(sent) > 0 { // in pieces, so that it has to wait
			n := min(len(sent), 30_011)
			_, _ = far.Write(sent[:n])
			sent = sent[n:]
			time.Sleep(time.Millisecond)
		}
	}()
	for _, want := range []struct {
		typ  byte
		size int
	}{{'A', 10}, {'B', 200_000}, {'C', 0}} {
		typ, _, err := r.Next()
		if err != nil || typ != want.typ {
			t.Fatalf("%c %v", typ, err)
		}
		body, err := r.Body()
		if err != nil || !bytes.Equal(body, pattern(want.size)) {
			t.Fatalf("%c: %d bytes, %v", typ, len(body), err)
		}
	}
	if err := near.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Next(); !errors.Is(err, os.ErrDeadlineExceeded) || r.held != nil {
		t.Errorf("%v; it held %v", err, r.held)
	}
}

// TestRawEnds: the ends of a connection are what they are without raw reads.
func TestRawEnds(t *testing.T) {
	near, far := pipe(t)
	far.Close()
	if _, _, err := NewReader(near, 0).Next(); err != io.EOF {
		t.Errorf("closed: %v", err)
	}
	near, far = pipe(t)
	if _, err := far.Write(frame('A', pattern(10))[:7]); err != nil {
		t.Fatal(err)
	}
	far.Close()
	r := NewReader(near, 0)
	_, _, _ = r.Next()
	if _, err := r.Body(); err != io.ErrUnexpectedEOF {
		t.Errorf("closed within a frame: %v", err)
	}
	near, far = pipe(t)
	_ = far.(*net.TCPConn).SetLinger(0)
	far.Close()
	var op *net.OpError
	if _, _, err := NewReader(near, 0).Next(); !errors.As(err, &op) {
		t.Errorf("reset: %v", err)
	}
	near, _ = pipe(t)
	near.Close()
	if _, _, err := NewReader(near, 0).Next(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed here: %v", err)
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
