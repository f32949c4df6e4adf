package logical

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

// newRandom gives a generator whose seed the test's output names.
func newRandom(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// A float's shortest text must be the server's, digit for digit: for random bits, for decimals with
// few digits, and for powers of two, where the neighbours are at different distances.
func TestRandomFloats(t *testing.T) {
	t.Parallel()
	s := newSession(t, nil)
	r := newRandom(t)
	float8 := Type{Kind: Float8, Typmod: -1}
	float4 := Type{Kind: Float4, Typmod: -1}
	be := binary.BigEndian
	check8 := func(bits uint64) {
		if s.assign(float8, input{value: be.AppendUint64(nil, bits), format: 1}) != agreed {
			t.Errorf("float8 with bits %#x differs", bits)
		}
	}
	check4 := func(bits uint32) {
		if s.assign(float4, input{value: be.AppendUint32(nil, bits), format: 1}) != agreed {
			t.Errorf("float4 with bits %#x differs", bits)
		}
	}
	for e := -1074; e <= 1023; e++ {
		check8(math.Float64bits(math.Ldexp(1, e)))
	}
	for e := -149; e <= 127; e++ {
		check4(math.Float32bits(float32(math.Ldexp(1, e))))
	}
	for range 700 {
		check8(r.Uint64())
		check4(r.Uint32())
		v := float64(r.Int64N(1<<40)) / math.Pow(10, float64(r.IntN(12)))
		check8(math.Float64bits(v))
		check4(math.Float32bits(float32(v)))
		// Whole numbers from 2^53 on have halfway points of few digits.
		check8(math.Float64bits(math.Ldexp(float64(r.Int64N(1<<53)), r.IntN(12))))
		check4(math.Float32bits(float32(math.Ldexp(float64(r.Int64N(1<<24)), r.IntN(12)))))
		if s.assign(float8, text(strconv.FormatFloat(v, 'e', r.IntN(25), 64))) != agreed {
			t.Errorf("text of %v differs", v)
		}
		s.assign(float4, text(strconv.FormatFloat(v, 'g', r.IntN(25), 64)))
	}
}

// With fewer digits than a float holds, the text is C's %g.
func TestFloatDigits(t *testing.T) {
	t.Parallel()
	r := newRandom(t)
	for _, digits := range []int{0, -1, -5, -15, 1, 3} {
		s := newSession(t, map[string]string{"extra_float_digits": strconv.Itoa(digits)})
		for _, v := range []string{"0", "-0", "1", "0.1", "0.3", "100000", "1e15", "123456789012345678", "1e-5", "0.0001", "1.5e-10", "NaN", "inf", "-inf", "1e300", "99999.95", "0.000099995", "2.5", "3.5", "1234567"} {
			s.assign(Type{Kind: Float8, Typmod: -1}, text(v))
			s.assign(Type{Kind: Text, Typmod: -1}, input{value: []byte(v), from: 701})
			if v != "1e300" {
				s.assign(Type{Kind: Float4, Typmod: -1}, text(v))
			}
		}
		for range 200 {
			s.assign(Type{Kind: Float8, Typmod: -1}, input{value: binary.BigEndian.AppendUint64(nil, r.Uint64()), format: 1})
			s.assign(Type{Kind: Float4, Typmod: -1}, input{value: binary.BigEndian.AppendUint32(nil, r.Uint32()), format: 1})
		}
	}
}

func randomDigits(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte("0000123456789999"[r.IntN(16)])
	}
	return b.String()
}

func randomNumber(r *rand.Rand) string {
	v := []string{"", "-", "+"}[r.IntN(3)] + randomDigits(r, r.IntN(14))
	if r.IntN(3) > 0 {
		v += "." + randomDigits(r, r.IntN(14))
	}
	if r.IntN(4) == 0 {
		v += "e" + strconv.Itoa(r.IntN(40)-20)
	}
	return v
}

func TestRandomNumerics(t *testing.T) {
	t.Parallel()
	s := newSession(t, nil)
	r := newRandom(t)
	types := []Type{}
	for _, name := range []string{"numeric", "numeric(10,3)", "numeric(20,10)", "numeric(4,-3)", "numeric(6,8)", "numeric(18)"} {
		types = append(types, mustParse(t, name))
	}
	for range 500 {
		v := text(randomNumber(r))
		for _, typ := range types {
			s.assign(typ, v)
		}
		// Binary forms that no server would send, but that it takes.
		b := binary.BigEndian.AppendUint16(nil, uint16(r.IntN(5)))
		b = binary.BigEndian.AppendUint16(b, uint16(r.IntN(9)-4))
		b = binary.BigEndian.AppendUint16(b, []uint16{0, 0x4000}[r.IntN(2)])
		b = binary.BigEndian.AppendUint16(b, uint16(r.IntN(20)))
		for range binary.BigEndian.Uint16(b) {
			b = binary.BigEndian.AppendUint16(b, uint16([]int{0, 0, 1, 10, 100, 1000, 9999, 5000, r.IntN(10000)}[r.IntN(9)]))
		}
		s.assign(types[r.IntN(len(types))], input{value: b, format: 1})
	}
}

func TestRandomDatetimes(t *testing.T) {
	t.Parallel()
	s := newSession(t, map[string]string{"TimeZone": "Europe/Paris"})
	r := newRandom(t)
	types := []Type{}
	for _, name := range []string{"date", "timestamp", "timestamptz", "timestamp(0)", "timestamptz(4)"} {
		types = append(types, mustParse(t, name))
	}
	for range 500 {
		micros := int64(r.Float64()*float64(endOfStamps)) - r.Int64N(-firstStamp)
		if r.IntN(2) == 0 {
			micros = r.Int64N(200*365*microsPerDay) - 120*365*microsPerDay
		}
		for _, typ := range types {
			b := binary.BigEndian.AppendUint64(nil, uint64(micros))
			if typ.Kind == Date {
				b = binary.BigEndian.AppendUint32(nil, uint32(floorDiv64(micros, microsPerDay)))
			}
			s.assign(typ, input{value: b, format: 1})
			// And any moment as text, in many spellings.
			days, rest := splitStamp(micros)
			c := civilDay(days)
			v := string(c.appendDate(nil, styleISO, orderMDY)) + []string{" ", "T", "  "}[r.IntN(3)] + string(appendTime(nil, rest))
			if r.IntN(2) == 0 {
				v += string(appendOffset(nil, r.Int64N(100000)-50000))
			}
			v += string(appendEra(nil, c))
			if s.assign(typ, text(v)) == refused {
				t.Errorf("%s ← %q is refused", typ, v)
			}
		}
	}
}

// Random edits of valid texts: whatever the server says, we say or refuse.
func TestRandomEdits(t *testing.T) {
	t.Parallel()
	s := newSession(t, nil)
	r := newRandom(t)
	seeds := map[string][]string{
		"int": {"12345", "-2147483648"}, "bool": {"true", "off"}, "uuid": {"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"}, "bytea": {`\xdeadbeef`, `a\\b\001`},
		"float8": {"-1.5e-10", "Infinity", "nan"}, "numeric(10,3)": {"-123.456e2", "infinity"}, "varchar(5)": {"abcdé"}, "char(3)": {"ab "}, "date": {"2022-07-31"}, "timestamptz": {"2022-07-31T23:59:59.5+02:30", "infinity", "20220731T235959Z"}, "timestamp": {"2022-07-31 10:00 BC"},
	}
	const bytes = "0123456789+-.:eExXtfTZ \\{}\xc3\xa9\x00aBC\"/"
	refusals := 0
	for name, values := range seeds {
		typ := mustParse(t, name)
		for _, v := range values {
			for range 120 {
				b := []byte(v)
				for range 1 + r.IntN(3) {
					at := r.IntN(len(b) + 1)
					switch c := bytes[r.IntN(len(bytes))]; {
					case at == len(b) || r.IntN(3) == 0:
						b = append(b[:at], append([]byte{c}, b[at:]...)...)
					case r.IntN(2) == 0:
						b[at] = c
					default:
						b = append(b[:at], b[at+1:]...)
					}
				}
				if s.assign(typ, input{value: b}) == refused {
					refusals++
					if !isDatetime(typ.Kind) {
						t.Errorf("%s ← %q is refused", typ, b)
					}
				}
			}
		}
	}
	t.Logf("%d texts refused", refusals)
}
