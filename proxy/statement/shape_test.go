package statement

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	pg_query "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func shapeOf(l *Lexer, sql string) string { return string(l.Lex([]byte(sql)).Shape()) }

func TestShapeLeavesOut(t *testing.T) {
	var l Lexer
	for _, pair := range [][2]string{
		{"SELECT a FROM t WHERE b = 1", "select A  from /* x */ T\nwhere b = -- y\n 22"},
		{"SELECT 'a', E'b', $$c$$", "SELECT E'x\\'', 'y'\n'z', $q$w$q$"},
		{"SELECT $1, $2", "SELECT $7, $7"},
		{"SELECT 1.5, 1e3", "SELECT 3000000000, .1"},
		{"VALUES (1, 'a'), (2, 'b')", "VALUES (3, 'c'), (4, 'd'), (5, 'e')"},
		{"SELECT 1 WHERE a IN (1, 2)", "SELECT 1 WHERE a IN (3, 4, 5, 6)"},
		{"SELECT 1 WHERE a = TRUE AND NOT false", "SELECT 1 WHERE a = false AND NOT true"},
		{"SELECT f(1, 2) LIMIT 10", "SELECT f(3, 4) LIMIT 20"},
		{"SELECT a FROM t ORDER BY 1 LIMIT 10 OFFSET 5", "SELECT a FROM t ORDER BY 1 LIMIT 20 OFFSET 6"},
		{"SELECT (SELECT a ORDER BY 1), 5", "SELECT (SELECT a ORDER BY 1), 6"},
		{"DECLARE c CURSOR FOR SELECT 'a'", "DECLARE c CURSOR FOR SELECT 'b'"},
		{"SELECT a FROM t GROUP BY 1 HAVING count(*) > 5", "SELECT a FROM t GROUP BY 1 HAVING count(*) > 6"},
	} {
		if shapeOf(&l, pair[0]) != shapeOf(&l, pair[1]) {
			t.Errorf("%s\n%s\nhave two shapes", pair[0], pair[1])
		}
	}
}

func TestShapeKeepsApart(t *testing.T) {
	var l Lexer
	for _, pair := range [][2]string{
		{"SELECT a", "SELECT b"},
		{"SELECT a b", "SELECT ab"},
		{"SELECT a", `SELECT "a"`},
		{`SELECT "A"`, `SELECT "a"`},
		{"SELECT 1", "SELECT '1'"},
		{"SELECT 1", "SELECT 1.0"},
		{"SELECT 2147483647", "SELECT 2147483648"},
		{"SELECT $1", "SELECT 1"},
		{"SELECT B'1'", "SELECT '1'"},
		{"SELECT N'1'", "SELECT '1'"},
		{"SELECT N'1'", "SELECT N '1'"},
		{"SELECT U&'1'", "SELECT '1'"},
		{"SELECT NULL", "SELECT 1"},
		{"SELECT a-1", "SELECT a+1"},
		{"SELECT a - -1", "SELECT a --1\n"},
		{"SELECT a < - b", "SELECT a <@ b"},
		{"SELECT a <= b", "SELECT a < = b"},
		{"SELECT 'a' 'b'", "SELECT 'a'\n'b'"},
		{"SELECT a FROM t ORDER BY 1", "SELECT a FROM t ORDER BY 2"},
		{"SELECT a FROM t GROUP BY a, 1", "SELECT a FROM t GROUP BY a, 2"},
		{"SELECT a FROM t ORDER BY t.limit, 1", "SELECT a FROM t ORDER BY t.limit, 2"},
		{"SELECT a FROM t ORDER BY (SELECT 1 LIMIT 1), 1", "SELECT a FROM t ORDER BY (SELECT 1 LIMIT 1), 2"},
		{"SELECT DISTINCT ON (1) a", "SELECT DISTINCT ON (2) a"},
		{"SELECT DISTINCT ON (f(a), 1) a", "SELECT DISTINCT ON (f(a), 2) a"},
		{"SELECT a::varchar(3)", "SELECT a::varchar(4)"},
		{"SELECT a::numeric(10, 2)", "SELECT a::numeric(10, 3)"},
		{"SELECT a::pg_catalog.varchar(3)", "SELECT a::pg_catalog.varchar(4)"},
		{`SELECT a::"varchar"(3)`, `SELECT a::"varchar"(4)`},
		{"SELECT a::character varying(3)", "SELECT a::character varying(4)"},
		{"SELECT a::timestamp(3) with time zone", "SELECT a::timestamp(2) with time zone"},
		{"SELECT a::interval second(3)", "SELECT a::interval second(4)"},
		{"SELECT CAST(a AS float(24))", "SELECT CAST(a AS float(25))"},
		{"SELECT varchar(3) 'abcd'", "SELECT varchar(2) 'abcd'"},
		{"SELECT timestamp(3) with time zone 'x'", "SELECT timestamp(2) with time zone 'x'"},
		{"SELECT * FROM f() AS t(a varchar(3))", "SELECT * FROM f() AS t(a varchar(4))"},
		{"SELECT nir true, x false FROM t", "SELECT nir false, x true FROM t"},
		{"SELECT t.true", "SELECT t.false"},
		{"SELECT a AS true", "SELECT a AS false"},
		{"SELECT a IN (1)", "SELECT a IN (1, 2)"},
		{"SELECT a IN (1, 2, 'a')", "SELECT a IN (1, 'a', 2)"},
		{"VALUES (1), (2)", "VALUES (1), ('a')"},
		{"SET search_path = 'a'", "SET search_path = 'b'"},
		{"SET x = true", "SET x = false"},
		{"COPY t TO STDOUT (DELIMITER 'a')", "COPY t TO STDOUT (DELIMITER 'b')"},
		{"DO 'a'", "DO 'b'"},
		{"FETCH 1 FROM c", "FETCH 2 FROM c"},
		{"SELECT 1; SET x = 1", "SELECT 1; SET x = 2"},
		{"SELECT query_to_xml('a', true, true, '')", "SELECT query_to_xml('b', true, true, '')"},
		{`SELECT "query_to_xml"('a', true, true, '')`, `SELECT "query_to_xml"('b', true, true, '')`},
		{"SELECT a;", "SELECT a"},
		{"SELECT (a)", "SELECT a"},
	} {
		if shapeOf(&l, pair[0]) == shapeOf(&l, pair[1]) {
			t.Errorf("%s\n%s\nhave one shape", pair[0], pair[1])
		}
	}
}

// mask clears what a shape may leave out of a parse tree: locations, numbers of
// parameters, and values of constants that are no positions or modifiers.
func mask(m protoreflect.Message, exact bool) {
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(field.Name())
		switch {
		case strings.HasSuffix(name, "location") || name == "stmt_len":
			m.Clear(field)
		case field.Kind() == protoreflect.MessageKind && field.IsList():
			inner := exact || name == "sort_clause" || name == "group_clause" || name == "distinct_clause" || name == "typmods"
			for i := range v.List().Len() {
				mask(v.List().Get(i).Message(), inner)
			}
		case field.Kind() == protoreflect.MessageKind:
			mask(v.Message(), exact)
		}
		return true
	})
	switch node := m.Interface().(type) {
	case *pg_query.ParamRef:
		node.Number = 0
	case *pg_query.A_Const:
		if node.GetIval() != nil && !exact {
			node.GetIval().Ival = 0
		}
		if node.GetFval() != nil {
			node.GetFval().Fval = ""
		}
		if node.GetSval() != nil {
			node.GetSval().Sval = ""
		}
		if node.GetBsval() != nil {
			node.GetBsval().Bsval = ""
		}
		if node.GetBoolval() != nil {
			node.GetBoolval().Boolval = false
		}
	case *pg_query.BooleanTest: // IS TRUE and IS FALSE count as one
		if t := node.Booltesttype; t == pg_query.BoolTestType_IS_FALSE {
			node.Booltesttype = pg_query.BoolTestType_IS_TRUE
		} else if t == pg_query.BoolTestType_IS_NOT_FALSE {
			node.Booltesttype = pg_query.BoolTestType_IS_NOT_TRUE
		}
	}
}

// shapeValues are operands, most of which parse anywhere.
var shapeValues = strings.Split("a|nir|\"a\"|t.a|t.true|t.limit|1|2|3|2147483648|1.5|'a'|'b'|E'a'|$1|$2|true|false|NULL|-1|'a'::varchar(1)|'a'::varchar(2)|"+
	"1::numeric(1,2)|1::numeric(2,2)|varchar(1) 'a'|varchar(2) 'a'|f(1)|f(2)|f(1, 2)|a IN (1, 2)|a IN (1, 'a')|ARRAY[1, 2]|(SELECT 1)|(SELECT 2 ORDER BY 1)|"+
	"(SELECT a LIMIT 2)|NOT true|N'a'|n 'a'|B'1'|lab.values(1)|CASE WHEN true THEN 1 ELSE 2 END|count(*) OVER (ORDER BY 1)|(a).b|a[1]|a IS TRUE|a IS FALSE|DEFAULT", "|")

// shapePieces are put together at random into statements that differ where
// shapes might not.
var shapePieces = strings.Fields(`a b "a" "A" nir t.a t.true t.limit lab.values(1) values 1 2 1 2 2147483648 1.5 'a' 'b' E'a' $1 $2 true false NULL ` +
	`( ) ( ) , , , + - = <> :: ::varchar(1) ::varchar(2) ::numeric(1,2) ::numeric(1) varchar(1) varchar(2) AS AS IN IN( IN(1 (VALUES(1),(2) ORDER~BY GROUP~BY ` +
	`LIMIT OFFSET FOR~UPDATE UNION SELECT FROM WHERE t AND OR NOT DISTINCT DISTINCT~ON(1) DISTINCT~ON(2) f(1) f(2) f(1,2) CASE WHEN THEN END IS ARRAY[1] [1] [2] B'1' N'a' N`)

func TestEqualShapesHaveEqualTrees(t *testing.T) {
	var l Lexer
	rng := rand.New(rand.NewPCG(5, 63))
	trees := map[string][]byte{}
	texts := map[string]string{}
	rounds, compared := 20000/slowdown, 0
	templates := []string{
		"SELECT nir ?, x ? FROM t WHERE ? IN (?, ?) ORDER BY ?, ? LIMIT ?", "INSERT INTO t VALUES (?, ?), (?, ?), (?, ?)",
		"SELECT ? FROM t GROUP BY ?, ? HAVING ?", "SELECT DISTINCT ON (?) a, b FROM t WHERE a = ?", "SELECT ?::varchar(?), ?",
		"UPDATE t SET a = ?, b = ? WHERE c IN (?, ?, ?)", "SELECT ? ?, ? ?", "SELECT a, (SELECT ? ORDER BY ? LIMIT ?), ? FROM t ORDER BY ?",
		"SELECT varchar(?) ?, f(?), ?(?)", "SELECT a FROM (VALUES (?),(?)) v WHERE ? ? ?", "SELECT a FROM t ORDER BY ?, ?", "SELECT ? true, ? false",
		"SELECT a FROM t WHERE ? = ? LIMIT ?", "SELECT a FROM t GROUP BY ? HAVING ?", "SELECT DISTINCT ON (?) a", "VALUES (?), (?), (?)",
		"SELECT a IN (?, ?)", "SELECT a::varchar(?)", "SELECT interval(?) ?", "SELECT a AT TIME ZONE ?",
	}
	for range rounds {
		sql := templates[rng.IntN(len(templates))]
		for strings.Contains(sql, "?") {
			var words []string
			if rng.IntN(12) != 0 {
				words = append(words, shapeValues[rng.IntN(len(shapeValues))])
			} else {
				for range rng.IntN(4) {
					words = append(words, strings.ReplaceAll(shapePieces[rng.IntN(len(shapePieces))], "~", " "))
				}
			}
			sql = strings.Replace(sql, "?", strings.Join(words, " "), 1)
		}
		text := l.Lex([]byte(sql))
		folded, _ := text.Folded()
		tree, err := pg_query.Parse(string(folded))
		if err != nil {
			continue
		}
		mask(tree.ProtoReflect(), false)
		encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		key := string(text.Shape())
		if other, ok := trees[key]; !ok {
			trees[key], texts[key] = encoded, sql
		} else if compared++; !bytes.Equal(other, encoded) {
			t.Fatalf("one shape, two trees:\n%s\n%s", texts[key], sql)
		}
	}
	t.Logf("%d shapes, %d pairs compared", len(trees), compared)
	if compared < rounds/200 {
		t.Errorf("only %d pairs compared, %d shapes", compared, len(trees))
	}
}

func TestFingerprintHoldsNoConstant(t *testing.T) {
	var l Lexer
	for _, pair := range [][2]string{
		{"SET x = 'a'", "SET x = 'b'"},
		{"SELECT a FROM t ORDER BY 1", "SELECT a FROM t ORDER BY 2"},
		{"SELECT get_patient(1)", "SELECT get_patient(2)"},
		{"SELECT a::varchar(3)", "SELECT a::varchar(4)"},
		{"UPDATE t SET hiv = TRUE", "UPDATE t SET hiv = FALSE"},
		{"SELECT 'a' || x AS true", "SELECT 'b' || x AS false"},
		{"DO 'a'", "DO 'b'"},
		{"SELECT 'abc", "SELECT 'abcdef"},
		{`SELECT "abc`, `SELECT "abcdef`},
		{"SELECT $$abc", "SELECT $$abcdef"},
		{"SELECT 1 /* abc", "SELECT 1 /* def"},
		{"SELECT U&'a'", "SELECT U&'b'"},
		{"SELECT 12x, 'a'", "SELECT 13y, 'b'"},
		{"VALUES ('a'), ('b')", "VALUES ('c'), ('d'), ('e')"},
	} {
		a := l.Lex([]byte(pair[0])).Fingerprint()
		if b := l.Lex([]byte(pair[1])).Fingerprint(); a != b {
			t.Errorf("%s\n%s\nhave two fingerprints", pair[0], pair[1])
		}
	}
	a := l.Lex([]byte("SELECT a")).Fingerprint()
	if b := l.Lex([]byte("SELECT b")).Fingerprint(); a == b {
		t.Error("different columns, one fingerprint")
	}
}
