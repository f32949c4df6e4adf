package statement

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// TestHostileTexts gives the analysis texts of about 1 MB that would overflow
// the parser's stack, or keep it busy for minutes.
func TestHostileTexts(t *testing.T) {
	if slowdown > 1 {
		t.Skip("all in one goroutine, and ten times slower")
	}
	const size = 1 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	nest := func(open, inner, shut string) string {
		n := size / (len(open) + len(shut))
		return strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
	}
	// Deep enough for the bound of the depth and as wide as the text allows.
	wide := func(open, shut string) string {
		return strings.Repeat(open, 90) + "1" + strings.Repeat(" OR id = 1", size/20) + strings.Repeat(shut, 90)
	}
	texts := map[string]struct{ sql, code string }{
		"parentheses":    {"SELECT nir FROM patient WHERE " + nest("(", "true", ")"), "54001"},
		"open":           {"SELECT nir FROM patient WHERE " + fill("("), "54001"},
		"closed":         {"SELECT nir FROM patient WHERE " + fill(")"), "54000"},
		"sum":            {"SELECT nir FROM patient WHERE id = 1" + fill("+1"), "54001"},
		"not":            {"SELECT nir FROM patient WHERE " + fill("NOT ") + "true", "54001"},
		"minus":          {"SELECT nir FROM patient WHERE id = " + fill("- ") + "1", "54001"},
		"subqueries":     {"SELECT nir FROM patient WHERE id IN " + nest("(SELECT id FROM patient WHERE id IN ", "(1)", ")"), "54001"},
		"derived tables": {"SELECT nir FROM " + nest("(SELECT * FROM ", "patient p", ") p"), "54001"},
		"case":           {"SELECT nir, " + nest("CASE WHEN true THEN ", "1", " END") + " FROM patient", "54001"},
		"arrays":         {"SELECT nir, " + nest("ARRAY[", "1", "]") + " FROM patient", "54001"},
		"casts":          {"SELECT nir, 1" + fill("::int") + " FROM patient", "54001"},
		"joins":          {"SELECT 1 FROM patient" + fill(" CROSS JOIN patient"), "54001"},
		"unions":         {"SELECT id FROM patient" + fill(" UNION SELECT 1"), "54001"},
		"calls":          {"SELECT nir, " + nest("f(", "1", ")") + " FROM patient", "54001"},
		"subscripts":     {"SELECT nir, sex" + fill("[1]") + " FROM patient", "54000"},
		"wide and deep":  {"SELECT nir FROM patient WHERE " + wide("(", ")"), "54000"},
		"wide subquery":  {"SELECT nir FROM patient WHERE " + wide("EXISTS (SELECT id FROM patient WHERE ", ")"), "54000"},
		"in list":        {"SELECT nir FROM patient WHERE nir IN ('a'" + fill(", 'a'") + ")", ""},
		"mixed in list":  {"SELECT nir FROM patient WHERE nir IN ('a'" + fill(", 'a', 1, $1") + ")", "54000"},
		"or":             {"SELECT nir FROM patient WHERE nir = 'a'" + fill(" OR nir = 'b'"), ""},
		"columns":        {"SELECT " + fill("nir, ") + "nir FROM patient", "54000"},
		"from":           {"SELECT 1 FROM " + fill("patient, ") + "patient", "42712"},
		"rows":           {"INSERT INTO patient (id, nir) VALUES (1, 'a')" + fill(", (2, 'b')"), ""},
		"uneven rows":    {"INSERT INTO patient (id, nir) VALUES (1, 'a')" + fill(", (2, 'b'), (3, NULL)"), "54000"},
		"assignments":    {"UPDATE patient SET (sex" + fill(", sex") + ") = (1" + fill(", 1") + ")", "54000"},
		"few columns":    {"UPDATE patient SET (sex, doctor) = (SELECT 'a', 1 WHERE true" + fill(" OR id = 1") + ")", "54000"},
		"subscript list": {"UPDATE patient SET (sex[(1)]" + fill(", sex[(1)]") + ") = (1" + fill(", 1") + ")", "54000"},
		"statements":     {"SELECT nir FROM patient" + fill("; SELECT nir FROM patient"), ""},
		"empty":          {"SELECT nir FROM patient" + fill(";"), "54000"},
		"string":         {"SELECT nir FROM patient WHERE nir = '" + fill("x") + "'", ""},
		"open string":    {"SELECT nir FROM patient WHERE nir = '" + fill("x"), "0A000"},
		"comment":        {"SELECT nir FROM patient " + nest("/*", "", "*/"), ""},
		"names":          {"SELECT nir FROM patient WHERE " + fill("a.") + "a = 1", "54000"},
		"stars":          {"SELECT " + fill("*, ") + "* FROM patient", "54000"},
		"some columns":   {"SELECT " + strings.Repeat("nir, ", 2000) + "nir FROM patient", "54011"},
		"some stars":     {"SELECT " + strings.Repeat("*, ", 2000) + "* FROM patient", "54011"},
		"items":          {"SELECT 1 FROM patient p" + numbered(", patient p%d", size/20), "54000"},
		"references":     {"SELECT 1 FROM patient p" + numbered(", patient p%d", size/500) + " WHERE " + numbered("p%d.id = 1 OR ", size/500) + strings.Repeat("x = 1 OR ", size/80) + "true", "42703"},
		"some aliases":   {"SELECT 1 FROM patient p (a" + strings.Repeat(", a", size/16) + ")", "0A000"},
		"some dots":      {"SELECT nir FROM patient WHERE " + strings.Repeat("a.", size/16) + "a = 1", "42601"},
		"aliases":        {"SELECT 1 FROM patient p (a" + fill(", a") + ")", "54000"},
	}
	a := NewAnalyzer(readFixture(t).catalog())
	env := &Env{SearchPath: defaultPath}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			l := new(Lexer).Lex([]byte(text.sql))
			if !a.Relevant(l) {
				t.Fatal("not relevant")
			}
			plan, err := a.Plan(l, env)
			var edits Edits
			if err == nil {
				err = plan.Edits(l, &edits)
			}
			took := time.Since(start)
			code := ""
			if e, ok := pgerror.As(err); ok {
				code = e.Code
			}
			t.Logf("%v %v depth %d", took, err, l.Depth())
			if code != text.code {
				t.Errorf("%v, want SQLSTATE %q", err, text.code)
			}
			if took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// numbered repeats a format with the numbers from 1 to n.
func numbered(format string, n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}
