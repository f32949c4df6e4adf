package schema

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/yamlfile"
)

func TestReadFile(t *testing.T) {
	f, err := ReadFile("testdata/hospital.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Warnings) > 0 {
		t.Errorf("warnings: %v", f.Warnings)
	}
	if want := map[string]KeySpec{"patient": {Name: "patient", Mode: Randomized}, "lookup": {Name: "lookup", Mode: Deterministic}}; !reflect.DeepEqual(f.Keys, want) {
		t.Errorf("keys = %v", f.Keys)
	}
	if got := names(f.Databases); !slices.Equal(got, []string{"hospital", "pharmacy"}) {
		t.Fatalf("databases = %q", got)
	}
	db := f.Databases["hospital"]
	var order []string
	for _, c := range db.Columns {
		order = append(order, c.QualifiedName())
	}
	if want := []string{
		"lab.patient.nir", "lab.patient.family_name", "lab.patient.birth_date", "lab.patient.email",
		"lab.result.nir", "lab.result.value", "lab.result.outcome", `"Odd.Schema"."Say ""hi"""."Note"`,
	}; !slices.Equal(order, want) {
		t.Errorf("columns = %q", order)
	}

	secretary := Access{Verdict: Mask, Search: true, Mask: Pattern{KeepFirst: 1, KeepLast: 2, Truncate: TruncateYear, Round: "10"}}
	identity := map[string]Access{"biologist": {Verdict: Decrypt, Search: true}, "secretary": secretary, "researcher": {Verdict: Hide}}
	for _, want := range []*Column{
		{
			Schema: "lab", Table: "patient", Name: "nir",
			Type:   logical.Type{Kind: logical.Bpchar, Typmod: 19},
			Mode:   Deterministic,
			Domain: "nir", Context: "domain:nir", Key: "lookup", Padding: 32, Access: identity,
		},
		{
			Schema: "lab", Table: "patient", Name: "birth_date",
			Type:   logical.Type{Kind: logical.Date, Typmod: -1},
			Mode:   Randomized,
			Domain: "", Context: "column:lab.patient.birth_date", Key: "patient", Padding: 0, Access: identity,
		},
		{
			Schema: "lab", Table: "patient", Name: "email",
			Type:   logical.Type{Kind: logical.Text, Typmod: -1},
			Mode:   Deterministic,
			Domain: "column:lab.patient.email", Context: "column:lab.patient.email", Key: "lookup", Padding: 32,
			Access: map[string]Access{
				"biologist": {Verdict: Decrypt, Search: true}, "secretary": secretary, "researcher": {Verdict: Deny},
				"auditor": {Verdict: Decrypt},
			},
		},
		{
			Schema: "lab", Table: "result", Name: "outcome",
			Type:   logical.Type{Kind: logical.Text, Typmod: -1},
			Mode:   Randomized,
			Domain: "", Context: "column:lab.outcome", Key: "patient", Padding: 64,
			Access: map[string]Access{"biologist": {Verdict: Decrypt, Search: true}},
		},
		{
			Schema: "Odd.Schema", Table: `Say "hi"`, Name: "Note",
			Type:    logical.Type{Kind: logical.JSONB, Typmod: -1},
			Mode:    Randomized,
			Context: `column:"Odd.Schema"."Say ""hi"""."Note"`, Key: "patient", Padding: 32,
			Access: map[string]Access{"public": {Verdict: Decrypt, Search: true}},
		},
	} {
		got := db.Column(want.Schema, want.Table, want.Name)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", want.QualifiedName(), got, want)
		}
	}
	if db.Column("lab", "patient", "value") != nil {
		t.Error("a column of another table was found")
	}
}

// column puts the keys of one column into a file; its name begins at 10:11.
func column(keys string) string {
	return `version: 1
keys:
  r: randomized
  d: deterministic
profiles: {staff: {public: decrypt}}
databases:
  shop:
    tables:
      public.client:
        columns:
          name: {` + keys + `}
          other: {type: text, encryption: deterministic, domain: names, access: staff}
          third: {type: text, encryption: deterministic, domain: names, access: staff}
          rest: {type: text, encryption: randomized, access: staff}
`
}

const fine = "type: text, encryption: randomized, access: staff"

func TestParseErrors(t *testing.T) {
	for _, test := range []struct {
		name, file string
		want       []string // line:column: part of the message
	}{
		{"empty", "", []string{"1:1: the file is empty"}},
		{"comment", "# nothing\n", []string{"1:1: the file is empty"}},
		{"list", "- version\n", []string{"1:1: the schema file is to be a mapping (key: value), not a list"}},
		{"not YAML", "version: 1\nkeys: [\n", []string{"2:7: not valid YAML: "}},
		{"two documents", "version: 1\n---\nversion: 1\n", []string{"3:1: a second YAML document"}},
		{"nothing in it", "version: 1\n", []string{"1:1: the schema file has no keys", "1:1: the schema file has no databases"}},
		{"no version", strings.Replace(column(fine), "version: 1\n", "", 1), []string{"1:1: the schema file has no version"}},
		{"later version", strings.Replace(column(fine), "version: 1", "version: 2", 1), []string{"1:10: version 2 of the schema file is not one"}},
		{"version as text", strings.Replace(column(fine), "version: 1", "version: '1'", 1), []string{`1:10: the schema file: "version" is to be a whole number, not "1"`}},
		{"unknown key", strings.Replace(column(fine), "profiles", "profile", 1), []string{
			`5:1: the schema file: unknown key "profile"; did you mean "profiles"?`,
			`11:62: column public.client.name: there is no profile "staff"`,
			`12:`, `13:`, `14:`,
		}},
		{"later feature", column(fine) + "networks: {}\n", []string{`15:1: the schema file: "networks" is not supported in this version of pgveil`}},
		{"duplicate", column(fine) + "version: 1\n", []string{`15:1: the schema file has "version" twice; the first is on line 1`}},
		{"anchor", column("type: &t text, encryption: randomized, access: staff"), []string{"11:24: column public.client.name: \"type\": anchors and aliases are not supported"}},
		{"merge", strings.Replace(column(fine), "keys:\n", "keys:\n  <<: {a: randomized}\n", 1), []string{"3:3: keys: merging with << is not supported"}},
		{"key type", strings.Replace(column(fine), "r: randomized", "r: randomised", 1), []string{
			`3:6: key "r": unknown type "randomised"; did you mean "randomized"?`,
			"11:11: column public.client.name is randomized, and keys has no randomized key",
			"14:",
		}},
		{"key name", strings.Replace(column(fine), "r: randomized", "r/../x: randomized", 1), []string{`3:3: key name "r/../x": it takes`, "11:", "14:"}},
		{"no schema", strings.Replace(column(fine), "public.client", "client", 1), []string{`9:7: table "client": a table is named with its schema, such as public.client`}},
		{"catalog", strings.Replace(column(fine), "public.client", "pg_catalog.pg_class", 1), []string{`9:7: table "pg_catalog.pg_class": tables of the schema pg_catalog cannot be tagged`}},
		{"quotes", strings.Replace(column(fine), "public.client", `'"public.client'`, 1), []string{"9:7: table \"\\\"public.client\": a closing double quote is missing"}},
		{"empty column", column(""), []string{"11:17: column public.client.name is empty"}},
		{"null column", strings.Replace(column(fine), "{"+fine+"}", "", 1), []string{"11:16: column public.client.name has no value; it is to be a mapping"}},
		{"column is a word", strings.Replace(column(fine), "{"+fine+"}", "text", 1), []string{`11:17: column public.client.name is to be a mapping (key: value), not "text"`}},

		{"typo", column("type: text, encryptoin: randomized, access: staff"), []string{
			"11:11: column public.client.name has no encryption",
			`11:30: column public.client.name: unknown key "encryptoin"; did you mean "encryption"?`,
		}},
		{"far", column(fine + ", colour: red"), []string{`unknown key "colour"; the keys are type, encryption,`}},
		{"no type", column("encryption: randomized, access: staff"), []string{"11:11: column public.client.name has no type"}},
		{"unknown type", column("type: varchr(10), encryption: randomized, access: staff"), []string{`did you mean "varchar"?`}},
		{"type is a number", column("type: 12, encryption: randomized, access: staff"), []string{`11:24: column public.client.name: "type" is to be text, and "12" is not; write it in quotes`}},
		{"none", column("type: text, encryption: none, key: r, erased: gone, access: staff"), []string{
			"column public.client.name has encryption: none and no key", "column public.client.name has encryption: none and no erased",
		}},
		{"encryption", column("type: text, encryption: determinstic, access: staff"), []string{`11:42: column public.client.name: unknown encryption "determinstic"; did you mean "deterministic"?`}},
		{"jsonb", column("type: jsonb, encryption: deterministic, access: staff"), []string{"11:43: column public.client.name: type jsonb cannot be deterministic"}},
		{"numeric", column("type: numeric, encryption: deterministic, access: staff"), []string{"give it a precision and scale"}},
		{"unknown key name", column(fine + ", key: s"), []string{`11:74: column public.client.name: key "s" is not among keys; did you mean "`}},
		{"wrong key", column(fine + ", key: d"), []string{`11:74: column public.client.name is randomized, and key "d" is deterministic`}},
		{"several keys", strings.Replace(column(fine), "r: randomized", "r: randomized\n  q: randomized", 1), []string{
			"12:11: column public.client.name has no key, and several would do: q, r", "15:11: column public.client.rest has no key",
		}},
		{"domain of a randomized", column(fine + ", domain: names"), []string{"11:77: column public.client.name is randomized and cannot have a domain"}},
		{"domain name", column("type: text, encryption: deterministic, domain: 'a:b', access: staff"), []string{"11:65: column public.client.name: the name of a domain has letters"}},
		{"context", column(fine + ", context: a b"), []string{"11:78: column public.client.name: a context has 1 to 255 bytes"}},
		{"padding word", column(fine + ", padding: 'yes'"), []string{`"padding" is to be a number of bytes, or none, not "yes"`}},
		{"padding 0", column(fine + ", padding: 0"), []string{`"padding" is a whole number from 2 to 65536, not "0"`}},
		{"padding of an integer", column("type: int, encryption: randomized, padding: 32, access: staff"), []string{"every integer has the same length"}},

		{"profile", column("type: text, encryption: randomized, access: staf"), []string{`11:62: column public.client.name: there is no profile "staf"; did you mean "staff"?`}},
		{"verdict without role", column("type: text, encryption: randomized, access: decrypt"), []string{"a verdict is given to a role, such as {biologist: decrypt}"}},
		{"verdict", column("type: text, encryption: randomized, access: {a: decript}"), []string{`11:66: column public.client.name: access: role "a": unknown verdict "decript"; did you mean "decrypt"?`}},
		{"pseudonym", column("type: text, encryption: randomized, access: {a: pseudonym}"), []string{"a pseudonym is one of a project, as in {verdict: pseudonym, project: NAME}"}},
		{"no verdict", column("type: text, encryption: randomized, access: {a: {search: true}}"), []string{`role "a" has no verdict: decrypt, pseudonym, mask, hide, deny`}},
		{"mask of decrypt", column("type: text, encryption: randomized, access: {a: {verdict: decrypt, mask: {keep_last: 1}}}"), []string{"a mask goes with verdict: mask, not with decrypt"}},
		{"search", column("type: text, encryption: randomized, access: {a: {verdict: hide, search: maybe}}"), []string{`"search" is to be true or false, not "maybe"`}},
		{"mask key", column("type: text, encryption: randomized, access: {a: {mask: {keep: 1}}}"), []string{`mask: unknown key "keep"`}},
		{"empty mask", column("type: text, encryption: randomized, access: {a: {mask: {}}}"), []string{"mask is empty"}},
		{"mask of a bool", column("type: bool, encryption: randomized, access: {a: mask}"), []string{`11:62: column public.client.name: role "a": a value of type boolean can only be masked by a fixed one; use that, or hide`}},
		{"mask of a date", column("type: date, encryption: randomized, access: {a: mask}"), []string{"needs truncate: year or truncate: month"}},
		{"mask shows all", column("type: varchar(4), encryption: randomized, access: {a: {mask: {keep_last: 4}}}"), []string{"keeping 4 characters of character varying(4) would hide none"}},
		{"fill", column("type: text, encryption: randomized, access: {a: {mask: {fill: é}}}"), []string{"fill is one printable ASCII character"}},
		{"round", column("type: int, encryption: randomized, access: {a: {mask: {round: 0}}}"), []string{`round is a positive number such as 10 or 0.5, not "0"`}},
		{"bucket", column("type: int, encryption: randomized, access: {a: {mask: {bucket: {size: -1}}}}"), []string{`size is a positive number such as 10 or 0.5, not "-1"`}},
		{"bucket without size", column("type: int, encryption: randomized, access: {a: {mask: {bucket: {from: 1}}}}"), []string{"bucket has no size"}},
		{"bucket int", column("type: int, encryption: randomized, access: {a: {mask: {bucket: {size: 5, from: 0.5}}}}"), []string{"the lower bound of a mask's bucket of integer is a whole number"}},
		{"bucket and round", column("type: int, encryption: randomized, access: {a: {mask: {bucket: 5, round: 5}}}"), []string{"round and bucket exclude each other"}},
		{"email and more", column("type: text, encryption: randomized, access: {a: {mask: {email: domain, keep_first: 1}}}"), []string{"email and keep_first exclude each other"}},
		{"nir and more", column("type: text, encryption: randomized, access: {a: {mask: {nir: order, keep_last: 1}}}"), []string{"nir and keep_last exclude each other"}},
		{"fixed and more", column("type: text, encryption: randomized, access: {a: {mask: {fixed: x, fill: y}}}"), []string{"fixed and fill exclude each other"}},
		{"fixed of another type", column("type: date, encryption: randomized, access: {a: {mask: {fixed: soon}}}"), []string{"the fixed value of a mask is none of type date"}},
		{"fixed is too long", column("type: varchar(3), encryption: randomized, access: {a: {mask: {fixed: secret}}}"), []string{"the fixed value of a mask is none of type character varying(3)"}},
		{"round int", column("type: int, encryption: randomized, access: {a: {mask: {round: 0.5}}}"), []string{"rounds integer to is a whole number"}},
		{"role is a number", column("type: text, encryption: randomized, access: {7: decrypt}"), []string{`the key "7" is not text; write it in quotes`}},

		{"domain type", column("type: int, encryption: deterministic, domain: names, access: staff"), []string{`12:25: column public.client.other: all columns of domain "names" have types`, "13:"}},
		{"domain key", strings.Replace(column("type: text, encryption: deterministic, key: e, domain: names, access: staff"), "d: deterministic", "d: deterministic\n  e: deterministic", 1), []string{"13:11: column public.client.other has no key", "14:"}},
		{"domain padding", column("type: text, encryption: deterministic, padding: 16, domain: names, access: staff"), []string{`have the same padding; public.client.name has 16 and this one 32`, "13:"}},
		{"domain context", column("type: text, encryption: deterministic, context: x, domain: names, access: staff"), []string{`have the same context; public.client.name has "x" and this one "domain:names"`, "13:"}},
		{"same context", column(fine + ", context: column:public.client.rest"), []string{`14:11: column public.client.rest has the context "column:public.client.rest" of column public.client.name: a value of one would open in the other`}},
		{"random context", column(fine + ", context: domain:names"), []string{`12:`, `13:`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, err := Parse("f.yaml", []byte(test.file))
			if err == nil {
				t.Fatalf("no error; %+v", f)
			}
			var list yamlfile.Errors
			if !errors.As(err, &list) {
				t.Fatalf("not yamlfile.Errors: %v", err)
			}
			if len(list) != len(test.want) {
				t.Fatalf("%d errors, not %d:\n%v", len(list), len(test.want), err)
			}
			for i, want := range test.want {
				got := strings.TrimPrefix(list[i].Error(), "f.yaml:")
				if !strings.Contains(got, want) || want[0] >= '0' && want[0] <= '9' && !strings.HasPrefix(got, want) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
}

func TestParseWarnings(t *testing.T) {
	for _, test := range []struct{ name, file, want string }{
		{"none", column(fine), ""},
		{"padding none", column(fine + ", padding: none"), "11:78: column public.client.name: without padding the server sees the length of every text"},
		{"padding none, fixed", column("type: int, encryption: randomized, padding: none, access: staff"), ""},
		{"nobody", column("type: text, encryption: randomized, access: {a: hide}"), "11:62: column public.client.name: no role may read it, not even masked"},
		{"no access", column("type: text, encryption: randomized"), "11:11: column public.client.name has no access: no role may read it"},
		{"unused key", strings.Replace(column("type: text, encryption: deterministic, key: d, access: staff"), "encryption: randomized", "encryption: deterministic", 1), `3:3: key "r" is not used by any column`},
		{"boolean", column("type: bool, encryption: deterministic, access: staff"), "11:42: column public.client.name: a deterministic boolean has two sealed values, and it is easy to tell which is which"},
		{"lonely domain", column("type: text, encryption: deterministic, domain: name, access: staff"), `11:65: column public.client.name: no other column is in domain "name", so nothing can be joined with it; did you mean "names"?`},
		{"unused profile", strings.Replace(column(fine), "{staff: {public: decrypt}}", "{staff: {public: decrypt}, old: {a: hide}}", 1), `5:38: profile "old" is not used`},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, err := Parse("f", []byte(test.file))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range f.Warnings {
				got = append(got, strings.TrimPrefix(w.Error(), "f:"))
			}
			if s := strings.Join(got, "\n"); s != test.want {
				t.Errorf("got  %s\nwant %s", s, test.want)
			}
		})
	}
}

func TestParseWarnsOfSharedContexts(t *testing.T) {
	text := column(fine) + strings.SplitAfter(strings.Replace(column(fine), "shop", "copy", 1), "databases:\n")[1]
	f, err := Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0].Message, `of one in database "copy"`) {
		t.Errorf("warnings: %v", f.Warnings)
	}
}

func TestReadFileMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := ReadFile(path); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("err = %v", err)
	}
}

func TestSplitTableName(t *testing.T) {
	for _, test := range []struct{ in, schema, table string }{
		{"lab.patient", "lab", "patient"},
		{"Lab.Patient", "Lab", "Patient"},
		{`"a.b"."c""d"`, "a.b", `c"d`},
		{`lab."my table"`, "lab", "my table"},
		{`"lab".patient`, "lab", "patient"},
		{"lab.", "", ""},
		{".patient", "", ""},
		{"a.b.c", "", ""},
		{`a"b.c`, "", ""},
		{`"a"b.c`, "", ""},
		{"pg_temp.x", "", ""},
		{"information_schema.tables", "", ""},
		{"s." + strings.Repeat("x", 64), "", ""},
	} {
		s, table, err := splitTableName(test.in)
		if (err != nil) != (test.schema == "") || err == nil && (s != test.schema || table != test.table) {
			t.Errorf("%s: %q %q %v", test.in, s, table, err)
		}
		if err != nil {
			continue
		}
		if back, backTable, err := splitTableName(qualifiedName(s, table)); err != nil || back != s || backTable != table {
			t.Errorf("%s does not survive its own quoting: %q %q %v", test.in, back, backTable, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("testdata/hospital.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	f.Add(column(fine))
	f.Add("version: 1\nkeys: {a: &x randomized, b: *x}\n? [a]\n: b\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("f", []byte(text))
		if (file == nil) == (err == nil) {
			t.Fatal("neither a file nor an error, or both")
		}
		if file == nil {
			return
		}
		for _, db := range file.Databases {
			for _, c := range db.Columns {
				if c.Mode != Randomized && c.Mode != Deterministic || c.Key == "" || c.Context == "" || c.Type.Kind == 0 || c.Access == nil {
					t.Errorf("incomplete column %+v", c)
				}
			}
		}
	})
}

func TestFileErrors(t *testing.T) {
	_, err := Parse("a.yaml", []byte(column("type: text, encryption: nonsense, padding: 0, acess: staff")))
	want := `a.yaml:11:42: column public.client.name: unknown encryption "nonsense"; it is one of randomized, deterministic, none
a.yaml:11:61: column public.client.name: "padding" is a whole number from 2 to 65536, not "0"
a.yaml:11:64: column public.client.name: unknown key "acess"; did you mean "access"?`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	var first *yamlfile.Error
	if !errors.As(err, &first) || first.File != "a.yaml" || first.Line != 11 || first.Position.Column != 42 {
		t.Errorf("first: %+v", first)
	}
}

const functionsFile = `version: 1
keys: {k: deterministic}
databases:
  lab:
    tables:
      lab.patient:
        columns:
          nir: {type: char(15), encryption: deterministic, key: k, access: {app: decrypt}}
    functions:
`

func TestFunctions(t *testing.T) {
	f, err := Parse("f", []byte(functionsFile+`
      lab.find: {arguments: {"2": lab.patient.nir}, columns: {id: plain, nir: lab.patient.nir}}
      "\"Odd\".\"name\"": {returns: lab.patient.nir}
      lab.count: {returns: plain}
`))
	if err != nil {
		t.Fatal(err)
	}
	db := f.Databases["lab"]
	nir := db.Columns[0]
	want := []*Function{
		{Schema: "lab", Name: "find", Arguments: []*Column{nil, nir}, Columns: []Returned{{"id", nil}, {"nir", nir}}},
		{Schema: "Odd", Name: "name", Columns: []Returned{{"", nir}}},
		{Schema: "lab", Name: "count", Columns: []Returned{{"", nil}}},
	}
	if !reflect.DeepEqual(db.Functions, want) {
		t.Errorf("functions = %+v", db.Functions)
	}
	if !want[0].Table() || want[1].Table() {
		t.Error("Table")
	}
	for text, message := range map[string]string{
		`      lab.f: {}`: "says neither what it returns nor its columns",
		`      lab.f: {returns: plain, columns: {a: plain}}`:                       "has returns and columns",
		`      lab.f: {returns: lab.patient.nyr}`:                                  `"lab.patient.nyr" is not a tagged column as schema.table.column, nor the word plain; did you mean "lab.patient.nir"?`,
		`      lab.f: {returns: plain, arguments: {"0": lab.patient.nir}}`:         "an argument is named by its position",
		`      lab.f: {returns: plain, argument: {"1": lab.patient.nir}}`:          `did you mean "arguments"?`,
		`      f: {returns: plain}`:                                                "with its schema",
		"      lab.f: {returns: plain}\n      \"\\\"lab\\\".f\": {returns: plain}": "is named twice",
	} {
		if _, err := Parse("f", []byte(functionsFile+text+"\n")); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
