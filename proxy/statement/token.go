package statement

import "sort"

// TokenKind says what a token is. The kinds follow the rules of PostgreSQL's
// scan.l (manual, section 4.1 "Lexical Structure").
type TokenKind uint8

const (
	Invalid       TokenKind = iota // bytes no token starts with; the text is Odd
	Ident                          // unquoted identifier or key word: see Token.Word
	QuotedIdent                    // "…"
	UnicodeIdent                   // U&"…"; the text is Odd
	String                         // '…', with its continuations on later lines
	EscapeString                   // E'…'
	UnicodeString                  // U&'…'
	DollarString                   // $tag$…$tag$
	BitString                      // B'…' and X'…'
	National                       // the N before N'…': the String that follows has type bpchar
	Integer                        // constant that fits an int4
	Decimal                        // any other numeric constant: 1.5, 1e10, 3000000000
	Parameter                      // $1
	Operator                       // any operator of any length: = <> <= + - * || ->> @>
	TypeCast                       // ::
	DotDot                         // ..
	ColonEquals                    // :=
	EqualsGreater                  // =>
	Comma                          // ,
	Semicolon                      // ;
	Dot                            // .
	Colon                          // :
	LeftParen                      // (
	RightParen                     // )
	LeftBracket                    // [
	RightBracket                   // ]
)

// IsName reports whether a token of this kind may name something.
func (k TokenKind) IsName() bool { return k == Ident || k == QuotedIdent }

// IsString reports whether a token of this kind is a constant whose type is
// "unknown" to the server: AppendString reads it.
func (k TokenKind) IsString() bool {
	return k == String || k == EscapeString || k == DollarString || k == UnicodeString
}

// Token is one token: the bytes [Start, End) of the text.
type Token struct {
	Start, End int32
	Kind       TokenKind
	Word       Word // of an Ident: which of the words the package knows, 0 if none of them
}

// Text is one query text and what the lexer found in it. It belongs to the
// Lexer that made it and is valid until that Lexer's next call of Lex.
// It is not safe for concurrent use: the views below are computed when first
// asked for.
type Text struct {
	sql      []byte
	tokens   []Token
	odd      bool // see Odd
	unicode  bool // it is odd for U&"…" identifiers alone
	atomic   bool // the word ATOMIC stands in it
	unclosed bool // the last token or comment has no end
	comments bool // there are comments
	vouched  int  // tokens before the first one that made the text odd

	scratch []byte // identifiers
	value   []byte // constants

	classified bool
	literals   []literal // what each token is to shape and folding
	pairs      []int32   // for each opening bracket the token that closes it
	open       []int32

	folding     folding
	levels      []depthLevel
	depth       int
	depthSet    bool
	shape       []byte
	shapeSet    bool
	commands    []Command
	commandsSet bool
}

// SQL returns the text itself.
func (t *Text) SQL() []byte { return t.sql }

// Tokens returns the tokens of the text, comments and white space left out.
func (t *Text) Tokens() []Token { return t.tokens }

// Token returns the token of that index; one past either end it returns a
// token of kind Invalid, so that neighbours can be looked at without a check.
func (t *Text) Token(i int) Token {
	if uint(i) >= uint(len(t.tokens)) {
		n := int32(len(t.sql))
		return Token{Start: n, End: n}
	}
	return t.tokens[i]
}

// Bytes returns the token's bytes as they stand in the text.
func (t *Text) Bytes(i int) []byte {
	k := t.Token(i)
	return t.sql[k.Start:k.End]
}

// Word returns the word of the token, 0 if it is none or out of range.
func (t *Text) Word(i int) Word {
	if uint(i) >= uint(len(t.tokens)) {
		return 0
	}
	return t.tokens[i].Word
}

// At returns the index of the token that starts at or contains the byte
// offset; if the offset lies between tokens, of the next one (len(Tokens())
// after the last).
func (t *Text) At(offset int) int {
	return sort.Search(len(t.tokens), func(i int) bool { return int(t.tokens[i].End) > offset })
}

// Odd reports that the text holds something the lexer cannot vouch for: an
// unterminated string, comment or quoted identifier, a NUL byte, invalid
// UTF-8, a malformed number, a U&"…" identifier, a body whose statements
// cannot be told apart. Such a text must not be taken as understood.
func (t *Text) Odd() bool {
	if t.atomic && !t.commandsSet {
		t.Commands()
	}
	return t.odd
}

// Group is a repetition found by Groups: Count times the same Len tokens,
// with a comma between. Token j of repetition k has the index
// First + k*(Len+1) + j.
type Group struct{ First, Len, Count int32 }

// Last returns the index of the group's last token.
func (g Group) Last() int { return int(g.First + g.Count*(g.Len+1) - 2) }
