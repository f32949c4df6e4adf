package wire

// LateSource is a socket that is waited for without a buffer.
type LateSource interface {
	// ReadLate reads into what space gives, which it calls when there may be something to
	// read. When there is nothing, it calls none, and space again later.
	ReadLate(space func() []byte, none func()) (int, error)
}

// takeSpace gives the space after w, of a buffer that is taken now.
func (r *Reader) takeSpace() []byte {
	if r.held == nil {
		r.hold(lend(r.size))
	}
	return r.buf[r.w:]
}

// dropSpace gives the buffer back if nothing is in it.
func (r *Reader) dropSpace() {
	if r.w == 0 {
		r.release()
	}
}
