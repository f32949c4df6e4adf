package schema

import (
	"strings"
	"testing"
)

func TestWas(t *testing.T) {
	f, err := Parse("f", []byte(column("type: text, encryption: deterministic, key: d, domain: a, access: staff, was: {encryption: randomized, padding: 64}")))
	if err != nil {
		t.Fatal(err)
	}
	var c *Column
	for _, db := range f.Databases {
		c = db.Columns[0]
	}
	if w := c.Was; w == nil || w.Mode != Randomized || w.Padding != 64 || w.Context != "column:"+c.QualifiedName() || w.Domain != "" || w.Type != c.Type ||
		w.InFile() != c || len(w.Access) != len(c.Access) || len(c.Forms()) != 2 {
		t.Errorf("was: %+v", w)
	}
	if c.Context != "domain:a" || c.Mode != Deterministic {
		t.Errorf("column: %+v", c)
	}

	f, err = Parse("f", []byte(column("type: text, encryption: none, was: {encryption: randomized}, access: staff")))
	if err != nil {
		t.Fatal(err)
	}
	for _, db := range f.Databases {
		if c := db.Columns[0]; c.Mode != Unencrypted || c.Was.Mode != Randomized || len(c.Forms()) != 1 || strings.Contains(DDL(db, AddColumns), `"name"`) {
			t.Errorf("column: %+v", c)
		}
	}
}

func TestWasRefused(t *testing.T) {
	for keys, want := range map[string]string{
		fine + ", was: {encryption: randomized}":                                                                             "nothing is to be changed",
		"type: text, encryption: none, was: {encryption: none}, access: staff":                                               "nothing is to be changed",
		"type: text, encryption: none, padding: 8, was: {encryption: randomized}, access: staff":                             "has encryption: none and no padding",
		fine + ", was: {encryption: none, key: d}":                                                                           "has encryption: none and no key",
		fine + ", was: {encryption: none, type: int}":                                                                        `unknown key "type"`,
		"type: text, encryption: deterministic, key: d, padding: 8, access: staff, was: {encryption: deterministic, key: d}": "needs another key, too",
		"type: jsonb, encryption: randomized, access: staff, was: {encryption: deterministic}":                               "cannot be deterministic",
		fine + ", was: {padding: 8}":                                                                                         "has no encryption",
	} {
		_, err := Parse("f", []byte(column(keys)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", keys, err)
		}
	}
}

// The columns of a domain share key and padding, before a change as after it.
func TestWasDomain(t *testing.T) {
	for moved, fault := range map[string]bool{
		"domain: names, was: {encryption: deterministic, key: d, domain: old, padding: 8}":             false,
		"domain: names, padding: 8, was: {encryption: deterministic, key: d, domain: old, padding: 8}": true,
		"domain: new, was: {encryption: deterministic, key: d, domain: names, padding: 8}":             true,
		"domain: new, was: {encryption: deterministic, key: d, domain: names}":                         false,
	} {
		_, err := Parse("f", []byte(column("type: text, encryption: deterministic, access: staff, "+moved)))
		if told := err != nil && strings.Contains(err.Error(), "have the same padding"); told != fault || !fault && err != nil {
			t.Errorf("%s: %v", moved, err)
		}
	}
}
