package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy/socket"
)

// pipe is a connection of sockets, and a Reader of its near end that knows how to wait for it.
func pipe(t *testing.T) (r *Reader, near, far net.Conn) {
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
	near = socket.Wrap(near)
	return NewReader(near, 0), near, far
}

// TestWaitsWithoutBuffer: a Reader of a socket holds a buffer only when there is something in it.
func TestWaitsWithoutBuffer(t *testing.T) {
	r, near, far := pipe(t)
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

// TestLateEnds: the ends of a connection are what they are otherwise.
func TestLateEnds(t *testing.T) {
	r, _, far := pipe(t)
	far.Close()
	if _, _, err := r.Next(); err != io.EOF {
		t.Errorf("closed: %v", err)
	}
	r, _, far = pipe(t)
	if _, err := far.Write(frame('A', pattern(10))[:7]); err != nil {
		t.Fatal(err)
	}
	far.Close()
	_, _, _ = r.Next()
	if _, err := r.Body(); err != io.ErrUnexpectedEOF {
		t.Errorf("closed within a frame: %v", err)
	}
	r, _, far = pipe(t)
	_ = far.(*net.TCPConn).SetLinger(0)
	far.Close()
	if _, _, err := r.Next(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: %v", err)
	}
	r, near, _ := pipe(t)
	near.Close()
	if _, _, err := r.Next(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed here: %v", err)
	}
}
