package proxy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// maskCases are the kinds of masks by logical type, with what is seen of a value. Where JSON
// or a driver writes the type in another way, that is said too.
var maskCases = []struct {
	typ, mask, value, want string
	also                   []string
}{
	{"text", `{fill: "*"}`, "positif", "********", nil},
	{"text", "{keep_first: 1, keep_last: 2}", "Durand", "D********nd", nil},
	{"varchar(40)", "{email: domain}", "anne@exemple.fr", "*@exemple.fr", nil},
	{"char(15)", "{nir: order}", nir1, "**********084**", nil},
	{"varchar(13)", "{nir: order}", nir1[:13], "**********084", nil},
	{"text", `{fixed: "[withheld]"}`, "Durand", "[withheld]", nil},
	{"char(5)", "{fixed: x}", "abc", "x    ", nil},
	{"int2", "{round: 10}", "37", "40", nil},
	{"int4", "{bucket: 10}", "37", "30", nil},
	{"int8", "{bucket: {size: 10, from: 5}}", "34", "25", nil},
	{"int4", "{fixed: 0}", "37", "0", nil},
	{"numeric(6,2)", "{bucket: 0.5}", "2.99", "2.50", []string{"2.5"}},
	{"real", "{bucket: 10}", "37.5", "30", nil},
	{"float8", "{round: 0.5}", "37.3", "37.5", nil},
	{"date", "{truncate: year}", "1985-05-17", "1985-01-01", nil},
	{"date", "{fixed: 1900-01-01}", "1985-05-17", "1900-01-01", nil},
	{"timestamp", "{truncate: month}", "1985-05-17 03:04:05", "1985-05-01 00:00:00", []string{"1985-05-01T00:00:00"}},
	{"timestamptz", "{truncate: month}", "1985-05-17 03:04:05+00", "1985-05-01 00:00:00+00", []string{"1985-05-01T00:00:00+00:00", "1985-05-01 00:00:00Z"}},
	{"bool", "{fixed: false}", "t", "f", []string{"false"}},
	{"uuid", `{fixed: "00000000-0000-0000-0000-000000000000"}`, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000", nil},
	{"bytea", `{fixed: "\\x00"}`, `\xdeadbeef`, `\x00`, nil},
	{"jsonb", `{fixed: "[]"}`, `{"smokes": true}`, "[]", nil},
}

// TestMasks: every kind of mask of every logical type, by every way out.
func TestMasks(t *testing.T) {
	var columns, names, literals []string
	file := stack.SchemaHead + "      lab.shown:\n        columns:\n"
	for i, c := range maskCases {
		name := fmt.Sprintf("c%d", i)
		mode := [2]string{"randomized", "medical"}
		if i%2 == 1 && !strings.ContainsAny(c.typ[:1], "nrfj") { // numeric, real, float8, jsonb
			mode = [2]string{"deterministic", "identity"}
		}
		names, literals = append(names, name), append(literals, "'"+c.value+"'")
		columns = append(columns, fmt.Sprintf("          %s: {type: %q, encryption: %s, key: %s, access: {biologist: decrypt, secretary: {mask: %s}}}\n", name, c.typ, mode[0], mode[1], c.mask))
	}
	file = strings.Replace(file+strings.Join(columns, ""), "profiles:\n  care:\n    biologist: {verdict: decrypt, search: true}\n", "", 1)
	s := stack.Start(t, stack.Options{Schema: file, Tables: shownTable(names...)})
	writer, reader := s.Connect(t, "biologist"), s.Connect(t, "secretary", "timezone=UTC")
	if got := show(t, writer, fmt.Sprintf("INSERT INTO lab.shown (id, %s) VALUES (1, %s)", strings.Join(names, ", "), strings.Join(literals, ", "))); got != "" {
		t.Fatal(got)
	}
	show(t, writer, "INSERT INTO lab.shown (id) VALUES (2)")
	for i, c := range maskCases {
		for way, got := range waysOut(t, reader, names[i], 1) {
			if got != c.want && !slices.Contains(c.also, got) {
				t.Errorf("%s of %s, %s: %q, not %q", c.mask, c.typ, way, got, c.want)
			}
		}
		for way, got := range waysOut(t, reader, names[i], 2) {
			if got != "NULL" {
				t.Errorf("%s of %s, %s: NULL is %q", c.mask, c.typ, way, got)
			}
		}
	}
}
