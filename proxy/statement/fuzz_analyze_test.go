package statement

import (
	"path/filepath"
	"testing"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// FuzzAnalyze gives the analysis any text: it must not panic, refuse only with
// errors for a client, and make edits that can be spliced.
func FuzzAnalyze(f *testing.F) {
	files, _ := filepath.Glob("testdata/plans/*.plan")
	for _, path := range files {
		for _, c := range readPlans(f, path) {
			f.Add(c.sql)
		}
	}
	a := NewAnalyzer(readFixture(f).catalog())
	env := &Env{SearchPath: []string{"pg_temp_3", "pg_catalog", "lab", "archive"}, TempNames: []string{"result"}}
	f.Fuzz(func(t *testing.T, sql string) {
		if len(sql) > 1<<14 {
			return
		}
		text := new(Lexer).Lex([]byte(sql))
		for range 2 { // made, and from the cache
			plan, err := a.Plan(text, env)
			var edits Edits
			if err == nil && plan != nil {
				err = plan.Edits(text, &edits)
			}
			if err != nil {
				if e, ok := pgerror.As(err); !ok || e.Position < 0 || e.Position > len(sql)+1 || e.Code == pgerror.InternalError {
					t.Fatalf("%v", err)
				}
				continue
			}
			if plan == nil {
				continue
			}
			if len(plan.Statements) != len(text.Commands()) {
				t.Fatal("statements and commands differ")
			}
			if got := splicedText(text.SQL(), &edits, func(*Value, *Param) string { return "" }); got == "overlapping edits" {
				t.Fatal(got)
			}
			for i := range plan.Statements {
				if s := &plan.Statements[i]; !s.planned && (s.Outputs != nil || len(s.Touches) > 0) {
					t.Fatal("a statement without a plan has outputs")
				}
			}
		}
	})
}
