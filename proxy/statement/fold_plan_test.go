package statement

import (
	"fmt"
	"strings"
	"testing"
)

// unfold makes the text one without groups: each repetition is analysed.
func unfold(t *Text) {
	t.fold()
	t.folding.groups = t.folding.groups[:0]
	t.writeFolded()
	t.shapeSet = false
}

// sameEdits reports how two edits differ.
func sameEdits(a, b *Edits) string {
	if len(a.Values) != len(b.Values) || len(a.Params) != len(b.Params) || len(a.Splices) != len(b.Splices) || a.MaxParam != b.MaxParam {
		return fmt.Sprintf("%d values, %d params, %d deleted, and %d, %d, %d",
			len(a.Values), len(a.Params), len(a.Splices), len(b.Values), len(b.Params), len(b.Splices))
	}
	for i := range a.Values {
		v, w := a.Values[i], b.Values[i]
		if string(v.Text) != string(w.Text) {
			return fmt.Sprintf("%q and %q", v.Text, w.Text)
		}
		v.Text, w.Text = nil, nil
		if fmt.Sprint(v) != fmt.Sprint(w) {
			return fmt.Sprintf("%v and %v", v, w)
		}
	}
	for i := range a.Params {
		if a.Params[i] != b.Params[i] {
			return fmt.Sprintf("%v and %v", a.Params[i], b.Params[i])
		}
	}
	for i := range a.Splices {
		if a.Splices[i] != b.Splices[i] {
			return fmt.Sprintf("%v and %v", a.Splices[i], b.Splices[i])
		}
	}
	for n := range a.MaxParam + 1 {
		if a.PlainParam(n) != b.PlainParam(n) {
			return fmt.Sprintf("$%d", n)
		}
	}
	return ""
}

// TestFoldingChangesNothing compares the edits of random lists with those of
// the same texts analysed without folding.
func TestFoldingChangesNothing(t *testing.T) {
	a := NewAnalyzer(readFixture(t).catalog())
	env := &Env{SearchPath: defaultPath}
	random := xorshift(7)
	folded, planned := 0, 0
	for range 1000 {
		g := &generator{choices: random.bytes(200)}
		sql := g.lists()
		text := new(Lexer).Lex([]byte(sql))
		plan, err := a.Plan(text, env)
		plain := new(Lexer).Lex([]byte(sql))
		unfold(plain)
		o := a.analyze(plain, env)
		if (err == nil) != (o.refusal == nil) {
			t.Fatalf("%s\nfolded: %v, unfolded: %v", sql, err, o.refusal)
		}
		if err != nil {
			if want := o.refusal.at(plain); err.Error() != want.Error() {
				t.Fatalf("%s\nfolded: %v, unfolded: %v", sql, err, want)
			}
			continue
		}
		planned++
		if len(text.Groups()) > 0 {
			folded++
		}
		var e, f Edits
		if err := plan.Edits(text, &e); err != nil {
			t.Fatalf("%s\n%v", sql, err)
		}
		if err := o.plan.Edits(plain, &f); err != nil {
			t.Fatalf("%s\n%v", sql, err)
		}
		if diff := sameEdits(&e, &f); diff != "" {
			t.Fatalf("%s\n%s", sql, diff)
		}
	}
	if folded < 300 || planned < 500 {
		t.Errorf("only %d planned, %d folded", planned, folded)
	}
}

// lists writes a statement with long lists of constants.
func (g *generator) lists() string {
	param := func() string { g.params++; return fmt.Sprintf("$%d", g.params%9+1) }
	value := func() string {
		return []func() string{
			func() string { return "'a''b'" }, param, func() string { return "NULL" },
			func() string { return "'c'::text" }, func() string { return "DEFAULT" },
			func() string { return param() + "::varchar" }, func() string { return "E'\\'x'" },
			func() string { return "CAST('d' AS text)" }, func() string { return "('e')" },
		}[g.pick(9)]()
	}
	rows := func(n int, row func() string) string {
		parts := make([]string, n)
		for i := range parts {
			if i > 0 && g.pick(3) > 0 {
				parts[i] = parts[i-1] // a repetition
				continue
			}
			parts[i] = row()
		}
		return strings.Join(parts, ", ")
	}
	n := 1 + g.pick(12)
	item := func() string { return g.of("'x'", "'y'", "$3", "NULL", "'z'::text", "E'q'", "(('w'))") }
	switch g.pick(4) {
	case 0:
		return "SELECT id FROM patient WHERE nir IN (" + rows(n, item) + ") AND id IN (" + rows(n, func() string { return g.of("1", "2", "$5") }) +
			") AND email = ANY (ARRAY[" + rows(n, item) + "]::text[]) AND nir = 'last'"
	case 1:
		return "INSERT INTO result (id, patient_nir, value) VALUES " + rows(n, func() string {
			return "(" + g.of("1", "$1", "nextval('s')") + ", " + value() + ", " + g.of("1.5", "-2", "+3", "NULL", "$2::numeric", "'4'") + ")"
		}) + " RETURNING patient_nir"
	case 2:
		return "INSERT INTO patient (nir, id) VALUES " + rows(n, func() string { return "(" + value() + ", 1)" }) +
			"; DELETE FROM patient WHERE nir IN (" + rows(n, item) + "); INSERT INTO patient (id) VALUES " + rows(n, func() string { return "(1)" })
	}
	return "INSERT INTO patient (nir, last_name, active, id) VALUES " + rows(n, func() string {
		return "(" + value() + ", " + value() + ", " + g.of("true", "false", "'t'", "$4") + ", 7)"
	})
}
