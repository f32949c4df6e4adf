package statement

import (
	"strings"
	"testing"
	"time"
)

// hostileTexts are a megabyte each, less under the race detector: what is linear
// for a friendly text must be linear for these.
func hostileTexts() map[string]string {
	const size = 1 << 20 / slowdown
	texts := map[string]string{
		"in list":   "SELECT * FROM t WHERE a IN (" + strings.Repeat("123456, ", size/8) + "1)",
		"mixed in":  "SELECT * FROM t WHERE a IN (" + strings.Repeat("1, 'a', ", size/8) + "1)",
		"operators": "SELECT " + strings.Repeat("+", size),
		"late miss": "VALUES " + strings.Repeat("(1, 'a', "+strings.Repeat("x, ", 100)+"y), (1, 'a', "+strings.Repeat("x, ", 100)+"z), ", size/700) + "(1)",
		"string":    "SELECT '" + strings.Repeat("a", size) + "'",
	}
	for name, piece := range map[string]string{
		"parens": "(", "closing": ")", "brackets": "[", "plus": "1+", "not": "NOT ", "subqueries": "SELECT (SELECT ", "values": "VALUES ((",
		"values rows": "VALUES (1),(", "in": "a IN (", "in in": "1 IN (1,", "case": "CASE WHEN ", "quotes": "'", "strings": "'a'\n", "spaced": "'a'      \n ",
		"comments": "/*", "comment pairs": "/**/", "dashes": "-", "lines": "--\n", "double quotes": `"`, "idents": `"a"`, "dollars": "$", "tags": "$a$ $b$ ",
		"dollar idents": "a$", "escapes": `E'\'`, "backslashes": `\`, "operator dash": "@-", "plus minus": "+-", "stars": "*", "slashes": "/", "star slash": "*/",
		"semicolons": ";", "commas": ",", "dots": ".", "colons": ":", "digits": "1", "underscores": "1_", "numbers": "1 ", "dotted": "1..", "unicode": `U&"`,
		"national": "N'", "words": "set_config ", "by": "ORDER BY 1,", "modifiers": "a::varchar(", "types": "varchar(1,1,1", "calls": "f(1,", "signs": "IN (- ",
		"nul": "\x00", "high": "é", "invalid": "\xff", "atomic": "CREATE FUNCTION f() BEGIN ATOMIC ", "body": "CASE END;", "or": "a OR ", "with": "WITH ", "true": "true,",
	} {
		texts[name] = "SELECT " + strings.Repeat(piece, size/len(piece))
		texts["do "+name] = "DO $x$" + strings.Repeat(piece, size/8/len(piece)) + "$x$"
		texts["create "+name] = "CREATE FUNCTION f() BEGIN ATOMIC " + strings.Repeat(piece, size/8/len(piece))
	}
	return texts
}

func TestLexerOnHostileTexts(t *testing.T) {
	var l Lexer
	watched := watching("patient")
	for name, sql := range hostileTexts() {
		for what, f := range map[string]func(text *Text){
			"Lex":      func(*Text) {},
			"Mentions": func(text *Text) { text.Mentions(watched) },
			"Commands": func(text *Text) { text.Commands() },
			"the rest": func(text *Text) { text.Shape(); text.Depth(); text.AppendRedacted(nil) },
		} {
			if what == "the rest" && !strings.HasPrefix(sql, "SELECT") {
				continue
			}
			limit := time.Second * slowdown // what is quadratic takes minutes
			if what != "Lex" {
				limit *= 3
			}
			best := time.Hour
			for tries := 0; tries < 10 && best > limit; tries++ { // others may be at work on the machine
				start := time.Now()
				f(l.Lex([]byte(sql)))
				best = min(best, time.Since(start))
			}
			if best > limit {
				t.Errorf("%s of %s took %v", what, name, best)
			}
		}
	}
}

func TestLexerGivesBackLargeBuffers(t *testing.T) {
	var l Lexer
	l.Lex([]byte(strings.Repeat("(1)", 1<<17))).Shape()
	text := l.Lex(pgbenchSelect)
	text.Shape()
	if n := cap(text.tokens) + cap(text.shape) + cap(text.folding.buffer) + cap(text.pairs); n > 8*keepSize {
		t.Errorf("buffers for %d tokens and bytes are kept", n)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	var l Lexer
	texts := [][]byte{
		pgbenchSelect,
		[]byte("INSERT INTO t (a, b) VALUES (1, 'a'), (2, 'b') -- c\n RETURNING *"),
		[]byte("SELECT * FROM t WHERE a IN ($1, $2, $3) AND b = 'x' ORDER BY 1"),
	}
	run := func() {
		for _, sql := range texts {
			text := l.Lex(sql)
			text.Shape()
			text.Folded()
			text.Depth()
			text.Commands()
			text.Fingerprint()
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
