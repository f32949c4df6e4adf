package logical

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/pgveil/pgveil/schema/pgerror"
)

func isFloat(k Kind) bool { return k == Float4 || k == Float8 }

// bits is the size of a float kind.
func (k Kind) bits() int {
	if k == Float4 {
		return 32
	}
	return 64
}

// floatToken measures the longest start of text that C's strtod takes for a number. nonzero says
// that a digit of its mantissa is not 0, hex that it is hexadecimal, exponent that it has one.
func floatToken(text []byte) (n int, nonzero, hex, exponent bool) {
	i := 0
	if i < len(text) && (text[i] == '+' || text[i] == '-') {
		i++
	}
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	mark := byte('e')
	if i+1 < len(text) && text[i] == '0' && text[i+1]|0x20 == 'x' {
		isHex := func(c byte) bool { return hexValues[c] != 0xff }
		if j := i + 2; j < len(text) && (isHex(text[j]) || text[j] == '.' && j+1 < len(text) && isHex(text[j+1])) {
			digit, mark, hex = isHex, 'p', true
			i = j
		}
	}
	digits, point := 0, false
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case digit(c):
			digits++
			nonzero = nonzero || c != '0'
			continue
		case c == '.' && !point:
			point = true
			continue
		}
		break
	}
	if digits == 0 {
		return 0, false, false, false
	}
	if i < len(text) && text[i]|0x20 == mark {
		j := i + 1
		if j < len(text) && (text[j] == '+' || text[j] == '-') {
			j++
		}
		if j < len(text) && text[j] >= '0' && text[j] <= '9' {
			for j < len(text) && text[j] >= '0' && text[j] <= '9' {
				j++
			}
			i, exponent = j, true
		}
	}
	return i, nonzero, hex, exponent
}

// parseFloat reads a number as float8in and float4in do, which leave it to C's strtod.
// Source: PostgreSQL manual, "Floating-Point Types".
func (k Kind) parseFloat(value []byte) (float64, error) {
	text := trimSpace(value)
	if v, ok := floatWord(text); ok {
		return v, nil
	}
	n, nonzero, hex, exponent := floatToken(text)
	if n == 0 {
		if len(text) > 3 && equalFoldASCII(text[:4], "nan(") {
			return 0, Type{Kind: k, Typmod: -1}.inexact("Write NaN.")
		}
		return 0, k.badFloat(value)
	}
	token := string(text[:n])
	if hex && !exponent {
		token += "p0"
	}
	v, err := strconv.ParseFloat(token, k.bits())
	if e, _ := err.(*strconv.NumError); e != nil && e.Err != strconv.ErrRange {
		return 0, k.badFloat(value)
	}
	// As the server, which tells the range before any junk behind the number.
	if err != nil || v == 0 && nonzero {
		if err := checkUTF8(value); err != nil {
			return 0, err
		}
		shown := text[:n]
		if k == Float4 {
			shown = value // float4in shows all that it was given
		}
		return 0, pgerror.New(pgerror.NumericOutOfRange, "\"%s\" is out of range for type %s", shown, k)
	}
	if n != len(text) {
		return 0, k.badFloat(value)
	}
	return v, nil
}

func floatWord(text []byte) (float64, bool) {
	sign := 1.0
	word := text
	if len(word) > 0 && (word[0] == '+' || word[0] == '-') {
		if word[0] == '-' {
			sign = -1
		}
		word = word[1:]
	}
	switch {
	case equalFoldASCII(word, "nan"):
		// C keeps the sign of a NaN, and so does the server's binary output.
		return math.Copysign(math.Float64frombits(0x7ff8000000000000), sign), true
	case equalFoldASCII(word, "infinity"), equalFoldASCII(word, "inf"):
		return math.Inf(int(sign)), true
	}
	return 0, false
}

func (k Kind) badFloat(value []byte) error {
	if err := checkUTF8(value); err != nil {
		return err
	}
	return invalidSyntax(k.String(), value)
}

func (k Kind) appendFloat(dst []byte, v float64) []byte {
	if k == Float4 {
		return binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(v)))
	}
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(v))
}

func (k Kind) readFloat(dst, value []byte, format int16) ([]byte, error) {
	if format != 0 {
		if err := wantLength(value, k.bits()/8); err != nil {
			return dst, err
		}
		return append(dst, value...), nil
	}
	v, err := k.parseFloat(value)
	if err != nil {
		return dst, err
	}
	return k.appendFloat(dst, v), nil
}

func (k Kind) canonicalFloat(canonical []byte) (float64, error) {
	if len(canonical) != k.bits()/8 {
		return 0, corrupt(k)
	}
	if k == Float4 {
		return float64(math.Float32frombits(binary.BigEndian.Uint32(canonical))), nil
	}
	return math.Float64frombits(binary.BigEndian.Uint64(canonical)), nil
}

func (k Kind) writeFloat(dst, canonical []byte, format int16, s *Settings) ([]byte, error) {
	v, err := k.canonicalFloat(canonical)
	if err != nil {
		return dst, err
	}
	if format != 0 {
		return append(dst, canonical...), nil
	}
	if s != nil && s.FloatDigits < 0 && !math.IsNaN(v) && !math.IsInf(v, 0) {
		return strconv.AppendFloat(dst, v, 'g', max(k.digits()+s.FloatDigits+1, 1), 64), nil
	}
	return k.appendFloatText(dst, v), nil
}

// digits is the number of decimal digits that a float holds for certain, C's FLT_DIG and DBL_DIG.
func (k Kind) digits() int {
	if k == Float4 {
		return 6
	}
	return 15
}

// appendFloatText appends the shortest text that reads back as v, as the server
// writes it with extra_float_digits at its default or above.
func (k Kind) appendFloatText(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	case math.IsInf(v, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(v, -1):
		return append(dst, "-Infinity"...)
	}
	var buf [32]byte
	e := k.shortest(buf[:0], v)
	mark := bytes.IndexByte(e, 'e')
	if v == 0 || mark < 0 {
		return strconv.AppendFloat(dst, v, 'f', -1, k.bits())
	}
	exponent, _ := strconv.Atoi(string(e[mark+1:]))
	if exponent < -4 || exponent >= k.digits() {
		return append(dst, e...)
	}
	return appendFixed(dst, e[:mark], exponent)
}

// appendFixed appends "-d.ddd" × 10^exponent without an exponent.
func appendFixed(dst, mantissa []byte, exponent int) []byte {
	if mantissa[0] == '-' {
		dst = append(dst, '-')
		mantissa = mantissa[1:]
	}
	d := decimal{point: exponent + 1}
	for _, c := range mantissa {
		if c != '.' {
			d.digits = append(d.digits, c)
		}
	}
	d.scale = max(len(d.digits)-d.point, 0)
	return d.appendText(dst)
}
