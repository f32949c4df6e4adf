package schema

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"time"
	"unicode/utf8"

	"github.com/pgveil/pgveil/schema/logical"
)

// Apply appends to dst the canonical form of what is visible of the value whose
// canonical form is given; both are of type t. The result is a valid value of
// t, its length or precision included. It fails where the pattern has no part
// for t, and where canonical is not a value of t; the error holds nothing of the
// value.
func (m Pattern) Apply(dst, canonical []byte, t logical.Type) ([]byte, error) {
	if m.HasFixed {
		return m.applyFixed(dst, t)
	}
	switch maskKindOf(t) {
	case textKind:
		if err := m.checkText(t); err != nil {
			return dst, err
		}
		switch {
		case m.Email:
			return m.applyEmail(dst, canonical, t), nil
		case m.NIR:
			return m.applyNIR(dst, canonical, t), nil
		}
		return m.applyText(dst, canonical, t), nil
	case dateKind:
		return m.applyDate(dst, canonical, t)
	case numberKind:
		return m.applyNumber(dst, canonical, t)
	default:
		return dst, m.Check(t)
	}
}

func (m Pattern) applyText(dst, text []byte, t logical.Type) []byte {
	chars := utf8.RuneCount(text)
	kept := m.KeepFirst + m.KeepLast
	fills, fill := m.fills(t, chars), m.fill()
	// A text no longer than what may be shown is hidden whole, in the same width.
	if chars <= kept {
		if m.Length == SameLength {
			return appendFill(dst, fill, chars)
		}
		return appendFill(dst, fill, fills+kept)
	}
	first, last := 0, len(text)
	for range m.KeepFirst {
		_, n := utf8.DecodeRune(text[first:])
		first += n
	}
	for range m.KeepLast {
		_, n := utf8.DecodeLastRune(text[:last])
		last -= n
	}
	dst = append(dst, text[:first]...)
	dst = appendFill(dst, fill, fills)
	return append(dst, text[last:]...)
}

// fills returns the number of fill characters of a text of chars characters
// that is longer than what is kept.
func (m Pattern) fills(t logical.Type, chars int) int {
	room := maxChars(t) - m.KeepFirst - m.KeepLast
	switch {
	case m.Length == SameLength:
		return chars - m.KeepFirst - m.KeepLast
	case m.Length > 0:
		return m.Length
	case maxChars(t) < 0:
		return DefaultFill
	case t.Kind == logical.Bpchar && room <= maxMaskLength:
		return room
	default:
		return min(DefaultFill, room)
	}
}

// fill returns the fill character.
func (m Pattern) fill() byte {
	if m.Fill == 0 {
		return '*'
	}
	return m.Fill
}

func appendFill(dst []byte, fill byte, n int) []byte {
	for range n {
		dst = append(dst, fill)
	}
	return dst
}

// The epoch of PostgreSQL's dates in days from Go's, the first day and the first
// microsecond it has: 4714-11-24 BC. Source: datatype/timestamp.h.
const (
	epochDays    = 10957
	firstDay     = -2451545
	firstInstant = int64(firstDay) * microsPerDay
	microsPerDay = 86400 * 1000000
)

// applyDate cuts a date or timestamp; the infinities stay. A timestamp with
// time zone is cut in UTC, as a mask must not depend on who looks.
func (m Pattern) applyDate(dst, canonical []byte, t logical.Type) ([]byte, error) {
	if err := m.Check(t); err != nil {
		return dst, err
	}
	if t.Kind == logical.Date {
		if len(canonical) != 4 {
			return dst, badCanonical(t)
		}
		days := int32(binary.BigEndian.Uint32(canonical))
		if days != math.MaxInt32 && days != math.MinInt32 {
			days = int32(max(m.cut(int64(days)), firstDay))
		}
		return binary.BigEndian.AppendUint32(dst, uint32(days)), nil
	}
	if len(canonical) != 8 {
		return dst, badCanonical(t)
	}
	micros := int64(binary.BigEndian.Uint64(canonical))
	if micros != math.MaxInt64 && micros != math.MinInt64 {
		days := micros / microsPerDay
		if micros%microsPerDay < 0 {
			days--
		}
		micros = max(max(m.cut(days), firstDay)*microsPerDay, firstInstant)
	}
	return binary.BigEndian.AppendUint64(dst, uint64(micros)), nil
}

// cut returns the first day of the year or month of a day, both counted from
// 2000-01-01.
func (m Pattern) cut(days int64) int64 {
	year, month, _ := time.Unix((days+epochDays)*86400, 0).UTC().Date()
	if m.Truncate == TruncateYear {
		month = time.January
	}
	return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Unix()/86400 - epochDays
}

func (m Pattern) applyNumber(dst, canonical []byte, t logical.Type) ([]byte, error) {
	unit, err := m.unit(t)
	if err != nil {
		return dst, err
	}
	if m.Bucket != "" {
		return m.applyBucket(dst, canonical, t, unit)
	}
	switch t.Kind {
	case logical.Numeric:
		return m.applyNumeric(dst, canonical, t, unit)
	case logical.Float4:
		if len(canonical) != 4 {
			return dst, badCanonical(t)
		}
		v := float64(math.Float32frombits(binary.BigEndian.Uint32(canonical)))
		r := float32(roundFloat(v, unit))
		if math.IsInf(float64(r), 0) && !math.IsInf(v, 0) {
			r = float32(truncFloat(v, unit))
		}
		return binary.BigEndian.AppendUint32(dst, math.Float32bits(r)), nil
	case logical.Float8:
		if len(canonical) != 8 {
			return dst, badCanonical(t)
		}
		v := math.Float64frombits(binary.BigEndian.Uint64(canonical))
		r := roundFloat(v, unit)
		if math.IsInf(r, 0) && !math.IsInf(v, 0) {
			r = truncFloat(v, unit)
		}
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(r)), nil
	}
	if len(canonical) != 8 {
		return dst, badCanonical(t)
	}
	v := int64(binary.BigEndian.Uint64(canonical))
	return binary.BigEndian.AppendUint64(dst, uint64(roundInt(v, unit.Num().Int64(), greatest(t)))), nil
}

// greatest returns the greatest value of an integer type.
func greatest(t logical.Type) int64 {
	switch t.Kind {
	case logical.Int2:
		return math.MaxInt16
	case logical.Int4:
		return math.MaxInt32
	}
	return math.MaxInt64
}

// roundInt rounds half away from zero, or towards zero where the multiple would
// be beyond ±limit.
func roundInt(v, unit, limit int64) int64 {
	rest := v % unit
	down := v - rest
	switch {
	case rest > 0 && rest >= unit-rest && down <= limit-unit:
		return down + unit
	case rest < 0 && -rest >= unit+rest && down >= -limit+unit:
		return down - unit
	}
	return down
}

// applyNumeric rounds half away from zero, or towards zero where the multiple
// would have too many digits for t. NaN and the infinities stay.
func (m Pattern) applyNumeric(dst, canonical []byte, t logical.Type, unit *big.Rat) ([]byte, error) {
	switch string(canonical) {
	case "NaN", "Infinity", "-Infinity":
		return append(dst, canonical...), nil
	}
	v, ok := new(big.Rat).SetString(string(canonical))
	if !ok {
		return dst, badCanonical(t)
	}
	precision, scale, limited := precisionScale(t)
	if !limited {
		scale = decimals(m.Round)
	}
	r := roundRat(v, unit, false)
	if limited && new(big.Rat).Abs(r).Cmp(powerOfTen(precision-scale)) >= 0 {
		r = roundRat(v, unit, true)
	}
	return append(dst, r.FloatString(max(scale, 0))...), nil
}

// roundRat returns the multiple of unit that is nearest to v, halves away from
// zero, or with trunc the nearest towards zero.
func roundRat(v, unit *big.Rat, trunc bool) *big.Rat {
	q := new(big.Rat).Quo(v, unit)
	n := new(big.Int).Abs(q.Num())
	d := q.Denom()
	if !trunc {
		n.Add(n.Lsh(n, 1), d) // (2n + d) / 2d = n/d + 1/2
		d = new(big.Int).Lsh(d, 1)
	}
	n.Quo(n, d)
	if v.Sign() < 0 {
		n.Neg(n)
	}
	return new(big.Rat).Mul(new(big.Rat).SetInt(n), unit)
}

// roundFloat gives the double nearest to the exact multiple, so that rounding
// to 0.1 shows 0.3 and not 0.30000000000000004.
func roundFloat(v float64, unit *big.Rat) float64 { return floatMultiple(v, unit, false) }

func truncFloat(v float64, unit *big.Rat) float64 { return floatMultiple(v, unit, true) }

func floatMultiple(v float64, unit *big.Rat, trunc bool) float64 {
	exact := new(big.Rat).SetFloat64(v)
	if exact == nil { // NaN or infinite
		return v
	}
	r, _ := roundRat(exact, unit, trunc).Float64()
	return r
}

func badCanonical(t logical.Type) error {
	return fmt.Errorf("not a canonical value of type %s", t)
}
