//go:build !unix

package wire

func (r *Reader) readLate() (int, error) { return r.src.Read(r.buf[r.w:]) }

func (r *Reader) tryRead(uintptr) bool { return true }
