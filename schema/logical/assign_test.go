package logical

import (
	"strings"
	"testing"
)

// assignTests are texts for each type, read by the server and by us. Those in refused
// may be refused instead, and must be by us.
var assignTests = []struct {
	typ     string
	texts   []string
	refused []string
}{
	{typ: "text", texts: []string{
		"", " ", "a", "négatif", "positif ", "日本語", "😀", "a'b\"c\\d", "\t\r\n\v\f\x01\x7f", "\u2028\ufeff", "{}", "NULL",
		"\xff", "a\xe9b", "\xc3", "abc\xc3", "\xe2\x82", "\xe2\x82a", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80", "\xf8\x88\x80\x80\x80", "\x80",
		"\xf0\x9f\x98", "\xf0\x9fabc", "\xfe\xff", "a\x00b", "\x00", "a\x00",
	}},
	{typ: "varchar(15)", texts: []string{
		"", "123456789012345", "1234567890123456", "123456789012345 ", "123456789012345   x", "éééééééééééééééé", "ééééééééééééééé",
		"日本語日本語日本語日本語日本語", "日本語日本語日本語日本語日本語 ", "日本語日本語日本語日本語日本語x", "               ", "                  ", "                x", "\xff234567890123456", "a\x00",
	}},
	{typ: "varchar", texts: []string{"", "abc  ", "  abc"}},
	{typ: "char(5)", texts: []string{
		"", " ", "a", "abcde", "abcdef", "abcde ", "abcd  ", "  a", "éé", "ééééé", "éééééé", "ééééé  ", "abcde\t", "a\tb ", "      ", "\xff", "ab\x00",
	}},
	{typ: "char(1)", texts: []string{"M", "F", "", "MF", "é", "😀", "😀😀"}},
	{typ: "smallint", texts: []string{"32767", "32768", "-32768", "-32769", "40000 x", "40000x", "32768x", "-32768x", "99999", "1.5", "007"}},
	{typ: "int", texts: []string{
		"0", "1", "-1", "+1", " 1 ", "\t\n\v\f\r7\r", "2147483647", "2147483648", "-2147483648", "-2147483649", "00000000000000000001", "-0", "+0",
		"", " ", "-", "+", "--1", "- 1", "1 1", "1a", "a", "1.0", "1e5", "0x10", "0b1", "0o7", "1_000", "99999999999x", "9999x", "é", "1\u00a0", "１",
		"99999999999999999999999999999999999999", "1\xff", "99999999999\xff", "1\x00", "'1'", "NaN",
	}},
	{typ: "bigint", texts: []string{"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "12345678901234567890", "1e3"}},
	{typ: "boolean", texts: []string{
		"t", "f", "true", "false", "TRUE", "FaLsE", "tr", "tru", "fa", "fal", "fals", "y", "n", "yes", "no", "ye", "on", "off", "of", "ON", "1", "0", " t ", "\ttrue\n",
		"", " ", "o", "trues", "yess", "noo", "offf", "2", "10", "00", "tt", "vrai", "oui", "\xff", "t\x00", "truee",
	}},
	{typ: "uuid", texts: []string{
		"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "a0eebc999c0b4ef8bb6d6bb9bd380a11",
		"a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
		"", " ", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111",
		"a-0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99--9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-", " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
		"g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "\xff", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1\x00", "{}", "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11-",
	}},
	{typ: "bytea", texts: []string{
		"", `\x`, `\x00`, `\xDEADbeef`, `\x de ad be ef `, "\\xde\n\tad\r", `\xd`, `\xd e`, `\xzz`, `\xdg`, `\xdé`, `\xé`, `\X00`, "abc", "é", `a\\b`, `\000\377\101`, `\400`, `\08`, `\1`, `\12`, `a\`, `\\`, `\\\`, `a\b`,
		`\x00112233445566778899aabbccddeeff`, "\xff", "a\x00", `\x0` + "\f0",
	}},
	{typ: "double precision", texts: []string{
		"0", "-0", "1", "1.5", "-1.5e10", "1e15", "123456789012345", "1234567890123456", "999999999999999", "1e14", "0.0001", "0.00001", "0.00012345", "1e-5", "123456.789", "0.1", "0.3", "1e23", "1e22", "9007199254740993",
		"1.7976931348623157e308", "1.7976931348623159e308", "1e309", "-1e309", "2.2250738585072014e-308", "4.9e-324", "2e-324", "3e-324", "1e-400", "0e-400", "0e999", "5.6843418860808015e-14",
		"NaN", "nan", "-nan", "+nan", "inf", "-inf", "+inf", "Infinity", "-infinity", "+INFINITY", " 1 ", "\t1\n", "1e+5", "1E5", ".5", "5.", "+.5e-1", "0x10", "0x1p3", "0x1.8p1", "0x.8", "0x1p99999",
		"", " ", ".", "e5", "1e", "1e+", "1e5.5", "1..5", "1,5", "abc", "1x", "0x", "0xg", "1e400x", "1e-400x", "  1e400  ", "infinit", "infinityx", "in", "--1", "1_0", "\xff", "1e400\xff", "1\x00", "nann", "0x1p", "1 2",
		strings.Repeat("9", 400), "0." + strings.Repeat("0", 400) + "1", strings.Repeat("1", 300),
	}, refused: []string{"nan(1)", "nan()", "NAN(abc)"}},
	{typ: "real", texts: []string{
		"0", "1", "1.1", "0.1", "123456", "1234567", "999999", "1e5", "1e6", "0.0001", "0.00001", "3.4028235e38", "3.4028236e38", "1e39", "1.17549435e-38", "1e-45", "1e-46", "7e-46", "1e-50", "16777217", "NaN", "-NaN", "inf", "0x10.8", "1e50x", "8.5899346e9", "33554432", "9.8607613e-32", "", "x", "1.5 x",
	}},
	{typ: "numeric", texts: []string{
		"0", "-0", "-0.00", "1", "00012.3400", ".5", "5.", "+.5e1", "1e5", "1E-5", "1.5e2", "1.50e1", "1e 5", "1e\t-5", "1e+ 5", "123456789012345678901234567890.123456789012345678901234567890", "0.0001", "0.00010", "10000", "9999", "10000.0001", "100000000.00000001", "1e-16383", "0e-16383", "0e1000000000",
		"NaN", "nan", " NaN ", "inf", "-inf", "+inf", "Infinity", "+INFINITY", "-infinity", " 1 ", "\t1\n", "12345678901234567890e-25",
		"", " ", ".", "-", "e5", "1e", "1e+", "1e5x", "1 2", "1..2", "1.2.3", "1,5", "abc", "+nan", "-nan", "0x10", "1_000", "0e-16384", "1e-16384", "0.1e-16383", "1e131072", "0e1073741823", "0e-1073741823", "1e1073741822", "1e99999999999999999999", "1e-99999999999999999999", "1e99999999999999999999x", "\xff", "1e131072\xff", "1\x00", "infinityx", "- 1", "1-", "1e5 x",
		"1e131071", strings.Repeat("9", 131072), strings.Repeat("9", 131073), "0." + strings.Repeat("1", 16383), "0." + strings.Repeat("1", 16384), strings.Repeat("0", 200000) + "1",
	}},
	{typ: "numeric(10,3)", texts: []string{
		"0", "1", "1.5", "1.2345", "1.2344999", "-1.2345", "-1.2344999", "9999999.999", "9999999.9994", "9999999.9995", "-9999999.9995", "10000000", "0.0005", "0.00049", "-0.0004", "1e-10", "1e6", "1e7", "NaN", "inf", "-inf", "x", "0.9995", "99.9995", "0.0004999999999999999",
	}},
	{typ: "numeric(5)", texts: []string{"1.5", "0.5", "-0.5", "0.4", "99999", "99999.4", "99999.5", "inf"}},
	{typ: "numeric(5,-2)", texts: []string{"12345", "12350", "49", "50", "-50", "9999949", "9999950", "1e7", "0", "123.456"}},
	{typ: "numeric(3,5)", texts: []string{"0.00123", "0.001234", "0.009995", "0.0099949", "0.01", "1", "0", "0.000001", "-0.000005"}},
	{typ: "numeric(4,4)", texts: []string{"0.9999", "0.99995", "1", "0.00005"}},
	{typ: "numeric(1000,1000)", texts: []string{"0.1", "0", "1"}},
}

func TestAssignText(t *testing.T) {
	t.Parallel()
	s := newSession(t, nil)
	for _, test := range assignTests {
		t.Run(test.typ, func(t *testing.T) {
			s.t = t
			typ := mustParse(t, test.typ)
			for _, v := range test.texts {
				if s.assign(typ, text(v)) == refused {
					t.Errorf("%s ← %q is refused", typ, v)
				}
			}
			for _, v := range test.refused {
				if s.assign(typ, text(v)) != refused {
					t.Errorf("%s ← %q is not refused", typ, v)
				}
			}
		})
	}
}

// A megabyte of text goes through unharmed, also where it must be searched for its end.
func TestAssignLarge(t *testing.T) {
	t.Parallel()
	s := newSession(t, nil)
	for _, typ := range []string{"text", "varchar(1000000)", "char(300000)", "jsonb", "bytea"} {
		typ := mustParse(t, typ)
		for _, v := range []string{
			strings.Repeat("résultat ", 1<<17), strings.Repeat("a", 300000) + strings.Repeat(" ", 1<<20),
			`["` + strings.Repeat(`\u00e9\n`, 1<<16) + `"]`, `\x` + strings.Repeat("00ff", 1<<18),
		} {
			s.assign(typ, text(v))
		}
	}
}

// A quoted literal is read as an undeclared parameter is: the server itself does not tell them apart.
func TestLiterals(t *testing.T) {
	t.Parallel()
	s := newSession(t, nil)
	for _, test := range assignTests {
		typ := mustParse(t, test.typ)
		for _, v := range test.texts {
			if len(v) > 1000 || checkUTF8([]byte(v)) != nil {
				continue // no text that a statement could hold
			}
			literal := "'" + strings.ReplaceAll(v, "'", "''") + "'"
			results, err := s.conn.Exec(t.Context(), "INSERT INTO "+s.table(typ)+" VALUES ("+literal+") RETURNING v").ReadAll()
			canonical, ourErr := typ.Canonical(nil, []byte(v), 0, 0, Assign, s.settings)
			if err != nil {
				if !sameError(ourErr, asPgError(t, err)) {
					t.Errorf("%s ← %s: got %v, want %v", typ, literal, ourErr, err)
				}
				continue
			}
			out, err := typ.Append(nil, canonical, 0, s.settings)
			if ourErr != nil || err != nil || string(out) != string(results[0].Rows[0][0]) {
				t.Errorf("%s ← %s: got %q, %v, %v, want %q", typ, literal, out, ourErr, err, results[0].Rows[0][0])
			}
		}
	}
}
