package schema

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/schema/logical"
)

func TestAccessFor(t *testing.T) {
	few, many := Pattern{KeepLast: 2}, Pattern{KeepLast: 4}
	c := &Column{Access: map[string]Access{
		"biologist": {Verdict: Decrypt, Search: true},
		"reader":    {Verdict: Decrypt},
		"desk":      {Verdict: Mask, Mask: few},
		"head":      {Verdict: Mask, Search: true, Mask: many},
		"clerk":     {Verdict: Hide, Search: true},
		"barred":    {Verdict: Deny},
		"prober":    {Verdict: Deny, Search: true},
	}}
	for _, test := range []struct {
		roles string
		want  Access
	}{
		{"", Access{}},
		{"stranger", Access{}},
		{"barred", Access{}},
		{"prober", Access{Verdict: Deny, Search: true}},
		{"biologist", Access{Verdict: Decrypt, Search: true}},
		{"stranger barred biologist", Access{Verdict: Decrypt, Search: true}},
		{"reader", Access{Verdict: Decrypt}},
		{"reader clerk", Access{Verdict: Decrypt, Search: true}},
		{"clerk reader", Access{Verdict: Decrypt, Search: true}},
		{"desk clerk", Access{Verdict: Mask, Search: true, Mask: few}},
		{"desk head", Access{Verdict: Mask, Search: true, Mask: many}},
		{"head desk", Access{Verdict: Mask, Search: true, Mask: many}},
		{"prober desk", Access{Verdict: Mask, Search: true, Mask: few}},
	} {
		if got := c.AccessFor(strings.Fields(test.roles)); got != test.want {
			t.Errorf("%q: %+v, not %+v", test.roles, got, test.want)
		}
	}

	c.Access[PublicRole] = Access{Verdict: Hide}
	if got := c.AccessFor([]string{"stranger"}); got != (Access{Verdict: Hide}) {
		t.Errorf("public: %+v", got)
	}
	if got := c.AccessFor([]string{"prober"}); got != (Access{Verdict: Hide, Search: true}) {
		t.Errorf("public and prober: %+v", got)
	}
	if got := (&Column{}).AccessFor([]string{"postgres"}); got != (Access{}) {
		t.Errorf("a column without access: %+v", got)
	}
}

func TestShowsMoreIsAnOrder(t *testing.T) {
	patterns := []Pattern{
		{},
		{Fill: '#'},
		{Length: SameLength},
		{Length: 3},
		{KeepFirst: 2},
		{KeepLast: 2},
		{KeepFirst: 1, KeepLast: 1},
		{Truncate: TruncateYear},
		{Truncate: TruncateMonth},
		{Round: "10"},
		{Round: "0.5"},
		{Round: "0.50"},
		{Round: "100", Truncate: TruncateYear},
		{Bucket: "10"},
		{Bucket: "10", From: "5"},
		{Bucket: "5"},
		{Bucket: "5.0"},
		{Email: true},
		{Email: true, Fill: '#'},
		{NIR: true},
		{KeepFirst: 3},
		{KeepLast: 3},
		{HasFixed: true},
		{HasFixed: true, Fixed: "x"},
	}
	for _, a := range patterns {
		for _, b := range patterns {
			if more, less := a.showsMore(b), b.showsMore(a); more && less || !more && !less && a != b {
				t.Errorf("%+v and %+v: %v and %v", a, b, more, less)
			}
		}
	}
	for _, pair := range [][2]Pattern{
		{{Truncate: TruncateMonth}, {Truncate: TruncateYear}},
		{{Round: "0.5"}, {Round: "10"}},
		{{KeepLast: 3}, {KeepLast: 2}},
		{{Length: SameLength}, {Length: 4}},
		{{Round: "5"}, {}},
		{{}, {HasFixed: true}},
		{{Email: true}, {KeepLast: 4}},
		{{Bucket: "5"}, {Bucket: "10"}},
	} {
		if pair[0].Round != "" && pair[1].Round == "" {
			continue // without a unit numbers cannot be masked: the order is arbitrary
		}
		if !pair[0].showsMore(pair[1]) {
			t.Errorf("%+v does not show more than %+v", pair[0], pair[1])
		}
	}
}

func mustType(t *testing.T, s string) logical.Type {
	t.Helper()
	typ, err := logical.ParseType(s)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

func TestMaskText(t *testing.T) {
	for _, test := range []struct {
		mask              Pattern
		typ, in, want     string
		keepsLengthSecret bool
	}{
		{Pattern{}, "text", "positif", "********", true},
		{Pattern{}, "text", "", "********", true},
		{Pattern{}, "varchar(3)", "abc", "***", true},
		{Pattern{}, "varchar(3)", "", "***", true},
		{Pattern{}, "char(15)", "180", "***************", true},
		{Pattern{Fill: '#', Length: 3}, "text", "négatif", "###", true},
		{Pattern{Length: SameLength}, "text", "négatif", "*******", false},
		{Pattern{KeepFirst: 1, KeepLast: 2}, "text", "Hélène", "H********ne", true},
		{Pattern{KeepFirst: 1, KeepLast: 2, Length: SameLength}, "text", "Hélène", "H***ne", false},
		{Pattern{KeepFirst: 2, KeepLast: 2, Length: SameLength}, "text", "éàüö", "****", false},
		{Pattern{KeepFirst: 2, KeepLast: 2}, "text", "éàüö", "************", true},
		{Pattern{KeepFirst: 1}, "text", "日本語", "日********", true},
		{Pattern{KeepLast: 4}, "char(15)", "180017512345678", "***********5678", true},
		{Pattern{KeepLast: 4}, "char(15)", "1234", "***************", true},
		{Pattern{KeepLast: 4}, "char(15)", "12345", "***********2345", true},
		{Pattern{KeepLast: 4}, "varchar(6)", "12345", "**2345", true},
		{Pattern{KeepLast: 2}, "varchar", "12345", "********45", true},
		{Pattern{KeepLast: 2}, "bpchar", "12345", "********45", true},
	} {
		typ := mustType(t, test.typ)
		got, err := test.mask.Apply([]byte("x"), []byte(test.in), typ)
		if err != nil || string(got) != "x"+test.want {
			t.Errorf("%+v of %s %q: %q, not %q (%v)", test.mask, typ, test.in, got, test.want, err)
		}
		if n := maxChars(typ); n >= 0 && len([]rune(string(got)))-1 > n {
			t.Errorf("%q is too long for %s", got, typ)
		}
	}
	for _, test := range []struct {
		mask Pattern
		typ  string
	}{
		{Pattern{KeepFirst: 2, KeepLast: 2}, "char(4)"},
		{Pattern{KeepLast: -1}, "text"},
		{Pattern{Fill: ' '}, "text"},
		{Pattern{Fill: 0xe9}, "text"},
		{Pattern{Length: 5}, "varchar(4)"},
		{Pattern{Length: -2}, "text"},
		{Pattern{Truncate: TruncateYear}, "uuid"},
		{Pattern{KeepLast: 1}, "bytea"},
		{Pattern{KeepLast: 1}, "jsonb"},
		{Pattern{Round: "1"}, "bool"},
		{Pattern{KeepLast: 1}, "date"},
		{Pattern{}, "int"},
	} {
		if got, err := test.mask.Apply(nil, []byte("12345678"), mustType(t, test.typ)); err == nil || len(got) > 0 {
			t.Errorf("%+v of %s: %q, no error", test.mask, test.typ, got)
		}
	}
}

func TestMaskDate(t *testing.T) {
	epoch := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		unit     TruncateUnit
		in, want time.Time
	}{
		{TruncateYear, time.Date(1984, 2, 29, 13, 1, 2, 3000, time.UTC), time.Date(1984, 1, 1, 0, 0, 0, 0, time.UTC)},
		{TruncateMonth, time.Date(1984, 2, 29, 13, 1, 2, 3000, time.UTC), time.Date(1984, 2, 1, 0, 0, 0, 0, time.UTC)},
		{TruncateMonth, time.Date(1999, 12, 31, 23, 59, 59, 999999000, time.UTC), time.Date(1999, 12, 1, 0, 0, 0, 0, time.UTC)},
		{TruncateYear, epoch, epoch},
		{TruncateYear, time.Date(-43, 3, 15, 1, 0, 0, 0, time.UTC), time.Date(-43, 1, 1, 0, 0, 0, 0, time.UTC)},
		{TruncateYear, time.Date(-4713, 12, 25, 0, 0, 0, 0, time.UTC), time.Date(-4713, 11, 24, 0, 0, 0, 0, time.UTC)},
		{TruncateMonth, time.Date(5874897, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(5874897, 12, 1, 0, 0, 0, 0, time.UTC)},
	} {
		days := func(at time.Time) []byte {
			return binary.BigEndian.AppendUint32(nil, uint32((at.Unix()-epoch.Unix()-int64(at.Hour()*3600+at.Minute()*60+at.Second()))/86400))
		}
		got, err := Pattern{Truncate: test.unit}.Apply(nil, days(test.in), mustType(t, "date"))
		if err != nil || !slices.Equal(got, days(test.want)) {
			t.Errorf("%d of date %v: %x, not %x (%v)", test.unit, test.in, got, days(test.want), err)
		}
		if test.in.Year() > 290000 {
			continue // beyond the last timestamp
		}
		micros := func(at time.Time) []byte {
			return binary.BigEndian.AppendUint64(nil, uint64((at.Unix()-epoch.Unix())*1000000+int64(at.Nanosecond()/1000)))
		}
		for _, typ := range []string{"timestamp", "timestamptz(0)"} {
			got, err := Pattern{Truncate: test.unit}.Apply(nil, micros(test.in), mustType(t, typ))
			if err != nil || !slices.Equal(got, micros(test.want)) {
				t.Errorf("%d of %s %v: %x, not %x (%v)", test.unit, typ, test.in, got, micros(test.want), err)
			}
		}
	}
	for _, typ := range []string{"date", "timestamp", "timestamptz"} {
		low, high := binary.BigEndian.AppendUint64(nil, 1<<63), binary.BigEndian.AppendUint64(nil, math.MaxInt64)
		if typ == "date" {
			low, high = low[:4], []byte{0x7f, 0xff, 0xff, 0xff}
		}
		for _, infinity := range [][]byte{low, high} {
			got, err := Pattern{Truncate: TruncateYear}.Apply(nil, infinity, mustType(t, typ))
			if err != nil || !slices.Equal(got, infinity) {
				t.Errorf("infinite %s: %x became %x (%v)", typ, infinity, got, err)
			}
		}
		if _, err := (Pattern{Truncate: TruncateYear}).Apply(nil, []byte{1}, mustType(t, typ)); err == nil {
			t.Errorf("%s of one byte: no error", typ)
		}
	}
}

func TestMaskInteger(t *testing.T) {
	for _, test := range []struct {
		typ, unit string
		in, want  int64
	}{
		{"int", "10", 14, 10},
		{"int", "10", 15, 20},
		{"int", "10", -14, -10},
		{"int", "10", -15, -20},
		{"int", "7", 10, 7},
		{"int", "7", 11, 14},
		{"int", "1", 5, 5},
		{"int", "10.0", 15, 20},
		{"int2", "10", 32767, 32760},
		{"int2", "10", -32768, -32760},
		{"int2", "100000", 32767, 0},
		{"int4", "1000", math.MaxInt32, 2147483000},
		{"int4", "100", math.MaxInt32, 2147483600},
		{"int8", "1000", math.MaxInt64, 9223372036854775000},
		{"int8", "1000", math.MinInt64, -9223372036854775000},
		{"int8", "9223372036854775807", math.MinInt64, -math.MaxInt64},
		{"int8", "9223372036854775807", math.MaxInt64 / 2, 0},
		{"int8", "9223372036854775807", math.MaxInt64/2 + 1, math.MaxInt64},
	} {
		in := binary.BigEndian.AppendUint64(nil, uint64(test.in))
		got, err := Pattern{Round: test.unit}.Apply(nil, in, mustType(t, test.typ))
		if err != nil || len(got) != 8 || int64(binary.BigEndian.Uint64(got)) != test.want {
			t.Errorf("%s %d to %s: %x, not %d (%v)", test.typ, test.in, test.unit, got, test.want, err)
		}
	}
	for _, unit := range []string{"", "0", "-1", "0.5", "abc", "1e3", "9223372036854775808", "+1", " 1", "."} {
		if got, err := (Pattern{Round: unit}).Apply(nil, make([]byte, 8), mustType(t, "int8")); err == nil {
			t.Errorf("unit %q: %x, no error", unit, got)
		}
	}
}

func TestMaskNumeric(t *testing.T) {
	for _, test := range []struct{ typ, unit, in, want string }{
		{"numeric", "10", "14.999", "10"},
		{"numeric", "10", "15.000", "20"},
		{"numeric", "0.5", "1.3", "1.5"},
		{"numeric", "0.50", "-1.3", "-1.50"},
		{"numeric", "0.5", "-0.1", "0.0"},
		{"numeric", "1", "NaN", "NaN"},
		{"numeric", "1", "-Infinity", "-Infinity"},
		{"numeric", "1000", "123456789012345678901234567890123456789", "123456789012345678901234567890123457000"},
		{"numeric(5,2)", "10", "123.45", "120.00"},
		{"numeric(5,2)", "10", "999.99", "990.00"},
		{"numeric(5,2)", "10", "-996.00", "-990.00"},
		{"numeric(5,2)", "0.01", "123.45", "123.45"},
		{"numeric(3,-2)", "500", "99900", "99500"},
		{"numeric(2,4)", "0.002", "0.0051", "0.0060"},
	} {
		got, err := Pattern{Round: test.unit}.Apply(nil, []byte(test.in), mustType(t, test.typ))
		if err != nil || string(got) != test.want {
			t.Errorf("%s %s to %s: %s, not %s (%v)", test.typ, test.in, test.unit, got, test.want, err)
		}
	}
	for _, test := range []struct{ typ, unit, in string }{
		{"numeric(5,1)", "0.25", "1.5"}, {"numeric(3,-2)", "50", "100"}, {"numeric", "10", "abc"},
	} {
		if got, err := (Pattern{Round: test.unit}).Apply(nil, []byte(test.in), mustType(t, test.typ)); err == nil || strings.Contains(err.Error(), test.in) {
			t.Errorf("%s %s to %s: %s, %v", test.typ, test.in, test.unit, got, err)
		}
	}
}

func TestMaskFloat(t *testing.T) {
	for _, test := range []struct {
		unit     string
		in, want float64
	}{
		{"10", 14.9, 10},
		{"10", -15, -20},
		{"0.1", 0.29, 0.3},
		{"0.1", 37.25, 37.3},
		{"0.5", 1e15 + 0.3, 1e15 + 0.5},
		{"1", math.Inf(-1), math.Inf(-1)},
		{"10", -0.2, 0},
		{"3", 5e-324, 0},
		{"0.1", math.MaxFloat64, math.MaxFloat64},
	} {
		in := binary.BigEndian.AppendUint64(nil, math.Float64bits(test.in))
		got, err := Pattern{Round: test.unit}.Apply(nil, in, mustType(t, "float8"))
		if err != nil || math.Float64frombits(binary.BigEndian.Uint64(got)) != test.want {
			t.Errorf("%g to %s: %x, not %g (%v)", test.in, test.unit, got, test.want, err)
		}
		if f := float32(test.in); math.Abs(test.in) < 1e10 {
			in := binary.BigEndian.AppendUint32(nil, math.Float32bits(f))
			got, err := Pattern{Round: test.unit}.Apply(nil, in, mustType(t, "real"))
			if err != nil || math.Float32frombits(binary.BigEndian.Uint32(got)) != float32(test.want) {
				t.Errorf("real %g to %s: %x, not %g (%v)", f, test.unit, got, test.want, err)
			}
		}
	}
	nan := binary.BigEndian.AppendUint64(nil, math.Float64bits(math.NaN()))
	if got, err := (Pattern{Round: "1"}).Apply(nil, nan, mustType(t, "float8")); err != nil || !slices.Equal(got, nan) {
		t.Errorf("NaN: %x %v", got, err)
	}
	limit := "300000000000000000000000000000000000000"
	big := binary.BigEndian.AppendUint32(nil, math.Float32bits(3.3e38))
	for _, unit := range []string{limit, "200000000000000000000000000000000000000"} {
		got, err := Pattern{Round: unit}.Apply(nil, big, mustType(t, "real"))
		if v := float64(math.Float32frombits(binary.BigEndian.Uint32(got))); err != nil || math.IsInf(v, 0) {
			t.Errorf("3.3e38 to %s: %g %v", unit, v, err)
		}
	}
}
