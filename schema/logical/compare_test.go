package logical

import (
	"bytes"
	"testing"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// compareTests are, for columns of a type, values that are stored and values that they are compared
// with, by source type. 0 is an undeclared parameter.
var compareTests = []struct {
	typ    string
	stored []string
	values map[uint32][]string
	// ambiguous are the values that may be refused, as several stored ones could be equal to them.
	ambiguous map[uint32][]string
}{
	{
		typ: "text", stored: []string{"", "abc", "abc ", "42", " abc", "é"},
		values: map[uint32][]string{0: {"abc", "abc ", "", "é", "\xff"}, 25: {"abc", "abc ", ""}, 1043: {"abc", "abc "}, 1042: {"abc", "abc  ", "  "}, 19: {"abc", "abc "}, 23: {"42"}, 1700: {"42"}, 16: {"true"}, 2950: {"x"}, oidJSON: {"1"}, 1082: {"2022-01-01"}, 17: {"abc"}, 3802: {"1"}},
	},
	{
		typ: "varchar(5)", stored: []string{"", "abc", "abc ", "abcde"},
		values:    map[uint32][]string{0: {"abc", "abc ", "abcde", "abcdef", "abcde "}, 25: {"abc", "abc ", "abcdefgh"}, 1043: {"abc", "abc "}, 19: {"abc"}, 23: {"42"}},
		ambiguous: map[uint32][]string{1042: {"abc", "abc  "}},
	},
	{
		typ: "char(5)", stored: []string{"", "abc", "abcde"},
		values: map[uint32][]string{0: {"abc", "abc ", "abc      ", "abcde", "abcdef", "abcde  ", ""}, 1042: {"abc", "abc   ", "abcdef"}, 25: {"abc", "abc ", "abc  ", "abcde", ""}, 1043: {"abc", "abc ", "abc   ", ""}, 19: {"abc", "abc ", "abc  "}, 23: {"42"}},
	},
	{
		typ: "int2", stored: []string{"0", "1", "-32768", "32767"},
		values: map[uint32][]string{0: {"1", "99999", "x"}, 21: {"1"}, 23: {"1", "32768", "-32768", "99999"}, 20: {"32767", "9999999999"}, 1700: {"1", "1.0", "1.5", "NaN", "Infinity", "1e30", "-0.0"}, 700: {"1", "1.5", "-0", "NaN", "1e30"}, 701: {"1", "-0", "1.1", "32767", "Infinity"}, 25: {"1"}, 16: {"true"}},
	},
	{
		typ: "int4", stored: []string{"0", "1", "-2147483648", "2147483647", "16777217", "16777216"},
		values: map[uint32][]string{0: {"1", "2147483648"}, 21: {"1"}, 20: {"2147483647", "2147483648", "-9223372036854775808"}, 1700: {"1.00", "2147483647.0", "2147483648", "0.1"}, 700: {"16777216", "2147483648", "-2147483648"}, 701: {"16777217", "16777216.5", "2147483647", "1e300", "-Infinity", "NaN"}, 1043: {"1"}},
	},
	{
		typ: "int8", stored: []string{"0", "1", "-9223372036854775808", "9223372036854775807", "9007199254740993", "9007199254740991", "-9007199254740991"},
		values:    map[uint32][]string{0: {"9223372036854775807"}, 23: {"1"}, 1700: {"9223372036854775807", "9223372036854775808", "-9223372036854775808.0", "9007199254740993.1"}, 701: {"1", "9007199254740991", "-9007199254740991", "1e19", "NaN", "Infinity", "0.5"}, 700: {"1", "1e20"}},
		ambiguous: map[uint32][]string{701: {"9007199254740992", "9223372036854775807", "-9223372036854775808"}, 700: {"9.223372e18"}},
	},
	{
		typ: "numeric(10,3)", stored: []string{"0", "1", "1.5", "0.1", "9999999.999", "-0.001", "NaN"},
		values: map[uint32][]string{0: {"1", "1.5", "1.500", "1.50000", "1.5001", "1e0", "-0", "NaN", "Infinity", "x", "0.0010", "-1e-3"}, 1700: {"1", "1.5000", "1.0001", "NaN", "-Infinity", "1e30"}, 23: {"1", "0"}, 20: {"9223372036854775807", "1"}, 21: {"1"}, 700: {"0.1", "1.5", "16777216", "1", "NaN", "Infinity"}, 701: {"0.1", "1.5", "9999999.999", "-0", "-0.001", "0.10000000000000002", "1e300", "NaN", "-Infinity", "16777217", "1e-10"}, 25: {"1"}},
	},
	{
		typ: "numeric(20,5)", stored: []string{"1", "123456789012345.12345"},
		values:    map[uint32][]string{0: {"1.0"}, 23: {"1"}, 1700: {"1.00"}},
		ambiguous: map[uint32][]string{701: {"1", "123456789012345.12345"}, 700: {"1"}},
	},
	{
		typ: "bool", stored: []string{"true", "false"},
		values: map[uint32][]string{0: {"t", "off", "x"}, 16: {"true", "false"}, 23: {"1"}, 25: {"true"}},
	},
	{
		typ: "date", stored: []string{"2022-07-31", "infinity", "-infinity", "0044-03-15 BC", "5874897-12-31", "2011-12-30", "2011-12-31"},
		values: map[uint32][]string{0: {"2022-07-31", "2022-07-31 10:00"}, 1082: {"2022-07-31", "-infinity"}, 1114: {"2022-07-31", "2022-07-31 00:00:00.000001", "infinity", "-infinity", "0044-03-15 BC"}, 1184: {"2022-07-31 00:00", "2022-07-31 00:00+00", "2022-07-30 22:00+00", "infinity", "2022-07-31 12:00"}, 25: {"2022-07-31"}, 23: {"1"}},
	},
	{
		typ: "timestamp", stored: []string{"2022-07-31", "2022-03-27 03:30", "2022-10-30 02:30", "infinity", "294276-12-31 23:59:59", "4714-11-24 00:00 BC", "2022-03-27 12:00"},
		values:    map[uint32][]string{0: {"2022-07-31", "2022-07-31 00:00:00.0"}, 1082: {"2022-07-31", "infinity", "5874897-12-31"}, 1114: {"2022-07-31", "-infinity"}, 1184: {"2022-07-31 00:00", "2022-07-30 22:00+00", "2022-10-30 00:30+00", "2022-10-30 01:30+00", "infinity", "294276-12-31 23:59:59+00", "4714-11-24 00:00+00 BC", "2022-03-27 12:00"}, 25: {"2022-07-31"}},
		ambiguous: map[uint32][]string{1184: {"2022-03-27 03:30", "2022-03-27 01:00+00"}},
	},
	{
		typ: "timestamp(0)", stored: []string{"2022-07-31 10:00:00.4"},
		values: map[uint32][]string{0: {"2022-07-31 10:00:00.4", "2022-07-31 10:00"}, 1114: {"2022-07-31 10:00:00.4", "2022-07-31 10:00"}},
	},
	{
		typ: "timestamptz", stored: []string{"2022-07-31", "2022-03-27 03:30", "2022-10-30 02:30", "2022-10-30 00:30+00", "infinity", "2022-07-31 10:00Z"},
		values: map[uint32][]string{0: {"2022-07-31", "2022-07-31 10:00Z"}, 1082: {"2022-07-31", "-infinity", "5874897-12-31", "4714-11-24 BC"}, 1114: {"2022-07-31", "2022-03-27 02:30", "2022-10-30 02:30", "infinity", "4714-11-24 BC"}, 1184: {"2022-07-30 22:00Z"}, 25: {"2022-07-31"}},
	},
	{
		typ: "uuid", stored: []string{"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		values: map[uint32][]string{0: {"{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", "x"}, 2950: {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, 25: {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, 1043: {"x"}},
	},
	{
		typ: "bytea", stored: []string{`\x`, `\xdeadbeef`},
		values: map[uint32][]string{0: {`\xDEADBEEF`, "", `\336\255\276\357`}, 17: {`\xdeadbeef`}, 25: {"x"}},
	},
}

// Equality with a stored value, as the server decides it, is equality of the encodings.
func TestCompare(t *testing.T) {
	t.Parallel()
	s := newSession(t, map[string]string{"TimeZone": "Europe/Paris"})
	for _, test := range compareTests {
		typ := mustParse(t, test.typ)
		if !typ.AllowsDeterministic() {
			t.Errorf("%s does not allow deterministic columns", typ)
		}
		for from, values := range test.values {
			for _, v := range values {
				s.compare(typ, test.stored, input{value: []byte(v), from: from}, false)
			}
		}
		for from, values := range test.ambiguous {
			for _, v := range values {
				s.compare(typ, test.stored, input{value: []byte(v), from: from}, true)
			}
		}
	}
}

// Where clocks go over midnight, a moment can be the start of two days.
func TestCompareSkippedDay(t *testing.T) {
	t.Parallel()
	s := newSession(t, map[string]string{"TimeZone": "Pacific/Apia"})
	stored := []string{"2011-12-29", "2011-12-30", "2011-12-31", "2012-01-01"}
	for _, v := range []string{"2011-12-29", "2012-01-01", "2011-12-31 12:00", "2011-12-30 10:00+00"} {
		s.compare(Type{Kind: Date, Typmod: -1}, stored, input{value: []byte(v), from: 1184}, v == "2011-12-30 10:00+00")
	}
}

func (s *session) compare(typ Type, stored []string, in input, ambiguous bool) {
	s.t.Helper()
	// The same value in binary too, if it is one.
	forms := []input{in}
	if in.from != 0 && in.format == 0 {
		if row, err := s.query("SELECT $1", in, 1); err == nil {
			forms = append(forms, input{value: row[0], from: in.from, format: 1})
		}
	}
	for _, in := range forms {
		got, gotErr := typ.Canonical(nil, in.value, in.from, in.format, Compare, s.settings)
		if isRefusal(gotErr) != ambiguous {
			s.t.Errorf("%s = %s: refused is %v: %v", typ, in, !ambiguous, gotErr)
			continue
		}
		for _, v := range stored {
			a, err := typ.Canonical(nil, []byte(v), 0, 0, Assign, s.settings)
			if err != nil {
				s.t.Fatalf("%s ← %q: %v", typ, v, err)
			}
			s.exec("DELETE FROM " + s.table(typ))
			if s.assign(typ, text(v)) != agreed {
				continue
			}
			for _, operator := range []string{"v = $1", "v <> $1", "$1 = v"} {
				row, want := s.query("SELECT "+operator+" FROM "+s.table(typ), in, 0)
				switch {
				case gotErr != nil && ambiguous:
				case gotErr != nil && want != nil:
					if err := NameParameter(NameOperator(gotErr, operatorOf(operator), operator[0] == '$'), 1); !sameError(err, want) {
						s.t.Errorf("%s %s with %s:\n got %s\nwant %s", typ, operator, in, describe(err), describePg(want))
					}
				case gotErr != nil || want != nil:
					s.t.Errorf("%s %s with %s:\n got %v\nwant %s", typ, operator, in, gotErr, describePg(want))
				default:
					equal := bytes.Equal(a, got)
					if wanted := (row[0][0] == 't') == (operator != "v <> $1"); equal != wanted {
						s.t.Errorf("%s %q %s with %s: equal is %v", typ, v, operator, in, equal)
					}
				}
			}
		}
	}
}

func operatorOf(expression string) string {
	if expression == "v <> $1" {
		return "<>"
	}
	return "="
}

// An encoding that stands for no value is of no type: it cannot be shown, nor be stored by an assignment.
func TestNothing(t *testing.T) {
	t.Parallel()
	for kind := Int2; kind < endOfKinds; kind++ {
		if kind == JSONB || kind == Bytea {
			continue
		}
		typ := Type{Kind: kind, Typmod: -1}
		for format := range int16(2) {
			_, err := typ.Append(nil, nothing, format, &Settings{Location: LoadLocation("UTC")})
			if e, ok := pgerror.As(err); !ok || e.Code != pgerror.DataCorrupted {
				t.Errorf("%s shows the encoding of no value: %v", typ, err)
			}
		}
	}
}
