package statement

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf8"
)

// maxIdent is the length PostgreSQL truncates identifiers to, in bytes
// (NAMEDATALEN-1; manual, 4.1.1).
const maxIdent = 63

// Errors of AppendString. They hold nothing of the text.
var (
	ErrUnicodeString = errors.New("this string constant with U& is not supported")
	ErrNotString     = errors.New("not a string constant")
	ErrEscape        = errors.New("invalid escape in a string constant")
)

// AppendIdent appends the identifier as the catalog stores it: folded to lower
// case (ASCII letters only, as PostgreSQL does under UTF-8) or, if quoted,
// without its quotes; truncated to 63 bytes at a character boundary. Other
// tokens give nothing.
func (t *Text) AppendIdent(dst []byte, i int) []byte {
	start := len(dst)
	raw := t.Bytes(i)
	switch t.Token(i).Kind {
	case Ident:
		dst = appendLower(dst, raw)
	case QuotedIdent:
		if len(raw) < 2 || t.unclosed && i == len(t.tokens)-1 {
			return dst
		}
		raw = raw[1 : len(raw)-1]
		for {
			n := bytes.IndexByte(raw, '"')
			if n < 0 {
				break
			}
			dst = append(dst, raw[:n+1]...)
			raw = raw[n+2:]
		}
		dst = append(dst, raw...)
	}
	return dst[:start+len(truncateIdent(dst[start:]))]
}

// appendLower appends s with its ASCII letters in lower case.
func appendLower(dst, s []byte) []byte {
	for _, c := range s {
		if c-'A' < 26 {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// truncateIdent cuts an identifier to the length the catalog stores.
func truncateIdent(ident []byte) []byte {
	if len(ident) <= maxIdent {
		return ident
	}
	end := maxIdent
	for end > 0 && !utf8.RuneStart(ident[end]) {
		end--
	}
	return ident[:end]
}

// Param returns the number of a parameter token, 0 for any other token and for
// a number that is none.
func (t *Text) Param(i int) int {
	if t.Token(i).Kind != Parameter {
		return 0
	}
	n, err := strconv.ParseUint(string(t.Bytes(i)[1:]), 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// AppendString appends the value of a string constant, its quotes doubled,
// escapes and continuations resolved (manual, 4.1.2). It refuses escapes
// that the server refuses and \v, which servers before PostgreSQL 16 read
// differently. On error dst is returned as it was.
func (t *Text) AppendString(dst []byte, i int) ([]byte, error) {
	raw := t.Bytes(i)
	if t.unclosed && i == len(t.tokens)-1 {
		return dst, ErrNotString
	}
	switch t.Token(i).Kind {
	case String:
		return appendPieces(dst, raw, 1, String)
	case EscapeString:
		return appendPieces(dst, raw, 2, EscapeString)
	case DollarString:
		tag := bytes.IndexByte(raw[1:], '$') + 2
		return append(dst, raw[tag:len(raw)-tag]...), nil
	case UnicodeString:
		escape, ok := t.unicodeEscapeChar(i)
		s := scanner{sql: raw}
		if !ok || s.closingQuote(UnicodeString, 3) != len(raw)-1 { // or it goes on in another line
			return dst, ErrUnicodeString
		}
		value, ok := appendUnicodeBody(dst, raw[3:len(raw)-1], escape, '\'')
		if !ok {
			return dst, ErrUnicodeString
		}
		return value, nil
	}
	return dst, ErrNotString
}

// appendPieces appends the value of a constant in quotes whose first piece
// begins at i, after the opening quote.
func appendPieces(dst, raw []byte, i int, kind TokenKind) ([]byte, error) {
	s := scanner{sql: raw}
	value := dst
	for i >= 0 {
		end := s.closingQuote(kind, i)
		if end < 0 {
			return dst, ErrNotString
		}
		if kind == EscapeString {
			var err error
			if value, err = appendEscaped(value, raw[i:end]); err != nil {
				return dst, err
			}
		} else {
			value = appendUndoubled(value, raw[i:end])
		}
		i, _ = continuation(raw, end+1)
	}
	if kind == EscapeString && (!utf8.Valid(value[len(dst):]) || bytes.IndexByte(value[len(dst):], 0) >= 0) {
		return dst, ErrEscape
	}
	return value, nil
}

// appendUndoubled appends s, each pair of quotes made one.
func appendUndoubled(dst, s []byte) []byte {
	for {
		n := bytes.IndexByte(s, '\'')
		if n < 0 {
			return append(dst, s...)
		}
		dst = append(dst, s[:n+1]...)
		s = s[n+2:]
	}
}

// blankContinuations replaces the comments between the pieces of a constant by
// blanks; the newlines remain.
func blankContinuations(raw []byte, kind TokenKind) {
	s := scanner{sql: raw}
	i := bytes.IndexByte(raw, '\'') + 1
	if i == 0 || kind == DollarString {
		return
	}
	for i >= 0 {
		end := s.closingQuote(kind, i)
		if end < 0 {
			return
		}
		next, comment := continuation(raw, end+1)
		if comment {
			for j := end + 1; j < next-1; j++ {
				if raw[j] != '\n' && raw[j] != '\r' {
					raw[j] = ' '
				}
			}
		}
		i = next
	}
}
