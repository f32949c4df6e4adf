package logical

import (
	"math"
	"strconv"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// Limits of numeric. Source: PostgreSQL manual, "Arbitrary Precision Numbers": up to 131072
// digits before the decimal point and 16383 after it.
const (
	maxNumericPoint = 131072
	maxNumericScale = 0x3fff
)

// special is a numeric that is no number.
type special uint8

const (
	finite special = iota
	notANumber
	infinity
	minusInfinity
)

var specialText = [...]string{notANumber: "NaN", infinity: "Infinity", minusInfinity: "-Infinity"}

// decimal is a numeric taken apart: 0.d1d2d3… × 10^point, of which scale digits after the
// decimal point are shown. Zero has no digits.
type decimal struct {
	special special
	neg     bool
	digits  []byte // '0' to '9', without leading zeros
	point   int
	scale   int
}

// Methods that change a decimal give a new one, which may share its digits with the old one: that keeps
// the digits of usual numbers on the stack.

// normalized is d without leading zeros, and with neither sign nor weight for zero.
func (d decimal) normalized() decimal {
	n := 0
	for n < len(d.digits) && d.digits[n] == '0' {
		n++
	}
	d.digits = d.digits[n:]
	d.point -= n
	if len(d.digits) == 0 {
		d.point, d.neg = 0, false
	}
	return d
}

// significant is the number of digits up to the last one that is not zero.
func (d decimal) significant() int {
	n := len(d.digits)
	for n > 0 && d.digits[n-1] == '0' {
		n--
	}
	return n
}

// checkRange gives the error of a number that numeric cannot hold.
func (d decimal) checkRange() error {
	if d.point > maxNumericPoint || d.scale > maxNumericScale {
		return pgerror.New(pgerror.NumericOutOfRange, "value overflows numeric format")
	}
	return nil
}

// rounded is d rounded half away from zero to the given number of digits after the decimal
// point, which may be negative, and showing as many.
func (d decimal) rounded(scale int) decimal {
	d.scale = max(scale, 0)
	keep := d.point + scale
	if keep >= len(d.digits) {
		return d
	}
	if keep < 0 {
		d.digits = d.digits[:0]
		return d.normalized()
	}
	up := d.digits[keep] >= '5'
	d.digits = d.digits[:keep]
	for i := keep - 1; up && i >= 0; i-- {
		if d.digits[i] == '9' {
			d.digits[i] = '0'
			continue
		}
		d.digits[i]++
		up = false
	}
	if up { // all nines, or no digit left
		d.digits = append(d.digits[:0], '1')
		for range keep {
			d.digits = append(d.digits, '0')
		}
		d.point++
	}
	return d.normalized()
}

// truncated is d without the digits after the first scale ones behind the decimal point.
func (d decimal) truncated(scale int) decimal {
	d.scale = scale
	if keep := max(d.point+scale, 0); keep < len(d.digits) {
		d.digits = d.digits[:keep]
	}
	return d.normalized()
}

// appendText appends the number as numeric_out writes it.
func (d decimal) appendText(dst []byte) []byte {
	if d.special != finite {
		return append(dst, specialText[d.special]...)
	}
	if d.neg {
		dst = append(dst, '-')
	}
	if d.point <= 0 {
		dst = append(dst, '0')
	}
	for i := range d.point {
		dst = append(dst, d.digit(i))
	}
	if d.scale > 0 {
		dst = append(dst, '.')
		for i := range d.scale {
			dst = append(dst, d.digit(d.point+i))
		}
	}
	return dst
}

// digit gives the digit i places behind the first one, '0' outside of them.
func (d decimal) digit(i int) byte {
	if i < 0 || i >= len(d.digits) {
		return '0'
	}
	return d.digits[i]
}

// parseDecimal reads a number as numeric_in does, without its limits (see checkRange), using scratch for
// the digits. ok is false for text that is no number, overflow true for a number out of any range.
func parseDecimal(value, scratch []byte, s *Settings) (d decimal, ok, overflow bool) {
	d.digits = scratch[:0]
	text := trimSpace(value)
	switch {
	case equalFoldASCII(text, "nan"):
		d.special = notANumber
		return d, true, false
	case s.server() < 14:
	case equalFoldASCII(text, "infinity"), equalFoldASCII(text, "+infinity"), equalFoldASCII(text, "inf"), equalFoldASCII(text, "+inf"):
		d.special = infinity
		return d, true, false
	case equalFoldASCII(text, "-infinity"), equalFoldASCII(text, "-inf"):
		d.special = minusInfinity
		return d, true, false
	}
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		d.neg = text[0] == '-'
		text = text[1:]
	}
	i, pointAt := 0, -1
	for ; i < len(text); i++ {
		c := text[i]
		if c == '.' && pointAt < 0 {
			pointAt = len(d.digits)
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		d.digits = append(d.digits, c)
	}
	if len(d.digits) == 0 {
		return d, false, false
	}
	d.point = len(d.digits)
	if pointAt >= 0 {
		d.point = pointAt
		d.scale = len(d.digits) - pointAt
	}
	if i < len(text) {
		exponent, ok, overflow := parseExponent(text[i:])
		if !ok || overflow {
			return d, ok, overflow
		}
		d.point += exponent
		d.scale = max(d.scale-exponent, 0)
	}
	return d.normalized(), true, false
}

// parseExponent reads "e5" with strtol's liberties: blanks and a sign before the digits.
func parseExponent(text []byte) (exponent int, ok, overflow bool) {
	if text[0] != 'e' && text[0] != 'E' {
		return 0, false, false
	}
	text = text[1:]
	for len(text) > 0 && isSpace(text[0]) {
		text = text[1:]
	}
	neg := len(text) > 0 && text[0] == '-'
	if neg || len(text) > 0 && text[0] == '+' {
		text = text[1:]
	}
	if len(text) == 0 {
		return 0, false, false
	}
	// As the server: the size is told before any junk behind the digits.
	const limit = math.MaxInt32 / 2
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		exponent = min(exponent*10+int(text[n]-'0'), limit)
		n++
	}
	if exponent >= limit {
		return 0, true, true
	}
	if neg {
		exponent = -exponent
	}
	return exponent, n > 0 && n == len(text), false
}

// fitted applies numeric(p,s): rounds, and refuses what has more than p-s digits before the point.
func (d decimal) fitted(precision, scale int) (decimal, error) {
	if d.special != finite {
		if d.special == notANumber {
			return d, nil
		}
		return d, pgerror.New(pgerror.NumericOutOfRange, "numeric field overflow").
			WithDetail("A field with precision %d, scale %d cannot hold an infinite value.", precision, scale)
	}
	d = d.rounded(scale)
	if len(d.digits) > 0 && d.point > precision-scale {
		limit := "1"
		if precision != scale {
			limit = "10^" + strconv.Itoa(precision-scale)
		}
		return d, pgerror.New(pgerror.NumericOutOfRange, "numeric field overflow").
			WithDetail("A field with precision %d, scale %d must round to an absolute value less than %s.", precision, scale, limit)
	}
	return d, nil
}
