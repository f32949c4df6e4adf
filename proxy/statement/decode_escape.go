package statement

import (
	"unicode/utf16"
	"unicode/utf8"
)

// appendEscaped appends one piece of an E'…' constant, its escapes resolved
// (manual, 4.1.2.2).
func appendEscaped(dst, s []byte) ([]byte, error) {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\'': // doubled
			dst = append(dst, c)
			i += 2
			continue
		case c != '\\':
			dst = append(dst, c)
			i++
			continue
		case i+1 >= len(s):
			return dst, ErrEscape
		}
		var err error
		if dst, i, err = appendEscape(dst, s, i+1); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendEscape appends what the escape whose letter is at i stands for, and
// returns the offset after it.
func appendEscape(dst, s []byte, i int) ([]byte, int, error) {
	switch c := s[i]; c {
	case 'b':
		return append(dst, '\b'), i + 1, nil
	case 'f':
		return append(dst, '\f'), i + 1, nil
	case 'n':
		return append(dst, '\n'), i + 1, nil
	case 'r':
		return append(dst, '\r'), i + 1, nil
	case 't':
		return append(dst, '\t'), i + 1, nil
	case 'v':
		return dst, i, ErrEscape
	case 'x':
		v, n := readDigits(s[i+1:], 16, 2)
		if n == 0 {
			return append(dst, c), i + 1, nil
		}
		return append(dst, byte(v)), i + 1 + n, nil
	case 'u', 'U':
		return appendUnicode(dst, s, i)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		v, n := readDigits(s[i:], 8, 3)
		return append(dst, byte(v)), i + n, nil
	default:
		return append(dst, c), i + 1, nil
	}
}

// appendUnicode appends the character of \uXXXX or \UXXXXXXXX whose letter is
// at i, or of two such escapes that are a surrogate pair.
func appendUnicode(dst, s []byte, i int) ([]byte, int, error) {
	r, i, ok := unicodeEscape(s, i)
	if !ok {
		return dst, i, ErrEscape
	}
	if utf16.IsSurrogate(r) {
		if i+1 >= len(s) || s[i] != '\\' || s[i+1]|0x20 != 'u' {
			return dst, i, ErrEscape
		}
		var low rune
		if low, i, ok = unicodeEscape(s, i+1); !ok {
			return dst, i, ErrEscape
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return dst, i, ErrEscape
		}
	}
	if r == 0 || r > utf8.MaxRune {
		return dst, i, ErrEscape
	}
	return utf8.AppendRune(dst, r), i, nil
}

// unicodeEscape reads the digits of the escape whose letter is at i.
func unicodeEscape(s []byte, i int) (rune, int, bool) {
	digits := 4
	if s[i] == 'U' {
		digits = 8
	}
	v, n := readDigits(s[i+1:], 16, digits)
	if n != digits || v > utf8.MaxRune {
		return 0, i, false
	}
	return rune(v), i + 1 + n, true
}

// readDigits reads up to most digits and returns the value and how many there are.
func readDigits(s []byte, base, most int) (value uint64, n int) {
	for n < most && n < len(s) && digitOf(s[n]) < base {
		value = value*uint64(base) + uint64(digitOf(s[n]))
		n++
	}
	return value, n
}
