package statement

import (
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"testing"

	"github.com/pgveil/pgveil/schema/pgerror"
)

func planOf(t testing.TB, a *Analyzer, env *Env, sql string) (*Plan, *Text, error) {
	t.Helper()
	text := new(Lexer).Lex([]byte(sql))
	plan, err := a.Plan(text, env)
	return plan, text, err
}

func TestPlansAreShared(t *testing.T) {
	a := NewAnalyzer(readFixture(t).catalog())
	lab := &Env{SearchPath: []string{"pg_catalog", "lab"}}
	one, _, err := planOf(t, a, lab, "SELECT nir FROM patient WHERE nir IN ('a', 'b') AND id = 1")
	if err != nil {
		t.Fatal(err)
	}
	two, text, err := planOf(t, a, lab, "select NIR from patient where nir in ($$x$$, 'y', 'z') and id = 77 -- again")
	if err != nil || one != two {
		t.Fatalf("a text of the same shape has a plan of its own: %v", err)
	}
	var edits Edits
	if err := two.Edits(text, &edits); err != nil || len(edits.Values) != 3 || string(edits.Values[2].Text) != "z" {
		t.Errorf("%v %v", edits.Values, err)
	}
	archive := &Env{SearchPath: []string{"pg_catalog", "archive"}}
	if other, _, err := planOf(t, a, archive, "SELECT nir FROM patient WHERE nir IN ('a', 'b') AND id = 1"); other != nil || err != nil {
		t.Errorf("another search path gives the same plan: %v %v", other, err)
	}
	shadowed := &Env{SearchPath: lab.SearchPath, TempNames: []string{"patient"}}
	if _, _, err := planOf(t, a, shadowed, "SELECT nir FROM patient WHERE nir IN ('a', 'b') AND id = 1"); err == nil {
		t.Error("a temporary table makes no difference")
	}
	if again, _, _ := planOf(t, a, lab, "SELECT nir FROM patient WHERE nir IN ('a', 'b') AND id = 1"); again != one {
		t.Error("the first plan is gone")
	}
}

func TestPositionsInOrderByAreNotShared(t *testing.T) {
	a := NewAnalyzer(readFixture(t).catalog())
	env := &Env{SearchPath: defaultPath}
	if _, _, err := planOf(t, a, env, "SELECT id, nir FROM patient ORDER BY 1"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := planOf(t, a, env, "SELECT id, nir FROM patient ORDER BY 2"); err == nil {
		t.Error("ORDER BY 2 is taken for ORDER BY 1")
	}
	if _, _, err := planOf(t, a, env, "SELECT id FROM patient WHERE nir = 'abcd'::varchar(15)"); err != nil {
		t.Fatal(err)
	}
	plan, text, err := planOf(t, a, env, "SELECT id FROM patient WHERE nir = 'abcd'::varchar(2)")
	if err != nil {
		t.Fatal(err)
	}
	var edits Edits
	if err := plan.Edits(text, &edits); err != nil || string(edits.Values[0].Text) != "ab" {
		t.Errorf("varchar(2) is taken for varchar(15): %q %v", edits.Values[0].Text, err)
	}
}

// A refusal from the cache must point into the text at hand.
func TestRefusalsHaveTheirOwnPosition(t *testing.T) {
	a := NewAnalyzer(readFixture(t).catalog())
	env := &Env{SearchPath: defaultPath}
	for _, sql := range []string{
		"SELECT id FROM patient WHERE id = 1 ORDER BY nir",
		"/* a comment */ SELECT   id FROM patient WHERE id = 123456 ORDER  BY nir",
		"SELECT id FROM patient WHERE id = 1    ORDER BY\n\n nir  ",
		"SELECT id FROM patient WHERE id IN (1, 2, 3, 4) ORDER BY nir",
		"SELECT id FROM patient WHERE id IN (1, 2) ORDER BY nir",
	} {
		_, _, err := planOf(t, a, env, sql)
		e, ok := pgerror.As(err)
		if !ok || e.Position != strings.LastIndex(sql, "nir")+1 {
			t.Errorf("%s: position %d", sql, e.Position)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	var c cache
	c.seed = maphash.MakeSeed()
	env := &Env{SearchPath: defaultPath}
	for i := range 20_000 {
		shape := fmt.Appendf(nil, "%d%s", i, strings.Repeat("x", i%5000))
		o := &outcome{env: env.clone()}
		c.put(shape, o)
		if c.get(shape, env) != o {
			t.Fatal("what was put is not there")
		}
	}
	entries := 0
	for i := range c.shards {
		s := &c.shards[i]
		size := 0
		for key, outcomes := range *s.entries.Load() {
			entries++
			size += len(key)
			for _, o := range outcomes {
				size += o.cost()
			}
		}
		if size != s.size {
			t.Errorf("shard %d counts %d bytes and has %d", i, s.size, size)
		}
		if size > shardBytes {
			t.Errorf("shard %d has %d bytes", i, size)
		}
	}
	if entries < 3000 {
		t.Errorf("only %d entries are left", entries)
	}
	shape := []byte("one shape")
	for i := range 40 {
		c.put(shape, &outcome{env: Env{SearchPath: []string{fmt.Sprint("s", i)}}})
	}
	if n := len((*c.shard(shape).entries.Load())[string(shape)]); n != maxVariants {
		t.Errorf("%d variants of a shape", n)
	}
	c.put(make([]byte, maxCachedText+1), &outcome{env: *env})
	c.put([]byte("private"), &outcome{env: *env, private: true})
	if c.get(make([]byte, maxCachedText+1), env) != nil || c.get([]byte("private"), env) != nil {
		t.Error("an outcome is kept that must not be")
	}
}

func TestAnalyzerIsConcurrent(t *testing.T) {
	a := NewAnalyzer(readFixture(t).catalog())
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			var l Lexer
			var edits Edits
			env := &Env{SearchPath: defaultPath}
			for i := range 200 {
				value := fmt.Sprintf("v%d-%d", w, i)
				sql := fmt.Sprintf("SELECT nir, %d AS c%d FROM v_results WHERE nir = '%s'", i, i%20, value)
				text := l.Lex([]byte(sql))
				plan, err := a.Plan(text, env)
				if err != nil {
					t.Error(err)
					return
				}
				if err := plan.Edits(text, &edits); err != nil || len(edits.Values) != 1 || string(edits.Values[0].Text) != value {
					t.Errorf("%v %v", edits.Values, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestAmbiguous(t *testing.T) {
	a := NewAnalyzer(readFixture(t).catalog())
	for sql, want := range map[string]bool{
		"SELECT nir FROM patient":         true,
		"SELECT nir FROM lab.patient":     true,
		"SELECT id FROM result, visit":    true, // visit is in two schemas
		"SELECT outcome FROM result":      false,
		"SELECT outcome FROM lab.RESULT":  false,
		`SELECT outcome FROM "result"`:    false,
		"SELECT 'patient' FROM v_patient": false,
	} {
		if got := a.Ambiguous(new(Lexer).Lex([]byte(sql))); got != want {
			t.Errorf("%s: %v", sql, got)
		}
	}
}

func TestVerify(t *testing.T) {
	f := readFixture(t)
	a := NewAnalyzer(f.catalog())
	env := &Env{SearchPath: defaultPath}
	plan, _, err := planOf(t, a, env, "SELECT id, nir, count(*), (SELECT nir FROM patient) FROM patient GROUP BY 1, 2; SELECT 1; DELETE FROM patient; SELECT id FROM patient JOIN visit USING (id)")
	if err != nil {
		t.Fatal(err)
	}
	patient, visit := a.catalog.Relation("lab", "patient").OID, a.catalog.Relation("lab", "visit").OID
	view := a.catalog.Relation("lab", "v_patient").OID
	const text, bytea = 25, 17
	good := []Field{{patient, 1, 23}, {patient, 2, bytea}, {0, 0, 20}, {0, 0, bytea}}
	with := func(i int, f Field) []Field {
		out := append([]Field(nil), good...)
		out[i] = f
		return out
	}
	for _, c := range []struct {
		name      string
		statement int
		fields    []Field
		ok        bool
	}{
		{"as planned", 0, good, true},
		{"too few", 0, good[:3], false},
		{"too many", 0, append(good, Field{}), false},
		{"none", 0, nil, false},
		{"another column", 0, with(1, Field{patient, 6, bytea}), false},
		{"another table", 0, with(1, Field{visit, 2, bytea}), false},
		{"an expression", 0, with(1, Field{0, 0, bytea}), false},
		{"not a bytea", 0, with(1, Field{patient, 2, text}), false},
		{"a sealed column for a plain one", 0, with(0, Field{patient, 2, bytea}), false},
		{"another plain column", 0, with(0, Field{visit, 1, 23}), false},
		{"a sealed column for an expression", 0, with(2, Field{patient, 3, bytea}), false},
		{"a view's sealed column for an expression", 0, with(2, Field{view, 2, bytea}), false},
		{"a view's plain column for an expression", 0, with(2, Field{view, 4, text}), true},
		{"a row with a sealed column", 0, with(2, Field{patient, 0, text}), false},
		{"a plain row", 0, with(2, Field{visit, 0, text}), true},
		{"a system column", 0, with(2, Field{patient, 0xffff, 27}), true},
		{"a table of the system", 0, with(2, Field{1259, 2, 19}), true},
		{"an unknown table", 0, with(2, Field{99999, 1, 23}), false},
		{"an unknown column", 0, with(2, Field{visit, 9, 23}), false},
		{"a sealed expression that is a column", 0, with(3, Field{patient, 2, bytea}), false},
		{"not of the plan", 1, []Field{{patient, 2, bytea}}, true},
		{"no rows", 2, nil, true},
		{"rows where there are none", 2, good[:1], false},
		{"a merged column", 3, []Field{{patient, 1, 23}}, true},
		{"a merged expression", 3, []Field{{0, 0, 23}}, true},
		{"a sealed column for a merged one", 3, []Field{{patient, 2, bytea}}, false},
		{"no such statement", 4, nil, false},
		{"no statement", -1, nil, false},
	} {
		err := plan.Verify(c.statement, c.fields)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if e, ok := pgerror.As(err); err != nil && (!ok || e.Code != pgerror.InternalError) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 0, "abc"}, {"abc", 2, "ab"}, {"abc", 3, "abc"}, {"abc", 9, "abc"}, {"éàü", 2, "éà"}, {"", 1, ""}, {"日本語", 1, "日"}} {
		if got := string(Cut([]byte(c.in), c.n)); got != c.want {
			t.Errorf("Cut(%q, %d) = %q", c.in, c.n, got)
		}
	}
}

var pointSelect = []byte("SELECT nir, last_name, email FROM lab.patient WHERE nir = '180017512345678'")

// BenchmarkPoint is the whole work on a query whose plan is known.
func BenchmarkPoint(b *testing.B) {
	a := NewAnalyzer(readFixture(b).catalog())
	env := &Env{SearchPath: defaultPath}
	var l Lexer
	var edits Edits
	b.ReportAllocs()
	for b.Loop() {
		pointWork(b, a, env, &l, &edits)
	}
}

func pointWork(t testing.TB, a *Analyzer, env *Env, l *Lexer, edits *Edits) {
	text := l.Lex(pointSelect)
	if !a.Relevant(text) {
		t.Fatal("not relevant")
	}
	plan, err := a.Plan(text, env)
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Edits(text, edits); err != nil || len(edits.Values) != 1 {
		t.Fatal(err)
	}
}

func TestPointAllocatesNothing(t *testing.T) {
	a := NewAnalyzer(readFixture(t).catalog())
	env := &Env{SearchPath: defaultPath}
	var l Lexer
	var edits Edits
	if n := testing.AllocsPerRun(100, func() { pointWork(t, a, env, &l, &edits) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkMiss is the analysis of a text that is not in the cache.
func BenchmarkMiss(b *testing.B) {
	a := NewAnalyzer(readFixture(b).catalog())
	env := &Env{SearchPath: defaultPath}
	var l Lexer
	b.ReportAllocs()
	for b.Loop() {
		if o := a.analyze(l.Lex(pointSelect), env); o.refusal != nil {
			b.Fatal(o.refusal)
		}
	}
}
