package statement

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAppendRedacted(t *testing.T) {
	var l Lexer
	for sql, want := range map[string]string{
		"SELECT a FROM t WHERE nir = '1790275123456' AND b=12 -- Dupont": "SELECT a FROM t WHERE nir = ? AND b=?",
		"  SELECT\n\t1 , 2.5e3,-3 ;":                                     "SELECT ?, ?,-?;",
		"INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c') RETURNING x":  "INSERT INTO t VALUES (?, ?), … RETURNING x",
		"SELECT 1 WHERE a IN ('x','y') AND b IN ($1)":                    "SELECT ? WHERE a IN (?, …) AND b IN ($1)",
		"SELECT E'a\\'b', B'01', N'x', U&'y', $$z$$, X'1F'":              "SELECT ?, ?, ?, ?, ?, ?",
		"SELECT 'a'\n'b', 'c' -- d\n'e'":                                 "SELECT ?, ?",
		"UPDATE t SET hiv = TRUE, x = NULL, \"Y\" = false":               "UPDATE t SET hiv = ?, x = NULL, \"Y\" = ?",
		"SELECT a::varchar(15)/* x */FROM t":                             "SELECT a::varchar(?) FROM t",
		"SELECT 'abc":                                                    "SELECT ?",
		"SELECT a, \"abc":                                                "SELECT a, ?",
		"SELECT a, $x$ abc $y$":                                          "SELECT a, ?",
		"SELECT a /* abc":                                                "SELECT a ?",
		"SELECT a, U&\"abc\" UESCAPE '!', b":                             "SELECT a, ?",
		"SELECT a, 1x, 'b'":                                              "SELECT a, ?",
		"SELECT a, \x00 b":                                               "SELECT a, ?",
		"SELECT 'H\xe9l\xe8ne', a FROM \"\xe9\"":                         "SELECT ?, a FROM ?",
		"SELECT '\x95\\', E'\x95\\', 'secret'":                           "SELECT ?, ?",
		"SET x = 'secret'":                                               "SET x = ?",
		"ALTER ROLE x PASSWORD 'secret'":                                 "ALTER ROLE x PASSWORD ?",
		"":                                                               "",
		"-- secret":                                                      "",
	} {
		if got := l.Lex([]byte(sql)).AppendRedacted([]byte("<")); string(got) != "<"+want {
			t.Errorf("%q\n got %q\nwant %q", sql, got[1:], want)
		}
	}
	l.BackslashQuotes = true
	if got := l.Lex([]byte(`SELECT a, 'x\' secret '`)).AppendRedacted(nil); string(got) != "SELECT a, ?" {
		t.Errorf("with standard_conforming_strings off: %q", got)
	}
}

// checkRedacted verifies what holds for the redaction of any text.
func checkRedacted(t *testing.T, l, other *Lexer, sql string) string {
	t.Helper()
	redacted := string(l.Lex([]byte(sql)).AppendRedacted(nil))
	if !utf8.ValidString(redacted) {
		t.Fatalf("%q: not UTF-8: %q", sql, redacted)
	}
	text := other.Lex([]byte(strings.ReplaceAll(redacted, "…", " ")))
	for i, k := range text.Tokens() {
		switch {
		case literalOf(k.Kind) != byToken && k.Kind != Parameter, k.Kind == UnicodeIdent, k.Kind == Invalid,
			k.Word == WordTrue, k.Word == WordFalse:
			t.Fatalf("%q: a constant remains, %q, in %q", sql, text.Bytes(i), redacted)
		}
	}
	if text.comments || text.unclosed {
		t.Fatalf("%q: a comment or open end remains in %q", sql, redacted)
	}
	return redacted
}

// TestRedactedHidesSecrets puts a secret into every kind of constant and
// comment, at random places of broken and whole texts.
func TestRedactedHidesSecrets(t *testing.T) {
	var l, other Lexer
	rng := rand.New(rand.NewPCG(7, 8))
	corpus := lexerCorpus(t)
	holders := []string{
		"'%s'", "E'\\'%s\\\\'", "'x'\n'%s'", "$$%s$$", "$q$ $$ '%s $q$", "N'%s'", "U&'%s'", "/* %s */", "/*/* */ '%s*/", "-- '%s\n",
		"'a''%s'", "'--%s'", "'/*%s'", "E'a\\n%s'", "'a' -- %s\n'%[1]s'", "987650%s", "1.5e%s", "'%s", "/* %s", "$$ %s", "E'%s\\'", "U&\"%s\"",
	}
	for round := range 20000 / slowdown {
		sql := corpus[rng.IntN(len(corpus))]
		if len(sql) > 200 {
			sql = sql[:200]
		}
		secret := fmt.Sprintf("98765%d98765", round)
		holder := fmt.Sprintf(holders[rng.IntN(len(holders))], secret)
		// Between two tokens, where the holder is what it looks like.
		text := l.Lex([]byte(sql))
		at := len(sql)
		if n := len(text.Tokens()); n > 0 {
			at = int(text.Token(rng.IntN(n)).Start)
		}
		whole := sql[:at] + " " + holder + " " + sql[at:]
		if rng.IntN(4) == 0 {
			whole = whole[:rng.IntN(len(whole)+1)]
		}
		redacted := checkRedacted(t, &l, &other, whole)
		if strings.Contains(redacted, "98765") {
			t.Fatalf("%q\nleaks in %q", whole, redacted)
		}
	}
}

func FuzzRedact(f *testing.F) {
	for _, sql := range lexerCorpus(f) {
		f.Add(sql)
	}
	var l, other Lexer
	f.Fuzz(func(t *testing.T, sql string) {
		if len(sql) > 4096 {
			return
		}
		checkRedacted(t, &l, &other, sql)
		a := l.Lex([]byte(sql)).Fingerprint()
		if a != l.Lex([]byte(sql)).Fingerprint() {
			t.Fatal("two fingerprints of one text")
		}
	})
}
