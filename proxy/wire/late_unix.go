//go:build unix

package wire

import (
	"io"
	"os"
	"syscall"
)

// readLate reads once, and takes its buffer only when there is something to read.
func (r *Reader) readLate() (int, error) {
	if err := r.raw.Read(r.attempt); err != nil {
		return 0, err
	}
	switch {
	case r.lateErr != nil:
		return 0, os.NewSyscallError("read", r.lateErr)
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
