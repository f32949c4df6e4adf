package logical

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// intRange gives the smallest and largest value of an integer kind.
func (k Kind) intRange() (lowest, highest int64) {
	switch k {
	case Int2:
		return math.MinInt16, math.MaxInt16
	case Int4:
		return math.MinInt32, math.MaxInt32
	}
	return math.MinInt64, math.MaxInt64
}

func isInt(k Kind) bool { return k == Int2 || k == Int4 || k == Int8 }

func intOutOfRange(k Kind) error {
	return pgerror.New(pgerror.NumericOutOfRange, "%s out of range", k)
}

func appendInt(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(v))
}

// parseInt reads an integer as int2in, int4in and int8in do: blanks around, a sign, decimal
// digits. A number too large is told before any junk after it, as the server does.
// Source: PostgreSQL manual, "Integer Types".
func (k Kind) parseInt(value []byte, s *Settings) (int64, error) {
	text := trimSpace(value)
	neg := false
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		neg = text[0] == '-'
		text = text[1:]
	}
	if len(text) == 0 {
		return 0, k.badInt(value, text, s)
	}
	// Collected as a negative number, whose range is the larger one.
	lowest, _ := k.intRange()
	var v int64
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, k.badInt(value, text, s)
		}
		d := int64(c - '0')
		if v < (lowest+d)/10 {
			return 0, k.intTextRange(value)
		}
		v = v*10 - d
	}
	if neg {
		return v, nil
	}
	if v == lowest {
		return 0, k.intTextRange(value)
	}
	return -v, nil
}

func (k Kind) intTextRange(value []byte) error {
	if err := checkUTF8(value); err != nil {
		return err
	}
	return pgerror.New(pgerror.NumericOutOfRange, "value \"%s\" is out of range for type %s", value, k)
}

// badInt is the error for text that is no decimal integer; digits is what follows the sign.
func (k Kind) badInt(value, digits []byte, s *Settings) error {
	if err := checkUTF8(value); err != nil {
		return err
	}
	if s.server() >= 16 && isNewNumber(digits) {
		return Type{Kind: k, Typmod: -1}.inexact("Write the number in decimal digits alone.")
	}
	return invalidSyntax(k.String(), value)
}

// isNewNumber says whether digits begin as a number that PostgreSQL reads since version 16: 0x1F,
// 0o17, 0b11, or with underscores.
func isNewNumber(digits []byte) bool {
	if len(digits) < 2 || digits[0] < '0' || digits[0] > '9' {
		return false
	}
	return digits[0] == '0' && bytes.IndexByte([]byte("xXoObB"), digits[1]) >= 0 || bytes.IndexByte(digits, '_') >= 0
}

// readInt appends the canonical encoding of an integer in text or binary.
func (k Kind) readInt(dst, value []byte, format int16, s *Settings) ([]byte, error) {
	if format == 0 {
		v, err := k.parseInt(value, s)
		if err != nil {
			return dst, err
		}
		return appendInt(dst, v), nil
	}
	if err := wantLength(value, int(k.info().size)); err != nil {
		return dst, err
	}
	switch k {
	case Int2:
		return appendInt(dst, int64(int16(binary.BigEndian.Uint16(value)))), nil
	case Int4:
		return appendInt(dst, int64(int32(binary.BigEndian.Uint32(value)))), nil
	}
	return append(dst, value...), nil
}

// canonicalInt reads a canonical encoding back.
func (k Kind) canonicalInt(canonical []byte) (int64, error) {
	if len(canonical) != 8 {
		return 0, corrupt(k)
	}
	v := int64(binary.BigEndian.Uint64(canonical))
	if lowest, highest := k.intRange(); v < lowest || v > highest {
		return 0, corrupt(k)
	}
	return v, nil
}

func (k Kind) writeInt(dst, canonical []byte, format int16) ([]byte, error) {
	v, err := k.canonicalInt(canonical)
	if err != nil {
		return dst, err
	}
	if format == 0 {
		return strconv.AppendInt(dst, v, 10), nil
	}
	switch k {
	case Int2:
		return binary.BigEndian.AppendUint16(dst, uint16(v)), nil
	case Int4:
		return binary.BigEndian.AppendUint32(dst, uint32(v)), nil
	}
	return append(dst, canonical...), nil
}
