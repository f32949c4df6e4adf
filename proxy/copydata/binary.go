package copydata

import (
	"encoding/binary"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// signature begins the binary format. Source: PostgreSQL manual, COPY, "Binary Format".
const signature = "PGCOPY\n\xff\r\n\x00"

// binaryHeader is the length of the signature, the flags and the length of the
// extension.
const binaryHeader = len(signature) + 8

// binaryState says what the bytes to come are.
type binaryState uint8

const (
	binarySignature binaryState = iota // and all of the header but the extension
	binaryPassing                      // want bytes that go on as they are
	binaryCount                        // the number of fields of a row
	binaryLength                       // the length of a field
	binaryValue                        // a value to be changed, or noted
	binaryEnd                          // the trailer has come
)

// binaryStream rewrites the binary format.
type binaryStream struct {
	Config
	state  binaryState
	want   int    // bytes of this state that have not come, or have been held
	held   []byte // the beginning of those, where they came in several pieces
	column int    // the field at hand
	row    int64  // of it, from 1
	value  []byte
}

func (b *binaryStream) Write(dst, data []byte) ([]byte, error) {
	for len(data) > 0 {
		switch {
		case b.state == binaryEnd:
			return dst, b.atLine(b.malformed("received copy data after EOF marker"), b.row)
		case b.state == binaryPassing:
			n := min(b.want, len(data))
			dst = append(dst, data[:n]...)
			data = data[n:]
			if b.want -= n; b.want == 0 {
				b.nextField()
			}
			continue
		case len(b.held) == 0 && len(data) >= b.want:
			var err error
			piece := data[:b.want]
			data = data[b.want:]
			if dst, err = b.take(dst, piece); err != nil {
				return dst, err
			}
			continue
		}
		n := min(b.want-len(b.held), len(data))
		b.held = append(b.held, data[:n]...)
		data = data[n:]
		if len(b.held) < b.want {
			break
		}
		piece := b.held
		b.held = b.held[:0]
		var err error
		if dst, err = b.take(dst, piece); err != nil {
			return dst, err
		}
		if cap(b.held) > keptRow {
			b.held = nil
		}
	}
	return dst, nil
}

// Close leaves data that ends too early to the server, which says so.
func (b *binaryStream) Close(dst []byte) ([]byte, error) { return dst, nil }

// take treats the bytes of a state, all of them.
func (b *binaryStream) take(dst, piece []byte) ([]byte, error) {
	switch b.state {
	case binarySignature:
		return b.header(dst, piece)
	case binaryCount:
		return b.count(dst, piece)
	case binaryLength:
		return b.length(dst, piece)
	}
	if b.Columns[b.column].Note {
		if err := b.Note(b.column, piece, false); err != nil {
			return dst, b.inColumn(err, b.row, b.column, nil)
		}
		dst = append(dst, piece...)
		b.nextField()
		return dst, nil
	}
	err := b.change(piece)
	if err != nil {
		return dst, err
	}
	dst = append(dst, b.value...)
	if cap(b.value) > keptRow {
		b.value = nil
	}
	b.nextField()
	return dst, nil
}

func (b *binaryStream) header(dst, piece []byte) ([]byte, error) {
	flags := int32(binary.BigEndian.Uint32(piece[len(signature):]))
	extension := int32(binary.BigEndian.Uint32(piece[len(signature)+4:]))
	var e *pgerror.Error
	switch {
	case string(piece[:len(signature)]) != signature:
		e = b.malformed("COPY file signature not recognized")
	case flags&(1<<16) != 0:
		e = b.malformed("invalid COPY file header (WITH OIDS)")
	case flags>>16 != 0:
		e = b.malformed("unrecognized critical flags in COPY file header")
	case extension < 0:
		e = b.malformed("invalid COPY file header (missing length)")
	}
	if e != nil {
		return dst, e
	}
	b.column = len(b.Columns)
	b.pass(int(extension))
	return append(dst, piece...), nil
}

// pass lets n bytes through.
func (b *binaryStream) pass(n int) {
	b.state, b.want = binaryPassing, n
	if n == 0 {
		b.nextField()
	}
}

// nextField goes on behind a field, or behind the header.
func (b *binaryStream) nextField() {
	if b.column++; b.column < len(b.Columns) {
		b.state, b.want = binaryLength, 4
		return
	}
	b.state, b.want = binaryCount, 2
}

func (b *binaryStream) count(dst, piece []byte) ([]byte, error) {
	b.row++
	n := int16(binary.BigEndian.Uint16(piece))
	if n == -1 {
		b.state = binaryEnd
		return append(dst, piece...), nil
	}
	if int(n) != len(b.Columns) {
		return dst, b.atLine(b.malformed("row field count is %d, expected %d", n, len(b.Columns)), b.row)
	}
	b.column = -1
	b.nextField()
	return append(dst, piece...), nil
}

func (b *binaryStream) length(dst, piece []byte) ([]byte, error) {
	n := int32(binary.BigEndian.Uint32(piece))
	note := b.Columns[b.column].Note
	switch {
	case n == -1:
		if note {
			if err := b.Note(b.column, nil, true); err != nil {
				return dst, b.inColumn(err, b.row, b.column, nil)
			}
		}
		b.nextField()
		return append(dst, piece...), nil
	case n < 0:
		return dst, b.inColumn(b.malformed("invalid field size"), b.row, b.column, nil)
	case !b.Columns[b.column].Change && !note:
		b.pass(int(n))
		return append(dst, piece...), nil
	case int(n) > b.MaxRow:
		return dst, b.inColumn(tooLong("field", b.MaxRow), b.row, b.column, nil)
	}
	if note { // its length goes on, too
		dst = append(dst, piece...)
	}
	b.state, b.want = binaryValue, int(n)
	if n == 0 {
		return b.take(dst, nil)
	}
	return dst, nil
}

// change fills b.value with the field that takes the place of a value, its length
// included.
func (b *binaryStream) change(value []byte) error {
	field, null, err := b.Change(append(b.value[:0], 0, 0, 0, 0), b.column, value)
	if err != nil {
		return b.inColumn(err, b.row, b.column, nil)
	}
	if null {
		b.value = binary.BigEndian.AppendUint32(field[:0], 1<<32-1)
		return nil
	}
	binary.BigEndian.PutUint32(field, uint32(len(field)-4))
	b.value = field
	return nil
}
