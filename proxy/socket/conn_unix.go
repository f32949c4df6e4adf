//go:build unix

package socket

import (
	"io"
	"net"
	"os"
	"syscall"
)

// Conn is a connection over a socket. At most one goroutine reads from it and one writes
// to it at a time.
type Conn struct {
	net.Conn
	raw     syscall.RawConn
	in, out transfer
	read    func(fd uintptr) bool
	write   func(fd uintptr) bool
}

// transfer is the Read or Write at hand.
type transfer struct {
	p    []byte
	n    int
	err  error
	late func() []byte // gives p
	none func()
}

// Wrap gives a *Conn, or conn itself where that is no socket, but something around one.
func Wrap(conn net.Conn) net.Conn {
	var socket syscall.Conn
	switch conn := conn.(type) {
	case *net.TCPConn:
		socket = conn
	case *net.UnixConn:
		socket = conn
	default:
		return conn
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return conn
	}
	c := &Conn{Conn: conn, raw: raw}
	c.read, c.write = c.tryRead, c.tryWrite
	return c
}

// Read is that of net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.in = transfer{p: p}
	return c.wait()
}

// ReadLate is Read into what space gives, which is called when there may be something to
// read. When there is nothing, none is called, and space again later.
func (c *Conn) ReadLate(space func() []byte, none func()) (int, error) {
	c.in = transfer{late: space, none: none}
	return c.wait()
}

func (c *Conn) wait() (int, error) {
	err := c.raw.Read(c.read)
	n, failed := c.in.n, c.in.err
	c.in = transfer{}
	switch {
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, os.NewSyscallError("read", failed)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// tryRead reads once, and reports false when nothing has arrived.
func (c *Conn) tryRead(fd uintptr) bool {
	t := &c.in
	if t.late != nil {
		t.p = t.late()
	}
	t.n, t.err = read(int(fd), t.p)
	if t.err != syscall.EAGAIN {
		return true
	}
	if t.none != nil {
		t.none()
	}
	return false
}

// Write is that of net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	c.out = transfer{p: p}
	err := c.raw.Write(c.write)
	n, failed := c.out.n, c.out.err
	c.out = transfer{}
	if err == nil && failed != nil {
		err = os.NewSyscallError("write", failed)
	}
	return n, err
}

// tryWrite writes what the socket takes, and reports false when that is not all.
func (c *Conn) tryWrite(fd uintptr) bool {
	t := &c.out
	for t.n < len(t.p) {
		n, err := write(int(fd), t.p[t.n:])
		if err == syscall.EAGAIN {
			return false
		}
		if err != nil {
			t.err = err
			return true
		}
		t.n += n
	}
	return true
}

// CloseWrite tells the peer that nothing more follows.
func (c *Conn) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// SyscallConn is that of syscall.Conn.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }
