package differential

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
)

// poolSize is how many values a column takes: few, so that values meet.
const poolSize = 14

// values makes the values of columns. The same seed gives the same ones.
type values struct {
	rand    *rand.Rand
	pools   map[string][]string
	planted map[string]bool // texts that nothing but a tagged column has
}

func newValues(r *rand.Rand) *values {
	return &values{rand: r, pools: make(map[string][]string), planted: make(map[string]bool)}
}

func (v *values) pick(n int) int { return v.rand.IntN(n) }

// word is a text that nothing else has.
func (v *values) word(n int) string {
	const letters = "bcdfghjkmnpqrstvwxz"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[v.pick(len(letters))]
	}
	return string(b)
}

// of gives a value that the column takes.
func (v *values) of(c *column) string {
	pool := v.pools[c.pool]
	if pool == nil {
		for range poolSize {
			pool = append(pool, v.fresh(c.typ, c.tagged(), strings.HasPrefix(c.pool, "number")))
		}
		v.pools[c.pool] = pool
	}
	return pool[v.pick(len(pool))]
}

// fresh makes a value of a type. A small number suits all integers.
func (v *values) fresh(t *typ, secret, small bool) string {
	s, plant := v.make(t, secret, small)
	if secret && plant != "" {
		v.planted[plant] = true
	}
	return s
}

// make gives a value, and what of it is worth searching for in the server's files.
func (v *values) make(t *typ, secret, small bool) (value, plant string) {
	switch t.base {
	case "text", "varchar", "bpchar":
		return v.makeText(t)
	case "int2":
		return fmt.Sprint(v.pick(40000) - 20000), ""
	case "int4":
		return fmt.Sprint(v.pick(2000000000) - 1000000000), ""
	case "int8":
		if small {
			return fmt.Sprint(v.pick(30000)), ""
		}
		s := fmt.Sprint(v.rand.Int64N(1e17) + 1e17)
		return s, s
	case "numeric":
		s := fmt.Sprintf("%d.%03d", 100000000+v.pick(899999999), v.pick(1000))
		return s, s
	case "float4":
		return fmt.Sprintf("%g", float32(v.rand.NormFloat64()*1e5)), ""
	case "float8":
		s := fmt.Sprintf("%.17g", v.rand.NormFloat64()*1e9)
		return s, s
	case "bool":
		return []string{"true", "false", "t", "f", "on", "off", "yes", "0"}[v.pick(8)], ""
	case "date":
		return v.day(secret), ""
	case "timestamp":
		s := fmt.Sprintf("%s %02d:%02d:%02d.%06d", v.day(secret), v.pick(24), v.pick(60), v.pick(60), v.pick(1000000))
		return s, s
	case "timestamptz":
		zone := []string{"+00", "+02", "-05:30", "Z"}[v.pick(4)]
		s := fmt.Sprintf("%s %02d:%02d:%02d.%03d", v.day(secret), v.pick(24), v.pick(60), v.pick(60), v.pick(1000))
		return s + zone, ""
	case "uuid":
		s := fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", v.rand.Uint32(), v.pick(65536), v.pick(65536), v.pick(65536), v.rand.Uint64()>>16)
		return s, s
	case "jsonb":
		word := v.word(9)
		return []string{
			`{"b": 1, "a": "` + word + `"}`, `[1, 2.50, "` + word + `", null]`, `"` + word + `"`,
			`{"k":{"z":[],"y":true},"k":"` + word + `"}`, `{"` + word + `":1e3}`,
		}[v.pick(5)], word
	case "bytea":
		word := v.word(8)
		return `\x` + hex.EncodeToString([]byte(word)) + "00ff", word
	}
	panic("no values of type " + t.name)
}

// day is in a century of its own for tagged columns.
func (v *values) day(secret bool) string {
	year := 2000
	if secret {
		year = 1800
	}
	return fmt.Sprintf("%04d-%02d-%02d", year+v.pick(99), 1+v.pick(12), 1+v.pick(28))
}

// makeText makes a text that fits all text types, most of them odd ones.
func (v *values) makeText(t *typ) (value, plant string) {
	word := v.word(7)
	forms := []string{
		word, word, strings.ToUpper(word[:1]) + word[1:], "é" + word, word + "'", word + `\`, word + "%", word + `"`,
		"a" + word, word + "$$", " " + word, "", "0" + word,
	}
	if t.base != "bpchar" {
		forms = append(forms, word+"  ", word+"\n"+word[:1])
	} else {
		forms = append(forms, word+"  ")
	}
	s := forms[v.pick(len(forms))]
	if s == "" {
		return "", ""
	}
	return s, word
}

// bad is a value that the type does not take, or the column's modifier does not.
func (v *values) bad(t *typ) string {
	switch t.base {
	case "text":
		return "" // there is none
	case "varchar", "bpchar":
		return strings.Repeat("y", 130)
	case "int2":
		return []string{"40000", "x1", ""}[v.pick(3)]
	case "int4":
		return []string{"3000000000", "1.5", "12a"}[v.pick(3)]
	case "int8":
		return []string{"9223372036854775808", "seven"}[v.pick(2)]
	case "numeric":
		return []string{"1234567890.1", "1,5", "--1"}[v.pick(3)]
	case "float4":
		return []string{"1e40", "a"}[v.pick(2)]
	case "float8":
		return []string{"1e400", "1..2"}[v.pick(2)]
	case "bool":
		return []string{"maybe", "2", "o"}[v.pick(3)]
	case "date", "timestamp", "timestamptz":
		return []string{"2001-02-30", "2001-13-01", "a day", "10000000-01-01"}[v.pick(4)]
	case "uuid":
		return []string{"1234", "g0000000-0000-0000-0000-000000000000"}[v.pick(2)]
	case "jsonb":
		return []string{"{", "{\"a\"}", "nul"}[v.pick(3)]
	default:
		return []string{`\x0`, `\xzz`}[v.pick(2)]
	}
}
