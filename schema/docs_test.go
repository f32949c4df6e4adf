package schema

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The complete examples of the manual page parse without a warning, its
// fragments do where they belong, and the page names every key.
func TestManualPage(t *testing.T) {
	page, err := os.ReadFile("../docs/schema-file.md")
	if err != nil {
		t.Fatal(err)
	}
	v := newValidator(t)
	complete, fragments := 0, 0
	example := ""
	for _, m := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		text, whole := m[1], strings.HasPrefix(m[1], "version:")
		const above = "version: 1\nkeys: {r: randomized, lookup: deterministic}\nprofiles: {identity: {biologist: decrypt}}\n" +
			"databases:\n  d:\n    tables:\n      s.t:\n"
		switch {
		case whole:
			complete++
			example = text // ends with its database
		case strings.HasPrefix(text, "functions:"), strings.HasPrefix(text, "budgets:"), strings.HasPrefix(text, "break_glass:"), strings.HasPrefix(text, "canaries:"): // of a database
			text = example + "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
			fragments++
		case strings.HasPrefix(text, "access:"): // of a table, whose columns suit every mask
			text = above + indent(text, 8) + "        columns:\n" +
				"          a: {type: text, encryption: randomized}\n" +
				"          b: {type: date, encryption: randomized}\n" +
				"          c: {type: integer, encryption: randomized}\n"
			fragments++
		default: // a column
			text = above + "        access: identity\n        columns:\n" + indent(text, 10)
			fragments++
		}
		f, err := Parse("example", []byte(text))
		if err != nil {
			t.Errorf("%v\n%s", err, text)
			continue
		}
		if whole && len(f.Warnings) > 0 {
			t.Errorf("warnings: %v", f.Warnings)
		}
		if err := v.validateYAML([]byte(text)); err != nil {
			t.Errorf("JSON Schema: %v\n%s", err, text)
		}
	}
	if complete != 1 || fragments < 4 {
		t.Errorf("%d complete examples and %d fragments", complete, fragments)
	}
	for _, keys := range [][]string{fileKeys, keyKeys, projectKeys, databaseKeys, budgetKeys, functionKeys, tableKeys, columnKeys, accessKeys, maskKeys, bucketKeys, verdictWords, pseudonymFormats} {
		for _, key := range keys {
			if !strings.Contains(string(page), "`"+key+"`") && !strings.Contains(string(page), key+":") {
				t.Errorf("the page does not name %q", key)
			}
		}
	}
}

func indent(text string, n int) string {
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+pad) + "\n"
}
