package keys

import (
	"crypto/aes"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
)

// TestFF1: the samples that NIST gives for FF1 in SP 800-38G, "FF1samples.pdf".
func TestFF1(t *testing.T) {
	const key = "2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94"
	for _, sample := range []struct {
		keyBytes               int
		radix                  uint64
		tweak, plain, encypted string
	}{
		{16, 10, "", "0123456789", "2433477484"},
		{16, 10, "39383736353433323130", "0123456789", "6124200773"},
		{16, 36, "3737373770717273373737", "0123456789abcdefghi", "a9tv40mll9kdu509eum"},
		{24, 10, "", "0123456789", "2830668132"},
		{24, 10, "39383736353433323130", "0123456789", "2496655549"},
		{24, 36, "3737373770717273373737", "0123456789abcdefghi", "xbj3kv35jrawxv32ysr"},
		{32, 10, "", "0123456789", "6657667009"},
		{32, 10, "39383736353433323130", "0123456789", "1001623463"},
		{32, 36, "3737373770717273373737", "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"},
	} {
		secret, _ := hex.DecodeString(key[:2*sample.keyBytes])
		tweak, _ := hex.DecodeString(sample.tweak)
		block, err := aes.NewCipher(secret)
		if err != nil {
			t.Fatal(err)
		}
		f := newFF1(block, sample.radix, len(sample.plain), tweak)
		// A number of 19 digits in base 36 has more than 64 bits: the halves are given.
		half := len(sample.plain) / 2
		number := func(text string) uint64 {
			n, err := strconv.ParseUint(text, int(sample.radix), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		var s Scratch
		a, b := f.rounds(number(sample.plain[:half]), number(sample.plain[half:]), &s)
		digits := func(n uint64, width int) string {
			text := strconv.FormatUint(n, int(sample.radix))
			return strings.Repeat("0", width-len(text)) + text
		}
		if got := digits(a, half) + digits(b, len(sample.plain)-half); got != sample.encypted {
			t.Errorf("%d bits, radix %d, tweak %q: %s, not %s", 8*sample.keyBytes, sample.radix, sample.tweak, got, sample.encypted)
		}
		if a, b = f.unrounds(a, b, &s); digits(a, half)+digits(b, len(sample.plain)-half) != sample.plain {
			t.Errorf("%s does not come back", sample.encypted)
		}
	}
}
