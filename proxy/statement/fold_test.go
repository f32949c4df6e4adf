package statement

import (
	"slices"
	"strings"
	"testing"

	pg_query "github.com/pganalyze/pg_query_go/v6"
)

func TestFolded(t *testing.T) {
	var l Lexer
	for _, test := range []struct{ sql, want string }{
		{"INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, E'c')", "INSERT INTO t VALUES (1, 'a')"},
		{"INSERT INTO t VALUES (1, 'a'), (2, 'b') RETURNING x", "INSERT INTO t VALUES (1, 'a') RETURNING x"},
		{"VALUES (1),(2),('x'),('y'),(3)", "VALUES (1),('x'),(3)"},
		{"VALUES ($1,$2),($3,$4)", "VALUES ($1,$2)"},
		{"VALUES ($1,2),($3,$4)", "VALUES ($1,2),($3,$4)"},
		{"VALUES (f(1),a),(f(2),a),(g(2),a),(f(2),b)", "VALUES (f(1),a),(g(2),a),(f(2),b)"},
		{"VALUES (1,NULL),(2,'x'),(3,NULL)", "VALUES (1,NULL),(2,'x'),(3,NULL)"},
		{"VALUES (TRUE,DEFAULT),(false,DEFAULT)", "VALUES (TRUE,DEFAULT)"},
		{"VALUES (1),(1.5),(2.5),(3000000000)", "VALUES (1),(1.5)"},
		{"VALUES ('a'::varchar(3)),('b'::varchar(3)),('c'::varchar(5))", "VALUES ('a'::varchar(3)),('c'::varchar(5))"},
		{"VALUES (B'1'),('1'),(U&'1')", "VALUES (B'1'),('1'),(U&'1')"},
		{"VALUES (1,2),(3)", "VALUES (1,2),(3)"},
		{"VALUES (A),(a),(\"a\")", "VALUES (A),(a),(\"a\")"},
		{"SELECT * FROM (VALUES (1),(2)) v WHERE a IN (VALUES (1),(2),(3))", "SELECT * FROM (VALUES (1)) v WHERE a IN (VALUES (1))"},
		{"SELECT 1 WHERE a IN (1,2,3) AND b NOT IN ('x','y') AND c IN ($1, $2)", "SELECT 1 WHERE a IN (1) AND b NOT IN ('x') AND c IN ($1)"},
		{"SELECT 1 WHERE a IN (1,2,'x',3,4,-5,-6)", "SELECT 1 WHERE a IN (1,'x',3,-5)"},
		{"SELECT 1 WHERE a IN ($1::VARCHAR, $2::VARCHAR, $3::text)", "SELECT 1 WHERE a IN ($1::VARCHAR, $3::text)"},
		{"SELECT 1 WHERE (a,b) IN ((1,'x'),(2,'y'))", "SELECT 1 WHERE (a,b) IN ((1,'x'))"},
		{"SELECT 1 WHERE a IN (ARRAY[1,2],ARRAY[3,4])", "SELECT 1 WHERE a IN (ARRAY[1,2],ARRAY[3,4])"},
		{"SELECT 1 WHERE a IN ('{1}'::int[],'{2}'::int[])", "SELECT 1 WHERE a IN ('{1}'::int[])"},

		// Nothing of these is a list of rows or of values.
		{"SELECT lab.values(1),(2)", "SELECT lab.values(1),(2)"},
		{"SELECT lab.in(1,2)", "SELECT lab.in(1,2)"},
		{"SELECT values, (1), (2)", "SELECT values, (1), (2)"},
		{"SELECT a FROM t ORDER BY (1),(2)", "SELECT a FROM t ORDER BY (1),(2)"},
		{"SELECT 1 WHERE a IN (SELECT 1,1,1)", "SELECT 1 WHERE a IN (SELECT 1,1,1)"},
		{"SELECT 1 WHERE a IN ((SELECT 1),(SELECT 1))", "SELECT 1 WHERE a IN ((SELECT 1),(SELECT 1))"},
		{"SELECT 1 WHERE a IN (nir, nir)", "SELECT 1 WHERE a IN (nir, nir)"},
		{"SELECT f(1,1,1), ARRAY[1,1], 1,1,1", "SELECT f(1,1,1), ARRAY[1,1], 1,1,1"},
		{"SELECT \"values\" (1),(2)", "SELECT \"values\" (1),(2)"},
		{"SELECT \"in\" (1,2)", "SELECT \"in\" (1,2)"},
		{"INSERT INTO t (a) SELECT 1 UNION SELECT 2", "INSERT INTO t (a) SELECT 1 UNION SELECT 2"},
		{"VALUES (1), (2", "VALUES (1), (2"},
		{"SELECT 1 WHERE a IN (1,2", "SELECT 1 WHERE a IN (1,2"},
		{"SELECT 1 WHERE a IN (1,2 FROM x)", "SELECT 1 WHERE a IN (1,2 FROM x)"},
		{"SELECT 1 WHERE a IN (1,,1,)", "SELECT 1 WHERE a IN (1,,1,)"},
		{"CREATE TABLE t PARTITION OF u FOR VALUES IN (1,2)", "CREATE TABLE t PARTITION OF u FOR VALUES IN (1,2)"},

		// Comments.
		{"SELECT /* x */ 1 -- y\n, 2", "SELECT         1      , 2"},
		{"VALUES /*a*/ (1) /*b*/ , (2) --\n, (3)/*c*/;", "VALUES       (1)     ;"},
		{"SELECT 'a' -- b\n'c', 'd'", "SELECT 'a'     \n'c', 'd'"},
		{"SELECT E'a' -- '\n --\n'c', $$ -- $$", "SELECT E'a'     \n   \n'c', $$ -- $$"},
	} {
		text := l.Lex([]byte(test.sql))
		sql, tokens := text.Folded()
		if string(sql) != test.want {
			t.Errorf("%s\n got %q\nwant %q", test.sql, sql, test.want)
		}
		checkFolded(t, text, sql, tokens)
	}
}

// checkFolded verifies that the folded text has the tokens it claims, and that
// offsets lead back to them.
func checkFolded(t *testing.T, text *Text, sql []byte, tokens []int32) {
	t.Helper()
	var other Lexer
	folded := other.Lex(sql)
	if len(folded.Tokens()) != len(tokens) {
		t.Fatalf("%d tokens folded, %d claimed: %q", len(folded.Tokens()), len(tokens), sql)
	}
	for n, k := range folded.Tokens() {
		i := int(tokens[n])
		if text.Token(i).Kind != k.Kind || text.Token(i).Word != k.Word {
			t.Fatalf("token %d of %q is not token %d of %q", n, sql, i, text.SQL())
		}
		if at := text.Original(int(k.Start)); at != int(text.Token(i).Start) {
			t.Fatalf("offset %d of %q leads to %d, not %d", k.Start, sql, at, text.Token(i).Start)
		}
	}
	groups := text.Groups()
	for n, g := range groups {
		if g.Count < 2 || g.Len < 1 || n > 0 && int(g.First) <= groups[n-1].Last() || g.Last() >= len(text.Tokens()) {
			t.Fatalf("bad group %v in %q", g, text.SQL())
		}
		for k := range g.Count - 1 {
			if i := int(g.First + k*(g.Len+1) + g.Len); text.Token(i).Kind != Comma {
				t.Fatalf("no comma at %d in group %v of %q", i, g, text.SQL())
			}
		}
	}
}

// TestFoldedParsesAlike folds texts of the corpus and compares the parser's
// verdict: folding neither breaks a text nor repairs one.
func TestFoldedParsesAlike(t *testing.T) {
	var l Lexer
	for _, sql := range append(lexerCorpus(t),
		"INSERT INTO t VALUES (1, 'a'), (2, 'b') ON CONFLICT DO NOTHING",
		"SELECT * FROM (VALUES (1, 'x'), (2, 'y')) AS v (a, b) WHERE a IN (1, 2, 3) OR b IN ('x', 'y') -- c",
		"SELECT POSITION('a' IN ('b')), 1 IN (1, 1), 2",
		"WITH v AS (VALUES (1), (2)) DELETE FROM t USING v WHERE t.a IN (1.5, 2.5)",
	) {
		text := l.Lex([]byte(sql))
		if text.Odd() || commentInString(text) {
			continue
		}
		folded, tokens := text.Folded()
		checkFolded(t, text, folded, tokens)
		_, err := pg_query.Parse(sql)
		_, foldedErr := pg_query.Parse(string(folded))
		if (err == nil) != (foldedErr == nil) {
			t.Errorf("%q: %v\n%q: %v", sql, err, folded, foldedErr)
		}
	}
}

func TestFoldLargeInsert(t *testing.T) {
	var l Lexer
	sql := []byte("INSERT INTO t VALUES " + strings.Repeat("(1, 'Dupont', '2020-01-01'::date, NULL, $1), ", 100_000) + "(2, 'x', 'y'::date, NULL, $2)")
	text := l.Lex(sql)
	folded, tokens := text.Folded()
	if len(folded) > 100 || len(tokens) != 17 {
		t.Errorf("%d bytes, %d tokens: %.200s", len(folded), len(tokens), folded)
	}
	if want := []Group{{First: 4, Len: 13, Count: 100_001}}; !slices.Equal(text.Groups(), want) {
		t.Errorf("got %v, want %v", text.Groups(), want)
	}
}
