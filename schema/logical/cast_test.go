package logical

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// sourceTexts are values of each source type, as text.
var sourceTexts = map[uint32][]string{
	25:         {"abc", "abc  ", "  x ", "", "42", "2022-07-31", "日本語日本語", "x", "toolong for all", "true"},
	1043:       {"abc", "abc  ", "", "42", "too long for it"},
	1042:       {"abc", "abc  ", "   ", "", "abcde   ", "toolong"},
	19:         {"abc", "abc ", ""},
	21:         {"0", "1", "-32768", "32767", "x", "40000"},
	23:         {"0", "1", "42", "-2147483648", "2147483647", "32768", "99999", "100000000", "x"},
	20:         {"0", "-9223372036854775808", "9223372036854775807", "2147483648", "-2147483649", "16777217", "9007199254740993", "123456789012"},
	1700:       {"0", "0.5", "1.5", "2.5", "-0.5", "-1.5", "0.49999", "32767.4999", "32767.5", "-32768.5", "-32768.4", "2147483647.5", "2147483647.4", "-2147483648.5", "9223372036854775807.4", "9223372036854775807.5", "-9223372036854775808.4", "-9223372036854775808.5", "1e20", "NaN", "Infinity", "-Infinity", "1e400", "1e-400", "1.10", "123456.789", "1e38", "4e38", "1e-46", "0.000", "1e-10", "12345678901234567890123"},
	700:        {"0", "-0", "0.5", "1.5", "2.5", "-0.5", "-1.5", "-2.5", "1.1", "32767.5", "32768", "-32768.5", "-32769", "2147483648", "-2147483648", "9.223372e18", "-9.223372e18", "1e20", "NaN", "Infinity", "-Infinity", "1e-10", "123456.79", "1e38", "1234567", "0.1", "100", "1e15"},
	701:        {"0", "-0", "0.5", "1.5", "2.5", "-0.5", "-1.5", "-2.5", "1.1", "32767.5", "32767.4", "-32768.5", "-32768.6", "2147483647.4", "2147483647.5", "-2147483648.5", "-2147483648.6", "9223372036854775807", "9223372036854774784", "-9223372036854775808", "-9223372036854777856", "1e20", "NaN", "Infinity", "-Infinity", "1e300", "1e-300", "1e-40", "1e-46", "3.5e38", "0.1", "123456789.123456789", "1e15", "1e16", "100", "1e100", "0.1234567890123456789", "999999999999999.9", "5e-324"},
	16:         {"true", "false", "x"},
	1082:       {"2022-07-31", "0044-03-15 BC", "infinity", "-infinity", "5874897-12-31", "294276-12-31", "294277-01-01", "4714-11-24 BC", "2022-02-30", "10000-01-01"},
	1114:       {"2022-07-31 23:59:59.999999", "2022-03-27 02:30:00", "2022-10-30 02:30:00", "1969-12-31 00:00:00.5", "infinity", "-infinity", "294276-12-31 23:59:59.999999", "4714-11-24 00:00 BC", "4714-11-24 00:05 BC", "1911-03-10 23:55"},
	1184:       {"2022-07-31 23:59:59.999999Z", "2022-03-27 01:00Z", "2022-10-30 00:30Z", "1969-12-31 23:59:59.5Z", "infinity", "-infinity", "294276-12-31 23:59:59.999999Z", "294276-12-31 22:00Z", "4714-11-24 00:00Z BC", "1800-01-01 00:00Z"},
	2950:       {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "x"},
	3802:       {`{"b": 1.50, "a": "é"}`, "x", "null"},
	17:         {`\xdeadbeef`, `\x`, "abc"},
	oidJSON:    {`{"b":1.50,  "a":"\u00e9"}`, "x", "[1,2]"},
	1009:       {"{a}"},
	1083:       {"10:00"},
	1186:       {"1 day"},
	869:        {"127.0.0.1"},
	603:        {"(1,1),(0,0)"},
	600:        {"(1,1)"},
	26:         {"42"},
	2205:       {"42"},
	790:        {"1.5"},
	3614:       {"a"},
	oidUnknown: {"42", "2022-07-31", "true"},
}

var castTypes = []string{
	"text", "varchar(5)", "char(5)", "varchar", "smallint", "int", "bigint", "numeric", "numeric(6,2)", "real", "float8", "bool", "date", "timestamp", "timestamp(0)", "timestamptz", "uuid", "jsonb", "bytea",
}

// Every source type is assigned to every type, in text and in binary, in zones with and without changes
// of clocks.
func TestAssignCasts(t *testing.T) {
	t.Parallel()
	for _, parameters := range []map[string]string{
		{"TimeZone": "Europe/Paris"},
		{"TimeZone": "America/New_York", "bytea_output": "escape"},
	} {
		s := newSession(t, parameters)
		refusals := map[string]int{}
		for from, values := range sourceTexts {
			for _, v := range values {
				forms := []input{{value: []byte(v), from: from}}
				if row, err := s.query("SELECT $1", input{value: []byte(v), from: from}, 1); err == nil && from != oidUnknown {
					forms = append(forms, input{value: row[0], from: from, format: 1})
				}
				for _, in := range forms {
					for _, name := range castTypes {
						typ := mustParse(t, name)
						if s.assign(typ, in) == refused && (from != oidUnknown || !isDatetime(typ.Kind)) {
							refusals[typ.Kind.String()+" ← "+typeName(from)]++
						}
					}
				}
			}
		}
		for pair := range refusals {
			if !expectedRefusals[pair] {
				t.Errorf("%s is refused", pair)
			}
		}
	}
}

// expectedRefusals are the assignments that the server might do and pgveil does not: from types that
// it cannot read or write itself.
var expectedRefusals = func() map[string]bool {
	m := map[string]bool{}
	for _, to := range []Kind{Text, Varchar, Bpchar, Int2, Int4, Int8, Numeric, Bytea} {
		for _, from := range []uint32{600, 603, 790, 869, 1083, 1186, 26, 2205, 3614, 1009} {
			m[to.String()+" ← "+typeName(from)] = true
		}
	}
	return m
}()

// binaryTests are binary values of the wrong length or content.
func TestAssignBinary(t *testing.T) {
	t.Parallel()
	s := newSession(t, nil)
	be := binary.BigEndian
	stamp := func(v int64) []byte { return be.AppendUint64(nil, uint64(v)) }
	day := func(v int32) []byte { return be.AppendUint32(nil, uint32(v)) }
	numeric := func(words ...uint16) (b []byte) {
		for _, w := range words {
			b = be.AppendUint16(b, w)
		}
		return b
	}
	tests := map[string][][]byte{
		"int2": {{0, 1}, {0xff, 0xff}, {0x80, 0}}, "int4": {{0, 0, 0, 1}, {0xff, 0xff, 0xff, 0xff}, {0x80, 0, 0, 0}}, "int8": {stamp(-1), stamp(math.MinInt64)},
		"bool": {{0}, {1}, {2}, {255}}, "uuid": {make([]byte, 16)}, "bytea": {{}, {0}, {1, 2, 3, 255}, []byte(`\x00`)},
		"text": {[]byte("é"), {0xff}, {'a', 0}, {}}, "varchar(3)": {[]byte("abcd"), []byte("abc ")}, "char(3)": {[]byte("ab"), []byte("abcd"), {0xc3}},
		"date":         {day(0), day(math.MaxInt32), day(math.MinInt32), day(firstDay), day(firstDay - 1), day(int32(endOfDays - 1)), day(int32(endOfDays)), day(math.MaxInt32 - 1), day(math.MinInt32 + 1)},
		"timestamp(1)": {stamp(0), stamp(math.MaxInt64), stamp(math.MinInt64), stamp(firstStamp), stamp(firstStamp - 1), stamp(endOfStamps - 1), stamp(endOfStamps), stamp(math.MaxInt64 - 1), stamp(149999), stamp(150000), stamp(-150000), stamp(-149999)},
		"timestamptz":  {stamp(0), stamp(math.MaxInt64), stamp(math.MinInt64), stamp(firstStamp - 1), stamp(endOfStamps)},
		"float4":       {{0x7f, 0xc0, 0, 1}, {0xff, 0x80, 0, 0}, {0x80, 0, 0, 0}}, "float8": {stamp(-1), stamp(math.MinInt64)},
		"numeric": {
			numeric(0, 0, 0, 0), numeric(1, 0, 0, 0, 5), numeric(1, 0, 0x4000, 2, 5), numeric(1, 0, 0x4000, 0, 0), numeric(2, 1, 0, 0, 0, 5), numeric(2, 0, 0, 2, 1, 5678), numeric(2, 0, 0, 6, 1, 5600), numeric(1, 0xffff, 0, 4, 5), numeric(1, 0xfff0, 0, 10, 5), numeric(3, 2, 0, 0, 1, 0, 0), numeric(1, 2, 0, 0, 1),
			numeric(0, 0, 0xc000, 0), numeric(0, 0, 0xd000, 0), numeric(0, 0, 0xf000, 0x20), numeric(1, 7, 0xc000, 3, 9), numeric(1, 0, 0xc000, 0, 10000), numeric(0, 0, 0x8000, 0), numeric(0, 0, 1, 0), numeric(0, 0, 0, 0x4000), numeric(0, 0, 0, 0x3fff), numeric(1, 0, 0, 0, 10000), numeric(1, 0, 0, 0, 0xffff),
			numeric(1, 0, 0, 0), numeric(0xffff, 0, 0, 0), numeric(0, 0, 0, 0, 1), numeric(1, 0x7fff, 0, 0, 9999), numeric(1, 0x8000, 0, 10, 1), numeric(0, 5, 0x4000, 3), numeric(2, 0xffff, 0, 3, 1, 2), numeric(1, 0, 0, 0x3fff, 7),
			{0},
			{0, 0, 0, 0, 0, 0, 0},
		},
		"numeric(5,2)": {numeric(2, 0, 0, 3, 1, 5650), numeric(1, 0, 0, 0, 9999), numeric(0, 0, 0xd000, 0), numeric(0, 0, 0xc000, 0)},
	}
	for name, values := range tests {
		typ := mustParse(t, name)
		for _, v := range values {
			for _, in := range [][]byte{v, append(append([]byte(nil), v...), 0), v[:max(len(v)-1, 0)]} {
				if s.assign(typ, input{value: in, format: 1}) == refused {
					t.Errorf("%s ← %x is refused", typ, in)
				}
				s.assign(typ, input{value: in, format: 1, from: typ.OID()})
			}
		}
	}
}

func TestNamedErrors(t *testing.T) {
	t.Parallel()
	typ := Type{Kind: UUID, Typmod: -1}
	_, err := typ.Canonical(nil, []byte("1"), 23, 0, Assign, nil)
	if got := NameColumn(err, "id").Error(); got != `column "id" is of type uuid but expression is of type integer (SQLSTATE 42804)` {
		t.Error(got)
	}
	if e, _ := pgerror.As(err); e.Message != "column is of type uuid but expression is of type integer" {
		t.Errorf("the error itself was changed: %s", e.Message)
	}
	_, err = typ.Canonical(nil, []byte("1"), 23, 0, Compare, nil)
	if got := NameOperator(err, "<>", false).Error(); got != "operator does not exist: uuid <> integer (SQLSTATE 42883)" {
		t.Error(got)
	}
	if got := NameOperator(err, "=", true).Error(); got != "operator does not exist: integer = uuid (SQLSTATE 42883)" {
		t.Error(got)
	}
	_, err = typ.Canonical(nil, make([]byte, 17), 0, 1, Assign, nil)
	if got := NameParameter(err, 3).Error(); got != "incorrect binary data format in bind parameter 3 (SQLSTATE 22P03)" {
		t.Error(got)
	}
	other := errors.New("other")
	if NameColumn(other, "id") != other || NameOperator(other, "=", false) != other || NameParameter(other, 1) != other {
		t.Error("another error was changed")
	}
}

// The names in errors are format_type's.
func TestTypeNames(t *testing.T) {
	t.Parallel()
	s := newSession(t, nil)
	for oid := range uint32(4100) {
		if oid == 0 || KindOf(oid) == 0 && otherNames[oid] == "" && ElementOf(oid) == oid {
			continue
		}
		row, err := s.query("SELECT format_type($1, NULL)", input{value: binary.BigEndian.AppendUint32(nil, oid), from: 26, format: 1}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := typeName(oid); got != string(row[0]) {
			t.Errorf("typeName(%d) = %q, format_type says %q", oid, got, row[0])
		}
	}
}
