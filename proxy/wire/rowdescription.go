package wire

import (
	"bytes"
	"encoding/binary"
)

// Field describes one column of a result.
type Field struct {
	Name      []byte
	TableOID  uint32 // 0 when the column is not one of a table
	Attribute uint16 // attribute number within the table; 0 likewise
	TypeOID   uint32
	Size      int16 // pg_type.typlen
	Modifier  int32 // pg_attribute.atttypmod
	Format    int16 // 0 text, 1 binary; 0 when not known yet
}

const fieldSize = 18

// Fields are the columns of a RowDescription, to be taken in order:
//
//	for f := fields; f.Next(); {
//		f.Field()
//	}
//
// A copy starts where the original was.
type Fields struct {
	rest  []byte
	left  int
	field Field
}

// DecodeRowDescription gives the columns of a RowDescription.
func DecodeRowDescription(body []byte) (Fields, error) {
	c := cursor{rest: body}
	n := c.int16()
	fields := Fields{rest: c.rest, left: n}
	for range n {
		c.string()
		c.bytes(fieldSize)
		if c.err != nil {
			return Fields{}, c.err
		}
	}
	return fields, c.end()
}

// Next goes to the next column and reports whether there is one.
func (f *Fields) Next() bool {
	if f.left == 0 {
		return false
	}
	n := bytes.IndexByte(f.rest, 0)
	p := f.rest[n+1:]
	f.field = Field{
		Name:      f.rest[:n:n],
		TableOID:  binary.BigEndian.Uint32(p),
		Attribute: binary.BigEndian.Uint16(p[4:]),
		TypeOID:   binary.BigEndian.Uint32(p[6:]),
		Size:      int16(binary.BigEndian.Uint16(p[10:])),
		Modifier:  int32(binary.BigEndian.Uint32(p[12:])),
		Format:    int16(binary.BigEndian.Uint16(p[16:])),
	}
	f.rest = p[fieldSize:]
	f.left--
	return true
}

// Field is the present column.
func (f *Fields) Field() Field { return f.field }

// StartRowDescription begins a RowDescription of n columns; the caller writes them
// with WriteField and calls End.
func StartRowDescription(w *Writer, n int) {
	w.Message(TypeRowDescription)
	w.Int16(n)
}

// WriteField writes one column of a RowDescription.
func WriteField(w *Writer, f Field) {
	w.CString(f.Name)
	w.OID(f.TableOID)
	w.Int16(int(f.Attribute))
	w.OID(f.TypeOID)
	w.Int16(int(f.Size))
	w.Int32(f.Modifier)
	w.Int16(int(f.Format))
}
