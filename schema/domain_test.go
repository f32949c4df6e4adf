package schema

import (
	"fmt"
	"testing"

	"github.com/pgveil/pgveil/schema/logical"
)

// Where two types may share a domain, PostgreSQL's = and the equality of
// canonical forms agree; where they may not, some pair of values shows why.
func TestSameFormsOnServer(t *testing.T) {
	super, _ := newDatabase(t)
	values := map[string][]string{
		"text":                     {"", "a", "a ", " a", "é", "A"},
		"varchar(3)":               {"", "a", "a ", " a", "é"},
		"char(4)":                  {"", "a", "a ", " a", "é"},
		"bpchar":                   {"", "a", "a "},
		"smallint":                 {"0", "-1", "32767"},
		"integer":                  {"0", "-1", "32767"},
		"bigint":                   {"0", "-1", "9223372036854775807"},
		"numeric(6,2)":             {"0", "-1", "1.5", "327"},
		"numeric(6,1)":             {"0", "-1", "1.5"},
		"date":                     {"2024-02-29", "infinity", "0044-03-15 BC"},
		"timestamp":                {"2024-02-29 00:00:00", "infinity"},
		"timestamp(3)":             {"2024-02-29 00:00:00", "infinity"},
		"boolean":                  {"t", "f"},
		"uuid":                     {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"},
		"bytea":                    {`\x`, `\x00`, "a"},
		"timestamp with time zone": {"2024-02-28 23:00:00+00", "2024-02-29 00:00:00+00", "2024-02-29 01:00:00+01"},
	}
	settings := &logical.Settings{TimeZone: "Europe/Paris", Location: logical.LoadLocation("Europe/Paris"), DateStyle: "ISO, MDY"}
	form := func(typ, value string) string {
		got, err := mustType(t, typ).Canonical(nil, []byte(value), 0, 0, logical.Assign, settings)
		if err != nil {
			t.Fatalf("%s %q: %v", typ, value, err)
		}
		return string(got)
	}
	mustExec(t, super, `SET TimeZone = 'Europe/Paris'`)
	for _, a := range names(values) {
		for _, b := range names(values) {
			same := sameForms(mustType(t, a), mustType(t, b))
			if same != sameForms(mustType(t, b), mustType(t, a)) {
				t.Errorf("%s and %s: not symmetric", a, b)
			}
			agree, comparable := true, true
			for _, x := range values[a] {
				for _, y := range values[b] {
					var equal bool
					sql := fmt.Sprintf("SELECT %s::%s = %s::%s", literal(x), a, literal(y), b)
					if err := super.QueryRow(t.Context(), sql).Scan(&equal); err != nil {
						comparable = false
						break
					}
					if equal != (form(a, x) == form(b, y)) {
						agree = false
						if same {
							t.Errorf("%s is %v", sql, equal)
						}
					}
				}
			}
			if same && !comparable {
				t.Errorf("%s and %s cannot be compared", a, b)
			}
			if !same && comparable && agree {
				t.Errorf("%s and %s could share a domain, as far as these values tell", a, b)
			}
		}
	}
}

// What a mask shows is what the server would store of it: it is a canonical
// form that reads back as itself.
func TestMaskedValuesAreCanonical(t *testing.T) {
	settings := &logical.Settings{TimeZone: "UTC", Location: logical.LoadLocation("UTC"), DateStyle: "ISO, MDY"}
	mask := Pattern{KeepFirst: 1, KeepLast: 1, Truncate: TruncateMonth, Round: "100"}
	for _, test := range []struct{ typ, in, want string }{
		{"text", "Hélène", "H********e"},
		{"varchar(5)", "Hélèn", "H***n"},
		{"char(6)", "Hél", "H****l"},
		{"char(6)", "a", "******"},
		{"smallint", "-32768", "-32700"},
		{"integer", "150", "200"},
		{"bigint", "9223372036854775807", "9223372036854775800"},
		{"numeric(5,2)", "951.23", "900.00"},
		{"numeric", "1234567890123456789.5", "1234567890123456800"},
		{"real", "1234.5", "1200"},
		{"double precision", "-1e300", "-1e+300"},
		{"date", "1984-02-29", "1984-02-01"},
		{"date", "4714-11-24 BC", "4714-11-24 BC"},
		{"timestamp(0)", "1984-02-29 13:14:15", "1984-02-01 00:00:00"},
		{"timestamp", "4714-11-24 01:00:00 BC", "4714-11-24 00:00:00 BC"},
		{"timestamp with time zone", "1984-02-29 13:14:15+00", "1984-02-01 00:00:00+00"},
	} {
		typ := mustType(t, test.typ)
		in, err := typ.Canonical(nil, []byte(test.in), 0, 0, logical.Assign, settings)
		if err != nil {
			t.Errorf("%s %s: %v", test.typ, test.in, err)
			continue
		}
		masked, err := mask.Apply(nil, in, typ)
		if err != nil {
			t.Errorf("%s %s: %v", test.typ, test.in, err)
			continue
		}
		text, err := typ.Append(nil, masked, 0, settings)
		if err != nil || string(text) != test.want {
			t.Errorf("%s %s: %s, not %s (%v)", test.typ, test.in, text, test.want, err)
			continue
		}
		again, err := typ.Canonical(nil, text, 0, 0, logical.Assign, settings)
		if err != nil || string(again) != string(masked) {
			t.Errorf("%s %s: %x reads back as %x (%v)", test.typ, test.in, masked, again, err)
		}
	}
}
