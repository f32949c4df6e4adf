package schema

import (
	"strings"
	"testing"
	"time"
)

// keyFile is a schema file of one key.
func keyFile(spec string) string {
	return "version: 1\nkeys:\n  k: " + spec + "\ndatabases:\n  d:\n    tables:\n      s.t: {columns: {c: {type: text, encryption: randomized, access: {a: decrypt}}}}\n"
}

func TestKeyRetain(t *testing.T) {
	v := newValidator(t)
	from := time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]struct {
		period Period
		over   string
	}{
		"3 years":   {Period{3, "years"}, "2027-01-31"},
		"1 year":    {Period{1, "years"}, "2025-01-31"},
		"18 months": {Period{18, "months"}, "2025-07-31"},
		"90 days":   {Period{90, "days"}, "2024-04-30"},
	} {
		file := keyFile("{type: randomized, retain: " + text + "}")
		f, err := Parse("f", []byte(file))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := f.Keys["k"]
		if got.Retain != want.period || got.Mode != Randomized || got.Retain.String() != text || got.Retain.After(from).Format(time.DateOnly) != want.over {
			t.Errorf("%s: %+v, over at %v", text, got, got.Retain.After(from))
		}
		if err := v.validateYAML([]byte(file)); err != nil {
			t.Errorf("JSON Schema: %s: %v", text, err)
		}
	}
	f, err := Parse("f", []byte(keyFile("{type: randomized}")))
	if err != nil || !f.Keys["k"].Retain.IsZero() {
		t.Errorf("%+v, %v", f, err)
	}
	for spec, want := range map[string]string{
		"{retain: 3 years}":                          `3:3: key "k" has no type; it is randomized or deterministic`,
		"{type: randomised}":                         `did you mean "randomized"?`,
		"{type: randomized, retian: 3 years}":        `unknown key "retian"`,
		"{type: randomized, retain: 3 yeers}":        `3:33: key "k": unknown unit "yeers" of retain; did you mean "years"?`,
		"{type: randomized, retain: 3 year}":         `unknown unit "year" of retain; did you mean "years"?`,
		"{type: randomized, retain: forever}":        `key "k": retain is a number of days, months, years, such as 3 years, and not "forever"`,
		"{type: randomized, retain: 0 years}":        `and not "0 years"`,
		"{type: randomized, retain: 10000000 years}": `and not "10000000 years"`,
		"{type: randomized, retain: 3}":              `retain`,
	} {
		file := keyFile(spec)
		if _, err := Parse("f", []byte(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", spec, err)
		}
		if v.validateYAML([]byte(file)) == nil {
			t.Errorf("the JSON Schema takes %s", spec)
		}
	}
}
