package logical

import (
	"strconv"
)

// Kind is a logical type without its modifier.
type Kind uint8

// The kinds. The zero Kind is no type.
const (
	Text Kind = iota + 1
	Varchar
	Bpchar
	Int2
	Int4
	Int8
	Numeric
	Float4
	Float8
	Bool
	Date
	Timestamp
	Timestamptz
	UUID
	JSONB
	Bytea
	endOfKinds
)

// varHeader is PostgreSQL's VARHDRSZ, which it adds to the modifiers of varlena types.
const varHeader = 4

// Type is a logical type: comparable, a plain value.
type Type struct {
	Kind Kind
	// Typmod is the type modifier as in pg_attribute.atttypmod: -1 for none,
	// n+4 for varchar(n) and char(n), ((p<<16)|(s&0x7ff))+4 for numeric(p,s), p for timestamp(p).
	Typmod int32
}

// kindInfo is what pg_type says of a kind.
type kindInfo struct {
	name     string // as format_type prints it
	oid      uint32 // pg_type.oid
	array    uint32 // pg_type.typarray
	size     int16  // pg_type.typlen
	fixed    bool   // the canonical encoding has a fixed length
	canonLen int    // that length, in bytes
}

var kinds = [endOfKinds]kindInfo{
	Text:        {name: "text", oid: 25, array: 1009, size: -1},
	Varchar:     {name: "character varying", oid: 1043, array: 1015, size: -1},
	Bpchar:      {name: "character", oid: 1042, array: 1014, size: -1},
	Int2:        {name: "smallint", oid: 21, array: 1005, size: 2, fixed: true, canonLen: 8},
	Int4:        {name: "integer", oid: 23, array: 1007, size: 4, fixed: true, canonLen: 8},
	Int8:        {name: "bigint", oid: 20, array: 1016, size: 8, fixed: true, canonLen: 8},
	Numeric:     {name: "numeric", oid: 1700, array: 1231, size: -1},
	Float4:      {name: "real", oid: 700, array: 1021, size: 4, fixed: true, canonLen: 4},
	Float8:      {name: "double precision", oid: 701, array: 1022, size: 8, fixed: true, canonLen: 8},
	Bool:        {name: "boolean", oid: 16, array: 1000, size: 1, fixed: true, canonLen: 1},
	Date:        {name: "date", oid: 1082, array: 1182, size: 4, fixed: true, canonLen: 4},
	Timestamp:   {name: "timestamp without time zone", oid: 1114, array: 1115, size: 8, fixed: true, canonLen: 8},
	Timestamptz: {name: "timestamp with time zone", oid: 1184, array: 1185, size: 8, fixed: true, canonLen: 8},
	UUID:        {name: "uuid", oid: 2950, array: 2951, size: 16, fixed: true, canonLen: 16},
	JSONB:       {name: "jsonb", oid: 3802, array: 3807, size: -1},
	Bytea:       {name: "bytea", oid: 17, array: 1001, size: -1},
}

func (k Kind) info() *kindInfo {
	if k >= endOfKinds {
		return &kinds[0]
	}
	return &kinds[k]
}

// String gives the kind's name as format_type prints it without a modifier.
func (k Kind) String() string {
	if n := k.info().name; n != "" {
		return n
	}
	return "logical.Kind(" + strconv.Itoa(int(k)) + ")"
}

// KindOf gives the kind whose pg_type.oid is oid, 0 if it is none of ours.
func KindOf(oid uint32) Kind {
	for k := Text; k < endOfKinds; k++ {
		if kinds[k].oid == oid {
			return k
		}
	}
	return 0
}

// ElementOf gives the pg_type.oid of the elements of the array type with the given oid. It is 0 for
// an undeclared array (0 or 705), and array itself for a type that is not an array of one of our
// kinds, so that [Type.Canonical] refuses the elements instead of reading them as another type.
func ElementOf(array uint32) uint32 {
	switch array {
	case 0, oidUnknown:
		return 0
	case oidNameArray:
		return oidName
	case oidJSONArray:
		return oidJSON
	}
	for k := Text; k < endOfKinds; k++ {
		if kinds[k].array == array {
			return kinds[k].oid
		}
	}
	return array
}

// String gives the type as format_type does: "character varying(15)",
// "timestamp(3) with time zone". [ParseType] reads it back.
func (t Type) String() string {
	name := t.Kind.String()
	switch t.Kind {
	case Varchar:
		if t.Typmod >= varHeader {
			name += "(" + strconv.Itoa(int(t.Typmod-varHeader)) + ")"
		}
	case Bpchar:
		if t.Typmod < varHeader {
			return "bpchar" // "character" alone would be read as character(1)
		}
		name += "(" + strconv.Itoa(int(t.Typmod-varHeader)) + ")"
	case Numeric:
		if p, s, ok := t.precisionScale(); ok {
			name += "(" + strconv.Itoa(p) + "," + strconv.Itoa(s) + ")"
		}
	case Timestamp, Timestamptz:
		if t.Typmod >= 0 {
			name = "timestamp(" + strconv.Itoa(int(t.Typmod)) + ")" + name[len("timestamp"):]
		}
	}
	return name
}

// OID is the type's pg_type.oid.
func (t Type) OID() uint32 { return t.Kind.info().oid }

// ArrayOID is the pg_type.oid of the array type over the type.
func (t Type) ArrayOID() uint32 { return t.Kind.info().array }

// Size is the type's pg_type.typlen: the length in bytes that RowDescription shows, -1 for variable.
func (t Type) Size() int16 { return t.Kind.info().size }

// AllowsDeterministic says whether two values of the type are equal for PostgreSQL
// exactly when their canonical encodings are the same bytes. It is not so for
// floats (0 and -0), jsonb (1.0 and 1.00 in it), and numeric without a scale.
func (t Type) AllowsDeterministic() bool {
	switch t.Kind {
	case Float4, Float8, JSONB, 0:
		return false
	case Numeric:
		// With a fixed scale each value has one spelling.
		_, _, ok := t.precisionScale()
		return ok
	default:
		return t.Kind < endOfKinds
	}
}

// FixedLength says whether all canonical encodings of the type have the same length,
// so that padding would hide nothing.
func (t Type) FixedLength() bool { return t.Kind.info().fixed }

// precisionScale gives a numeric's precision and scale; ok is false without a modifier.
func (t Type) precisionScale() (precision, scale int, ok bool) {
	if t.Typmod < varHeader {
		return 0, 0, false
	}
	m := t.Typmod - varHeader
	// The scale is a signed number of 11 bits since PostgreSQL 15.
	return int(m>>16) & 0xffff, int((m&0x7ff)^1024) - 1024, true
}

// maxChars gives the n of varchar(n) and char(n) in characters, -1 for none.
func (t Type) maxChars() int {
	if t.Typmod < varHeader {
		return -1
	}
	return int(t.Typmod - varHeader)
}
