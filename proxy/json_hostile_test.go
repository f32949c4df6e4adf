package proxy

import (
	"strings"
	"testing"

	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// What is no JSON, or has a sealed value in another place than was thought, ends in an
// error; everything else is copied byte for byte.
func TestJSONOpener(t *testing.T) {
	column := &schema.Column{Schema: "lab", Table: "patient", Name: "nir", Type: logical.Type{Kind: logical.Text, Typmod: -1}}
	leaf := &statement.JSON{Value: &statement.Output{Column: column, Type: column.Type}}
	shapes := map[string]*statement.JSON{
		"leaf": leaf, "object": {Members: map[string]*statement.JSON{"nir": leaf}}, "ordered": {Ordered: []*statement.JSON{nil, leaf}},
		"array": {Element: leaf}, "nested": {Element: &statement.JSON{Members: map[string]*statement.JSON{"nir": leaf}}},
	}
	sealed := `"\\x` + string(sealedHex[2:]) + `00"`
	for _, c := range []struct {
		shape, in string
		ok        bool
	}{
		{"leaf", `null`, true},
		{"leaf", ` null `, true},
		{"leaf", `1`, false},
		{"leaf", `{}`, false},
		{"leaf", `[]`, false},
		{"leaf", `true`, false},
		{"object", `{}`, true},
		{"object", `{"nir" : null, "a":[1,2.5e3,{"b":"\u00e9\"\\"}] , "c":true}`, true},
		{"object", `null`, true},
		{"object", `[]`, true},
		{"object", `{"a":` + sealed + `}`, false},
		{"object", `{"a":{"nir":` + sealed + `}}`, false},
		{"object", `{` + sealed + `:1}`, false},
		{"object", sealed, false},
		{"object", `{"nir":1}`, false},
		{"object", `{"n\u0069r":1}`, false},
		{"ordered", `{"nir":1,"x":null}`, true},
		{"ordered", `{"a":null,"b":2}`, false},
		{"array", `[null, null]`, true},
		{"array", `[]`, true},
		{"array", `[1]`, false},
		{"nested", `[{"nir":null}, null]`, true},
		{"nested", `[{"nir":[]}]`, false},
		{"object", ``, false},
		{"object", `{`, false},
		{"object", `{"`, false},
		{"object", `{"a`, false},
		{"object", `{"a\`, false},
		{"object", `{"a"`, false},
		{"object", `{"a":`, false},
		{"object", `{"a":1`, false},
		{"object", `{"a":1,`, false},
		{"object", `{"a":1}}`, false},
		{"object", `{"a" 1}`, false},
		{"object", `{a:1}`, false},
		{"object", `{"a":"\u12"}`, false},
		{"object", `{"a":,}`, false},
		{"array", `[1`, false},
		{"array", `[null,`, false},
		{"array", `]`, false},
		{"object", strings.Repeat("[", 1000) + strings.Repeat("]", 1000), true},
		{"object", strings.Repeat("[", 2*maxJSONDepth), false},
	} {
		o := &jsonOpener{shape: shapes[c.shape]}
		out, e := o.open([]byte("before"), []byte(c.in), false)
		if (e == nil) != c.ok {
			t.Errorf("%s: %.80s: %v", c.shape, c.in, e)
		}
		if e == nil && string(out) != "before"+c.in {
			t.Errorf("%s: %.80s became %.80s", c.shape, c.in, out)
		}
	}
	binary := &statement.JSON{Members: map[string]*statement.JSON{"nir": leaf}, Binary: true}
	for in, ok := range map[string]bool{"\x01{}": true, "\x02{}": false, "": false, "{}": false} {
		o := &jsonOpener{shape: binary}
		if _, e := o.open(nil, []byte(in), true); (e == nil) != ok {
			t.Errorf("%q: %v", in, e)
		}
	}
}
