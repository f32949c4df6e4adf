package wire

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/pgveil/pgveil/schema/pgerror"
)

const (
	headerSize  = 5
	defaultSize = 32 << 10

	// waitSize is the space in which a Reader waits that cannot wait without any.
	waitSize = 1 << 10
)

// Reader reads frames: a type byte, a length, a body. It has one buffer, which
// grows for Body, and none while it waits for a frame of a socket. It is not safe for
// concurrent use.
type Reader struct {
	src    io.Reader
	size   int
	held   *buffer
	buf    []byte // of held; buf[r:w] is read and not yet consumed
	r, w   int
	typ    byte
	length int
	frame  int // bytes of the current frame, from r on, header included, that are not consumed
	max    int
	wiped  bool // what buffers held is overwritten when they are given back
	limits *Limits
	guard  func(piece []byte, first, last bool) error
	err    error

	late  LateSource // src; nil: it is none
	space func() []byte
	none  func()

	waiting *buffer // of waitSize, where src is no LateSource
	last    int     // bytes that were read last
}

// NewReader makes a Reader with a buffer of size bytes, 32 KiB when 0. It accepts
// every type and any length up to MaxLength until SetLimits is called. It waits without a
// buffer if src is a LateSource.
func NewReader(src io.Reader, size int) *Reader {
	if size <= 0 {
		size = defaultSize
	}
	r := &Reader{src: src, size: max(size, 64), max: MaxLength, wiped: true}
	if late, ok := src.(LateSource); ok {
		r.late, r.space, r.none = late, r.takeSpace, r.dropSpace
	}
	return r
}

// hold makes b the buffer; what is in the one before must have been copied.
func (r *Reader) hold(b *buffer) {
	r.release()
	r.held, r.buf = b, b.bytes
}

// release gives the buffer back.
func (r *Reader) release() {
	switch {
	case r.held == nil:
	case r.held != r.waiting:
		giveBack(r.held, r.wiped)
	case r.wiped:
		clear(r.buf)
	}
	r.held, r.buf = nil, nil
}

// SetLimits sets the greatest length of each type of message, and which types
// exist; nil accepts all.
func (r *Reader) SetLimits(l *Limits) { r.limits = l }

// SetMaxBody sets the greatest length, in bytes, that Body holds in memory.
func (r *Reader) SetMaxBody(n int) { r.max = n }

// SetWiped says whether what its buffers held is overwritten with zeros when they are given
// back, as passwords have to be. So it is until SetWiped is called.
func (r *Reader) SetWiped(wiped bool) { r.wiped = wiped }

// SetGuard has guard look at whatever Forward and ForwardRun are about to write of
// messages that hold data: DataRow, CopyData, FunctionCallResponse. A message comes in
// pieces, of which it is told the first and the last, or many messages in one piece, which
// is valid until guard returns. An error of its is given back, and the piece and what
// follows is not written; Partial then tells whether a part of the message has been.
func (r *Reader) SetGuard(guard func(piece []byte, first, last bool) error) { r.guard = guard }

// Err is the error that ended reading: io.EOF when the peer closed between two
// frames, io.ErrUnexpectedEOF within one.
func (r *Reader) Err() error { return r.err }

// Next reads the header of the next frame and gives its type and the length of its
// body in bytes. What the caller left of the frame before is skipped. The error is
// sticky; a length that cannot be is a *pgerror.Error 08P01.
func (r *Reader) Next() (typ byte, length int, err error) {
	if r.err != nil {
		return 0, 0, r.err
	}
	if r.frame > 0 {
		if err := r.skip(); err != nil {
			return 0, 0, err
		}
	}
	if r.r == r.w {
		r.r, r.w = 0, 0
	}
	if len(r.buf) > mostSize && r.w-r.r <= r.size {
		r.move(r.size) // what a huge frame took
	}
	if r.w-r.r < headerSize {
		if err := r.fill(headerSize); err != nil {
			return 0, 0, err
		}
	}
	head := r.buf[r.r : r.r+headerSize]
	n := int(int32(binary.BigEndian.Uint32(head[1:]))) - 4
	limit := MaxLength
	if r.limits != nil {
		limit = int(r.limits[head[0]])
	}
	if n < 0 || n > limit {
		r.err = r.badFrame(head[0], limit)
		return 0, 0, r.err
	}
	r.typ, r.length, r.frame = head[0], n, headerSize+n
	return r.typ, r.length, nil
}

// badFrame is what the server says of such a message; of a bad message of the
// server's, something like it.
func (r *Reader) badFrame(typ byte, limit int) error {
	e := pgerror.New(pgerror.ProtocolViolation, "invalid message length").Fatal()
	if limit < 0 {
		e.Message = fmt.Sprintf("invalid frontend message type %d", typ)
	}
	if r.limits == BackendLimits {
		e.Message = fmt.Sprintf("invalid message of type %d from the server", typ)
	}
	return e
}

// Peek gives the type of the next frame without going to it. The current frame
// must have been consumed.
func (r *Reader) Peek() (typ byte, err error) {
	if r.frame > 0 {
		return 0, pgerror.New(pgerror.InternalError, "the current message has not been consumed")
	}
	if r.r == r.w {
		r.r, r.w = 0, 0
		if err := r.read(); err != nil {
			return 0, err
		}
	}
	return r.buf[r.r], nil
}

// PeekBody is Peek with the frame's body, which is valid until the next call.
func (r *Reader) PeekBody() (typ byte, body []byte, err error) {
	if typ, err = r.Peek(); err != nil {
		return 0, nil, err
	}
	if err := r.fill(headerSize); err != nil {
		return 0, nil, err
	}
	n := int(int32(binary.BigEndian.Uint32(r.buf[r.r+1:]))) - 4
	if n < 0 || r.limits != nil && n > int(r.limits[typ]) || n > r.max {
		return 0, nil, r.badFrame(typ, 0)
	}
	if err := r.fill(headerSize + n); err != nil {
		return 0, nil, err
	}
	return typ, r.buf[r.r+headerSize : r.r+headerSize+n], nil
}

// Body gives the whole body of the current frame, in memory. It is valid until the
// next call to Next, and the caller may change it. A body over the limit of
// SetMaxBody is a *pgerror.Error 54000, after which the frame can still be
// forwarded or skipped.
func (r *Reader) Body() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.length > r.max {
		return nil, pgerror.New(pgerror.ProgramLimitExceeded, "message of %d bytes is over pgveil's limit of %d bytes", r.length, r.max)
	}
	if r.frame != headerSize+r.length {
		return nil, pgerror.New(pgerror.InternalError, "the message has been forwarded already")
	}
	if r.w-r.r < r.frame {
		if err := r.fill(r.frame); err != nil {
			return nil, err
		}
	}
	return r.buf[r.r+headerSize : r.r+r.frame : r.r+r.frame], nil
}

// Forward writes the current frame to w as it is, header and body, without holding
// more of it than the buffer does. After Body it writes what the caller made of the
// body.
func (r *Reader) Forward(w *Writer) error {
	if r.err != nil {
		return r.err
	}
	guarded := r.guard != nil && (r.typ == TypeDataRow || r.typ == TypeCopyData || r.typ == TypeFunctionResult)
	for first := true; r.frame > 0; first = false {
		if r.r == r.w {
			r.r, r.w = 0, 0
			if err := r.read(); err != nil {
				return err
			}
		}
		n := min(r.frame, r.w-r.r)
		if guarded {
			if err := r.guard(r.buf[r.r:r.r+n], first, n == r.frame); err != nil {
				return err
			}
		}
		if err := w.Raw(r.buf[r.r : r.r+n]); err != nil {
			return err
		}
		r.r += n
		r.frame -= n
	}
	return nil
}

// Chunk gives the next part of the body of the current frame, as much as has arrived;
// nil at its end. It is valid until the next call to the Reader.
func (r *Reader) Chunk() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.frame == headerSize+r.length {
		r.r += headerSize
		r.frame = r.length
	}
	if r.frame == 0 {
		return nil, nil
	}
	if r.r == r.w {
		r.r, r.w = 0, 0
		if err := r.read(); err != nil {
			return nil, err
		}
	}
	n := min(r.frame, r.w-r.r)
	chunk := r.buf[r.r : r.r+n : r.r+n]
	r.r += n
	r.frame -= n
	return chunk, nil
}

// ForwardRun is Forward of the current frame and of all frames of the same type
// that lie complete in the buffer after it, in one copy. It gives their number.
func (r *Reader) ForwardRun(w *Writer) (int, error) {
	frames := 1
	end := r.r + r.frame
	if r.err == nil && end <= r.w {
		for r.w-end >= headerSize && r.buf[end] == r.typ {
			n := int(int32(binary.BigEndian.Uint32(r.buf[end+1:]))) - 4
			if n < 0 || n > r.w-end-headerSize || r.limits != nil && n > int(r.limits[r.typ]) {
				break
			}
			end += headerSize + n
			frames++
		}
		r.frame = end - r.r
	}
	return frames, r.Forward(w)
}

// Buffered reports that the next call to Next, and to Body after it, will not have
// to wait for the peer.
func (r *Reader) Buffered() bool {
	if r.err != nil {
		return true
	}
	next := r.r + r.frame
	if r.w-next < headerSize {
		return false
	}
	n := int(int32(binary.BigEndian.Uint32(r.buf[next+1:]))) - 4
	return n <= r.w-next-headerSize
}

// Pending is the number of bytes that were read from the peer beyond the current
// frame.
func (r *Reader) Pending() int { return max(0, r.w-r.r-r.frame) }

// Partial reports that a part of the current frame has been forwarded and the rest
// has not: nothing else may be written behind it.
func (r *Reader) Partial() bool { return r.frame > 0 && r.frame < headerSize+r.length }

// Wipe overwrites with zeros everything the buffer holds but what has not been
// consumed, after a message that holds a password: the buffer may be held for long.
func (r *Reader) Wipe() {
	clear(r.buf[:r.r])
	clear(r.buf[r.w:])
}

func (r *Reader) skip() error {
	for {
		n := min(r.frame, r.w-r.r)
		r.r += n
		r.frame -= n
		if r.frame == 0 {
			return r.err
		}
		r.r, r.w = 0, 0
		if err := r.read(); err != nil {
			return err
		}
	}
}

// fill reads until need bytes lie in the buffer. The buffer grows with what has
// arrived, not with what a header claims.
func (r *Reader) fill(need int) error {
	if r.err != nil {
		return r.err
	}
	if r.r > 0 && r.r+need > len(r.buf) {
		copy(r.buf, r.buf[r.r:r.w])
		r.w -= r.r
		r.r = 0
	}
	for r.w-r.r < need {
		if r.w == len(r.buf) && r.w > 0 {
			r.move(min(max(2*len(r.buf), r.size), max(need, r.size)))
		}
		if err := r.read(); err != nil {
			return err
		}
	}
	return nil
}

// read reads once, into the space after w.
func (r *Reader) read() error {
	if r.err != nil {
		return r.err
	}
	for range 100 {
		n, err := r.readOnce()
		r.w += n
		if n > 0 {
			return nil
		}
		if err != nil {
			if err == io.EOF && (r.frame > 0 || r.w > r.r) {
				err = io.ErrUnexpectedEOF
			}
			r.err = err
			return err
		}
	}
	r.err = io.ErrNoProgress
	return r.err
}

func (r *Reader) readOnce() (int, error) {
	if r.late != nil {
		return r.late.ReadLate(r.space, r.none)
	}
	if r.w == 0 {
		r.wait()
	}
	n, err := r.src.Read(r.buf[r.w:])
	r.last = n
	return n, err
}

// wait sees to the buffer in which the next bytes are waited for: a small one, unless much
// has come at once.
func (r *Reader) wait() {
	switch {
	case r.last >= waitSize || r.size <= waitSize:
		if r.held == nil || r.held == r.waiting {
			r.hold(lend(r.size))
		}
	case r.held == nil || r.held != r.waiting:
		if r.waiting == nil {
			r.waiting = &buffer{make([]byte, waitSize)}
		}
		r.hold(r.waiting)
	}
}

// move goes on in a buffer of at least n bytes.
func (r *Reader) move(n int) {
	b := lend(n)
	r.w = copy(b.bytes, r.buf[r.r:r.w])
	r.r = 0
	r.hold(b)
}
