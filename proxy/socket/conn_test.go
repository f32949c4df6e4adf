package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// pair is a wrapped connection and its peer.
func pair(t *testing.T, network string) (near, far net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "socket")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near = Wrap(dialled)
	t.Cleanup(func() { near.Close() })
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	return near, far
}

// TestTransfers: whatever is written arrives, in both directions at once, however long.
func TestTransfers(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		near, far := pair(t, network)
		sent := bytes.Repeat([]byte("0123456789abcdef!"), 1_000_000)
		write := func(to net.Conn, done chan<- error) {
			var err error
			for rest, n := sent, 1; len(rest) > 0 && err == nil; n = n*3 + 1 {
				n = min(n, len(rest))
				_, err = to.Write(rest[:n])
				rest = rest[n:]
			}
			done <- errors.Join(err, to.(interface{ CloseWrite() error }).CloseWrite())
		}
		done := make(chan error, 2)
		go write(near, done)
		go write(far, done)
		read := make(chan []byte, 1)
		go func() {
			all, _ := io.ReadAll(far)
			read <- all
		}()
		got, err := io.ReadAll(near)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s: read %d bytes of %d, %v", network, len(got), len(sent), err)
		}
		if got := <-read; !bytes.Equal(got, sent) {
			t.Errorf("%s: the peer read %d bytes of %d", network, len(got), len(sent))
		}
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
	}
}

// TestEnds: deadlines, ends and failures are what they are for any connection.
func TestEnds(t *testing.T) {
	near, _ := pair(t, "tcp")
	soon := func() time.Time { return time.Now().Add(10 * time.Millisecond) }
	if err := near.SetDeadline(soon()); err != nil {
		t.Fatal(err)
	}
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("read:", err)
	}
	large := make([]byte, 64<<20)
	if err := near.SetDeadline(soon()); err != nil {
		t.Fatal(err)
	}
	n, err := near.Write(large)
	if !errors.Is(err, os.ErrDeadlineExceeded) || n >= len(large) {
		t.Errorf("write: %d, %v", n, err)
	}
	near, far := pair(t, "tcp")
	far.Close()
	if _, err := near.Read(make([]byte, 1)); err != io.EOF {
		t.Error("after the peer has closed:", err)
	}
	near, far = pair(t, "tcp")
	_ = far.(*net.TCPConn).SetLinger(0)
	far.Close()
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Error("reset:", err)
	}
	if _, err := near.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Error("write after a reset:", err)
	}
	near, _ = pair(t, "tcp")
	closed := make(chan error, 1)
	go func() {
		_, err := near.Read(make([]byte, 1))
		closed <- err
	}()
	near.Close()
	if err := <-closed; !errors.Is(err, net.ErrClosed) {
		t.Error("closed here:", err)
	}
	if n, err := near.Read(nil); n != 0 || err != nil {
		t.Error("a read of nothing:", n, err)
	}
}

// TestNoAllocation: neither direction allocates.
func TestNoAllocation(t *testing.T) {
	near, far := pair(t, "tcp")
	p := make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := near.Write(p); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(far, p); err != nil {
			t.Fatal(err)
		}
		if _, err := far.Write(p); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(near, p); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a round trip", n)
	}
}

// TestOtherConnections: what is not a socket stays what it is.
func TestOtherConnections(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if Wrap(a) != a {
		t.Error("a pipe was wrapped")
	}
}
