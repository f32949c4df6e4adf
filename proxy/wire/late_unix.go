//go:build unix

package wire

import (
	"io"
	"net"
	"os"
	"syscall"
)

// rawOf gives the raw connection below src, if src is one and nothing but one: what lies
// around a connection reads otherwise.
func rawOf(src io.Reader) syscall.RawConn {
	var c syscall.Conn
	switch src := src.(type) {
	case *net.TCPConn:
		c = src
	case *net.UnixConn:
		c = src
	default:
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// readLate reads once, and takes its buffer only when there is something to read.
func (r *Reader) readLate() (int, error) {
	if err := r.raw.Read(r.attempt); err != nil {
		return 0, err
	}
	switch {
	case r.lateErr != nil:
		return 0, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", r.lateErr)}
	case r.late == 0:
		return 0, io.EOF
	}
	return r.late, nil
}

// tryRead reads into the space after w, and reports false when nothing has arrived.
func (r *Reader) tryRead(fd uintptr) bool {
	if r.held == nil {
		r.hold(lend(r.size))
	}
	for {
		n, err := syscall.Read(int(fd), r.buf[r.w:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			if r.w == 0 {
				r.release()
			}
			return false
		}
		r.late, r.lateErr = max(n, 0), err
		return true
	}
}
