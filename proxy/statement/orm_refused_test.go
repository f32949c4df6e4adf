package statement

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ormRefused is the table of what the mappers' statements are refused for.
const ormRefused = "testdata/orm/refused.md"

const ormRefusedHead = `# Statements of object-relational mappers that are refused

By reason, of all statements in the *.plan files beside this one; the example is the shortest. TestORMRefused compares it, with -update it writes it.

| reason | count | example |
|---|---|---|
`

var (
	refusedLine = regexp.MustCompile(`^refused (\w+)(?: at \d+)?: (.*)`)
	quotedNames = regexp.MustCompile(`"[^"]*"`)
)

// TestORMRefused holds the table of refusals to the plans, which TestORMPlans holds to
// the analysis.
func TestORMRefused(t *testing.T) {
	files, err := filepath.Glob("testdata/orm/*.plan")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden plans", err)
	}
	reasons := make(map[string][]string) // statements
	for _, path := range files {
		for _, c := range readPlans(t, path) {
			if m := refusedLine.FindStringSubmatch(c.want[0]); m != nil {
				reason := m[1] + ": " + quotedNames.ReplaceAllString(m[2], "…")
				reasons[reason] = append(reasons[reason], c.sql)
			}
		}
	}
	var b strings.Builder
	b.WriteString(ormRefusedHead)
	order := slices.SortedFunc(maps.Keys(reasons), func(x, y string) int {
		return cmp.Or(len(reasons[y])-len(reasons[x]), cmp.Compare(x, y))
	})
	for _, reason := range order {
		shortest := slices.MinFunc(reasons[reason], func(x, y string) int { return cmp.Or(len(x)-len(y), cmp.Compare(x, y)) })
		fmt.Fprintf(&b, "| %s | %d | `%s` |\n", reason, len(reasons[reason]), strings.ReplaceAll(shortest, "|", `\|`))
	}
	if *update {
		if err := os.WriteFile(ormRefused, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	data, err := os.ReadFile(ormRefused)
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != b.String() {
		t.Errorf("%s is not what the plans say:\n%s", ormRefused, b.String())
	}
}
