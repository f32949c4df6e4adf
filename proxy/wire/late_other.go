//go:build !unix

package wire

import (
	"io"
	"syscall"
)

func rawOf(io.Reader) syscall.RawConn { return nil }

func (r *Reader) readLate() (int, error) { return r.src.Read(r.buf[r.w:]) }

func (r *Reader) tryRead(uintptr) bool { return true }
