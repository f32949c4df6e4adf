package keys_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"

	"github.com/pgveil/pgveil/keys"
)

func projectRing(t *testing.T) *keys.Keyring {
	t.Helper()
	handle, err := keyset.NewHandle(prf.HKDFSHA256PRFKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	return newKeyring(t, handle)
}

func pseudonymizer(t *testing.T, ring *keys.Keyring, spec keys.PseudonymSpec) *keys.Pseudonymizer {
	t.Helper()
	p, err := ring.Pseudonymizer(spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// reversible are values by format, and what their pseudonyms look like as text.
var reversible = map[keys.PseudonymFormat]struct {
	form   *regexp.Regexp
	values []string
	none   []string // that have no pseudonym
	not    []string // that are no pseudonyms
}{
	keys.PseudonymText: {
		regexp.MustCompile(`^[A-Za-z0-9_-]+$`),
		[]string{"185057800608491", "", "é", strings.Repeat("x", 1000)},
		nil,
		[]string{"", "185057800608491", "AAAA", strings.Repeat("A", 64), "not base64!"},
	},
	keys.PseudonymUUID: {
		nil,
		[]string{strings.Repeat("\x00", 16), "0123456789abcdef"},
		[]string{"", "0123456789abcde"},
		[]string{"", "0123456789abcde"},
	},
	keys.PseudonymTextUUID: {
		regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`),
		[]string{"185057800608491", "", "é"},
		[]string{"0123456789abcdef"},
		[]string{"", "185057800608491", "00000000-0000-0000-0000-00000000000", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1}"},
	},
	keys.PseudonymNIR: {
		regexp.MustCompile(`^\d{13}(\d\d)?$`),
		[]string{"185057800608491", "1850578006084", "190012A00100156", "299997899999999"[:13]},
		[]string{"", "Lefèvre", "185057800608437", "1851378006084"},
		[]string{"", "185057800608491", "1850578006084", "185137800608400", "x851378006084"},
	},
}

func TestPseudonyms(t *testing.T) {
	ring, other := projectRing(t), projectRing(t)
	var s keys.Scratch
	for format, c := range reversible {
		spec := keys.PseudonymSpec{Project: "cohort", Epoch: 1, Domain: "domain:nir", Format: format}
		p := pseudonymizer(t, ring, spec)
		variants := map[string]*keys.Pseudonymizer{"another keyset": pseudonymizer(t, other, spec)}
		for name, change := range map[string]func(*keys.PseudonymSpec){
			"another project": func(s *keys.PseudonymSpec) { s.Project = "registry" },
			"another epoch":   func(s *keys.PseudonymSpec) { s.Epoch = 2 },
			"another domain":  func(s *keys.PseudonymSpec) { s.Domain = "domain:ipp" },
		} {
			changed := spec
			change(&changed)
			variants[name] = pseudonymizer(t, ring, changed)
		}
		seen := make(map[string]bool)
		for _, value := range c.values {
			made, err := p.Append([]byte("x"), []byte(value), &s)
			if err != nil || made[0] != 'x' || c.form != nil && !c.form.Match(made[1:]) {
				t.Fatalf("format %d of %q: %q, %v", format, value, made, err)
			}
			made = made[1:]
			again, err := pseudonymizer(t, ring, spec).Append(nil, []byte(value), &keys.Scratch{})
			if err != nil || !bytes.Equal(again, made) {
				t.Errorf("format %d of %q: %q and %q, %v", format, value, made, again, err)
			}
			if seen[string(made)] || len(value) > 3 && bytes.Contains(made, []byte(value)) {
				t.Errorf("format %d of %q: %q", format, value, made)
			}
			seen[string(made)] = true
			back, err := p.Reverse([]byte("x"), made, &s)
			if err != nil || string(back) != "x"+value {
				t.Errorf("format %d of %q: %q came back as %q, %v", format, value, made, back, err)
			}
			for name, v := range variants {
				if differs, err := v.Append(nil, []byte(value), &s); err != nil || bytes.Equal(differs, made) {
					t.Errorf("format %d of %q, %s: %q, %v", format, value, name, differs, err)
				}
				if foreign, err := v.Reverse(nil, made, &s); string(foreign) == value && err == nil {
					t.Errorf("format %d of %q: %s takes %q back", format, value, name, made)
				}
			}
		}
		for _, value := range c.none {
			if made, err := p.Append(nil, []byte(value), &s); !errors.Is(err, keys.ErrNoPseudonym) || len(made) > 0 {
				t.Errorf("format %d of %q: %q, %v", format, value, made, err)
			}
		}
		for _, text := range c.not {
			if back, err := p.Reverse(nil, []byte(text), &s); !errors.Is(err, keys.ErrNotPseudonym) || len(back) > 0 {
				t.Errorf("format %d: %q came back as %q, %v", format, text, back, err)
			}
		}
	}
}

// TestPseudonymsOfNIRs: no two NIRs have one pseudonym, and a NIR without its key has the same as the
// one with it, without the key.
func TestPseudonymsOfNIRs(t *testing.T) {
	p := pseudonymizer(t, projectRing(t), keys.PseudonymSpec{Project: "cohort", Epoch: 1, Domain: "domain:nir", Format: keys.PseudonymNIR})
	var s keys.Scratch
	seen := make(map[string]bool)
	for i := range 20000 {
		nir := fmt.Sprintf("1850578%06d", i)
		n := 1850578000000 + i
		short, err := p.Append(nil, []byte(nir), &s)
		if err != nil {
			t.Fatal(err)
		}
		long, err := p.Append(nil, fmt.Appendf(nil, "%s%02d", nir, 97-n%97), &s)
		if err != nil || string(long[:13]) != string(short) || seen[string(short)] {
			t.Fatalf("%s: %s and %s, %v", nir, short, long, err)
		}
		seen[string(short)] = true
	}
}

func TestShift(t *testing.T) {
	ring := projectRing(t)
	const most = 30
	spec := keys.PseudonymSpec{Project: "cohort", Epoch: 1, Domain: "domain:nir", Format: keys.PseudonymDate, Days: most}
	dates := pseudonymizer(t, ring, spec)
	spec.Format = keys.PseudonymInstant
	instants := pseudonymizer(t, ring, spec)
	var s keys.Scratch
	day := func(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
	instant := func(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
	seen := make(map[int32]int)
	for i := range 2000 {
		subject := fmt.Appendf(nil, "1850578%06d%s", i, strings.Repeat("x", i%40))
		var offsets []int32
		for _, n := range []int32{0, 1, -5000, 9000} {
			got, err := dates.Shift(nil, day(n), subject, &s)
			if err != nil {
				t.Fatal(err)
			}
			offsets = append(offsets, int32(binary.BigEndian.Uint32(got))-n)
		}
		off := offsets[0]
		if off == 0 || off > most || off < -most || offsets[1] != off || offsets[2] != off || offsets[3] != off {
			t.Fatalf("offsets of %d: %v", i, offsets)
		}
		seen[off]++
		got, err := instants.Shift(nil, instant(12345), subject, &s)
		if err != nil || int64(binary.BigEndian.Uint64(got))-12345 != int64(off)*86400*1000000 {
			t.Fatalf("a timestamp is %x, %v, and a date %d days off", got, err, off)
		}
	}
	if len(seen) != 2*most {
		t.Errorf("%d offsets of %d are used: %v", len(seen), 2*most, seen)
	}
	for _, infinity := range [][]byte{day(math.MaxInt32), day(math.MinInt32)} {
		if got, err := dates.Shift(nil, infinity, []byte("1"), &s); err != nil || !bytes.Equal(got, infinity) {
			t.Errorf("an infinity: %x, %v", got, err)
		}
	}
	near := 0
	for i := range 50 {
		for _, n := range []int32{2145031948, -2451545} {
			if got, err := dates.Shift(nil, day(n), fmt.Append(nil, i), &s); err != nil {
				near++
			} else if m := int32(binary.BigEndian.Uint32(got)); m > 2145031948 || m < -2451545 {
				t.Errorf("%d became %d", n, m)
			}
		}
	}
	if near == 0 {
		t.Error("no date went beyond the last")
	}
	if got, err := dates.Append(nil, day(1), &s); !errors.Is(err, keys.ErrNoPseudonym) {
		t.Errorf("without a subject: %x, %v", got, err)
	}
}

func TestPseudonymizerWithheld(t *testing.T) {
	p := pseudonymizer(t, projectRing(t), keys.PseudonymSpec{Project: "cohort", Epoch: 1, Domain: "d", Format: keys.PseudonymText})
	why := errors.New("not now")
	p.Withhold(why)
	var s keys.Scratch
	if _, err := p.Append(nil, []byte("x"), &s); err != why {
		t.Error(err)
	}
	if _, err := p.Reverse(nil, []byte("x"), &s); err != why {
		t.Error(err)
	}
	if _, err := p.Shift(nil, []byte("x"), nil, &s); err != why {
		t.Error(err)
	}
	p.Withhold(nil)
	if _, err := p.Append(nil, []byte("x"), &s); err != nil {
		t.Error(err)
	}
}

// TestPseudonymsAllocate: only a text does, as Tink's AES-SIV does.
func TestPseudonymsAllocate(t *testing.T) {
	ring := projectRing(t)
	uuid, _ := hex.DecodeString("a0eebc999c0b4ef8bb6d6bb9bd380a11")
	var s keys.Scratch
	dst := make([]byte, 0, 64)
	for format, value := range map[keys.PseudonymFormat][]byte{
		keys.PseudonymUUID: uuid, keys.PseudonymTextUUID: []byte("185057800608491"), keys.PseudonymNIR: []byte("185057800608491"),
	} {
		p := pseudonymizer(t, ring, keys.PseudonymSpec{Project: "cohort", Epoch: 1, Domain: "d", Format: format, Days: 10})
		if n := testing.AllocsPerRun(100, func() { _, _ = p.Append(dst, value, &s) }); n > 0 {
			t.Errorf("format %d: %g allocations", format, n)
		}
	}
	p := pseudonymizer(t, ring, keys.PseudonymSpec{Project: "cohort", Epoch: 1, Domain: "d", Format: keys.PseudonymDate, Days: 10})
	if n := testing.AllocsPerRun(100, func() { _, _ = p.Shift(dst, uuid[:4], []byte("185057800608491"), &s) }); n > 0 {
		t.Errorf("a date: %g allocations", n)
	}
}

func TestPseudonymKeysetHasOneKey(t *testing.T) {
	store, err := keys.CreateInsecureLocal(t.TempDir() + "/insecure")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Create(t.Context(), "cohort", keys.TypePseudonym); err != nil {
		t.Fatal(err)
	}
	if _, err := store.AddKey(t.Context(), "cohort"); !errors.Is(err, keys.ErrOneKey) {
		t.Errorf("a second key: %v", err)
	}
	ring, err := store.Open(t.Context(), "cohort")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.MAC(); err == nil {
		t.Error("it is taken for a MAC")
	}
	if _, err := ring.Sealer(keys.ModeDeterministic, "c", 0); err == nil {
		t.Error("it seals")
	}
}
