package wire

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// Text is what a C string of a message can be made of.
type Text interface{ ~string | ~[]byte }

// Writer builds frames in its buffer and passes whole ones through. It has none after
// Flush. It is not safe for concurrent use. Its first error sticks: everything after it
// does nothing and gives it again.
type Writer struct {
	dst   io.Writer
	size  int
	most  int // length of a body
	held  *buffer
	usual int    // bytes that are flushed at once, of late
	buf   []byte // of held, unless it has grown
	start int    // of the message being built, -1 when there is none
	value int    // of the value being built within it
	wiped bool   // what buffers held is overwritten when they are given back
	err   error
}

// NewWriter makes a Writer that flushes itself after size bytes, 32 KiB when 0.
func NewWriter(dst io.Writer, size int) *Writer {
	if size <= 0 {
		size = defaultSize
	}
	return &Writer{dst: dst, size: size, most: MaxLength, start: -1, wiped: true}
}

// Err is the first error.
func (w *Writer) Err() error { return w.err }

// Buffered is the number of bytes that Flush would write, the message being built
// left out.
func (w *Writer) Buffered() int {
	if w.start >= 0 {
		return w.start
	}
	return len(w.buf)
}

// Message begins a message of this type.
func (w *Writer) Message(typ byte) {
	if w.start >= 0 {
		w.fail("a message is already being built")
		return
	}
	w.hold()
	w.start = len(w.buf)
	w.buf = append(w.buf, typ, 0, 0, 0, 0)
}

// hold sees to a buffer.
func (w *Writer) hold() {
	if w.held == nil && len(w.buf) == 0 {
		w.held = lend(max(w.size, min(w.usual, mostSize)))
		w.buf = w.held.bytes[:0]
	}
}

// release gives the buffer back.
func (w *Writer) release() {
	if w.held != nil {
		w.usual = max(len(w.buf), w.usual-w.usual/8)
		w.held.bytes = w.buf
		giveBack(w.held, w.wiped)
	}
	w.held, w.buf = nil, nil
}

// Byte appends a byte.
func (w *Writer) Byte(b byte) { w.buf = append(w.buf, b) }

// Int16 appends the low 16 bits of v; the protocol's counts are unsigned.
func (w *Writer) Int16(v int) { w.buf = binary.BigEndian.AppendUint16(w.buf, uint16(v)) }

// Int32 appends v.
func (w *Writer) Int32(v int32) { w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(v)) }

// OID appends an object identifier.
func (w *Writer) OID(v uint32) { w.buf = binary.BigEndian.AppendUint32(w.buf, v) }

// Bytes appends p as it is.
func (w *Writer) Bytes(p []byte) { w.buf = append(w.buf, p...) }

// String appends s as a C string. One with a NUL in it would end early and turn
// the rest into something else, so it is an error.
func (w *Writer) String(s string) { cString(w, s) }

// CString is String of bytes.
func (w *Writer) CString(s []byte) { cString(w, s) }

func cString[S Text](w *Writer, s S) {
	n := len(w.buf)
	w.buf = append(w.buf, s...)
	if bytes.IndexByte(w.buf[n:], 0) >= 0 {
		w.fail("a string for the wire has a NUL in it")
	}
	w.buf = append(w.buf, 0)
}

// Value appends a value with its length, as in DataRow and Bind; nil is NULL.
func (w *Writer) Value(p []byte) {
	if p == nil {
		w.Null()
		return
	}
	w.Int32(int32(len(p)))
	w.buf = append(w.buf, p...)
}

// Null appends a NULL.
func (w *Writer) Null() { w.Int32(-1) }

// StartValue begins a value whose length is not known yet; EndValue ends it.
func (w *Writer) StartValue() {
	w.value = len(w.buf)
	w.buf = append(w.buf, 0, 0, 0, 0)
}

// EndValue ends the value that StartValue began.
func (w *Writer) EndValue() {
	binary.BigEndian.PutUint32(w.buf[w.value:], uint32(len(w.buf)-w.value-4))
}

// NullValue makes the value that StartValue began a NULL.
func (w *Writer) NullValue() {
	w.buf = w.buf[:w.value]
	w.Null()
}

// Tail lends the buffer for functions that append to a slice; SetTail gives it
// back. Between the two the Writer must not be used. What lies before the end must
// stay as it is.
func (w *Writer) Tail() []byte {
	w.hold()
	return w.buf
}

// SetTail gives back what Tail lent, with something appended.
func (w *Writer) SetTail(b []byte) { w.buf = b }

// End ends the message that Message began.
func (w *Writer) End() error {
	if w.start < 0 {
		w.fail("no message is being built")
		return w.err
	}
	n := len(w.buf) - w.start - 1
	if n > w.most+4 {
		w.Abandon()
		if w.err == nil {
			w.err = pgerror.New(pgerror.ProgramLimitExceeded, "message of %d bytes is over the protocol's limit", n)
		}
		return w.err
	}
	binary.BigEndian.PutUint32(w.buf[w.start+1:], uint32(n))
	w.start = -1
	if len(w.buf) >= w.size {
		return w.Flush()
	}
	return w.err
}

// Abandon forgets the message that is being built.
func (w *Writer) Abandon() {
	if w.start >= 0 {
		w.buf = w.buf[:w.start]
		w.start = -1
	}
}

// Raw writes p, bytes of frames, as they are. What does not fit into the buffer
// goes straight through.
func (w *Writer) Raw(p []byte) error {
	if w.start >= 0 {
		w.fail("a message is being built")
	}
	if w.err != nil {
		return w.err
	}
	if len(w.buf)+len(p) > w.size {
		if err := w.Flush(); err != nil {
			return err
		}
		if len(p) >= w.size {
			_, w.err = w.dst.Write(p)
			return w.err
		}
	}
	w.hold()
	w.buf = append(w.buf, p...)
	return nil
}

// Flush writes what is buffered. A message that is being built stays.
func (w *Writer) Flush() error {
	n := w.Buffered()
	if w.err != nil || n == 0 && len(w.buf) > 0 {
		return w.err
	}
	if n == 0 {
		w.release()
		return nil
	}
	_, w.err = w.dst.Write(w.buf[:n])
	if rest := w.buf[n:]; len(rest) == 0 {
		w.release()
	} else {
		w.buf = w.buf[:copy(w.buf, rest)]
	}
	if w.start >= 0 {
		w.start, w.value = 0, w.value-n
	}
	return w.err
}

// SetWiped says whether what its buffers held is overwritten with zeros when they are given
// back, with every Flush, as passwords have to be. So it is until SetWiped is called.
func (w *Writer) SetWiped(wiped bool) { w.wiped = wiped }

func (w *Writer) fail(what string) {
	if w.err == nil {
		w.err = pgerror.New(pgerror.InternalError, "%s", what).Fatal()
	}
}
