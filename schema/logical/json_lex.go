package logical

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// jsonToken is a kind of token: one of the punctuation characters, or one of these.
type jsonToken byte

const (
	jsonEnd    jsonToken = 0
	jsonString jsonToken = '"'
	jsonNumber jsonToken = '0'
	jsonTrue   jsonToken = 't'
	jsonFalse  jsonToken = 'f'
	jsonNull   jsonToken = 'n'
)

// jsonLexer splits JSON into tokens with the server's errors, of which it leaves
// out the CONTEXT. Source: PostgreSQL manual, "JSON Types"; RFC 8259.
type jsonLexer struct {
	text []byte
	pos  int
	// decode says to resolve escapes, as jsonb needs it; json only checks their form.
	decode bool

	token jsonToken
	raw   []byte // the token as written
	str   []byte // a string's value, when decode; valid as long as text
	arena []byte // holds the strings that had escapes
}

func invalidJSON(detail string, args ...any) error {
	return pgerror.New(pgerror.InvalidTextRepresent, "invalid input syntax for type json").WithDetail(detail, args...)
}

// expected is the error for a token that cannot come here.
func (l *jsonLexer) expected(what string) error {
	if l.token == jsonEnd {
		return invalidJSON("The input string ended unexpectedly.")
	}
	return invalidJSON("Expected %s, but found \"%s\".", what, l.raw)
}

func invalidToken(raw []byte) error { return invalidJSON("Token \"%s\" is invalid.", raw) }

// next reads the next token.
func (l *jsonLexer) next() error {
	for l.pos < len(l.text) {
		if c := l.text[l.pos]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			break
		}
		l.pos++
	}
	if l.pos == len(l.text) {
		l.token, l.raw = jsonEnd, nil
		return nil
	}
	start := l.pos
	var err error
	switch c := l.text[start]; c {
	case '{', '}', '[', ']', ',', ':':
		l.token = jsonToken(c)
		l.pos++
	case '"':
		l.token = jsonString
		err = l.string()
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		l.token = jsonNumber
		err = l.number()
	default:
		err = l.word()
	}
	l.raw = l.text[start:l.pos]
	return err
}

// inJSONWord says whether c goes on a word, to show all of an invalid one.
func inJSONWord(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= utf8.RuneSelf
}

func (l *jsonLexer) word() error {
	start := l.pos
	for l.pos < len(l.text) && inJSONWord(l.text[l.pos]) {
		l.pos++
	}
	if l.pos == start {
		l.pos++ // some other punctuation
	}
	switch string(l.text[start:l.pos]) {
	case "true":
		l.token = jsonTrue
	case "false":
		l.token = jsonFalse
	case "null":
		l.token = jsonNull
	default:
		return invalidToken(l.text[start:l.pos])
	}
	return nil
}

// number reads a number by the grammar of JSON: no leading zeros, digits on both sides of the point.
func (l *jsonLexer) number() error {
	start := l.pos
	ok := true
	digits := func() {
		n := l.pos
		for l.pos < len(l.text) && l.text[l.pos] >= '0' && l.text[l.pos] <= '9' {
			l.pos++
		}
		ok = ok && l.pos > n
	}
	at := func(c byte) bool { return l.pos < len(l.text) && l.text[l.pos]|0x20 == c|0x20 }
	if l.text[l.pos] == '-' {
		l.pos++
	}
	if at('0') && l.text[l.pos] == '0' {
		l.pos++
	} else {
		digits()
	}
	if l.pos < len(l.text) && l.text[l.pos] == '.' {
		l.pos++
		digits()
	}
	if at('e') {
		l.pos++
		if l.pos < len(l.text) && (l.text[l.pos] == '+' || l.text[l.pos] == '-') {
			l.pos++
		}
		digits()
	}
	for l.pos < len(l.text) && inJSONWord(l.text[l.pos]) {
		l.pos++
		ok = false
	}
	if !ok {
		return invalidToken(l.text[start:l.pos])
	}
	return nil
}

// string reads a string. One without escapes is its own value.
func (l *jsonLexer) string() error {
	start := l.pos
	l.pos++
	plain := l.pos
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; {
		case c == '"':
			l.str = l.text[plain:l.pos]
			l.pos++
			return nil
		case c < 0x20:
			return invalidJSON("Character with value 0x%02x must be escaped.", c)
		case c == '\\':
			return l.escaped(start, plain)
		}
		l.pos++
	}
	return invalidToken(l.text[start:])
}

// escaped reads on a string from its first backslash.
func (l *jsonLexer) escaped(start, plain int) error {
	from := len(l.arena)
	l.arena = append(l.arena, l.text[plain:l.pos]...)
	high := rune(-1) // the first half of a surrogate pair
	loneHigh := func() error {
		if high < 0 {
			return nil
		}
		return invalidJSON("Unicode low surrogate must follow a high surrogate.")
	}
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		if c < 0x20 {
			return invalidJSON("Character with value 0x%02x must be escaped.", c)
		}
		if c != '\\' {
			if err := loneHigh(); err != nil {
				return err
			}
			l.pos++
			if c == '"' {
				l.str = l.arena[from:len(l.arena):len(l.arena)]
				return nil
			}
			l.arena = append(l.arena, c)
			continue
		}
		l.pos++
		if l.pos == len(l.text) {
			break
		}
		if l.text[l.pos] != 'u' {
			if err := loneHigh(); err != nil {
				return err
			}
			i := strings.IndexByte(`"\/bfnrt`, l.text[l.pos])
			if i < 0 {
				return invalidJSON("Escape sequence \"\\%s\" is invalid.", l.character())
			}
			l.arena = append(l.arena, "\"\\/\b\f\n\r\t"[i])
			l.pos++
			continue
		}
		l.pos++
		r, err := l.hex4(start)
		if err != nil {
			return err
		}
		if !l.decode {
			continue
		}
		switch {
		case r >= 0xd800 && r < 0xdc00:
			if high >= 0 {
				return invalidJSON("Unicode high surrogate must not follow a high surrogate.")
			}
			high = r
			continue
		case r >= 0xdc00 && r < 0xe000:
			if high < 0 {
				return invalidJSON("Unicode low surrogate must follow a high surrogate.")
			}
			r = utf16.DecodeRune(high, r)
			high = -1
		}
		if err := loneHigh(); err != nil {
			return err
		}
		if r == 0 {
			return pgerror.New(pgerror.UntranslatableCharacter, "unsupported Unicode escape sequence").
				WithDetail("\\u0000 cannot be converted to text.")
		}
		l.arena = utf8.AppendRune(l.arena, r)
	}
	return invalidToken(l.text[start:])
}

// hex4 reads the digits of \uXXXX.
func (l *jsonLexer) hex4(start int) (rune, error) {
	var r rune
	for range 4 {
		if l.pos == len(l.text) {
			return 0, invalidToken(l.text[start:])
		}
		v := hexValues[l.text[l.pos]]
		if v == 0xff {
			return 0, invalidJSON("\"\\u\" must be followed by four hexadecimal digits.")
		}
		r = r<<4 | rune(v)
		l.pos++
	}
	return r, nil
}

// character is the character at the current position.
func (l *jsonLexer) character() []byte {
	return l.text[l.pos:min(l.pos+mbLen(l.text[l.pos]), len(l.text))]
}
