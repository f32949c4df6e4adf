package statement

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	pg_query "github.com/pganalyze/pg_query_go/v6"
	"github.com/pganalyze/pg_query_go/v6/parser"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// treeDepth returns how deep messages nest in a protobuf tree.
func treeDepth(m protoreflect.Message) int {
	deepest := 0
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if field.Kind() != protoreflect.MessageKind {
			return true
		}
		if field.IsList() {
			for i := range v.List().Len() {
				deepest = max(deepest, treeDepth(v.List().Get(i).Message()))
			}
			return true
		}
		deepest = max(deepest, treeDepth(v.Message()))
		return true
	})
	return deepest + 1
}

// checkDepth parses sql and fails if its tree is deeper than Depth says: an
// operator is two messages, and a statement without anything a few.
func checkDepth(t *testing.T, l *Lexer, name, sql string) bool {
	t.Helper()
	text := l.Lex([]byte(sql))
	bound := text.Depth()
	if bound > 2000 {
		return false
	}
	folded, _ := text.Folded()
	tree, err := pg_query.Parse(string(folded))
	if err != nil {
		return false
	}
	if depth := treeDepth(tree.ProtoReflect()); depth > 2*bound+20 {
		t.Errorf("%s: tree of %d messages, Depth is %d: %.200s", name, depth, bound, sql)
	}
	return true
}

func TestDepthBoundsTheTree(t *testing.T) {
	var l Lexer
	for _, name := range slices.Sorted(maps.Keys(deepTexts)) {
		for _, n := range []int{0, 1, 5, 60} {
			if sql := deepTexts[name](n); !checkDepth(t, &l, name, sql) && n == 5 {
				_, err := pg_query.Parse(sql)
				t.Errorf("%s does not parse, or Depth %d is excessive: %v", name, l.Lex([]byte(sql)).Depth(), err)
			}
		}
	}
}

// deepPieces are put together at random; every piece wraps or extends an
// expression, %s.
var deepPieces = []string{
	"%s + 1", "1 - %s", "(%s)", "NOT %s", "%s IS NULL", "%s::int", "CAST(%s AS text)", "%s COLLATE \"C\"",
	"%s AT TIME ZONE 'x'", "- %s", "f(%s, 1)", "f(1, a => %s)", "CASE WHEN %s THEN 1 END", "CASE a WHEN 1 THEN 2 ELSE %s END",
	"(SELECT %s)", "(SELECT 1 FROM a JOIN b ON %s JOIN c ON d)", "%s AND a", "a OR %s", "%s BETWEEN 1 AND 2",
	"a BETWEEN 1 AND %s", "%s IN (1, 2, 3)", "a IN (1, 2, %s)", "%s IN (SELECT 1)", "a = ANY (%s)", "ARRAY[%s, 1]", "(%s)[1]",
	"a[%s]", "ROW(1, %s)", "EXISTS (SELECT 1 WHERE %s)", "%s IS DISTINCT FROM a", "a IS DISTINCT FROM %s",
	"(SELECT 1 UNION SELECT %s)", "(SELECT %s UNION SELECT 1 UNION SELECT 2)", "(WITH x AS (SELECT %s) SELECT 1)",
	"f() FILTER (WHERE %s)", "f() OVER (PARTITION BY 1 ORDER BY %s)", "f() WITHIN GROUP (ORDER BY %s)", "%s LIKE 'a' ESCAPE 'b'",
	"a LIKE %s", "EXTRACT(year FROM %s)", "(VALUES (1, 2), (3, 4), (5, %s))", "(%s).b", "%s || 'a'", "a -> %s", "COALESCE(1, %s)",
	"(SELECT 1 FROM (SELECT %s) x, LATERAL f(1) y)", "INTERVAL '1' * %s", "JSON_OBJECT('a': %s)", "XMLELEMENT(NAME a, %s)",
	"(SELECT 1 GROUP BY GROUPING SETS ((a), (b, %s)))", "%s IS NOT TRUE", "%s ISNULL", "set + %s", "t.from + %s", "join(%s)",
}

func TestDepthBoundsRandomTrees(t *testing.T) {
	var l Lexer
	rng := rand.New(rand.NewPCG(3, 4))
	parsed, rounds := 0, 1500/slowdown
	for range rounds {
		sql := "a"
		for range 1 + rng.IntN(25) {
			piece := deepPieces[rng.IntN(len(deepPieces))]
			for range 1 + rng.IntN(6)*rng.IntN(2) {
				sql = fmt.Sprintf(piece, sql)
			}
		}
		if checkDepth(t, &l, "random", "SELECT "+sql) {
			parsed++
		}
	}
	if parsed < rounds/2 {
		t.Errorf("only %d of %d texts parse", parsed, rounds)
	}
}

// TestParserSurvivesFiveTimesTheBound gives the parser, in a process of its own,
// each deep text repeated five times as often as the bound of the analysis
// allows. On a stack of 8 MB it must not overflow.
func TestParserSurvivesFiveTimesTheBound(t *testing.T) {
	if os.Getenv("PGVEIL_PARSE_DEEP") != "" {
		parseDeepTexts(t)
		return
	}
	if testing.Short() || slowdown > 1 {
		t.Skip("takes seconds, and the race detector is no help in C")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestParserSurvivesFiveTimesTheBound$", "-test.v")
	cmd.Env = append(os.Environ(), "PGVEIL_PARSE_DEEP=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out[max(0, len(out)-600):])
	}
}

func parseDeepTexts(t *testing.T) {
	const bound = 1000
	var l Lexer
	for _, name := range slices.Sorted(maps.Keys(deepTexts)) {
		n, step := 1, 0
		for ; n <= bound && l.Lex([]byte(deepTexts[name](n+step))).Depth() <= bound; step = n/8 + 1 {
			n += step
		}
		if n > bound {
			continue // it does not grow deeper
		}
		sql := deepTexts[name](5 * n)
		fmt.Fprintln(os.Stdout, name, n)
		done := make(chan error)
		go func() {
			_, err := parser.ParseToProtobuf(sql) // the part that is C
			done <- err
		}()
		<-done
	}
}

// TestDepthOfOrdinaryTexts guards against a bound that refuses real statements.
func TestDepthOfOrdinaryTexts(t *testing.T) {
	var l Lexer
	columns := strings.Repeat("t.a = 1 AND t.b IN (1, 2) OR ", 500)
	whens := strings.Repeat("WHEN a = 1 THEN 'x' ", 2000)
	joins := strings.Repeat(" LEFT JOIN t ON a.x = b.x AND a.y = b.y", 100)
	for name, sql := range map[string]string{
		"conditions": "SELECT * FROM t WHERE " + columns + "true",
		"case":       "SELECT CASE " + whens + "END",
		"joins":      "SELECT * FROM a" + joins,
		"values":     "INSERT INTO t VALUES " + strings.Repeat("(1, 2 + 3, f('a')), ", 5000) + "(1, 2, 3)",
		"list":       "SELECT * FROM t WHERE a = ANY (ARRAY[" + strings.Repeat("1 + 1, ", 5000) + "1])",
		"columns":    "SELECT " + strings.Repeat("a || ' ' || b AS c, ", 1000) + "d FROM t",
		"unions":     "SELECT 1" + strings.Repeat(" UNION ALL SELECT a FROM t WHERE b = c", 200),
	} {
		if depth := l.Lex([]byte(sql)).Depth(); depth > 400 {
			t.Errorf("%s: Depth is %d", name, depth)
		}
	}
}

func TestDepthStopsCounting(t *testing.T) {
	var l Lexer
	const size = 1 << 20 / min(slowdown, 4)
	for _, piece := range []string{"(", "NOT ", "1+", "CASE WHEN ", "SELECT (SELECT ", "[", "a JOIN ", "- ", "SELECT 1 UNION "} {
		sql := []byte("SELECT " + strings.Repeat(piece, size/len(piece)))
		start := time.Now()
		if depth := l.Lex(sql).Depth(); depth < 5000 {
			t.Errorf("%d bytes of %q: Depth is %d", size, piece, depth)
		}
		if d := time.Since(start); d > 5*time.Second*slowdown {
			t.Errorf("%q took %v", piece, d)
		}
	}
}
