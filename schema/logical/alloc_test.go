package logical

import (
	"bytes"
	"strings"
	"testing"
)

// hotValues are values of the types whose columns are read and written by the thousand.
var hotValues = map[string]string{
	"text": "résultat du prélèvement", "varchar(15)": "1850578006084", "char(15)": "1850578006", "int": "-123456", "bigint": "1234567890123", "smallint": "42", "bool": "true",
	"date": "1985-05-17", "timestamp": "2022-07-31 23:59:59.5", "timestamptz": "2022-07-31 23:59:59.5+02", "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "numeric(10,3)": "12.5", "float8": "12.5", "bytea": `\xdeadbeef`,
}

// Values go in and out of reused buffers without allocating.
func TestNoAllocations(t *testing.T) {
	settings := &Settings{Location: LoadLocation("Europe/Paris"), DateStyle: "ISO, DMY"}
	canonical, wire := make([]byte, 0, 256), make([]byte, 0, 256)
	for name, v := range hotValues {
		typ := mustParse(t, name)
		for format := range int16(2) {
			value, err := typ.Canonical(nil, []byte(v), 0, 0, Assign, settings)
			if err != nil {
				t.Fatal(err)
			}
			value, err = typ.Append(nil, value, format, settings)
			if err != nil {
				t.Fatal(err)
			}
			for _, use := range []Use{Assign, Compare} {
				n := testing.AllocsPerRun(100, func() {
					canonical, err = typ.Canonical(canonical[:0], value, 0, format, use, settings)
					if err == nil {
						wire, err = typ.Append(wire[:0], canonical, format, settings)
					}
				})
				// A float's text is read by way of a string.
				if err != nil || n != 0 && !(typ.Kind == Float8 && format == 0) {
					t.Errorf("%s in format %d: %v allocations, %v", typ, format, n, err)
				}
			}
			if !bytes.Equal(wire, value) {
				t.Errorf("%s: %q became %q", typ, value, wire)
			}
		}
	}
	sealed := bytes.Repeat([]byte{1, 2, 254, 255}, 25)
	hex := AppendByteaHex(nil, sealed)
	n := testing.AllocsPerRun(100, func() {
		canonical, _ = DecodeByteaText(canonical[:0], hex)
		wire = AppendByteaHex(wire[:0], canonical)
	})
	if n != 0 || !bytes.Equal(wire, hex) {
		t.Errorf("%v allocations for bytea", n)
	}
}

func BenchmarkCanonical(b *testing.B) {
	settings := &Settings{Location: LoadLocation("Europe/Paris"), DateStyle: "ISO, DMY"}
	for name, v := range hotValues {
		typ := mustParse(b, name)
		value := []byte(v)
		canonical, err := typ.Canonical(nil, value, 0, 0, Assign, settings)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("read/"+name, func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]byte, 0, 256)
			for b.Loop() {
				dst, _ = typ.Canonical(dst[:0], value, 0, 0, Assign, settings)
			}
		})
		b.Run("write/"+name, func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]byte, 0, 256)
			for b.Loop() {
				dst, _ = typ.Append(dst[:0], canonical, 0, settings)
			}
		})
	}
	document := []byte(`{"patient": {"nom": "Dupont", "né": "1985-05-17"}, "résultats": [` + strings.Repeat(`{"loinc": "94558-4", "valeur": 1.50, "note": "a\nb"}, `, 20) + `null]}`)
	b.Run("read/jsonb", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(document)))
		dst := make([]byte, 0, 4096)
		for b.Loop() {
			dst, _ = Type{Kind: JSONB, Typmod: -1}.Canonical(dst[:0], document, 0, 0, Assign, settings)
		}
	})
	sealed := bytes.Repeat([]byte{1, 2, 254, 255}, 25)
	hex := AppendByteaHex(nil, sealed)
	b.Run("bytea/decode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(sealed)))
		dst := make([]byte, 0, 256)
		for b.Loop() {
			dst, _ = DecodeByteaText(dst[:0], hex)
		}
	})
	b.Run("bytea/encode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(sealed)))
		dst := make([]byte, 0, 256)
		for b.Loop() {
			dst = AppendByteaHex(dst[:0], sealed)
		}
	})
}
