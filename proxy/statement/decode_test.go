package statement

import (
	"errors"
	"strings"
	"testing"

	pg_query "github.com/pganalyze/pg_query_go/v6"
)

func TestAppendString(t *testing.T) {
	var l Lexer
	for _, test := range []struct {
		sql, want string
		err       error
	}{
		{`'abc'`, "abc", nil},
		{`''`, "", nil},
		{`''''`, "'", nil},
		{`'it''s'''`, "it's'", nil},
		{`'a\n\'`, `a\n\`, nil},
		{"'a'\n'b'", "ab", nil},
		{"'a''' -- c\n\t--d\r\n '''b'", "a''b", nil},
		{`E'a\'b''c\\'`, `a'b'c\`, nil},
		{`e'\b\f\n\r\t\q\"'`, "\b\f\n\r\tq\"", nil},
		{`E'\x41\x4g\xg\101\1012\7'`, "A\x04gxgAA2\a", nil},
		{`E'\303\251\xC3\xa9é'`, "ééé", nil},
		{`E'\u00e9\U0001F600\uD83D\uDE00\ud83d\U0000de00'`, "é😀😀😀", nil},
		{"E'a\\''\n'\\'b'", "a''b", nil},
		{`E'\v'`, "", ErrEscape},
		{`E'\u12'`, "", ErrEscape},
		{`E'\U0011FFFF'`, "", ErrEscape},
		{`E'\uD83D'`, "", ErrEscape},
		{`E'\uDE00'`, "", ErrEscape},
		{`E'\uD83Dx\uDE00'`, "", ErrEscape},
		{`E'\uD83D\u0041'`, "", ErrEscape},
		{"E'\\uD83D'\n'\\uDE00'", "", ErrEscape},
		{`E'\0'`, "", ErrEscape},
		{`E'\x00'`, "", ErrEscape},
		{`E'\u0000'`, "", ErrEscape},
		{`E'\xff'`, "", ErrEscape},
		{`$$a'b"$x$$`, `a'b"$x`, nil},
		{`$é1$a$$b$é1$`, `a$$b`, nil},
		{`$$$$`, "", nil},
		{`U&'\0041b\\c\+01F600''\00e9'`, `Ab\c😀'é`, nil},
		{`U&'\D83D\DE00'`, `😀`, nil},
		{`U&'a!0062\c' UESCAPE '!'`, `ab\c`, nil},
		{`U&'a' UESCAPE '1'`, "", ErrUnicodeString},
		{`U&'\004'`, "", ErrUnicodeString},
		{`U&'\0000'`, "", ErrUnicodeString},
		{`U&'\D83Dx'`, "", ErrUnicodeString},
		{"U&'a'\n'b'", "", ErrUnicodeString},
		{`B'01'`, "", ErrNotString},
		{`12`, "", ErrNotString},
		{`abc`, "", ErrNotString},
		{`'abc`, "", ErrNotString},
		{`$$abc`, "", ErrNotString},
		{`E'abc\'`, "", ErrNotString},
	} {
		text := l.Lex([]byte(test.sql))
		got, err := text.AppendString([]byte("<"), 0)
		if !errors.Is(err, test.err) || err == nil && string(got) != "<"+test.want || err != nil && string(got) != "<" {
			t.Errorf("%s: got %q, %v, want %q, %v", test.sql, got, err, test.want, test.err)
		}
	}
}

// TestAppendStringAgreesWithParser compares with the value PostgreSQL's own
// parser gives the constant.
func TestAppendStringAgreesWithParser(t *testing.T) {
	var l Lexer
	seen := 0
	for _, sql := range lexerCorpus(t) {
		text := l.Lex([]byte(sql))
		for i, k := range text.Tokens() {
			if !k.Kind.IsString() {
				continue
			}
			value, err := text.AppendString(nil, i)
			raw := string(text.Bytes(i))
			tree, parseErr := pg_query.Parse("SELECT " + raw)
			if err != nil || parseErr != nil {
				if err == nil && !strings.Contains(raw, "--") {
					t.Errorf("the parser refuses %s: %v", raw, parseErr)
				}
				continue
			}
			target := tree.Stmts[0].Stmt.GetSelectStmt().TargetList[0].GetResTarget()
			if want := target.Val.GetAConst().GetSval().GetSval(); want != string(value) {
				t.Errorf("%s: got %q, want %q", raw, value, want)
			}
			seen++
		}
	}
	if seen < 40 {
		t.Errorf("only %d constants compared", seen)
	}
}

func TestAppendIdent(t *testing.T) {
	var l Lexer
	long := strings.Repeat("x", 70)
	for sql, want := range map[string]string{
		`Patient`:                              "patient",
		`"Patient"`:                            "Patient",
		`"a""b"""`:                             `a"b"`,
		`"a b"`:                                "a b",
		`ÉTAT`:                                 "ÉtaT"[:2] + "tat",
		`SELECT`:                               "select",
		long:                                   long[:63],
		`"` + long + `"`:                       long[:63],
		strings.Repeat("é", 40):                strings.Repeat("é", 31),
		strings.Repeat("x", 62) + "é":          strings.Repeat("x", 62),
		`"` + strings.Repeat(`""`, 70) + `"`:   strings.Repeat(`"`, 63),
		`12`:                                   "",
		`"abc`:                                 "",
		`'abc'`:                                "",
		`U&"abc"`:                              "",
		`"` + strings.Repeat("x", 61) + `é é"`: strings.Repeat("x", 61) + "é",
	} {
		if got := l.Lex([]byte(sql)).AppendIdent([]byte("<"), 0); string(got) != "<"+want {
			t.Errorf("%s: got %q, want %q", sql, got[1:], want)
		}
	}
}

func TestParam(t *testing.T) {
	var l Lexer
	for sql, want := range map[string]int{"$1": 1, "$65535": 65535, "$0": 0, "$99999999999": 0, "1": 0, "$2147483647": 2147483647} {
		if got := l.Lex([]byte(sql)).Param(0); got != want {
			t.Errorf("%s: got %d, want %d", sql, got, want)
		}
	}
}
