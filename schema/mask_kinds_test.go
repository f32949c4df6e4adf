package schema

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestMaskTextKinds(t *testing.T) {
	for _, test := range []struct {
		mask          Pattern
		typ, in, want string
	}{
		{Pattern{Email: true}, "text", "anne.lefevre@exemple.fr", "*@exemple.fr"},
		{Pattern{Email: true, Fill: '#'}, "varchar(12)", "a@exemple.fr", "#@exemple.fr"},
		{Pattern{Email: true}, "text", `"a@b"@exemple.fr`, "*@exemple.fr"},
		{Pattern{Email: true}, "text", "anne.lefevre", "********"},
		{Pattern{Email: true}, "text", "@exemple.fr", "********"},
		{Pattern{Email: true}, "text", "anne@", "********"},
		{Pattern{Email: true}, "char(5)", "", "*****"},
		{Pattern{Email: true}, "text", "anne@xn--caf-dma.exemple.fr", "*@xn--caf-dma.exemple.fr"},
		{Pattern{Email: true}, "text", "anne@hôpital-nord.fr", "*@hôpital-nord.fr"},
		{Pattern{Email: true}, "text", "anne@exemple.fr, 06 12 34 56 78", "********"},
		{Pattern{Email: true}, "text", "Anne <anne@exemple.fr>", "********"},
		{Pattern{Email: true}, "text", "anne@exemple.fr Lefèvre", "********"},
		{Pattern{Email: true}, "text", "anne@185057800608436", "********"},
		{Pattern{Email: true}, "text", "anne@17.05.1985", "********"},
		{Pattern{Email: true}, "text", "anne@Lefèvre", "********"},
		{Pattern{Email: true}, "text", "anne@.fr", "********"},
		{Pattern{Email: true}, "text", "anne@exemple.", "********"},
		{Pattern{Email: true}, "varchar(9)", "a@b c d e", "********"},
		{Pattern{NIR: true}, "char(15)", "185057800608436", "**********084**"},
		{Pattern{NIR: true}, "varchar(13)", "1850578006084", "**********084"},
		{Pattern{NIR: true}, "text", "1 85 05 78 006 084 36", "**********084**"},
		{Pattern{NIR: true}, "text", "285052A00608415", "**********084**"},
		{Pattern{NIR: true, Fill: 'x'}, "text", "285052B00608415", "xxxxxxxxxx084xx"},
		{Pattern{NIR: true}, "text", "28505A200608415", "********"},
		{Pattern{NIR: true}, "text", "18505780060843", "********"},
		{Pattern{NIR: true}, "text", "1850578006084360", "********"},
		{Pattern{NIR: true}, "text", "Lefèvre", "********"},
		{Pattern{NIR: true}, "text", "0033612345678", "********"},
		{Pattern{NIR: true}, "text", "5057800608436", "********"},
		{Pattern{NIR: true}, "char(15)", "Lefèvre", "***************"},
		{Pattern{HasFixed: true, Fixed: "[withheld]"}, "text", "Lefèvre", "[withheld]"},
		{Pattern{HasFixed: true}, "varchar(3)", "abc", ""},
		{Pattern{HasFixed: true, Fixed: "x  "}, "char(10)", "abc", "x"},
	} {
		got, err := test.mask.Apply([]byte("-"), []byte(test.in), mustType(t, test.typ))
		if err != nil || string(got) != "-"+test.want {
			t.Errorf("%+v of %s %q: %q, not %q (%v)", test.mask, test.typ, test.in, got, test.want, err)
		}
	}
}

// TestMaskNIRLeavesNothing: whatever the digits of sex, birth and place are, the mask shows
// the same.
func TestMaskNIRLeavesNothing(t *testing.T) {
	mask, typ := Pattern{NIR: true}, mustType(t, "char(15)")
	shown := make(map[string]bool)
	for _, nir := range []string{"185057800608436", "278037512308441", "199122A00408499", "301019900008400", "285052B99908400"} {
		got, err := mask.Apply(nil, []byte(nir[:10]+"084"+nir[13:]), typ)
		if err != nil {
			t.Fatal(err)
		}
		shown[string(got)] = true
	}
	if len(shown) != 1 {
		t.Errorf("it shows %v", shown)
	}
}

func TestMaskFixed(t *testing.T) {
	for typ, fixed := range map[string]string{
		"bool": "false", "uuid": "00000000-0000-0000-0000-000000000000", "jsonb": `{"seen": null}`, "bytea": `\x00`, "date": "1900-01-01",
		"timestamp(0)": "1900-01-01 00:00:00", "timestamptz": "1900-01-01 00:00:00+00", "int2": "-1", "numeric(4,1)": "0.0", "real": "NaN",
	} {
		logicalType := mustType(t, typ)
		got, err := Pattern{HasFixed: true, Fixed: fixed}.Apply(nil, []byte("whatever it is"), logicalType)
		if err != nil {
			t.Errorf("%s: %v", typ, err)
			continue
		}
		text, err := logicalType.Append(nil, got, 0, &fixedSettings)
		if want := fixed; err != nil || !strings.HasPrefix(want, string(text)) { // a bool is f
			t.Errorf("%s: %q, not %q (%v)", typ, text, want, err)
		}
	}
}

func TestMaskBucket(t *testing.T) {
	for _, test := range []struct {
		typ, size, from string
		in, want        int64
	}{
		{"int", "10", "", 37, 30},
		{"int", "10", "", 30, 30},
		{"int", "10", "", 0, 0},
		{"int", "10", "", -1, -10},
		{"int", "10", "5", 37, 35},
		{"int", "10", "5", 34, 25},
		{"int", "10", "-5", 4, -5},
		{"int", "10", "18", 17, 8},
		{"int2", "1000", "", -32768, -32768},
		{"int2", "40000", "", -1, -32768},
		{"int8", "1000", "", math.MaxInt64, 9223372036854775000},
		{"int8", "9223372036854775807", "", -1, -math.MaxInt64},
		{"int8", "9223372036854775807", "", math.MinInt64, math.MinInt64},
		{"int8", "6000000000000000000", "1", 7000000000000000000, 6000000000000000001},
	} {
		in := binary.BigEndian.AppendUint64(nil, uint64(test.in))
		got, err := Pattern{Bucket: test.size, From: test.from}.Apply(nil, in, mustType(t, test.typ))
		if err != nil || len(got) != 8 || int64(binary.BigEndian.Uint64(got)) != test.want {
			t.Errorf("%s %d in buckets of %s from %s: %x, not %d (%v)", test.typ, test.in, test.size, test.from, got, test.want, err)
		}
	}
	for _, test := range []struct{ typ, size, from, in, want string }{
		{"numeric", "10", "", "19.999", "10"},
		{"numeric", "0.5", "0.25", "1.1", "0.75"},
		{"numeric", "10", "", "-0.5", "-10"},
		{"numeric", "10", "", "NaN", "NaN"},
		{"numeric(5,2)", "10", "", "123.45", "120.00"},
		{"numeric(5,2)", "700", "", "-999.99", "-999.99"},
		{"numeric(3,-2)", "500", "", "99900", "99500"},
	} {
		got, err := Pattern{Bucket: test.size, From: test.from}.Apply(nil, []byte(test.in), mustType(t, test.typ))
		if err != nil || string(got) != test.want {
			t.Errorf("%s %s in buckets of %s from %s: %s, not %s (%v)", test.typ, test.in, test.size, test.from, got, test.want, err)
		}
	}
	for _, test := range []struct {
		size, from string
		in, want   float64
	}{
		{"0.1", "", 0.29, 0.2},
		{"10", "", -0.5, -10},
		{"10", "2", 11, 2},
		{"1", "", math.Inf(-1), math.Inf(-1)},
		{"1" + strings.Repeat("0", 39), "", -1, -1e39},
	} {
		in := binary.BigEndian.AppendUint64(nil, math.Float64bits(test.in))
		got, err := Pattern{Bucket: test.size, From: test.from}.Apply(nil, in, mustType(t, "float8"))
		if err != nil || math.Float64frombits(binary.BigEndian.Uint64(got)) != test.want {
			t.Errorf("%g in buckets of %s: %x, not %g (%v)", test.in, test.size, got, test.want, err)
		}
		single := binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(test.in)))
		got, err = Pattern{Bucket: test.size, From: test.from}.Apply(nil, single, mustType(t, "real"))
		want := float32(max(test.want, -math.MaxFloat32))
		if math.IsInf(test.want, 0) {
			want = float32(test.want)
		}
		if err != nil || math.Float32frombits(binary.BigEndian.Uint32(got)) != want {
			t.Errorf("real %g in buckets of %s: %x, not %g (%v)", test.in, test.size, got, want, err)
		}
	}
	for _, bad := range []Pattern{{Bucket: "0"}, {Bucket: "-1"}, {Bucket: "0.5"}, {Bucket: "5", From: "x"}, {Bucket: "5", From: "0.5"}, {Bucket: strconv.Itoa(math.MaxInt64) + "0"}} {
		if got, err := bad.Apply(nil, make([]byte, 8), mustType(t, "int8")); err == nil || len(got) > 0 {
			t.Errorf("%+v: %x, no error", bad, got)
		}
	}
}
