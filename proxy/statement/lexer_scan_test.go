package statement

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	pg_query "github.com/pganalyze/pg_query_go/v6"
)

// scanKinds maps the scanner's tokens to ours; key words and identifiers are
// told apart by their number.
var scanKinds = map[pg_query.Token]TokenKind{
	pg_query.Token_IDENT: QuotedIdent, pg_query.Token_UIDENT: UnicodeIdent, pg_query.Token_FCONST: Decimal,
	pg_query.Token_SCONST: String, pg_query.Token_USCONST: UnicodeString, pg_query.Token_BCONST: BitString,
	pg_query.Token_XCONST: BitString, pg_query.Token_Op: Operator, pg_query.Token_ICONST: Integer,
	pg_query.Token_PARAM: Parameter, pg_query.Token_TYPECAST: TypeCast, pg_query.Token_DOT_DOT: DotDot,
	pg_query.Token_COLON_EQUALS: ColonEquals, pg_query.Token_EQUALS_GREATER: EqualsGreater,
	pg_query.Token_LESS_EQUALS: Operator, pg_query.Token_GREATER_EQUALS: Operator,
	pg_query.Token_NOT_EQUALS: Operator,
	',':                       Comma, ';': Semicolon, '.': Dot, ':': Colon, '(': LeftParen, ')': RightParen,
	'[': LeftBracket, ']': RightBracket, '+': Operator, '-': Operator, '*': Operator, '/': Operator,
	'%': Operator, '^': Operator, '<': Operator, '>': Operator, '=': Operator,
}

// sameKind reports whether our token is what the scanner calls want.
func sameKind(kind TokenKind, want pg_query.Token, first byte) bool {
	switch {
	case want == pg_query.Token_IDENT:
		return kind == Ident || kind == QuotedIdent
	case want == pg_query.Token_SCONST:
		return kind == String || kind == EscapeString || kind == DollarString
	case want == pg_query.Token_NCHAR && kind == National:
		return true
	case want > pg_query.Token_C_COMMENT: // a key word
		return kind == Ident
	}
	if k, ok := scanKinds[want]; ok {
		return k == kind
	}
	return kind == Invalid
}

// compareScan lexes sql and compares with PostgreSQL's own scanner. It reports
// whether the scanner accepted the text.
func compareScan(t *testing.T, l *Lexer, sql string) bool {
	t.Helper()
	text := l.Lex([]byte(sql))
	checkTokens(t, text)
	if strings.IndexByte(sql, 0) >= 0 {
		if !text.Odd() {
			t.Fatalf("a text with a NUL byte is not Odd: %q", sql)
		}
		return false
	}
	if commentInString(text) {
		// pg_query returns comments as tokens and so does not continue a
		// string over one, as the server does.
		sql = string(blanked(text))
		text = l.Lex([]byte(sql))
	}
	result, err := pg_query.Scan(sql)
	if err != nil {
		if !text.Odd() && !valueError(text, err) {
			t.Fatalf("the scanner refuses, the lexer does not: %v\n%q", err, sql)
		}
		return false
	}
	i := 0
	for _, want := range result.Tokens {
		if want.Token == pg_query.Token_SQL_COMMENT || want.Token == pg_query.Token_C_COMMENT {
			continue
		}
		if i >= len(text.Tokens()) {
			t.Fatalf("tokens missing from %v on\n%q", want, sql)
		}
		got := text.Token(i)
		i++
		if got.Start != want.Start || !sameKind(got.Kind, want.Token, sql[got.Start]) {
			t.Fatalf("token %d: got %v, want %v\n%q", i-1, got, want, sql)
		}
		if got.End != want.End && !continued(sql[got.Start:got.End]) && got.Kind != Invalid {
			t.Fatalf("token %d: got %v, want %v\n%q", i-1, got, want, sql)
		}
		if word := got.Word; want.Token > pg_query.Token_C_COMMENT && got.Kind == Ident {
			name := strings.ToLower(sql[got.Start:got.End])
			if word != 0 && word.String() != name || word == 0 && findWord([]byte(name)) != 0 {
				t.Fatalf("%q is taken for %q", name, word)
			}
			if isReserved := want.KeywordKind == pg_query.KeywordKind_RESERVED_KEYWORD && name != "system_user"; word.Reserved() != isReserved {
				t.Fatalf("%q: reserved is %v", name, word.Reserved())
			}
		}
	}
	if i != len(text.Tokens()) {
		t.Fatalf("token %d: got %v, want none\n%q", i, text.Token(i), sql)
	}
	return true
}

// valueError reports whether the scanner refused the text for the value of an
// escape: the lexer leaves values to AppendString.
func valueError(text *Text, err error) bool {
	message := err.Error()
	for i, k := range text.Tokens() {
		if k.Kind == EscapeString {
			if _, err := text.AppendString(nil, i); err != nil {
				return true
			}
		}
	}
	return strings.Contains(message, "UESCAPE")
}

// continued reports whether a token may be a string of several pieces, where
// the scanner's end is another one.
func continued(token string) bool {
	return strings.HasSuffix(token, "'") && strings.ContainsAny(token, "\n\r")
}

// commentInString reports whether a string goes on after a comment.
func commentInString(text *Text) bool {
	for _, k := range text.Tokens() {
		if k.Kind.IsString() || k.Kind == BitString {
			raw := slices.Clone(text.SQL()[k.Start:k.End])
			blankContinuations(raw, k.Kind)
			if !bytes.Equal(raw, text.SQL()[k.Start:k.End]) {
				return true
			}
		}
	}
	return false
}

// blanked returns the text without its comments, nothing folded.
func blanked(text *Text) []byte {
	text.comments = true
	text.folding.buffer = nil
	at := text.copyTokens(0, 0, len(text.Tokens()))
	text.folding.blank(len(text.SQL()) - at)
	return text.folding.buffer
}

// checkTokens verifies what holds for the tokens of any text.
func checkTokens(t *testing.T, text *Text) {
	t.Helper()
	end := int32(0)
	for i, k := range text.Tokens() {
		if k.Start < end || k.End <= k.Start || int(k.End) > len(text.SQL()) {
			t.Fatalf("token %d spans [%d, %d) after %d\n%q", i, k.Start, k.End, end, text.SQL())
		}
		if text.At(int(k.Start)) != i || text.At(int(k.End)-1) != i {
			t.Fatalf("At does not find token %d\n%q", i, text.SQL())
		}
		end = k.End
	}
}

// lexerCorpus returns the texts of testdata/lexer, cut at lines of "----", and
// the SQL files of a PostgreSQL on this machine, statement by statement.
func lexerCorpus(t testing.TB) []string {
	t.Helper()
	var corpus []string
	own, err := filepath.Glob("testdata/lexer/*.sql")
	if err != nil || len(own) == 0 {
		t.Fatal("no corpus in testdata/lexer", err)
	}
	for _, path := range own {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, sql := range bytes.Split(data, []byte("\n----\n")) {
			corpus = append(corpus, string(sql))
		}
	}
	return corpus
}

func TestLexAgreesWithScanner(t *testing.T) {
	var l Lexer
	accepted := 0
	corpus := lexerCorpus(t)
	for _, sql := range corpus {
		if compareScan(t, &l, sql) {
			accepted++
		}
	}
	t.Logf("%d texts, %d accepted by the scanner", len(corpus), accepted)
	for _, path := range []string{
		"/usr/share/postgresql/15/information_schema.sql", "/usr/share/postgresql/15/system_functions.sql",
		"/usr/share/postgresql/15/system_views.sql", "/usr/share/postgresql/15/extension/hstore--1.4.sql",
	} {
		if data, err := os.ReadFile(path); err == nil && !compareScan(t, &l, string(data)) {
			t.Errorf("%s is refused", path)
		}
	}
}

// fragments are glued together at random: what they make at their seams is
// what a lexer gets wrong.
var fragments = strings.Split(`'|"|''|""|E'|e'|B'|x'|N'|U&'|U&"|$$|$a$|$|$1|$1a|\|\'|\\|\u0041|--|/*|*/|/|*|+|-|->>|<>|!=|=>|:=|::|:|..|.|`+
	`1|1.|.5|1e10|1e|1e+|1..2|0x1F|0b101|0o17|0x|1_000|1__0|1_|9999999999|é|a|_b|c$1|SELECT|nchar|n|`+
	` |	|`+"\n|\r|\v|\f"+`|'a'|'a\'b'|"q"|(|)|[|]|,|;|@|?|~|^|%|&|#|{|`+"`|\xff|\xc3|'\n'|'--\n'|' --c\n '", "|")

func TestLexAgreesWithScannerOnMutations(t *testing.T) {
	var l Lexer
	rng := rand.New(rand.NewPCG(1, 2))
	corpus := lexerCorpus(t)
	rounds := 30000 / slowdown
	accepted := 0
	for range rounds {
		var b strings.Builder
		if rng.IntN(2) == 0 {
			for range 1 + rng.IntN(12) {
				b.WriteString(fragments[rng.IntN(len(fragments))])
			}
		} else {
			sql := corpus[rng.IntN(len(corpus))]
			if len(sql) > 300 {
				from := rng.IntN(len(sql) - 200)
				sql = sql[from : from+200]
			}
			cut := rng.IntN(len(sql) + 1)
			b.WriteString(sql[:cut])
			b.WriteString(fragments[rng.IntN(len(fragments))])
			b.WriteString(sql[min(len(sql), cut+rng.IntN(4)):])
		}
		if compareScan(t, &l, b.String()) {
			accepted++
		}
	}
	if accepted < rounds/10 {
		t.Errorf("only %d of %d texts were accepted by the scanner: the test compares too little", accepted, rounds)
	}
}

func FuzzLex(f *testing.F) {
	for _, sql := range lexerCorpus(f) {
		f.Add(sql)
	}
	var l Lexer
	f.Fuzz(func(t *testing.T, sql string) {
		if len(sql) > 4096 {
			return
		}
		if utf8.ValidString(sql) {
			compareScan(t, &l, sql)
		} else if text := l.Lex([]byte(sql)); !text.Odd() {
			t.Fatal("invalid UTF-8 is not Odd")
		} else {
			checkTokens(t, text)
		}
	})
}
