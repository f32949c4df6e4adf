package proxy

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/pgveil/pgveil/schema"
)

func sealsOf(contexts ...string) (seals, [][]byte) {
	d := &schema.Database{}
	var headers [][]byte
	for i, context := range contexts {
		column := &schema.Column{Mode: schema.Mode(1 + i%2), Context: context}
		d.Columns = append(d.Columns, column)
		header := column.Header()
		headers = append(headers, header[:])
	}
	return newSeals(d), headers
}

// escaped is a value as bytea_output = escape shows it.
func escaped(value []byte) []byte {
	var out []byte
	for _, b := range value {
		switch {
		case b == '\\':
			out = append(out, `\\`...)
		case b < 0x20 || b > 0x7e:
			out = fmt.Appendf(out, `\%03o`, b)
		default:
			out = append(out, b)
		}
	}
	return out
}

// spellings are the ways in which a value may stand in a row.
func spellings(t *testing.T, value []byte) map[string][]byte {
	t.Helper()
	quoted, err := json.Marshal(string(escaped(value)))
	if err != nil {
		t.Fatal(err)
	}
	hexed := []byte(`\x` + hex.EncodeToString(value))
	return map[string][]byte{
		"binary": value, "hex": hexed, "escape": escaped(value),
		"hex in COPY":    bytes.ReplaceAll(hexed, []byte(`\`), []byte(`\\`)),
		"escape in COPY": bytes.ReplaceAll(escaped(value), []byte(`\`), []byte(`\\`)),
		"escape in JSON": quoted,
	}
}

// TestSealsFound: a sealed value is found however it is spelt and wherever the pieces of a
// message part it, and what only resembles one is not.
func TestSealsFound(t *testing.T) {
	s, headers := sealsOf("column:lab.patient.nir", "domain:nir", "column:lab.patient.last_name", "column:a.b.c")
	for _, header := range headers {
		for name, spelt := range spellings(t, append(header, 1, 0, 0, 7, 200, 'x', 'y')) {
			row := append(append(bytes.Repeat([]byte("fe9d \\376 \xfe "), 20), spelt...), "and more of it"...)
			if !s.found(row) {
				t.Errorf("%s %x is not found in %q", name, header, row)
			}
			for cut := range len(row) {
				g := &sealsGuard{seals: holding(s)}
				if g.look([]byte("another message \xfe\x9d"), true, true) != nil {
					t.Fatal("found in another message")
				}
				if g.look(row[:cut], true, false) == nil && g.look(row[cut:], false, true) == nil {
					t.Errorf("%s %x, cut at %d, is not found", name, header, cut)
				}
			}
			g := &sealsGuard{seals: holding(s)}
			found := false
			for i := range row {
				found = found || g.look(row[i:i+1], i == 0, i == len(row)-1) != nil
			}
			if !found {
				t.Errorf("%s %x in single bytes is not found", name, header)
			}
		}
	}
	other, foreign := sealsOf("column:other.t.c", "domain:other")
	for _, header := range foreign {
		for name, spelt := range spellings(t, append(header, 1, 0, 0, 7)) {
			if s.found(spelt) {
				t.Errorf("%s: a value of another database's column is taken for one of this", name)
			}
			if !other.found(spelt) {
				t.Errorf("%s is not found", name)
			}
		}
	}
	for _, text := range []string{"", "\xfe", "\xfe\x9d", `\xfe9d`, `\xfe9d11`, "fe9d1", `\376\`, `\376\235\02`, `\\376\\235\\02`, `\xfe9dzz00112233445566`} {
		if s.found([]byte(text)) {
			t.Errorf("%q is taken for a sealed value", text)
		}
	}
}

// TestSealsFoundAllocates nothing, for every row passes it.
func TestSealsFoundAllocates(t *testing.T) {
	s, _ := sealsOf("column:lab.patient.nir", "domain:nir")
	row := bytes.Repeat([]byte("a row \xfe \xfe\x9d of something, fe9d12, \\376\\235 "), 100)
	g := &sealsGuard{seals: holding(s)}
	if n := testing.AllocsPerRun(100, func() { _ = g.look(row, true, true) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSealsLook(b *testing.B) {
	s, _ := sealsOf("column:lab.patient.nir", "domain:nir")
	for _, size := range []int{60, 32 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			row := bytes.Repeat([]byte("Lefèvre, 12 rue de la Paix; 75002 Paris\x00\x00\x00\x04\x00\x00\x12\x34"), size/40+1)[:size]
			g := &sealsGuard{seals: holding(s)}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if g.look(row, true, true) != nil {
					b.Fatal("found")
				}
			}
		})
	}
}

func holding(s seals) *atomic.Pointer[seals] {
	p := &atomic.Pointer[seals]{}
	p.Store(&s)
	return p
}
