package logical

import "github.com/pgveil/pgveil/schema/pgerror"

// The formats of values on the wire.
const (
	formatText   = 0
	formatBinary = 1
)

// Canonical appends to dst the canonical encoding of value, which is not NULL.
//
// from is the pg_type.oid that the value has for the client; 0 and 705 (unknown) stand for a plain
// literal or an undeclared parameter, which are read as t itself. format is 0 for text, 1 for
// binary. With Assign the value is cast and fitted to the modifier as for a column of type t; with
// Compare it is what = would compare such a column with, and when that equals no value of
// the type, the encoding is one that Assign never gives.
//
// s may be nil where nothing depends on it. The result shares no memory with value.
//
// Errors are *pgerror.Error with the server's SQLSTATE and message, and dst comes
// back at its old length: 22P02, 22P03, 22P05, 22001, 22003, 22007, 22008, 22009, 22021, 22023, 08P01 for
// bad values; 0A000 for what PostgreSQL may read but pgveil cannot read the same for certain. Some
// are made without a name that only the caller knows: 42804 lacks the column (see
// [NameColumn]), 42883 assumes the operator (see [NameOperator]), and the 22P03 for a value too long
// lacks the parameter's number (see [NameParameter]).
func (t Type) Canonical(dst, value []byte, from uint32, format int16, use Use, s *Settings) ([]byte, error) {
	start := len(dst)
	if format != formatText && format != formatBinary {
		return dst, unsupportedFormat(format)
	}
	if from != 0 && from != oidUnknown && from != t.OID() {
		out, err := t.convert(dst, value, from, format, use, s)
		if err != nil {
			return dst[:start], err
		}
		return out, nil
	}
	out, err := t.Kind.read(dst, value, format, s)
	if err == nil {
		out, err = t.fit(out, start, use)
	}
	if err != nil {
		return dst[:start], err
	}
	return out, nil
}

// read does what the type's input or receive function does without a modifier.
func (k Kind) read(dst, value []byte, format int16, s *Settings) ([]byte, error) {
	switch k {
	case Text, Varchar, Bpchar:
		if err := checkUTF8(value); err != nil {
			return dst, err
		}
		return append(dst, value...), nil
	case Int2, Int4, Int8:
		return k.readInt(dst, value, format, s)
	case Numeric:
		return readNumeric(dst, value, format, s)
	case Float4, Float8:
		return k.readFloat(dst, value, format)
	case Bool:
		return readBool(dst, value, format)
	case Date:
		return readDate(dst, value, format, s)
	case Timestamp, Timestamptz:
		return k.readStamp(dst, value, format, s)
	case UUID:
		return readUUID(dst, value, format)
	case JSONB:
		return readJSONB(dst, value, format)
	case Bytea:
		if format == formatBinary {
			return append(dst, value...), nil
		}
		if err := checkUTF8(value); err != nil {
			return dst, err
		}
		return DecodeByteaText(dst, value)
	}
	return dst, pgerror.New(pgerror.InternalError, "no logical type %d", uint8(k))
}

// fit applies the type's modifier to the value in dst[start:] as the assignment to a column does.
// For a comparison it only brings equal values to one encoding.
func (t Type) fit(dst []byte, start int, use Use) ([]byte, error) {
	switch t.Kind {
	case Bpchar:
		if use == Compare {
			return dst[:start+len(trimBlanks(dst[start:]))], nil
		}
		return t.fitText(dst, start)
	case Varchar:
		if use == Compare {
			return dst, nil
		}
		return t.fitText(dst, start)
	case Numeric:
		return t.fitNumeric(dst, start, use)
	case Timestamp, Timestamptz:
		if use == Compare || t.Typmod < 0 {
			return dst, nil
		}
		micros, err := t.Kind.canonicalStamp(dst[start:])
		if err != nil {
			return dst, err
		}
		return appendStamp(dst[:start], roundStamp(micros, t.Typmod)), nil
	}
	return dst, nil
}

// fitNumeric applies numeric(p,s). For a comparison, a number with digits behind its scale stays as it is.
func (t Type) fitNumeric(dst []byte, start int, use Use) ([]byte, error) {
	precision, scale, ok := t.precisionScale()
	if !ok {
		return dst, nil
	}
	var scratch [smallNumber]byte
	d, err := canonicalNumeric(dst[start:], scratch[:0])
	if err != nil {
		return dst, err
	}
	if use == Compare {
		if d.special == finite && d.significant() <= d.point+max(scale, 0) {
			d = d.rounded(max(scale, 0))
		}
		return d.appendText(dst[:start]), nil
	}
	if d, err = d.fitted(precision, scale); err != nil {
		return dst, err
	}
	return d.appendText(dst[:start]), nil
}

// Append appends the wire form of a canonical encoding for a client: what PostgreSQL would send for the
// type in the given format (0 text, 1 binary) under those settings. s may be nil where
// nothing depends on it.
//
// Errors are *pgerror.Error: XX001 for bytes that are no canonical encoding of the type, 0A000
// for a text form that depends on settings that pgveil does not know or follow. Then dst comes
// back at its old length.
func (t Type) Append(dst, canonical []byte, format int16, s *Settings) ([]byte, error) {
	if format != formatText && format != formatBinary {
		return dst, unsupportedFormat(format)
	}
	switch t.Kind {
	case Text, Varchar:
		return append(dst, canonical...), nil
	case Bpchar:
		return t.appendPadded(dst, canonical), nil
	case Int2, Int4, Int8:
		return t.Kind.writeInt(dst, canonical, format)
	case Numeric:
		return writeNumeric(dst, canonical, format)
	case Float4, Float8:
		return t.Kind.writeFloat(dst, canonical, format, s)
	case Bool:
		return writeBool(dst, canonical, format)
	case Date:
		return writeDate(dst, canonical, format, s)
	case Timestamp, Timestamptz:
		return t.Kind.writeStamp(dst, canonical, format, s)
	case UUID:
		return writeUUID(dst, canonical, format)
	case JSONB:
		return writeJSONB(dst, canonical, format)
	case Bytea:
		switch {
		case format == formatBinary:
			return append(dst, canonical...), nil
		case s != nil && s.ByteaEscape:
			return appendByteaEscape(dst, canonical), nil
		}
		return AppendByteaHex(dst, canonical), nil
	}
	return dst, pgerror.New(pgerror.InternalError, "no logical type %d", uint8(t.Kind))
}
