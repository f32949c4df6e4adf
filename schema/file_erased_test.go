package schema

import (
	"strings"
	"testing"
)

// TestErased: the text of an erased value is one that the column could hold.
func TestErased(t *testing.T) {
	v := newValidator(t)
	for keys, want := range map[string]string{
		"type: text, encryption: randomized, access: staff, erased: '[effacé]'":                          "[effacé]",
		"type: varchar(4), encryption: deterministic, domain: a, access: staff, erased: gone":            "gone",
		"type: char(6), encryption: randomized, access: staff, erased: 'gone  '":                         "gone",
		"type: text, encryption: randomized, access: staff, erased: gone, was: {encryption: none}":       "gone",
		"type: text, encryption: none, access: staff, erased: gone, was: {encryption: randomized}":       "gone",
		"type: text, encryption: randomized, access: staff, erased: x, was: {encryption: deterministic}": "x",
	} {
		f, err := Parse("f", []byte(column(keys)))
		if err != nil {
			t.Errorf("%s: %v", keys, err)
			continue
		}
		for _, db := range f.Databases {
			for _, form := range db.Columns[0].Forms() {
				if form.Erased == nil || string(form.Erased) != want || string(form.WithKey(1).Erased) != want {
					t.Errorf("%s: %q", keys, form.Erased)
				}
			}
			if db.Columns[1].Erased != nil {
				t.Errorf("another column: %q", db.Columns[1].Erased)
			}
		}
		if err := v.validateYAML([]byte(column(keys))); err != nil {
			t.Errorf("JSON Schema: %s: %v", keys, err)
		}
	}
	for keys, want := range map[string]string{
		"type: varchar(3), encryption: randomized, access: staff, erased: gone": "value too long for type character varying(3)",
		"type: date, encryption: randomized, access: staff, erased: gone":       "only columns of text, varchar and char",
		"type: text, encryption: randomized, access: staff, erased: ''":         `"erased" is empty`,
		"type: text, encryption: randomized, access: staff, erased: [a]":        "erased",
	} {
		if _, err := Parse("f", []byte(column(keys))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", keys, err)
		}
	}
}
