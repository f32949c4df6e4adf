package logical

import (
	"bytes"
	"math"
	"strconv"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// nothing is an encoding that no value has: of another length than those of any fixed
// length, and no number.
var nothing = []byte("!=")

// equivalent appends the encoding of the value of type t that the server's = finds equal to
// a value of another kind, or nothing if there is none. Where several stored values could
// be equal to it, so that no single encoding finds them, it is refused.
func (t Type) equivalent(dst, plain []byte, source Kind, s *Settings) ([]byte, error) {
	switch {
	case isInt(t.Kind):
		return t.equivalentInt(dst, plain, source)
	case t.Kind == Numeric:
		return t.equivalentNumeric(dst, plain, source)
	case isDatetime(t.Kind):
		return t.equivalentDatetime(dst, plain, source, s)
	}
	// Floats: never deterministic, so that no comparison gets here with a sealed one.
	return dst, t.inexact("Cast the value to the column's type.")
}

// ambiguous refuses a value that the server compares less precisely than the column's type is.
func (t Type) ambiguous(source Kind) error {
	return pgerror.New(pgerror.FeatureNotSupported, "this value of type %s may be equal to several values of a sealed column of type %s", source, t).
		WithHint("Cast the value to %s.", t.Kind)
}

func (t Type) equivalentInt(dst, plain []byte, source Kind) ([]byte, error) {
	switch {
	case isInt(source):
		return append(dst, plain...), nil
	case source == Numeric:
		var scratch [smallNumber]byte
		d, err := canonicalNumeric(plain, scratch[:0])
		if err != nil {
			return dst, err
		}
		if v, ok := d.int64(); ok {
			return appendInt(dst, v), nil
		}
		return append(dst, nothing...), nil
	}
	// The server compares as float8, which holds whole numbers exactly up to 2^53.
	v, err := source.canonicalFloat(plain)
	if err != nil {
		return dst, err
	}
	const exact = 1 << 53
	switch {
	case t.Kind == Int8 && math.Abs(v) >= exact && math.Abs(v) <= -float64(math.MinInt64):
		return dst, t.ambiguous(source)
	case v != math.Trunc(v) || math.Abs(v) >= exact || math.IsNaN(v):
		return append(dst, nothing...), nil
	}
	return appendInt(dst, int64(v)), nil
}

func (t Type) equivalentNumeric(dst, plain []byte, source Kind) ([]byte, error) {
	start := len(dst)
	if isInt(source) {
		dst, err := castToNumeric(dst, plain, source)
		if err != nil {
			return dst, err
		}
		return t.fitNumeric(dst, start, Compare)
	}
	// The server compares as float8: of the numbers of up to 15 digits, at most one is equal to it.
	v, err := source.canonicalFloat(plain)
	if err != nil {
		return dst, err
	}
	precision, scale, ok := t.precisionScale()
	switch {
	case math.IsNaN(v) && ok:
		return append(dst, "NaN"...), nil
	case math.IsInf(v, 0) && ok:
		return append(dst, nothing...), nil
	case !ok || precision > 15 || scale < 0:
		return dst, t.ambiguous(source)
	}
	var text [64]byte
	number := text[:0]
	if math.Abs(v) < 1e16 {
		number = strconv.AppendFloat(number, v, 'f', scale, 64)
	} else {
		return append(dst, nothing...), nil
	}
	if back, err := strconv.ParseFloat(string(number), 64); err != nil || back != v {
		return append(dst, nothing...), nil
	}
	if v == 0 {
		number = bytes.TrimPrefix(number, []byte{'-'})
	}
	return append(dst, number...), nil
}

// equivalentDay appends the day whose start is the moment of a timestamp or timestamptz. Where clocks
// go forward over midnight, two days may start at one moment.
func (t Type) equivalentDay(dst []byte, micros int64, source Kind, s *Settings) ([]byte, error) {
	day, err := dayOfStamp(micros, source, s)
	if err != nil {
		return dst, err
	}
	candidates := [...]int64{day, day - 1, day + 1}
	if day == dateInfinity || day == dateMinusInf {
		return appendDay(dst, day), nil
	}
	start := len(dst)
	for _, d := range candidates {
		if back, err := source.stampOfDay(d, s); err != nil || back != micros {
			continue
		}
		if len(dst) > start {
			return dst[:start], t.ambiguous(source)
		}
		dst = appendDay(dst, d)
	}
	if len(dst) == start {
		dst = append(dst, nothing...)
	}
	return dst, nil
}

// equivalentDatetime compares dates as the timestamps at their start, and a timestamptz
// with the others by the session's zone.
func (t Type) equivalentDatetime(dst, plain []byte, source Kind, s *Settings) ([]byte, error) {
	// A column of the wider type takes the value by its cast.
	if source == Date || t.Kind == Timestamptz {
		out, err := t.Kind.castToDatetime(dst, plain, source, s)
		if err == nil {
			return out, nil
		}
		if e, ok := pgerror.As(err); ok && e.Code == pgerror.DatetimeOverflow {
			return append(dst, nothing...), nil // beyond all moments that the column can hold
		}
		return dst, err
	}
	micros, err := source.canonicalStamp(plain)
	if err != nil {
		return dst, err
	}
	if source == Timestamptz && micros != stampInfinity && micros != stampMinusInf {
		if s == nil || s.Location == nil {
			return dst, source.needZone()
		}
	}
	if t.Kind == Date {
		return t.equivalentDay(dst, micros, source, s)
	}
	if micros != stampInfinity && micros != stampMinusInf && skipped(s.Location, micros) {
		return dst, t.ambiguous(source)
	}
	// The local time of the moment, if the server takes it for the moment again.
	local, err := Timestamp.stampOfStamp(micros, s)
	if err != nil {
		return append(dst, nothing...), nil
	}
	if back, err := Timestamptz.stampOfStamp(local, s); err != nil || back != micros {
		return append(dst, nothing...), nil
	}
	return appendStamp(dst, local), nil
}
