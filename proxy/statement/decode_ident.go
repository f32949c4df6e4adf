package statement

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// appendUnicodeIdent appends the name that token i, a U&"…" identifier, stands for
// (manual, 4.1.1), and reports whether it could be read.
func (t *Text) appendUnicodeIdent(dst []byte, i int) ([]byte, bool) {
	raw := t.Bytes(i)
	if len(raw) < 5 || t.unclosed {
		return dst, false
	}
	escape, ok := t.unicodeEscapeChar(i)
	if !ok {
		return dst, false
	}
	start := len(dst)
	dst, ok = appendUnicodeBody(dst, raw[3:len(raw)-1], escape, '"')
	return dst[:start+len(truncateIdent(dst[start:]))], ok
}

// unicodeEscapeChar gives the escape character of token i, U&"…" or U&'…': that of the
// UESCAPE after it, if there is one.
func (t *Text) unicodeEscapeChar(i int) (escape byte, ok bool) {
	if k := t.Token(i + 1); k.Kind != Ident || k.Word != WordUescape {
		return '\\', true
	}
	value := t.Bytes(i + 2)
	if t.Token(i+2).Kind != String || len(value) != 3 {
		return 0, false
	}
	escape = value[1]
	return escape, digitOf(escape) >= 16 && bytes.IndexByte([]byte("+'\" \t\n\r\f\v"), escape) < 0
}

// appendUnicodeBody appends what stands between the quotes of U&"…" or U&'…', escapes
// resolved. It reports whether it could be read.
func appendUnicodeBody(dst, body []byte, escape, quote byte) ([]byte, bool) {
	high := rune(0) // of a surrogate pair, 0 outside one
	for at := 0; at < len(body); {
		r, n := rune(0), 0
		switch c := body[at]; {
		case c == escape && at+1 < len(body) && body[at+1] == escape && high == 0:
			dst = append(dst, c)
			at += 2
			continue
		case c == escape:
			if r, n = unicodeIdentEscape(body[at+1:]); n == 0 {
				return dst, false
			}
			n++
		case high != 0:
			return dst, false
		case c == quote: // doubled
			dst = append(dst, c)
			at += 2
			continue
		default:
			dst = append(dst, c)
			at++
			continue
		}
		at += n
		switch {
		case high != 0:
			if r = utf16.DecodeRune(high, r); r == utf8.RuneError {
				return dst, false
			}
			high = 0
		case utf16.IsSurrogate(r):
			high = r
			continue
		}
		if r == 0 {
			return dst, false
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, high == 0
}

// unicodeIdentEscape reads what stands after the escape character: XXXX or +XXXXXX.
// n is 0 if it is neither.
func unicodeIdentEscape(s []byte) (r rune, n int) {
	digits, sign := 4, 0
	if len(s) > 0 && s[0] == '+' {
		digits, sign = 6, 1
	}
	v, read := readDigits(s[sign:], 16, digits)
	if read != digits || v > utf8.MaxRune {
		return 0, 0
	}
	return rune(v), sign + digits
}

// unicodeNames reports whether all that is odd about the text are U&"…" identifiers
// in places where only the names of relations, columns and functions matter: not
// those of prepared statements and cursors, nor what a body may hold.
func (t *Text) unicodeNames() bool {
	if !t.unicode {
		return false
	}
	for _, c := range t.Commands() {
		switch c.Verb {
		case VerbSelect, VerbInsert, VerbUpdate, VerbDelete, VerbMerge:
		default:
			return false
		}
	}
	return true
}

// unicodeWatched reports whether token i, a U&"…" identifier, is a watched name, is
// that of a function that runs SQL, or cannot be read.
func (t *Text) unicodeWatched(i int, watched func([]byte) bool) bool {
	name, ok := t.appendUnicodeIdent(t.scratch[:0], i)
	t.scratch = name
	return !ok || findWord(name).runsSQL() || watched(name)
}
