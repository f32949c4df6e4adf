package statement

import "errors"

// Lexer turns texts into tokens. It keeps and reuses its buffers: one per
// connection. The zero value is ready.
type Lexer struct {
	// BackslashQuotes says that the session's standard_conforming_strings is
	// off: a plain string with a backslash in it is then Odd.
	BackslashQuotes bool

	text Text
}

// Lex reads the tokens of sql. The Text is valid until the next call; sql must
// stay unchanged as long. Lex never fails: what it cannot read makes the text
// Odd.
func (l *Lexer) Lex(sql []byte) *Text { return &l.text }

// Shape returns the text's cache key, valid until the next Lex.
func (t *Text) Shape() []byte { return nil }

// Depth returns an upper bound of the depth of the parse tree.
func (t *Text) Depth() int { return 0 }

// AppendIdent appends the identifier as the catalog stores it.
func (t *Text) AppendIdent(dst []byte, i int) []byte { return dst }

// AppendString appends the value of a string constant.
func (t *Text) AppendString(dst []byte, i int) ([]byte, error) { return dst, errors.New("") }
