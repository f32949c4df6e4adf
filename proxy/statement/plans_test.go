package statement

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

var update = flag.Bool("update", false, "write the golden plans anew")

// planCase is one statement of a golden file.
type planCase struct {
	comments []string // lines before it
	env      Env
	options  []string // the lines of env
	sql      string
	want     []string
	line     int
}

// defaultPath is the search path of the golden plans that name none.
var defaultPath = []string{"pg_catalog", "lab", "public"}

// readPlans reads a golden file: comments (#), options, the statement, and
// indented lines with the plan. The options: @path and @temp give the Env,
// @fails says that the server does not take the statement either, @local that
// the server would answer something else.
func readPlans(t testing.TB, path string) []planCase {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var cases []planCase
	c := planCase{env: Env{SearchPath: defaultPath}}
	flush := func() {
		if c.sql != "" {
			cases = append(cases, c)
			c = planCase{env: Env{SearchPath: defaultPath}}
		}
	}
	for i, line := range strings.Split(string(data), "\n") {
		switch {
		case line == "":
			flush()
			if len(c.comments) > 0 {
				c.comments = append(c.comments, "")
			}
		case line[0] == '#':
			c.comments = append(c.comments, line)
		case strings.HasPrefix(line, "    "):
			c.want = append(c.want, strings.TrimSpace(line))
		case line[0] == '@':
			c.options = append(c.options, line)
			word, rest, _ := strings.Cut(line[1:], " ")
			list := strings.Split(strings.ReplaceAll(rest, " ", ""), ",")
			switch word {
			case "path":
				c.env.SearchPath = list
			case "temp":
				c.env.TempNames = list
			}
		default:
			flush()
			c.sql, c.line = line, i+1
		}
	}
	flush()
	return cases
}

func (c *planCase) write(b *bytes.Buffer, got []string) {
	for _, line := range append(slices.Clone(c.comments), c.options...) {
		b.WriteString(line + "\n")
	}
	b.WriteString(c.sql + "\n")
	for _, line := range got {
		b.WriteString("    " + line + "\n")
	}
	b.WriteString("\n")
}

// TestPlans compares the plans of the statements in testdata/plans with what is
// written there.
func TestPlans(t *testing.T) {
	comparePlans(t, readFixture(t), "testdata/plans/*.plan", 250)
}

// TestORMPlans does the same for statements that object-relational mappers send.
func TestORMPlans(t *testing.T) {
	comparePlans(t, readFixture(t), "testdata/orm/*.plan", 200)
}

// TestControlledPlans does the same for statements on controlled columns.
func TestControlledPlans(t *testing.T) {
	comparePlans(t, readCatalog(t, "testdata/controlled/catalog.txt"), "testdata/controlled/*.plan", 30)
}

// comparePlans compares the statements of golden files, which have to be so many.
func comparePlans(t *testing.T, f *fixture, pattern string, least int) {
	files, _ := filepath.Glob(pattern)
	if len(files) == 0 {
		t.Fatal("no golden plans")
	}
	a := NewAnalyzer(f.catalog())
	total := 0
	for _, path := range files {
		cases := readPlans(t, path)
		total += len(cases)
		var out bytes.Buffer
		counted := ""
		t.Run(filepath.Base(path), func(t *testing.T) {
			refused := 0
			defer func() { counted = countRefused(t, path, len(cases), refused) }()
			for _, c := range cases {
				got := describe(a, c.sql, &c.env)
				if strings.HasPrefix(got[0], "refused") {
					refused++
				}
				c.write(&out, got)
				if !*update && !slices.Equal(got, c.want) {
					t.Errorf("%s:%d: %s\ngot\n    %s\nwant\n    %s", path, c.line, c.sql,
						strings.Join(got, "\n    "), strings.Join(c.want, "\n    "))
				}
			}
		})
		if *update {
			text := counts.ReplaceAll(bytes.TrimRight(out.Bytes(), "\n"), []byte(counted))
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if total < least {
		t.Errorf("only %d golden plans", total)
	}
}

var counts = regexp.MustCompile(`(?m)^# \d+ run, \d+ are refused\.$`)

// countRefused gives the line that says how many statements of a file run, and checks
// that the file has it, if it has one.
func countRefused(t *testing.T, path string, statements, refused int) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("# %d run, %d are refused.", statements-refused, refused)
	if line := counts.Find(data); line != nil && string(line) != want && !*update {
		t.Errorf("%s says %q, not %q", path, line, want)
	}
	return want
}

// describe writes a plan as the golden files have it.
func describe(a *Analyzer, sql string, env *Env) []string {
	text := new(Lexer).Lex([]byte(sql))
	relevant := a.Relevant(text)
	plan, err := a.Plan(text, env)
	var edits Edits
	if err == nil && plan != nil {
		err = plan.Edits(text, &edits)
	}
	if err != nil {
		return describeError(err)
	}
	if plan == nil {
		if !relevant {
			return []string{"irrelevant"}
		}
		return []string{"untouched"}
	}
	for i := range edits.Splices {
		edits.Splices[i].Text = overlayText.ReplaceAllString(edits.Splices[i].Text, "(‹$2$1›)")
	}
	out := []string{"sql     " + splicedText(text.SQL(), &edits, marker)}
	for i := range plan.Statements {
		s := &plan.Statements[i]
		if !s.planned {
			out = append(out, "passes  "+s.Verb.String())
			continue
		}
		if s.Outputs != nil {
			out = append(out, "columns "+describeOutputs(s.Outputs))
		}
		if s.Later != nil {
			out = append(out, "later   "+s.Later.Statements[0].Verb.String()+" "+describeOutputs(s.Later.Statements[0].Outputs))
		}
		uses := make([]string, len(s.Touches))
		for j, u := range s.Touches {
			uses[j] = u.How.String() + " " + u.Column.QualifiedName()
		}
		if len(uses) > 0 {
			out = append(out, "touches "+strings.Join(uses, ", "))
		}
		if s.Copy != nil {
			out = append(out, "copy    "+describeCopy(s.Copy))
		}
	}
	for _, d := range edits.Declared {
		out = append(out, fmt.Sprintf("type    %s %s", text.SQL()[d.Start:d.End], typeName(d.OID)))
	}
	var plain []string
	for n := 1; n <= edits.MaxParam; n++ {
		if edits.PlainParam(n) {
			plain = append(plain, fmt.Sprintf("$%d", n))
		}
	}
	if len(plain) > 0 {
		out = append(out, "plain   "+strings.Join(plain, " "))
	}
	return out
}

func describeCopy(c *CopyPlan) string {
	words := []string{"out", fmt.Sprintf("%+v", c.Options)}
	if c.In {
		words[0] = "in"
	}
	for i, column := range c.Columns {
		word := column.Name
		if c.Tagged[i] != nil {
			word += "=" + c.Tagged[i].QualifiedName()
		}
		for mark, on := range map[string]bool{"!quote": column.ForceQuote, "!notnull": column.ForceNotNull, "!null": column.ForceNull} {
			if on {
				word += mark
			}
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func describeError(err error) []string {
	e, ok := pgerror.As(err)
	if !ok {
		return []string{"not a pgerror: " + err.Error()}
	}
	line := "refused " + e.Code
	if e.Position > 0 {
		line += fmt.Sprintf(" at %d", e.Position)
	}
	return []string{line + ": " + e.Message}
}

func describeOutputs(outputs []Output) string {
	if len(outputs) == 0 {
		return "none"
	}
	words := make([]string, len(outputs))
	for i, o := range outputs {
		words[i] = "-"
		if o.Column != nil {
			words[i] = o.Column.QualifiedName()
		}
		if o.JSON != nil {
			words[i] = describeJSON(o.JSON)
		}
		if o.origin != (origin{}) {
			words[i] += fmt.Sprintf("(%d.%d)", o.origin.table, o.origin.attribute)
		}
	}
	return strings.Join(words, " ")
}

// overlayText is the text of an overlay, of which a plan shows what it is of and the
// system columns that it has.
var overlayText = regexp.MustCompile(`^\(SELECT .*?((?:, (?:ctid|tableoid|xmin))*) FROM \(SELECT .* FROM (\w+\.\w+)\) AS pgveil\)`)

// splicedText applies edits to the text.
func splicedText(sql []byte, e *Edits, show func(v *Value, p *Param) string) string {
	type splice struct {
		start, end int
		text       string
	}
	var all []splice
	for i := range e.Values {
		all = append(all, splice{e.Values[i].Start, e.Values[i].End, show(&e.Values[i], nil)})
	}
	for i := range e.Params {
		all = append(all, splice{e.Params[i].Start, e.Params[i].End, show(nil, &e.Params[i])})
	}
	for _, d := range e.Splices {
		all = append(all, splice{d.Start, d.End, d.Text})
	}
	slices.SortStableFunc(all, func(a, b splice) int { return cmp.Or(a.start-b.start, a.end-b.end) })
	var b strings.Builder
	at := 0
	for _, s := range all {
		if s.start < at || s.end < s.start {
			return "overlapping edits"
		}
		b.Write(sql[at:s.start])
		b.WriteString(s.text)
		at = s.end
	}
	b.Write(sql[at:])
	return b.String()
}

// marker shows what takes a value's place: ‹column use "text" type›.
func marker(v *Value, p *Param) string {
	column, use, from, array := "", logical.Assign, uint32(0), false
	what := "NULL"
	if v != nil {
		if v.Null {
			return "‹NULL›"
		}
		column, use, from, array = v.Column.Name, v.Use, v.From, v.Array
		what = fmt.Sprintf("%q", v.Text)
		if v.Computed != nil {
			what = v.Computed.describe(v.Computed.root)
		}
	} else {
		column, use, from, array = p.Column.Name, p.Use, p.From, p.Array
		what = fmt.Sprintf("$%d", p.Number)
		if p.Computed != nil {
			what = p.Computed.describe(p.Computed.root)
		}
		if p.Chars > 0 {
			what += fmt.Sprintf(" cut %d", p.Chars)
		}
	}
	sign := ":="
	if use == logical.Compare {
		sign = "="
	}
	if array {
		sign += "[]"
	}
	s := "‹" + column + " " + sign + " " + what
	if from != 0 {
		s += " " + typeName(from)
	}
	return s + "›"
}

func typeName(oid uint32) string {
	if k := logical.KindOf(oid); k != 0 {
		return k.String()
	}
	if k := logical.KindOf(logical.ElementOf(oid)); k != 0 {
		return k.String() + "[]"
	}
	return fmt.Sprint(oid)
}

// describeJSON shows where in JSON sealed values are.
func describeJSON(j *JSON) string {
	switch {
	case j == nil:
		return "-"
	case j.Value != nil:
		return j.Value.Column.QualifiedName()
	case j.Element != nil:
		return "[" + describeJSON(j.Element) + "]"
	}
	var words []string
	for _, key := range slices.Sorted(maps.Keys(j.Members)) {
		words = append(words, key+": "+describeJSON(j.Members[key]))
	}
	for _, m := range j.Ordered {
		words = append(words, describeJSON(m))
	}
	if j.Binary {
		words = append(words, "jsonb")
	}
	return "{" + strings.Join(words, ", ") + "}"
}
