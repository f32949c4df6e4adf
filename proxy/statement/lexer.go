package statement

import (
	"bytes"
	"math"
	"unicode/utf8"
)

// Lexer turns texts into tokens. It keeps and reuses its buffers: one per
// connection. The zero value is ready.
type Lexer struct {
	// BackslashQuotes says that the session's standard_conforming_strings is
	// off: a plain string with a backslash in it is then Odd.
	BackslashQuotes bool

	text Text
}

// Buffers that grew beyond this many tokens or bytes are given back when a
// text no longer than that follows.
const keepSize = 1 << 15

// Lex reads the tokens of sql. The Text is valid until the next call; sql must
// stay unchanged as long. Lex never fails: what it cannot read makes the text
// Odd.
func (l *Lexer) Lex(sql []byte) *Text {
	t := &l.text
	t.reset(sql)
	if len(sql) >= math.MaxInt32 {
		t.odd = true
		return t
	}
	s := scanner{sql: sql, tokens: t.tokens[:0], backslash: l.BackslashQuotes}
	s.run()
	t.tokens, t.comments, t.atomic, t.unclosed = s.tokens, s.comments, s.atomic, s.unclosed
	t.odd, t.vouched = s.odd, len(s.tokens)
	if s.odd || s.unicode {
		t.vouched = s.vouched
	}
	t.checkBytes()
	t.unicode = s.unicode && !t.odd
	t.odd = t.odd || s.unicode
	return t
}

// checkBytes marks a text with a NUL byte, where the server would stop reading,
// or with bytes that are not UTF-8. In the client encodings whose characters
// may end in a backslash byte (SJIS, BIG5, GBK…) only E'…' reads differently.
func (t *Text) checkBytes() {
	if n := bytes.IndexByte(t.sql, 0); n >= 0 {
		t.odd = true
		t.vouched = min(t.vouched, t.At(n))
	}
	if utf8.Valid(t.sql) {
		return
	}
	t.odd = true
	for i, k := range t.tokens[:t.vouched] {
		if k.Kind == EscapeString {
			t.vouched = i
			return
		}
	}
}

// reset prepares t for a new text.
func (t *Text) reset(sql []byte) {
	t.sql = sql
	t.tokens = t.tokens[:0]
	t.odd, t.unicode, t.unclosed, t.comments, t.vouched = false, false, false, false, 0
	t.classified, t.folding.done, t.depthSet, t.shapeSet, t.commandsSet = false, false, false, false, false
	t.folding.sql = nil
	if len(sql) <= keepSize && cap(t.tokens)+cap(t.folding.buffer)+cap(t.shape)+cap(t.value) > 8*keepSize {
		*t = Text{sql: sql}
	}
}

// class sorts bytes by the tokens they can start.
type class uint8

const (
	classOther class = iota
	classSpace
	classLetter // letters, _ and every byte above 0x7F
	classDigit
	classOperator
	classQuote
	classDoubleQuote
	classDollar
	classDot
	classColon
	classPunctuation
)

var (
	classes     [256]class
	identBytes  [256]bool      // bytes an identifier goes on with
	punctuation [256]TokenKind // tokens of one byte
)

func init() {
	for c := range 256 {
		switch {
		case c >= 0x80 || c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z':
			classes[c] = classLetter
		case c >= '0' && c <= '9':
			classes[c] = classDigit
		}
		identBytes[c] = classes[c] != classOther || c == '$'
	}
	for _, c := range []byte(" \t\n\r\f\v") {
		classes[c] = classSpace
	}
	for _, c := range []byte("~!@#^&|`?+-*/%<>=") {
		classes[c] = classOperator
	}
	classes['\''] = classQuote
	classes['"'] = classDoubleQuote
	classes['$'] = classDollar
	classes['.'] = classDot
	classes[':'] = classColon
	for c, kind := range map[byte]TokenKind{
		',': Comma, ';': Semicolon, '(': LeftParen, ')': RightParen, '[': LeftBracket, ']': RightBracket,
	} {
		classes[c], punctuation[c] = classPunctuation, kind
	}
}

// scanner is the state of one Lex.
type scanner struct {
	sql       []byte
	tokens    []Token
	pos       int
	odd       bool
	unicode   bool // markUnicode was called
	vouched   int  // tokens before the first odd one
	unclosed  bool // the last token or comment has no end
	comments  bool
	atomic    bool // the word ATOMIC was met
	backslash bool // plain strings with a backslash are Odd
}

// byteAt returns the byte at that offset, 0 at or past the end.
func (s *scanner) byteAt(i int) byte {
	if uint(i) >= uint(len(s.sql)) {
		return 0
	}
	return s.sql[i]
}

// emit appends the token that starts at s.pos and ends at end.
func (s *scanner) emit(kind TokenKind, end int) {
	s.tokens = append(s.tokens, Token{Start: int32(s.pos), End: int32(end), Kind: kind})
	s.pos = end
}

func (s *scanner) run() {
	for s.pos < len(s.sql) {
		c := s.sql[s.pos]
		switch classes[c] {
		case classSpace:
			s.pos++
		case classLetter:
			if !s.prefixed(c) {
				s.ident()
			}
		case classDigit:
			s.number()
		case classOperator:
			s.operator(c)
		case classQuote:
			s.quoted(String, s.pos+1)
		case classDoubleQuote:
			s.quotedIdent(QuotedIdent, s.pos+1)
		case classDollar:
			s.dollar()
		case classDot:
			switch next := s.byteAt(s.pos + 1); {
			case next == '.':
				s.emit(DotDot, s.pos+2)
			case classes[next] == classDigit:
				s.number()
			default:
				s.emit(Dot, s.pos+1)
			}
		case classColon:
			switch s.byteAt(s.pos + 1) {
			case ':':
				s.emit(TypeCast, s.pos+2)
			case '=':
				s.emit(ColonEquals, s.pos+2)
			default:
				s.emit(Colon, s.pos+1)
			}
		case classPunctuation:
			s.emit(punctuation[c], s.pos+1)
		default:
			s.mark()
			s.emit(Invalid, s.pos+1)
		}
	}
}

// ident reads an unquoted identifier.
func (s *scanner) ident() {
	sql, start, i := s.sql, s.pos, s.pos
	for i < len(sql) && identBytes[sql[i]] {
		i++
	}
	word := findWord(sql[start:i])
	s.atomic = s.atomic || word == WordAtomic
	s.tokens = append(s.tokens, Token{Start: int32(start), End: int32(i), Kind: Ident, Word: word})
	s.pos = i
}

// prefixed reads the constants and identifiers that begin with a letter before
// a quote, and reports whether there was one.
func (s *scanner) prefixed(c byte) bool {
	next := s.byteAt(s.pos + 1)
	if next != '\'' && next != '&' {
		return false
	}
	switch c | 0x20 {
	case 'e':
		if next == '\'' {
			s.quoted(EscapeString, s.pos+2)
			return true
		}
	case 'b', 'x':
		if next == '\'' {
			s.quoted(BitString, s.pos+2)
			return true
		}
	case 'n':
		if next == '\'' {
			s.emit(National, s.pos+1)
			s.quoted(String, s.pos+1)
			return true
		}
	case 'u':
		if next != '&' {
			return false
		}
		switch s.byteAt(s.pos + 2) {
		case '\'':
			s.quoted(UnicodeString, s.pos+3)
			return true
		case '"':
			s.markUnicode()
			s.quotedIdent(UnicodeIdent, s.pos+3)
			return true
		}
	}
	return false
}

// quotedIdent reads an identifier in double quotes; i is the offset after the
// opening one.
func (s *scanner) quotedIdent(kind TokenKind, i int) {
	body := i
	for {
		n := bytes.IndexByte(s.sql[i:], '"')
		if n < 0 {
			s.unterminated(kind)
			return
		}
		i += n + 1
		if s.byteAt(i) != '"' {
			break
		}
		i++
	}
	if i == body+1 { // PostgreSQL: zero-length delimited identifier
		s.mark()
	}
	s.emit(kind, i)
}

// markUnicode notes that the token about to be emitted is a U&"…" identifier, or a
// U&'…' constant that the server may refuse: where it ends is plain.
func (s *scanner) markUnicode() {
	if !s.unicode && !s.odd {
		s.unicode, s.vouched = true, len(s.tokens)
	}
}

// mark notes that the token about to be emitted cannot be vouched for.
func (s *scanner) mark() {
	if !s.odd && !s.unicode {
		s.vouched = len(s.tokens)
	}
	s.odd = true
}

// unterminated ends the text with a token that has no end.
func (s *scanner) unterminated(kind TokenKind) {
	s.unclosed = true
	s.mark()
	s.emit(kind, len(s.sql))
}

// PlainBackslash reports whether a string constant without E has a backslash in it: what
// that means depends on standard_conforming_strings, and PostgreSQL's parser here takes
// it to be on.
func (t *Text) PlainBackslash() bool {
	for i, k := range t.tokens {
		if k.Kind == String && bytes.IndexByte(t.Bytes(i), '\\') >= 0 {
			return true
		}
	}
	return false
}
