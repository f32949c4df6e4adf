package wire

import "encoding/binary"

// Values are the values of a DataRow, Bind or FunctionCall, to be taken in order:
//
//	for v := row; v.Next(); {
//		v.Value()
//	}
//
// A copy starts where the original was.
type Values struct {
	rest []byte
	raw  []byte
	left int
}

// Len is the number of values that Next has not yet reached.
func (v *Values) Len() int { return v.left }

// Next goes to the next value and reports whether there is one.
func (v *Values) Next() bool {
	if v.left == 0 {
		v.raw = nil
		return false
	}
	n := 4
	if size := int32(binary.BigEndian.Uint32(v.rest)); size > 0 {
		n += int(size)
	}
	v.raw, v.rest = v.rest[:n:n], v.rest[n:]
	v.left--
	return true
}

// Null reports that the value is NULL.
func (v *Values) Null() bool { return len(v.raw) == 4 && v.raw[0] == 0xff }

// Value is the value's bytes; nil when it is NULL.
func (v *Values) Value() []byte {
	if v.Null() {
		return nil
	}
	return v.raw[4:]
}

// Raw is the value with its length, to be copied to another message as it is.
func (v *Values) Raw() []byte { return v.raw }

// Formats are the format codes of a Bind, RowDescription or FunctionCall: 0 text,
// 1 binary.
type Formats []byte

// Len is the number of codes in the message.
func (f Formats) Len() int { return len(f) / 2 }

// At is the code at i.
func (f Formats) At(i int) int16 { return int16(binary.BigEndian.Uint16(f[2*i:])) }

// Of is the format of value i: no code means text for all, one code goes for all.
func (f Formats) Of(i int) int16 {
	switch f.Len() {
	case 0:
		return 0
	case 1:
		return f.At(0)
	}
	if i >= f.Len() {
		return 0
	}
	return f.At(i)
}

// OIDs are the type OIDs of a Parse or ParameterDescription.
type OIDs []byte

// Len is the number of OIDs.
func (o OIDs) Len() int { return len(o) / 4 }

// At is the OID at i; 0 beyond the end, as for a parameter of undeclared type.
func (o OIDs) At(i int) uint32 {
	if i < 0 || i >= o.Len() {
		return 0
	}
	return binary.BigEndian.Uint32(o[4*i:])
}
