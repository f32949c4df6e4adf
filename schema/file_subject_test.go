package schema

import (
	"strings"
	"testing"
)

// TestSubject: a table says which of its columns tells whom a row is about.
func TestSubject(t *testing.T) {
	v := newValidator(t)
	file := func(subject string) string {
		return strings.Replace(column(fine), "        columns:\n", "        subject: "+subject+"\n        columns:\n", 1)
	}
	f, err := Parse("f", []byte(file("third")))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.validateYAML([]byte(file("third"))); err != nil {
		t.Errorf("JSON Schema: %v", err)
	}
	db := f.Databases["shop"]
	third := db.Column("public", "client", "third")
	for _, c := range db.Columns {
		if c.Subject != third || c.WithKey(7).Subject != third {
			t.Errorf("%s: subject %v", c.Name, c.Subject)
		}
	}
	if got := db.Subjects(); len(got) != 1 || got[0] != third || db.Subject("public", "client") != third || db.Subject("public", "other") != nil {
		t.Errorf("subjects %v", got)
	}
	if got := third.WithKey(7).SubjectDomain(); got != "names" {
		t.Errorf("domain %q", got)
	}
	for subject, want := range map[string]string{
		"thrid": `10:18: table public.client: its subject "thrid" is not among its columns; did you mean "third"?`,
		"rest":  `10:18: table public.client: its subject "rest" is not deterministic`,
		"[a]":   `"subject"`,
	} {
		if _, err := Parse("f", []byte(file(subject))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", subject, err)
		}
	}
	changed := strings.Replace(file("name"), fine, "type: text, encryption: deterministic, access: staff, was: {encryption: randomized}", 1)
	if f, err = Parse("f", []byte(changed)); err != nil {
		t.Fatal(err)
	}
	name := f.Databases["shop"].Column("public", "client", "name")
	if name.Subject != name || name.Was.Subject != name || name.Was.SubjectDomain() != name.Domain {
		t.Errorf("what the column was has the subject %v", name.Was.Subject)
	}
}
