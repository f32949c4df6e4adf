package logical

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/schema/pgerror"
)

var jsonTexts = []string{
	`{}`, `[]`, `""`, `0`, `true`, `false`, `null`, ` { } `, ` [ ] `, "\t[\n1\r, 2 ]", `{"a":1}`, `{"a": {"b": [1, 2, {"c": null}]}}`, `[[],{},[[]],[{}]]`,
	`{"a":1,"a":2,"b":3,"aa":1,"":0}`, `{"é":1,"zz":2,"b":{}, "c":[], "d":[[],{}]}`, `{"b":1,"a":2}`, `{"aaa":1,"bb":2,"c":3}`, `{"a":1,"\u0061":2}`, `{"a":{"x":1},"a":{"y":2}}`, `{"B":1,"a":2,"A":3,"b":4}`, `{"a":1,"b":2,"a":3,"b":4,"a":5}`, `{"aé":1,"zzz":2,"éa":3}`,
	`-0`, `-0.00`, `1E5`, `1e-3`, `1.500`, `1e5`, `1.5e10`, `123456789012345678901234567890.12345678901234567890`, `1e400`, `0.0`, `0e5`, `0e-5`, `-1.0E+2`, `1e131071`, `1e131072`, `1e-16383`, `1e-16384`, `1e200000`, `1e99999999999`, `[1e200000`, `[1e200000 x`, `{"a":1e200000}`,
	`"abc"`, `"\b\f\n\r\t\/\\\""`, `"\u001f\u0001\u007f\u0080\u00e9\u2028\uffff"`, `"\ud83d\ude00"`, `"😀é"`, "\"\x7f\u2028\"", `"\u0000"`, `"a\u0000b"`, `{"\u0000":1}`, `"\ud800"`, `"\ud800x"`, `"\ud800\n"`, `"\ud800\u0061"`, `"\ud800\ud800"`, `"\udc00"`, `"\ude00\ud83d"`, `"\ud83d"`, `["\ud83d", 1]`, `"\ud800\x"`,
	`"\x"`, `"\é"`, `"\U0041"`, "\"a\nb\"", "\"a\tb\"", "\"\x01\"", `"\u00g0"`, `"\u"`, `"\u1"`, `"\u12"`, `"\u123"`, `"\u123x"`, `"\u12é4"`, `"abc`, `"abc\`, `"abc\"`, `"`, `"\u12`, "\"a\nb", "\"\\n\n\"",
	``, ` `, `{`, `}`, `[`, `]`, `,`, `:`, `{]`, `{"a"`, `{"a":`, `{"a":}`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a":1 1}`, `{"a":1]`, `{1:1}`, `{null:1}`, `{"a" 1}`, `{"a",1}`, `{"a":1,2}`, `{:1}`, `{,}`, `[1,]`, `[1 2]`, `[,]`, `[,1]`, `[1,,2]`, `[1}`, `[1`, `[1,`, `[}`, `1 2`, `{} {}`, `[] []`, `"a" "b"`, `null null`, `1,`, `1]`, `]1`,
	`trux`, `tru-e`, `TRUE`, `True`, `nul`, `nulll`, `NULL`, `fals`, `NaN`, `Infinity`, `-Infinity`, `undefined`, `01`, `00`, `-01`, `1.`, `1.e5`, `1e`, `1e+`, `-`, `--1`, `-a`, `1a`, `.5`, `+1`, `1.5é`, `1.2.3`, `1e5.5`, `1_000`, `0x10`, `é`, `é1`, `@`, `a@b`, `[@]`, `#`, `'a'`, `(1)`, "\x01", "\x7f", `[1 x]`, `{"a":x}`, `[tru]`, `"a" "\x"`, `// c`, `/* */1`, `1 //`,
	"\"\xff\"", "\xff", "\"a\x00\"", "\x00", `{"a":"` + strings.Repeat("x", 5000) + `"}`,
}

func TestAssignJSONB(t *testing.T) {
	t.Parallel()
	s := newSession(t, nil)
	typ := Type{Kind: JSONB, Typmod: -1}
	for _, v := range jsonTexts {
		for _, in := range []input{
			text(v),
			{value: append([]byte{1}, v...), format: 1},
			{value: []byte(v), from: oidJSON},
			{value: []byte(v), from: oidJSON, format: 1},
		} {
			if s.assign(typ, in) == refused {
				t.Errorf("%s is refused", in)
			}
		}
		s.assign(Type{Kind: Text, Typmod: -1}, input{value: []byte(v), from: oidJSON})
	}
	for _, v := range []string{"", "\x00{}", "\x02{}", "\x01"} {
		s.assign(typ, input{value: []byte(v), format: 1})
	}
}

// randomJSON writes a value with all that normalising has to deal with.
func randomJSON(r *rand.Rand, b *strings.Builder, depth int) {
	blank := func() {
		for r.IntN(4) == 0 {
			b.WriteByte(" \t\n\r"[r.IntN(4)])
		}
	}
	str := func() {
		b.WriteByte('"')
		for range r.IntN(5) {
			b.WriteString([]string{"a", "b", "z", "é", "日", "😀", `\n`, `\"`, `\\`, `\/`, `\u0041`, `\u00e9`, `\ud83d\ude00`, " ", "0", `\u001a`, "\x7f"}[r.IntN(17)])
		}
		b.WriteByte('"')
	}
	blank()
	n := r.IntN(9)
	if depth == 0 {
		n = r.IntN(6)
	}
	switch n {
	case 0:
		b.WriteString([]string{"true", "false", "null"}[r.IntN(3)])
	case 1, 2:
		str()
	case 3:
		b.WriteString(strconv.FormatInt(r.Int64()>>r.IntN(64), 10))
	case 4:
		b.WriteString(strconv.FormatFloat(r.NormFloat64()*1e5, 'e', r.IntN(20), 64))
	case 5:
		b.WriteString(strconv.FormatFloat(r.NormFloat64(), 'f', r.IntN(20), 64))
	case 6:
		b.WriteByte('[')
		for i := range r.IntN(5) {
			if i > 0 {
				b.WriteByte(',')
			}
			randomJSON(r, b, depth-1)
		}
		b.WriteByte(']')
	default:
		b.WriteByte('{')
		for i := range r.IntN(6) {
			if i > 0 {
				b.WriteByte(',')
			}
			blank()
			str()
			blank()
			b.WriteByte(':')
			randomJSON(r, b, depth-1)
		}
		b.WriteByte('}')
	}
	blank()
}

func TestRandomJSONB(t *testing.T) {
	t.Parallel()
	s := newSession(t, nil)
	typ := Type{Kind: JSONB, Typmod: -1}
	r := newRandom(t)
	for range 800 {
		var b strings.Builder
		randomJSON(r, &b, 5)
		v := []byte(b.String())
		if s.assign(typ, input{value: v}) != agreed {
			t.Errorf("differs: %s", v)
		}
		// And with something broken in it.
		if len(v) > 1 {
			at := r.IntN(len(v))
			v[at] = "\"\\{}[],:0x \n"[r.IntN(12)]
			s.assign(typ, input{value: v})
		}
	}
}

func TestDeepJSON(t *testing.T) {
	t.Parallel()
	s := newSession(t, nil)
	typ := Type{Kind: JSONB, Typmod: -1}
	nested := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if s.assign(typ, input{value: nested(maxJSONDepth)}) != agreed {
		t.Error("a depth that the server takes is refused")
	}
	for _, v := range [][]byte{nested(1 << 20), []byte(strings.Repeat(`{"a":`, 1<<18)), []byte(strings.Repeat("[", 1<<20))} {
		_, err := typ.Canonical(nil, v, 0, 0, Assign, nil)
		if e, ok := pgerror.As(err); !ok || e.Code != pgerror.StatementTooComplex {
			t.Errorf("deep nesting: %v", err)
		}
	}
}
