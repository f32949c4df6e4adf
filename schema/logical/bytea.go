package logical

import (
	"encoding/binary"
	"slices"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// hexPairs holds the two hex digits of every byte, the first as the lower byte.
var hexPairs = func() (t [256]uint16) {
	const digits = "0123456789abcdef"
	for i := range t {
		t[i] = uint16(digits[i>>4]) | uint16(digits[i&15])<<8
	}
	return t
}()

// hexValues holds the value of every hex digit, 0xff for other bytes.
var hexValues = func() (t [256]byte) {
	for i := range t {
		switch c := byte(i); {
		case c >= '0' && c <= '9':
			t[i] = c - '0'
		case c >= 'a' && c <= 'f':
			t[i] = c - 'a' + 10
		case c >= 'A' && c <= 'F':
			t[i] = c - 'A' + 10
		default:
			t[i] = 0xff
		}
	}
	return t
}()

// AppendByteaHex appends b as bytea's text output in hex format: \x…
func AppendByteaHex(dst, b []byte) []byte {
	start := len(dst) + 2
	dst = append(slices.Grow(dst, 2+2*len(b)), '\\', 'x')[:start+2*len(b)]
	out := dst[start:]
	for len(b) >= 4 { // four at once: stores are what it costs
		pairs := uint64(hexPairs[b[0]]) | uint64(hexPairs[b[1]])<<16 | uint64(hexPairs[b[2]])<<32 | uint64(hexPairs[b[3]])<<48
		binary.LittleEndian.PutUint64(out, pairs)
		b, out = b[4:], out[8:]
	}
	for i, c := range b {
		binary.LittleEndian.PutUint16(out[2*i:], hexPairs[c])
	}
	return dst
}

// appendByteaEscape appends b as bytea's text output in escape format.
func appendByteaEscape(dst, b []byte) []byte {
	for _, c := range b {
		switch {
		case c == '\\':
			dst = append(dst, '\\', '\\')
		case c < 0x20 || c > 0x7e:
			dst = append(dst, '\\', '0'+(c>>6), '0'+(c>>3&7), '0'+(c&7))
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// DecodeByteaText appends to dst the bytes of a bytea in text format, hex or escape.
// Errors are the server's: 22023 for bad hex digits, 22P02 for a bad escape.
// Source: PostgreSQL manual, "Binary Data Types".
func DecodeByteaText(dst, text []byte) ([]byte, error) {
	if len(text) >= 2 && text[0] == '\\' && text[1] == 'x' {
		return decodeHex(dst, text[2:])
	}
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c != '\\':
			dst = append(dst, c)
			i++
		case i+1 < len(text) && text[i+1] == '\\':
			dst = append(dst, '\\')
			i += 2
		case i+3 < len(text) && text[i+1] >= '0' && text[i+1] <= '3' && isOctal(text[i+2]) && isOctal(text[i+3]):
			dst = append(dst, (text[i+1]-'0')<<6|(text[i+2]-'0')<<3|(text[i+3]-'0'))
			i += 4
		default:
			return dst, pgerror.New(pgerror.InvalidTextRepresent, "invalid input syntax for type bytea")
		}
	}
	return dst, nil
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

// hexBytes holds, for each two characters, the first the lower byte, the byte that they are in hex,
// or more than a byte. What is used of it, for digits in lower case, is 64 cache lines.
var hexBytes = func() (t [1 << 16]uint16) {
	for i := range t {
		hi, lo := hexValues[byte(i)], hexValues[i>>8]
		if t[i] = uint16(hi<<4 | lo); hi == 0xff || lo == 0xff {
			t[i] = 0x100
		}
	}
	return t
}()

// decodeHex reads hex digits. Nearly all texts have nothing else, so the digits are checked all
// together, and one by one only if that fails.
func decodeHex(dst, text []byte) ([]byte, error) {
	if len(text)%2 == 0 {
		start := len(dst)
		dst = slices.Grow(dst, len(text)/2)
		out := dst[start : start+len(text)/2]
		var bad uint16
		i := 0
		for ; i+4 <= len(out); i += 4 {
			digits := binary.LittleEndian.Uint64(text[2*i:])
			a, b, c, d := hexBytes[uint16(digits)], hexBytes[uint16(digits>>16)], hexBytes[uint16(digits>>32)], hexBytes[uint16(digits>>48)]
			binary.LittleEndian.PutUint32(out[i:], uint32(byte(a))|uint32(byte(b))<<8|uint32(byte(c))<<16|uint32(byte(d))<<24)
			bad |= a | b | c | d
		}
		for ; i < len(out); i++ {
			value := hexBytes[binary.LittleEndian.Uint16(text[2*i:])]
			out[i] = byte(value)
			bad |= value
		}
		if bad < 0x100 {
			return dst[:start+len(out)], nil
		}
	}
	return decodeLooseHex(dst, text)
}

func decodeLooseHex(dst, text []byte) ([]byte, error) {
	for i := 0; i < len(text); {
		hi := hexValues[text[i]]
		if hi == 0xff {
			// Blanks are allowed between bytes, not within one.
			switch text[i] {
			case ' ', '\n', '\t', '\r':
				i++
				continue
			}
			return dst, badHexDigit(text[i:])
		}
		if i+1 == len(text) {
			return dst, pgerror.New(codeInvalidParameter, "invalid hexadecimal data: odd number of digits")
		}
		lo := hexValues[text[i+1]]
		if lo == 0xff {
			return dst, badHexDigit(text[i+1:])
		}
		dst = append(dst, hi<<4|lo)
		i += 2
	}
	return dst, nil
}

func badHexDigit(at []byte) error {
	return pgerror.New(codeInvalidParameter, "invalid hexadecimal digit: \"%s\"", at[:min(mbLen(at[0]), len(at))])
}

// AppendByteaArray appends a one-dimensional bytea[] in the given format (0 text, 1 binary);
// a nil element is NULL.
func AppendByteaArray(dst []byte, format int16, elems [][]byte) []byte {
	if format == 0 {
		dst = append(dst, '{')
		for i, e := range elems {
			if i > 0 {
				dst = append(dst, ',')
			}
			if e == nil {
				dst = append(dst, "NULL"...)
				continue
			}
			dst = append(dst, `"\`...) // the backslash of \x is doubled within quotes
			dst = AppendByteaHex(dst, e)
			dst = append(dst, '"')
		}
		return append(dst, '}')
	}
	be := binary.BigEndian
	if len(elems) == 0 {
		dst = be.AppendUint32(dst, 0)
		dst = be.AppendUint32(dst, 0)
		return be.AppendUint32(dst, Type{Kind: Bytea}.OID())
	}
	var hasNull uint32
	for _, e := range elems {
		if e == nil {
			hasNull = 1
			break
		}
	}
	dst = be.AppendUint32(dst, 1)
	dst = be.AppendUint32(dst, hasNull)
	dst = be.AppendUint32(dst, Type{Kind: Bytea}.OID())
	dst = be.AppendUint32(dst, uint32(len(elems)))
	dst = be.AppendUint32(dst, 1) // lower bound
	for _, e := range elems {
		if e == nil {
			dst = be.AppendUint32(dst, 0xffffffff)
			continue
		}
		dst = be.AppendUint32(dst, uint32(len(e)))
		dst = append(dst, e...)
	}
	return dst
}
