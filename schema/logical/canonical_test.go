package logical

import (
	"encoding/hex"
	"testing"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// golden are canonical encodings as they are sealed. They must never change: stored values
// could not be read, and deterministic ones not be found any more.
var golden = []struct{ typ, value, encoding string }{
	{"text", "né ", "6ec3a920"},
	{"text", "", ""},
	{"varchar(3)", "abc  ", "616263"},
	{"char(5)", "ab", "6162"},
	{"char(5)", "     ", ""},
	{"smallint", "-2", "fffffffffffffffe"},
	{"int", "2147483647", "000000007fffffff"},
	{"bigint", "-9223372036854775808", "8000000000000000"},
	{"numeric", "-012.500", "2d31322e353030"},
	{"numeric", "1e3", "31303030"},
	{"numeric(10,3)", "1.5", "312e353030"},
	{"numeric", "nan", "4e614e"},
	{"numeric", "-inf", "2d496e66696e697479"},
	{"real", "1.5", "3fc00000"},
	{"float8", "-0", "8000000000000000"},
	{"bool", "yes", "01"},
	{"bool", "off", "00"},
	{"date", "2000-01-01", "00000000"},
	{"date", "1985-05-17", "ffffeb22"},
	{"date", "infinity", "7fffffff"},
	{"timestamp", "2000-01-01 00:00:01", "00000000000f4240"},
	{"timestamptz", "2000-01-01 02:00:00.000001+02", "0000000000000001"},
	{"timestamptz", "-infinity", "8000000000000000"},
	{"uuid", "{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}", "a0eebc999c0b4ef8bb6d6bb9bd380a11"},
	{"jsonb", `{"bb":1.0,"a":"\u00e9\n"}`, hex.EncodeToString([]byte(`{"a": "é\n", "bb": 1.0}`))},
	{"bytea", `\x00ff`, "00ff"},
}

func TestGolden(t *testing.T) {
	for _, g := range golden {
		got, err := mustParse(t, g.typ).Canonical(nil, []byte(g.value), 0, 0, Assign, nil)
		if err != nil || hex.EncodeToString(got) != g.encoding {
			t.Errorf("%s %q: %x, %v, want %s", g.typ, g.value, got, err, g.encoding)
		}
	}
	if string(nothing) != "!=" {
		t.Error("the encoding of no value has changed")
	}
}

// What only newer servers read is refused, and what older ones do not read is an error.
func TestServerVersions(t *testing.T) {
	tests := []struct {
		typ, value string
		version    int
		code       string // "" for success
	}{
		{"int", "0x10", 15, pgerror.InvalidTextRepresent},
		{"int", "0x10", 0, pgerror.InvalidTextRepresent},
		{"int", "0x10", 16, pgerror.FeatureNotSupported},
		{"int", "-0b101", 17, pgerror.FeatureNotSupported},
		{"bigint", "1_000", 16, pgerror.FeatureNotSupported},
		{"int", "x1", 16, pgerror.InvalidTextRepresent},
		{"int", "1x", 16, pgerror.InvalidTextRepresent},
		{"int", "12 3", 16, pgerror.InvalidTextRepresent},
		{"numeric", "0x10", 15, pgerror.InvalidTextRepresent},
		{"numeric", "0x10", 16, pgerror.FeatureNotSupported},
		{"numeric", "1_0.5", 17, pgerror.FeatureNotSupported},
		{"numeric", "abc", 17, pgerror.InvalidTextRepresent},
		{"numeric", "inf", 13, pgerror.InvalidTextRepresent},
		{"numeric", "-Infinity", 13, pgerror.InvalidTextRepresent},
		{"numeric", "inf", 14, ""},
		{"numeric", "NaN", 13, ""},
		{"date", "+infinity", 15, pgerror.FeatureNotSupported},
	}
	for _, test := range tests {
		_, err := mustParse(t, test.typ).Canonical(nil, []byte(test.value), 0, 0, Assign, &Settings{ServerVersion: test.version})
		code := ""
		if e, ok := pgerror.As(err); ok {
			code = e.Code
		}
		if code != test.code {
			t.Errorf("%s ← %q on a server %d: %v, want %q", test.typ, test.value, test.version, err, test.code)
		}
	}
}

func TestFormats(t *testing.T) {
	typ := Type{Kind: Text, Typmod: -1}
	for _, format := range []int16{-1, 2, 100} {
		for _, err := range []error{
			func() error { _, err := typ.Canonical(nil, []byte("a"), 0, format, Assign, nil); return err }(),
			func() error { _, err := typ.Append(nil, []byte("a"), format, nil); return err }(),
		} {
			if e, ok := pgerror.As(err); !ok || e.Code != codeInvalidParameter {
				t.Errorf("format %d: %v", format, err)
			}
		}
	}
}

// Bytes that no Canonical gave are not shown as a value, and never panic.
func TestCorrupt(t *testing.T) {
	settings := &Settings{Location: LoadLocation("UTC")}
	tests := map[string][]string{
		"int2": {"", "12345678", "\x00\x00\x00\x00\x00\x00\x80\x00", "1234567"}, "int4": {"\x00\x00\x00\x01\x00\x00\x00\x00"}, "int8": {"", "123456789"},
		"bool": {"", "\x02", "\x00\x00"}, "date": {"", "123", "12345"}, "timestamp": {"1234567"}, "timestamptz": {"123456789"}, "uuid": {"", "a0eebc99"},
		"float4": {"12345678"}, "float8": {"1234"}, "numeric": {"", "abc", "1e999999", "-"}, "jsonb": {""},
	}
	for name, values := range tests {
		typ := mustParse(t, name)
		for _, v := range values {
			for format := range int16(2) {
				out, err := typ.Append([]byte("x"), []byte(v), format, settings)
				if e, ok := pgerror.As(err); !ok || e.Code != pgerror.DataCorrupted || string(out) != "x" {
					t.Errorf("%s shows %q as %q, %v", name, v, out, err)
				}
			}
		}
	}
}

// The types that only the server knows are refused, not assigned by guess.
func TestUnknownSources(t *testing.T) {
	for _, from := range []uint32{869, 1186, 16385, 3614, 1009} {
		for kind := Text; kind < endOfKinds; kind++ {
			typ := Type{Kind: kind, Typmod: -1}
			for use := range Compare + 1 {
				_, err := typ.Canonical(nil, []byte("1"), from, 0, use, nil)
				e, ok := pgerror.As(err)
				if !ok || e.Code != pgerror.FeatureNotSupported && e.Code != pgerror.DatatypeMismatch && e.Code != pgerror.UndefinedFunction {
					t.Errorf("%s from %d: %v", typ, from, err)
				}
			}
		}
	}
}
