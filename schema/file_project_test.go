package schema

import (
	"strings"
	"testing"

	"github.com/pgveil/pgveil/keys"
)

// projects is a schema file with a project and a column with these keys.
func projects(project, column string) string {
	return "version: 1\nkeys: {r: randomized, d: deterministic}\nprojects: {cohort: {" + project + "}}\ndatabases:\n  db:\n    tables:\n" +
		"      public.client:\n        columns:\n          name: {" + column + "}\n"
}

func TestProjects(t *testing.T) {
	for _, test := range []struct {
		typ, access string
		want        Access
	}{
		{"text", "", Access{Pseudonym: Pseudonym{Format: keys.PseudonymText}}},
		{"varchar", "search: true", Access{Search: true, Pseudonym: Pseudonym{Format: keys.PseudonymText}}},
		{"varchar(120)", "search: true, write: true", Access{Search: true, Write: true, Pseudonym: Pseudonym{Format: keys.PseudonymText}}},
		{"text", "format: uuid", Access{Pseudonym: Pseudonym{Format: keys.PseudonymTextUUID}}},
		{"char(15)", "format: nir", Access{Pseudonym: Pseudonym{Format: keys.PseudonymNIR}}},
		{"uuid", "", Access{Pseudonym: Pseudonym{Format: keys.PseudonymUUID}}},
		{"uuid", "format: uuid", Access{Pseudonym: Pseudonym{Format: keys.PseudonymUUID}}},
	} {
		access := "verdict: pseudonym, project: cohort"
		if test.access != "" {
			access += ", " + test.access
		}
		f, err := Parse("f", []byte(projects("key: ck, epoch: 4", "type: '"+test.typ+"', encryption: deterministic, domain: x, access: {a: {"+access+"}}")))
		if err != nil {
			t.Errorf("%s, %s: %v", test.typ, access, err)
			continue
		}
		if f.Projects["cohort"] != (Project{"cohort", "ck", 4, DefaultShift}) {
			t.Errorf("projects: %+v", f.Projects)
		}
		c := f.Databases["db"].Columns[0]
		test.want.Verdict = Pseudonymize
		test.want.Pseudonym.Project, test.want.Pseudonym.Key, test.want.Pseudonym.Epoch, test.want.Pseudonym.Shift = "cohort", "ck", 4, DefaultShift
		if got := c.AccessFor([]string{"a"}); got != test.want || !c.HasPseudonyms() {
			t.Errorf("%s, %s: %+v", test.typ, access, got)
		}
		if spec := c.PseudonymSpec(test.want.Pseudonym); spec.Domain != "domain:x" || spec.Project != "cohort" || spec.Epoch != 4 {
			t.Errorf("spec: %+v", spec)
		}
		if err := newValidator(t).validateYAML([]byte(projects("key: ck, shift: 30", "type: '"+test.typ+"', encryption: deterministic, access: {a: {"+access+"}}"))); err != nil {
			t.Errorf("JSON Schema: %v", err)
		}
	}
}

func TestProjectFaults(t *testing.T) {
	const cohort = "{verdict: pseudonym, project: cohort}"
	for _, test := range []struct{ project, column, want string }{
		{"epoch: 1", "type: text, encryption: randomized, access: {a: " + cohort + "}", `project "cohort" has no key`},
		{"key: r", "type: text, encryption: randomized, access: {a: " + cohort + "}", `key "r" is among keys, for columns`},
		{"key: a/b", "type: text, encryption: randomized, access: {a: " + cohort + "}", `key name "a/b"`},
		{"key: ck, epoch: 0", "type: text, encryption: randomized, access: {a: " + cohort + "}", `"epoch"`},
		{"key: ck, colour: red", "type: text, encryption: randomized, access: {a: " + cohort + "}", `unknown key "colour"`},
		{"key: ck", "type: text, encryption: randomized, access: {a: {verdict: pseudonym}}", `role "a" has no project`},
		{"key: ck", "type: text, encryption: randomized, access: {a: {verdict: pseudonym, project: chort}}", `project "chort" is not among projects; did you mean "cohort"?`},
		{"key: ck", "type: text, encryption: randomized, access: {a: {verdict: mask, project: cohort}}", "project goes with verdict: pseudonym, not with mask"},
		{"key: ck", "type: text, encryption: randomized, access: {a: {verdict: decrypt, write: true}}", "write goes with verdict: pseudonym, not with decrypt"},
		{"key: ck", "type: text, encryption: randomized, access: {a: {verdict: pseudonym, project: cohort, mask: {keep_last: 1}}}", "a mask goes with verdict: mask, not with pseudonym"},
		{"key: ck", "type: text, encryption: randomized, access: {a: {verdict: pseudonym, project: cohort, format: hex}}", `unknown format "hex"; it is one of text, uuid, nir, shift`},
		{"key: ck", "type: varchar(63), encryption: randomized, access: {a: " + cohort + "}", "a pseudonym of format text has at least 64 characters"},
		{"key: ck", "type: char(80), encryption: randomized, access: {a: " + cohort + "}", "a value of type character(80) has no pseudonym of format text"},
		{"key: ck", "type: char(12), encryption: randomized, access: {a: {verdict: pseudonym, project: cohort, format: nir}}", "a value of type character(12) has no pseudonym of format nir"},
		{"key: ck", "type: varchar(35), encryption: randomized, access: {a: {verdict: pseudonym, project: cohort, format: uuid}}", "has no pseudonym of format uuid"},
		{"key: ck", "type: uuid, encryption: randomized, access: {a: {verdict: pseudonym, project: cohort, format: text}}", "has no pseudonym of format text"},
		{"key: ck", "type: int, encryption: randomized, access: {a: " + cohort + "}", "a value of type integer has no pseudonym"},
		{"key: ck", "type: jsonb, encryption: randomized, access: {a: " + cohort + "}", "a value of type jsonb has no pseudonym"},
		{"key: ck", "type: text, encryption: deterministic, access: {a: {verdict: pseudonym, project: cohort, write: true}}", "write needs search: true"},
	} {
		_, err := Parse("f", []byte(projects(test.project, test.column)))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s; %s\ngot  %v\nwant %s", test.project, test.column, err, test.want)
		}
	}
	two := strings.Replace(projects("key: ck", "type: text, encryption: randomized, access: {a: "+cohort+"}"), "{cohort: {key: ck}}", "{cohort: {key: ck}, other: {key: ck}}", 1)
	if _, err := Parse("f", []byte(two)); err == nil || !strings.Contains(err.Error(), `project "other" has the key of project "cohort"`) {
		t.Errorf("two projects of one key: %v", err)
	}
}

func TestProjectWarnings(t *testing.T) {
	for _, test := range []struct{ column, want string }{
		{"type: varchar(64), encryption: randomized, access: {a: {verdict: pseudonym, project: cohort}}", "values of more than 31 bytes have a pseudonym that is longer"},
		{"type: text, encryption: randomized, access: {a: {verdict: pseudonym, project: cohort, format: uuid}}", "values of more than 15 bytes do not fit a uuid"},
		{"type: text, encryption: randomized, access: {a: {verdict: pseudonym, project: cohort, format: nir, write: true}}", "pseudonyms of format nir carry no proof"},
		{"type: text, encryption: randomized, access: {a: decrypt}", `project "cohort" is not used`},
		{
			"type: text, encryption: deterministic, domain: x, access: {a: {verdict: pseudonym, project: cohort}}}\n" +
				"          other: {type: text, encryption: deterministic, domain: x, access: {a: {verdict: hide, search: true}}",
			`role "a" sees pseudonyms here and searches public.client.other of the same domain by real values`,
		},
		{
			"type: text, encryption: deterministic, domain: x, access: {a: {verdict: pseudonym, project: cohort}}}\n" +
				"          other: {type: text, encryption: deterministic, domain: x, access: {a: {verdict: decrypt, search: false}}",
			`role "a" sees pseudonyms here and the values of public.client.other of the same domain`,
		},
		{
			"type: text, encryption: deterministic, domain: x, access: {a: {verdict: pseudonym, project: cohort}}}\n" +
				"          other: {type: text, encryption: deterministic, domain: x, access: {public: decrypt}",
			`role "a" sees pseudonyms here and the values of public.client.other of the same domain`,
		},
	} {
		f, err := Parse("f", []byte(projects("key: ck", test.column)))
		if err != nil {
			t.Errorf("%s: %v", test.column, err)
			continue
		}
		found := false
		for _, w := range f.Warnings {
			found = found || strings.Contains(w.Message, test.want)
		}
		if !found {
			t.Errorf("%s: %v\nwant %s", test.column, f.Warnings, test.want)
		}
	}
}

// TestAccessOfProjects: one project's pseudonyms hold by either of two roles, those of two projects not.
func TestAccessOfProjects(t *testing.T) {
	cohort, registry := Pseudonym{Project: "cohort"}, Pseudonym{Project: "registry"}
	c := &Column{Access: map[string]Access{
		"reader":   {Verdict: Pseudonymize, Pseudonym: cohort},
		"searcher": {Verdict: Pseudonymize, Pseudonym: cohort, Search: true},
		"writer":   {Verdict: Pseudonymize, Pseudonym: cohort, Search: true, Write: true},
		"other":    {Verdict: Pseudonymize, Pseudonym: registry, Search: true},
		"desk":     {Verdict: Mask, Mask: Pattern{KeepLast: 2}, Search: true},
		"doctor":   {Verdict: Decrypt},
	}}
	for roles, want := range map[string]Access{
		"reader":              c.Access["reader"],
		"reader searcher":     c.Access["searcher"],
		"searcher reader":     c.Access["searcher"],
		"reader writer":       c.Access["writer"],
		"writer reader":       c.Access["writer"],
		"desk reader":         c.Access["searcher"],
		"reader desk":         c.Access["searcher"],
		"reader other":        {Pseudonym: cohort},
		"other desk reader":   {Pseudonym: registry},
		"reader other doctor": {Verdict: Decrypt, Search: true},
		"doctor other reader": {Verdict: Decrypt, Search: true},
	} {
		if got := c.AccessFor(strings.Fields(roles)); got != want {
			t.Errorf("%s: %+v, not %+v", roles, got, want)
		}
		if got := c.AccessFor(strings.Fields(roles)); got.Clashes() != (got.Verdict == Deny) {
			t.Errorf("%s: %+v", roles, got)
		}
	}
}

// shifted is a schema file with a project and a table of a patient and a date.
func shifted(table, column string) string {
	return "version: 1\nkeys: {r: randomized, d: deterministic}\nprojects: {cohort: {key: ck, shift: 30}}\ndatabases:\n  db:\n    tables:\n" +
		"      lab.patient:\n" + table + "        columns:\n          nir: {type: char(15), encryption: deterministic, domain: nir, access: {a: decrypt}}\n" +
		"          birth: {" + column + "}\n"
}

func TestShifted(t *testing.T) {
	const subject = "        subject: nir\n"
	for typ, format := range map[string]keys.PseudonymFormat{
		"date": keys.PseudonymDate, "timestamp": keys.PseudonymInstant, "timestamptz(3)": keys.PseudonymInstant,
	} {
		text := []byte(shifted(subject, "type: "+typ+", encryption: deterministic, access: {a: {verdict: pseudonym, project: cohort}}"))
		f, err := Parse("f", text)
		if err != nil {
			t.Errorf("%s: %v", typ, err)
			continue
		}
		c := f.Databases["db"].Columns[1]
		p := c.AccessFor([]string{"a"}).Pseudonym
		if spec := c.PseudonymSpec(p); !p.Shifted() || p.Format != format || spec.Domain != "subject:nir" || spec.Days != 30 {
			t.Errorf("%s: %+v, %+v", typ, p, spec)
		}
		if err := newValidator(t).validateYAML(text); err != nil {
			t.Errorf("JSON Schema: %v", err)
		}
	}
	for _, test := range []struct{ text, want string }{
		{shifted("", "type: date, encryption: randomized, access: {a: {verdict: pseudonym, project: cohort}}"), `role "a": its dates are shifted by whom they are about, and the table has no subject`},
		{shifted(subject, "type: date, encryption: randomized, access: {a: {verdict: pseudonym, project: cohort, search: true}}"), "dates that are shifted are neither searched nor written"},
		{shifted(subject, "type: date, encryption: randomized, access: {a: {verdict: pseudonym, project: cohort, write: true}}"), "dates that are shifted are neither searched nor written"},
		{shifted(subject, "type: date, encryption: randomized, access: {a: {verdict: pseudonym, project: cohort, format: text}}"), "a value of type date has no pseudonym of format text"},
		{shifted(subject, "type: text, encryption: randomized, access: {a: {verdict: pseudonym, project: cohort, format: shift}}"), "a value of type text has no pseudonym of format shift"},
	} {
		if _, err := Parse("f", []byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v\nwant %s", err, test.want)
		}
	}
}
