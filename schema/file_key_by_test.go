package schema

import (
	"strings"
	"testing"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema/logical"
)

func keyByFile(columns string) string {
	return "version: 1\nkeys: {k: {type: randomized, retain: 3 years}, other: randomized, d: deterministic}\ndatabases:\n  db:\n    tables:\n      s.t:\n        access: {public: decrypt}\n        columns:\n          " +
		strings.ReplaceAll(columns, "\n", "\n          ") + "\n"
}

// TestKeyByFile: what the file may say of keys by value, and what it may not.
func TestKeyByFile(t *testing.T) {
	f, err := Parse("file", []byte(keyByFile("a: {type: text, encryption: randomized, key: k, key_by: lab}\nb: {type: text, encryption: randomized, key: other, key_by: {column: taken, by: year}}")))
	if err != nil {
		t.Fatal(err)
	}
	if k := f.Keys["k"]; !k.ByValue || k.ByYear || k.Retain != (Period{3, "years"}) {
		t.Errorf("k is %+v", k)
	}
	if k := f.Keys["other"]; !k.ByValue || !k.ByYear {
		t.Errorf("other is %+v", k)
	}
	a := f.Databases["db"].Columns[0]
	if len(a.Keysets()) != 0 || !a.OpensWith("k.by.42") || a.OpensWith("k") || a.OpensWith("other.by.42") {
		t.Errorf("a opens with %v", a.Keysets())
	}
	for columns, want := range map[string]string{
		"a: {type: text, encryption: deterministic, key: d, key_by: lab}":                                                                              "is deterministic and has one key",
		"a: {type: text, encryption: randomized, key: k, key_by: lab}\nb: {type: text, encryption: randomized, key: k}":                                "takes a name of its own",
		"a: {type: text, encryption: randomized, key: k, key_by: b}\nb: {type: text, encryption: randomized, key: other}":                              "cannot be tagged",
		"a: {type: text, encryption: randomized, key: k, key_by: {column: lab, by: month}}":                                                            "month",
		"a: {type: text, encryption: randomized, key: k, key_by: {by: year}}":                                                                          "has no column",
		"a: {type: text, encryption: none, key_by: lab, was: {encryption: randomized, key: k}}":                                                        "no key_by",
		"a: {type: text, encryption: randomized, key: k, key_by: lab}\nb: {type: text, encryption: randomized, key: k, key_by: {column: l, by: year}}": "takes a name of its own",
	} {
		if _, err := Parse("file", []byte(keyByFile(columns))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", columns, err)
		}
	}
	if _, err := Parse("file", []byte("version: 1\nkeys: {k.by.42: randomized}\ndatabases: {}\n")); err == nil || !strings.Contains(err.Error(), "key by value") {
		t.Errorf("a key called like one by value: %v", err)
	}
}

// TestKeyByText: the text by which a value picks its key, and the keyset's name.
func TestKeyByText(t *testing.T) {
	for _, test := range []struct {
		by          KeyBy
		kind        logical.Kind
		value, want string // want is empty where there is no key
	}{
		{KeyBy{}, logical.Int4, " 042", "k.by.42"},
		{KeyBy{}, logical.Int8, "-7", "k.by.-7"},
		{KeyBy{}, logical.Text, "Saint-Étienne/2", "k.by.Saint-.c3.89tienne.2f2"},
		{KeyBy{}, logical.Text, "a.2f", "k.by.a.2e2f"},
		{KeyBy{}, logical.Text, "", ""},
		{KeyBy{}, logical.Varchar, "a ", ""},
		{KeyBy{}, logical.Text, strings.Repeat("a", 100), ""},
		{KeyBy{}, logical.UUID, "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", "k.by.a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		{KeyBy{}, logical.Date, "2026-11-23", "k.by.2026-11-23"},
		{KeyBy{}, logical.Date, "infinity", ""},
		{KeyBy{}, logical.Date, "0044-03-15 BC", ""},
		{KeyBy{}, logical.Date, "10000-01-01", ""},
		{KeyBy{Year: true}, logical.Date, "2026-11-23", "k.by.2026"},
		{KeyBy{Year: true}, logical.Date, "0987-01-01", "k.by.987"},
	} {
		as := logical.Type{Kind: test.kind, Typmod: -1}
		canonical, err := as.Canonical([]byte{}, []byte(test.value), 0, 0, logical.Assign, &keySettings)
		if err != nil {
			t.Fatalf("%q: %v", test.value, err)
		}
		c := &Column{Key: "k", KeyBy: &test.by}
		text, err := test.by.Text(as, canonical)
		name := ""
		if err == nil {
			name, err = c.Keyset(text)
		}
		if name != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q: %q, %v, want %q", test.value, name, err, test.want)
		}
		if name == "" {
			continue
		}
		if family, again, ok := keys.SplitMember(name); !ok || family != "k" || again != text {
			t.Errorf("%q comes back as %q, %q", name, family, again)
		}
	}
	for _, name := range []string{"k", "k.by.", ".by.a", "k.by.a.2", "k.by..zz", "k.by..61", "k.by.a.2E"} {
		if family, text, ok := keys.SplitMember(name); ok {
			t.Errorf("%q is said to be %q of %q", name, text, family)
		}
	}
}
