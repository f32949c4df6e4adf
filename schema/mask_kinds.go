package schema

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pgveil/pgveil/schema/logical"
)

// fixedSettings are those that the fixed value of a mask is read with: a mask must not
// depend on who looks.
var fixedSettings = logical.Settings{TimeZone: "UTC", Location: time.UTC, DateStyle: "ISO, MDY"}

func (m Pattern) checkFixed(t logical.Type) error {
	_, err := m.applyFixed(nil, t)
	return err
}

// applyFixed appends the fixed value.
func (m Pattern) applyFixed(dst []byte, t logical.Type) ([]byte, error) {
	out, err := t.Canonical(dst, []byte(m.Fixed), 0, 0, logical.Assign, &fixedSettings)
	if err != nil {
		return dst, fmt.Errorf("the fixed value of a mask is none of type %s: %w", t, err)
	}
	return out, nil
}

// applyEmail shows what stands behind the last @ of an address. A text without one, or with
// nothing before it or no domain behind it, is hidden whole: it may say anything there.
func (m Pattern) applyEmail(dst, text []byte, t logical.Type) []byte {
	at := bytes.LastIndexByte(text, '@')
	if at < 1 || !isDomain(text[at+1:]) {
		return appendFill(dst, m.fill(), m.fills(t, utf8.RuneCount(text)))
	}
	// One character in the place of at least one: it fits whatever the value did.
	return append(append(dst, m.fill()), text[at:]...)
}

// isDomain reports whether a text can be the name of a domain: labels of letters, digits, '-' and '_'
// with dots between them, the last with a letter in it, as no number or date has it.
func isDomain(text []byte) bool {
	labels, empty, letter := 1, true, false
	for _, r := range string(text) {
		switch {
		case r == '.' && empty:
			return false
		case r == '.':
			labels, empty, letter = labels+1, true, false
			continue
		case unicode.IsLetter(r):
			letter = true
		case (r < '0' || r > '9') && r != '-' && r != '_':
			return false
		}
		empty = false
	}
	return labels > 1 && !empty && letter
}

// The digits of a NIR (numéro d'inscription au répertoire): sex 1, year 2, month 2,
// department 2 (a letter in Corsica), commune 3, order 3, and perhaps the key, 2.
// Source: INSEE, "Numéro d'inscription au répertoire des personnes physiques".
const (
	nirOrder       = 10 // where the order number begins
	nirOrderDigits = 3
	nirLength      = 13
	nirWithKey     = 15
	nirSexes       = "123478" // 3, 4, 7 and 8 while somebody is being registered
)

// applyNIR shows the order number alone, in its place. The key is not shown: it is made of
// all digits. A text that does not look like a NIR is hidden whole.
func (m Pattern) applyNIR(dst, text []byte, t logical.Type) []byte {
	var nir [nirWithKey]byte
	n := 0
	for _, c := range text {
		if c == ' ' {
			continue
		}
		if n == len(nir) || (c < '0' || c > '9') && (n != 6 || strings.IndexByte("ABab", c) < 0) {
			n = 0
			break
		}
		nir[n] = c
		n++
	}
	if n != nirLength && n != nirWithKey || strings.IndexByte(nirSexes, nir[0]) < 0 {
		return appendFill(dst, m.fill(), m.fills(t, utf8.RuneCount(text)))
	}
	dst = appendFill(dst, m.fill(), nirOrder)
	dst = append(dst, nir[nirOrder:nirOrder+nirOrderDigits]...)
	return appendFill(dst, m.fill(), n-nirLength)
}

// from returns the lower bound of a bucket of numbers of type t.
func (m Pattern) from(t logical.Type) (*big.Rat, error) {
	if m.From == "" {
		return new(big.Rat), nil
	}
	digits, negative := strings.CutPrefix(m.From, "-")
	from, ok := parseDecimal(digits)
	what := fmt.Sprintf("the lower bound of a mask's bucket of %s", t)
	if !ok {
		return nil, fmt.Errorf("%s is a number such as 18 or -0.5", what)
	}
	if negative {
		from.Neg(from)
	}
	return from, suits(t, from, what)
}

// applyBucket appends the lower bound of the bucket that a number is in, or the least value
// of t where that bound is none of t.
func (m Pattern) applyBucket(dst, canonical []byte, t logical.Type, size *big.Rat) ([]byte, error) {
	from, err := m.from(t)
	if err != nil {
		return dst, err
	}
	switch t.Kind {
	case logical.Numeric:
		return m.bucketNumeric(dst, canonical, t, size, from)
	case logical.Float4:
		if len(canonical) != 4 {
			return dst, badCanonical(t)
		}
		v := bucketFloat(float64(math.Float32frombits(binary.BigEndian.Uint32(canonical))), size, from)
		if v < -math.MaxFloat32 && !math.IsInf(v, 0) {
			v = -math.MaxFloat32
		}
		return binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(v))), nil
	case logical.Float8:
		if len(canonical) != 8 {
			return dst, badCanonical(t)
		}
		v := bucketFloat(math.Float64frombits(binary.BigEndian.Uint64(canonical)), size, from)
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(v)), nil
	}
	if len(canonical) != 8 {
		return dst, badCanonical(t)
	}
	v := bucketInt(int64(binary.BigEndian.Uint64(canonical)), size.Num().Int64(), from.Num().Int64(), -greatest(t)-1)
	return binary.BigEndian.AppendUint64(dst, uint64(v)), nil
}

func bucketInt(v, size, from, least int64) int64 {
	if size > math.MaxInt64/2 {
		return bigBucketInt(v, size, from, least)
	}
	above := (v%size+size)%size - (from%size+size)%size // the sums are below 2·size
	if above < 0 {
		above += size
	}
	if v < least+above {
		return least
	}
	return v - above
}

// bigBucketInt is bucketInt for sizes whose double is no int64.
func bigBucketInt(v, size, from, least int64) int64 {
	bound := lowerBound(new(big.Rat).SetInt64(v), new(big.Rat).SetInt64(size), new(big.Rat).SetInt64(from))
	if !bound.Num().IsInt64() || bound.Num().Int64() < least {
		return least
	}
	return bound.Num().Int64()
}

// lowerBound returns from + n·size for the greatest whole n with which it is not above v.
func lowerBound(v, size, from *big.Rat) *big.Rat {
	q := new(big.Rat).Sub(v, from)
	q.Quo(q, size)
	n := new(big.Int).Div(q.Num(), q.Denom()) // Euclidean: downwards, as the divisor is positive
	bound := new(big.Rat).SetInt(n)
	return bound.Add(bound.Mul(bound, size), from)
}

// bucketFloat gives the double nearest to the exact bound. NaN and the infinities stay.
func bucketFloat(v float64, size, from *big.Rat) float64 {
	exact := new(big.Rat).SetFloat64(v)
	if exact == nil {
		return v
	}
	bound, _ := lowerBound(exact, size, from).Float64()
	if math.IsInf(bound, -1) {
		return -math.MaxFloat64
	}
	return bound
}

// bucketNumeric leaves NaN and the infinities as they are.
func (m Pattern) bucketNumeric(dst, canonical []byte, t logical.Type, size, from *big.Rat) ([]byte, error) {
	switch string(canonical) {
	case "NaN", "Infinity", "-Infinity":
		return append(dst, canonical...), nil
	}
	v, ok := new(big.Rat).SetString(string(canonical))
	if !ok {
		return dst, badCanonical(t)
	}
	bound := lowerBound(v, size, from)
	precision, scale, limited := precisionScale(t)
	if !limited {
		scale = max(decimals(m.Bucket), decimals(m.From))
	} else if limit := powerOfTen(precision - scale); new(big.Rat).Abs(bound).Cmp(limit) >= 0 {
		bound = limit.Sub(powerOfTen(-scale), limit) // the least value of the type
	}
	return append(dst, bound.FloatString(max(scale, 0))...), nil
}

// decimals counts the digits behind the point.
func decimals(number string) int {
	_, fraction, _ := strings.Cut(number, ".")
	return len(fraction)
}
