package logical

import (
	"math"
	"strconv"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// maxName is the length of the longest value of type name, in bytes.
const maxName = 63

// convert appends the canonical encoding of a value of another type than t: the value is read as its
// own type and then cast (for an assignment) or brought to t's encoding if it is equal to a value of t
// (for a comparison).
func (t Type) convert(dst, value []byte, from uint32, format int16, use Use, s *Settings) ([]byte, error) {
	if err := t.Accepts(from, use); err != nil {
		return dst, err
	}
	source := KindOf(from)
	switch {
	case from == oidName:
		if len(value) > maxName { // the server would cut it, or refuse it
			return dst, t.inexact("Cast the value to text.")
		}
		source = Text
	case from == oidJSON:
		return t.convertJSON(dst, value)
	}
	start := len(dst)
	if isTextFamily(t.Kind) && isTextFamily(source) {
		return t.convertText(dst, value, source, from, format, use, s)
	}
	var small [smallNumber]byte
	plain, err := source.read(small[:0], value, format, s)
	if err != nil {
		return dst, err
	}
	if use == Compare {
		return t.equivalent(dst, plain, source, s)
	}
	dst, err = t.Kind.castFrom(dst, plain, source, s)
	if err != nil {
		return dst, err
	}
	return t.fit(dst, start, use)
}

// Accepts reports whether a value of the type with that OID can be stored in a column of
// type t, or compared with one, whatever the value is: nil, or the error that
// [Type.Canonical] would give. 0 and 705, unknown, are accepted.
func (t Type) Accepts(from uint32, use Use) error {
	source := KindOf(from)
	switch {
	case from == 0, from == oidUnknown, from == t.OID():
		return nil
	case from == oidName:
		source = Text
	case from == oidJSON && use == Compare:
		return t.noOperator(from)
	case from == oidJSON && t.Kind != JSONB && !isTextFamily(t.Kind):
		return t.mismatch(from)
	case from == oidJSON:
		return nil
	case source == 0:
		return t.refuseSource(from, use)
	}
	if use == Compare && !comparable(t.Kind, source) {
		return t.noOperator(from)
	}
	if use == Assign && !assignable(t.Kind, source) {
		return t.mismatch(from)
	}
	return nil
}

// refuseSource is the error for a value of a type that is none of ours. Its text may well
// be assigned to a text column by the server; pgveil would have to know all types for it.
func (t Type) refuseSource(from uint32, use Use) error {
	switch {
	case use == Compare && from == oidJSON:
		return t.noOperator(from)
	case isTextFamily(t.Kind), isInt(t.Kind), t.Kind == Numeric, t.Kind == Bytea:
		return pgerror.New(pgerror.FeatureNotSupported, "a value of type %s cannot be used with a sealed column of type %s", typeName(from), t.Kind).
			WithHint("Convert the value to %s in the application.", t.Kind)
	case use == Compare:
		return t.noOperator(from)
	}
	return t.mismatch(from)
}

// assignable says whether there is an assignment cast between two different kinds.
// Source: pg_cast, and the rule that any type can be assigned to a string type by its text.
func assignable(to, from Kind) bool {
	switch {
	case isTextFamily(to):
		return true
	case isInt(to), isFloat(to), to == Numeric:
		return isInt(from) || isFloat(from) || from == Numeric
	case isDatetime(to):
		return isDatetime(from)
	}
	return false
}

// comparable says whether the server has an = for two different kinds.
func comparable(column, value Kind) bool {
	if isTextFamily(column) {
		return isTextFamily(value)
	}
	return assignable(column, value)
}

// convertText handles strings among each other, where only the trailing blanks of char(n) are special.
func (t Type) convertText(dst, value []byte, source Kind, from uint32, format int16, use Use, s *Settings) ([]byte, error) {
	start := len(dst)
	// varchar = char(n) is decided by char(n)'s =, which ignores trailing blanks on both
	// sides: that is not the equality of the sealed values.
	if use == Compare && t.Kind == Varchar && source == Bpchar {
		return dst, pgerror.New(pgerror.FeatureNotSupported, "a value of type character cannot be compared with a sealed column of type %s", t.Kind).
			WithHint("Cast the value to text.")
	}
	dst, err := source.read(dst, value, format, s)
	if err != nil {
		return dst, err
	}
	switch {
	case source == Bpchar: // the cast to text or varchar takes trailing blanks off
		dst = dst[:start+len(trimBlanks(dst[start:]))]
	case use == Compare && t.Kind == Bpchar && source == Text || from == oidName && use == Compare:
		// text = text decides, with the column's blanks taken off: the value's own ones count.
		return dst, nil
	}
	return t.fit(dst, start, use)
}

// convertJSON handles values of type json: it can be assigned to jsonb and to strings, as it is written.
func (t Type) convertJSON(dst, value []byte) ([]byte, error) {
	// First what json itself checks: the syntax, not what escapes and numbers stand for.
	if _, err := parseJSON(value, false); err != nil {
		return dst, err
	}
	if t.Kind == JSONB {
		return readJSONB(dst, value, formatText)
	}
	start := len(dst)
	return t.fit(append(dst, value...), start, Assign)
}

// castFrom appends the canonical encoding of what the assignment cast makes of a value of
// another kind, given in its canonical encoding; without a modifier.
func (k Kind) castFrom(dst, plain []byte, source Kind, s *Settings) ([]byte, error) {
	switch {
	case isTextFamily(k):
		return castToText(dst, plain, source, s)
	case isInt(k):
		return k.castToInt(dst, plain, source)
	case isFloat(k):
		return k.castToFloat(dst, plain, source)
	case k == Numeric:
		return castToNumeric(dst, plain, source)
	}
	return k.castToDatetime(dst, plain, source, s)
}

func castToText(dst, plain []byte, source Kind, s *Settings) ([]byte, error) {
	if source == Bool { // a cast of its own, with other words than its output
		v, err := canonicalBool(plain)
		return strconv.AppendBool(dst, v), err
	}
	return Type{Kind: source, Typmod: -1}.Append(dst, plain, formatText, s)
}

func (k Kind) castToInt(dst, plain []byte, source Kind) ([]byte, error) {
	lowest, highest := k.intRange()
	var v int64
	switch {
	case isInt(source):
		n, err := source.canonicalInt(plain)
		if err != nil {
			return dst, err
		}
		v = n
	case source == Numeric:
		var scratch [smallNumber]byte
		d, err := canonicalNumeric(plain, scratch[:0])
		if err != nil {
			return dst, err
		}
		if d.special != finite {
			word := "infinity"
			if d.special == notANumber {
				word = "NaN"
			}
			return dst, pgerror.New(pgerror.FeatureNotSupported, "cannot convert %s to %s", word, k)
		}
		n, ok := d.rounded(0).int64()
		if !ok {
			return dst, intOutOfRange(k)
		}
		v = n
	default:
		f, err := source.canonicalFloat(plain)
		if err != nil {
			return dst, err
		}
		f = math.RoundToEven(f)
		// The upper bound of bigint is no float8; the comparison is with the one above it.
		if math.IsNaN(f) || f < float64(lowest) || f >= -float64(lowest) {
			return dst, intOutOfRange(k)
		}
		v = int64(f)
	}
	if v < lowest || v > highest {
		return dst, intOutOfRange(k)
	}
	return appendInt(dst, v), nil
}

// int64 gives the value of a whole number; ok is false if it is none or does not fit.
func (d decimal) int64() (v int64, ok bool) {
	if d.special != finite || d.significant() > d.point || d.point > 19 {
		return 0, false
	}
	for i := range max(d.point, 0) {
		digit := int64(d.digit(i) - '0')
		if v < (math.MinInt64+digit)/10 {
			return 0, false
		}
		v = v*10 - digit
	}
	if d.neg {
		return v, true
	}
	return -v, v != math.MinInt64
}

func (k Kind) castToFloat(dst, plain []byte, source Kind) ([]byte, error) {
	switch {
	case isInt(source):
		n, err := source.canonicalInt(plain)
		if err != nil {
			return dst, err
		}
		if k == Float4 {
			return k.appendFloat(dst, float64(float32(n))), nil
		}
		return k.appendFloat(dst, float64(n)), nil
	case source == Numeric: // by way of its text, as the server does
		v, err := k.parseFloat(plain)
		if err != nil {
			return dst, err
		}
		return k.appendFloat(dst, v), nil
	}
	v, err := source.canonicalFloat(plain)
	if err != nil {
		return dst, err
	}
	if k == Float4 {
		f := float64(float32(v))
		if math.IsInf(f, 0) && !math.IsInf(v, 0) {
			return dst, pgerror.New(pgerror.NumericOutOfRange, "value out of range: overflow")
		}
		if f == 0 && v != 0 {
			return dst, pgerror.New(pgerror.NumericOutOfRange, "value out of range: underflow")
		}
	}
	return k.appendFloat(dst, v), nil
}

func castToNumeric(dst, plain []byte, source Kind) ([]byte, error) {
	if isInt(source) {
		n, err := source.canonicalInt(plain)
		if err != nil {
			return dst, err
		}
		return strconv.AppendInt(dst, n, 10), nil
	}
	v, err := source.canonicalFloat(plain)
	if err != nil {
		return dst, err
	}
	var text [32]byte
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return source.appendFloatText(dst, v), nil
	}
	return readNumeric(dst, strconv.AppendFloat(text[:0], v, 'g', source.digits(), 64), formatText, nil)
}
