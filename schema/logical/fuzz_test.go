package logical

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/schema/pgerror"
)

var fuzzSettings = &Settings{TimeZone: "Europe/Paris", Location: LoadLocation("Europe/Paris"), DateStyle: "ISO, DMY"}

// checkValue reads a value and checks what must hold whatever it is: no panic, an error for a client or a
// value that is shown and read back the same in both formats, and no memory shared.
func checkValue(t *testing.T, typ Type, value []byte, from uint32, format int16, use Use) {
	before := bytes.Clone(value)
	canonical, err := typ.Canonical([]byte("prefix"), value, from, format, use, fuzzSettings)
	if !bytes.Equal(before, value) {
		t.Fatalf("%s ← %q: the value was changed to %q", typ, before, value)
	}
	if err != nil {
		if _, ok := pgerror.As(err); !ok || string(canonical) != "prefix" {
			t.Fatalf("%s ← %q: %v, dst is %q", typ, value, err, canonical)
		}
		return
	}
	if !bytes.HasPrefix(canonical, []byte("prefix")) {
		t.Fatalf("%s ← %q: dst is %q", typ, value, canonical)
	}
	canonical = canonical[len("prefix"):]
	if use == Compare && bytes.Equal(canonical, nothing) {
		return
	}
	kept := bytes.Clone(canonical)
	for i := range value {
		value[i] ^= 0xff
	}
	if !bytes.Equal(kept, canonical) {
		t.Fatalf("%s ← %q: the encoding shares memory with the value", typ, before)
	}
	copy(value, before)
	if use == Compare {
		return // it may be of no value that the type can hold
	}
	for format := range int16(2) {
		wire, err := typ.Append(nil, canonical, format, fuzzSettings)
		if err != nil {
			t.Fatalf("%s: %q from %q cannot be shown: %v", typ, canonical, before, err)
		}
		back, err := typ.Canonical(nil, wire, 0, format, Assign, fuzzSettings)
		switch {
		case err == nil && bytes.Equal(back, canonical):
		case format == 0 && string(wire) == "NaN" && isFloat(typ.Kind): // has no sign in text
		case err != nil && isDatetime(typ.Kind) && from != 0 || bytes.Equal(canonical, appendStamp(nil, endOfStamps)):
			// cast or rounded to just beyond the range of the input
		default:
			t.Fatalf("%s: %q from %q is %q in format %d and read back as %q, %v", typ, canonical, before, wire, format, back, err)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	var types []Type
	for _, name := range castTypes {
		types = append(types, mustParse(f, name))
	}
	types = append(types, mustParse(f, "timestamptz(3)"), mustParse(f, "numeric(5,-2)"), mustParse(f, "char(1)"))
	sources := []uint32{0, 25, 1042, 21, 23, 20, 1700, 700, 701, 16, 1082, 1114, 1184, 2950, 3802, 17, oidJSON, oidName, oidUnknown, 869}
	for _, test := range assignTests {
		for _, v := range test.texts {
			if len(v) < 100 {
				f.Add([]byte(v), uint8(0), false, false)
			}
		}
	}
	for _, v := range append(isoTexts, jsonTexts[:40]...) {
		f.Add([]byte(v), uint8(0), false, false)
	}
	f.Add([]byte{0, 1, 0, 0, 0, 0, 0, 2, 0, 5}, uint8(6), true, false)
	f.Fuzz(func(t *testing.T, value []byte, source uint8, binaryFormat, compare bool) {
		format, use := int16(0), Assign
		if binaryFormat {
			format = 1
		}
		if compare {
			use = Compare
		}
		for _, typ := range types {
			checkValue(t, typ, value, sources[int(source)%len(sources)], format, use)
		}
	})
}

func FuzzJSONB(f *testing.F) {
	for _, v := range jsonTexts {
		f.Add([]byte(v))
	}
	typ := Type{Kind: JSONB, Typmod: -1}
	f.Fuzz(func(t *testing.T, value []byte) {
		checkValue(t, typ, value, 0, 0, Assign)
		canonical, err := typ.Canonical(nil, value, 0, 0, Assign, nil)
		valid := json.Valid(value)
		if err == nil && !(valid && json.Valid(canonical)) {
			t.Fatalf("%q was taken, as %q", value, canonical)
		}
		// What another parser takes is taken, but for what jsonb cannot hold.
		if err != nil && valid && !bytes.ContainsAny(value, `\`) && !bytes.ContainsAny(value, "eE") && checkUTF8(value) == nil {
			if e, _ := pgerror.As(err); e.Code != pgerror.StatementTooComplex && !strings.Contains(e.Message, "overflows") {
				t.Fatalf("%q: %v", value, err)
			}
		}
	})
}

func FuzzByteaText(f *testing.F) {
	for _, v := range []string{"", `\x`, `\xdeadbeef`, `\x de ad`, `a\\b`, `\000\377`, `\x1`} {
		f.Add([]byte(v))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		b, err := DecodeByteaText(nil, value)
		if err != nil {
			return
		}
		for _, wire := range [][]byte{AppendByteaHex(nil, b), appendByteaEscape(nil, b)} {
			if back, err := DecodeByteaText(nil, wire); err != nil || !bytes.Equal(back, b) {
				t.Fatalf("%q: %q is read back as %q, %v", value, wire, back, err)
			}
		}
	})
}
