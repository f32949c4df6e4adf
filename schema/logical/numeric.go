package logical

import (
	"bytes"
	"encoding/binary"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// Signs of numeric's binary form, and its base: 4 decimal digits in 16 bits.
// Source: numeric_send of PostgreSQL's numeric.c.
const (
	signPositive = 0x0000
	signNegative = 0x4000
	signNaN      = 0xc000
	signInf      = 0xd000
	signMinusInf = 0xf000
	groupDigits  = 4
	groupBase    = 10000
	// The server shows this display scale for infinities, an artefact of how it stores them.
	infinityScale = 0x20
)

// smallNumber is the size of the buffers on the stack that hold the digits of usual numbers.
const smallNumber = 64

// readNumeric appends the canonical encoding of a numeric in text or binary, without applying a modifier.
func readNumeric(dst, value []byte, format int16, s *Settings) ([]byte, error) {
	var scratch [smallNumber]byte
	d, err := parseNumeric(value, scratch[:0], format, s)
	if err != nil {
		return dst, err
	}
	return d.appendText(dst), nil
}

func parseNumeric(value, scratch []byte, format int16, s *Settings) (decimal, error) {
	if format != 0 {
		return parseNumericBinary(value, scratch)
	}
	d, ok, overflow := parseDecimal(value, scratch, s)
	switch {
	case overflow:
		d.scale = maxNumericScale + 1
	case !ok:
		return d, badNumeric(value, s)
	}
	if err := d.checkRange(); err != nil {
		if bad := checkUTF8(value); bad != nil {
			return d, bad
		}
		return d, err
	}
	return d, nil
}

func badNumeric(value []byte, s *Settings) error {
	if err := checkUTF8(value); err != nil {
		return err
	}
	if digits := bytes.TrimLeft(trimSpace(value), "+-"); s.server() >= 16 && isNewNumber(digits) {
		return Type{Kind: Numeric, Typmod: -1}.inexact("Write the number in decimal digits alone.")
	}
	return invalidSyntax("numeric", value)
}

// parseNumericBinary reads numeric's binary form as numeric_recv does, using scratch for the digits.
func parseNumericBinary(value, scratch []byte) (decimal, error) {
	d := decimal{digits: scratch[:0]}
	if len(value) < 6 {
		return d, insufficientData()
	}
	be := binary.BigEndian
	groups := int(be.Uint16(value))
	weight := int(int16(be.Uint16(value[2:])))
	sign := be.Uint16(value[4:])
	switch sign {
	case signPositive:
	case signNegative:
		d.neg = true
	case signNaN:
		d.special = notANumber
	case signInf:
		d.special = infinity
	case signMinusInf:
		d.special = minusInfinity
	default:
		return d, pgerror.New(pgerror.InvalidBinaryRepresent, "invalid sign in external \"numeric\" value")
	}
	if len(value) < 8 {
		return d, insufficientData()
	}
	d.scale = int(be.Uint16(value[6:]))
	if d.scale > maxNumericScale {
		return d, pgerror.New(pgerror.InvalidBinaryRepresent, "invalid scale in external \"numeric\" value")
	}
	value = value[8:]
	for range groups {
		if len(value) < 2 {
			return d, insufficientData()
		}
		g := be.Uint16(value)
		value = value[2:]
		if g >= groupBase {
			return d, pgerror.New(pgerror.InvalidBinaryRepresent, "invalid digit in external \"numeric\" value")
		}
		d.digits = append(d.digits, '0'+byte(g/1000), '0'+byte(g/100%10), '0'+byte(g/10%10), '0'+byte(g%10))
	}
	if len(value) > 0 {
		return d, excessData()
	}
	if d.special != finite {
		return d, nil
	}
	d.point = (weight + 1) * groupDigits
	d = d.normalized().truncated(d.scale)
	return d, d.checkRange()
}

// canonicalNumeric takes a canonical encoding apart.
func canonicalNumeric(canonical, scratch []byte) (decimal, error) {
	d, ok, overflow := parseDecimal(canonical, scratch, nil)
	if !ok || overflow || d.checkRange() != nil {
		return d, corrupt(Numeric)
	}
	return d, nil
}

func writeNumeric(dst, canonical []byte, format int16) ([]byte, error) {
	var scratch [smallNumber]byte
	d, err := canonicalNumeric(canonical, scratch[:0])
	if err != nil {
		return dst, err
	}
	if format == 0 {
		return append(dst, canonical...), nil
	}
	return d.appendBinary(dst), nil
}

// appendBinary appends numeric's binary form as numeric_send writes it: groups without
// zeros at either end.
func (d decimal) appendBinary(dst []byte) []byte {
	be := binary.BigEndian
	var sign, scale uint16
	switch d.special {
	case notANumber:
		sign = signNaN
	case infinity:
		sign, scale = signInf, infinityScale
	case minusInfinity:
		sign, scale = signMinusInf, infinityScale
	}
	if d.special != finite {
		dst = be.AppendUint32(dst, 0)
		dst = be.AppendUint16(dst, sign)
		return be.AppendUint16(dst, scale)
	}
	if d.neg {
		sign = signNegative
	}
	n := d.significant()
	// The groups are counted from the decimal point; the first one holds the first digit.
	groupsBefore := floorDiv(d.point+groupDigits-1, groupDigits)
	first := d.point - groupsBefore*groupDigits // place of the first group's first digit, 0 to -3
	groups := (n - first + groupDigits - 1) / groupDigits
	weight := groupsBefore - 1
	if n == 0 {
		groups, weight = 0, 0
	}
	dst = be.AppendUint16(dst, uint16(groups))
	dst = be.AppendUint16(dst, uint16(int16(weight)))
	dst = be.AppendUint16(dst, sign)
	dst = be.AppendUint16(dst, uint16(d.scale))
	for i := range groups {
		at := first + i*groupDigits
		g := uint16(0)
		for j := range groupDigits {
			g = g*10 + uint16(d.digit(at+j)-'0')
		}
		dst = be.AppendUint16(dst, g)
	}
	return dst
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
