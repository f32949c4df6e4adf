package proxy

import (
	"encoding/binary"

	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// arrayOpener opens the sealed values of one array. It is kept between rows.
type arrayOpener struct {
	c       *conn
	col     *column
	state   *state
	dst     []byte
	element []byte
	opened  int64
	count   int
	nulls   bool
	fault   *pgerror.Error
	each    func(elem []byte, isNull bool) error // its own method, made once
}

// openArray is open of an array of sealed values, which has one dimension. Sealed
// arrays come in the client's format or in binary.
func (c *conn) openArray(dst []byte, col *column, value []byte, st *state) ([]byte, int64, *pgerror.Error) {
	a := &c.arrays
	if a.each == nil {
		a.each = a.add
	}
	a.c, a.col, a.state, a.opened, a.count, a.nulls, a.fault = c, col, st, 0, 0, false, nil
	format := int16(0)
	if col.binary {
		format = 1
		if !flat(value) {
			return dst, 0, notSealed(col.output.Column)
		}
		a.nulls = binary.BigEndian.Uint32(value[4:]) != 0 // a slice may say so of the whole
	}
	start := len(dst)
	if col.format == 1 {
		dst = append(dst, make([]byte, arrayHeader)...)
	} else {
		dst = append(dst, '{')
	}
	a.dst = dst
	err := logical.ArrayElements(value, format, a.each)
	dst, a.dst = a.dst, nil
	switch {
	case a.fault != nil:
		return dst[:start], 0, a.fault
	case err != nil:
		return dst[:start], 0, notSealed(col.output.Column)
	case col.format == 0:
		return append(dst, '}'), a.opened, nil
	}
	return a.finish(dst, start), a.opened, nil
}

// arrayHeader is the length of what stands before the elements of a binary array of
// one dimension; one without elements has none.
const arrayHeader = 20

// flat reports whether a binary array has at most one dimension, counted from 1.
func flat(array []byte) bool {
	if len(array) < 12 {
		return false
	}
	switch binary.BigEndian.Uint32(array) {
	case 0:
		return true
	case 1:
		return len(array) >= arrayHeader && binary.BigEndian.Uint32(array[16:]) == 1
	}
	return false
}

// finish writes the header of a binary array.
func (a *arrayOpener) finish(dst []byte, start int) []byte {
	be, header := binary.BigEndian, dst[start:]
	if a.nulls {
		be.PutUint32(header[4:], 1)
	}
	be.PutUint32(header[8:], a.col.output.Type.OID())
	if a.count == 0 {
		return dst[:start+12]
	}
	be.PutUint32(header, 1)
	be.PutUint32(header[12:], uint32(a.count))
	be.PutUint32(header[16:], 1)
	return dst
}

// add appends one element.
func (a *arrayOpener) add(elem []byte, isNull bool) error {
	a.count++
	var n int64 = hiddenValue
	if !isNull {
		a.element, n, a.fault = a.c.openValue(a.element[:0], a.col, elem, a.state)
		if a.fault != nil {
			return a.fault
		}
	}
	null := n == hiddenValue
	if null {
		a.nulls = true
	} else {
		a.opened += n
	}
	if a.col.format == 0 {
		if a.count > 1 {
			a.dst = append(a.dst, ',')
		}
		a.dst = logical.AppendArrayText(a.dst, a.element, null)
		return nil
	}
	if null {
		a.dst = binary.BigEndian.AppendUint32(a.dst, 0xffffffff)
		return nil
	}
	a.dst = binary.BigEndian.AppendUint32(a.dst, uint32(len(a.element)))
	a.dst = append(a.dst, a.element...)
	return nil
}
