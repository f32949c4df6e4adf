package keys

import (
	"fmt"
	"math/big"
	"regexp"
	"testing"
)

// realNIR is a pattern of NIRs that is in wide use: of sexes, months, departments, communes
// and orders that are given, without the key.
var realNIR = regexp.MustCompile(`^[1-478]\d\d(0[1-9]|1[0-2]|20|3\d|4[0-2]|[5-9]\d)(\d\d|2[AB])\d{6}$`)

func TestNIRSpaces(t *testing.T) {
	if nirCount > fakeCount {
		t.Errorf("%d NIRs have no room in %d pseudonyms", nirCount, fakeCount)
	}
	if fakeCount > 1e13 {
		t.Errorf("%d pseudonyms have no room in 13 digits", fakeCount)
	}
	if monthOf[nirMonths-1] != 99 || fakeOf[fakeBegins-1] != 999 {
		t.Errorf("the tables are not full: %v %v", monthOf, fakeOf)
	}
	step := nirCount/9973 + 1
	for rank := uint64(0); rank < nirCount; rank += step {
		nir := appendNIR(nil, rank, rank%2 == 0)
		back, ok := rankNIR(nir)
		if !ok || back != rank {
			t.Fatalf("%d is %s, which is %d, %v", rank, nir, back, ok)
		}
		if !realNIR.Match(nir[:13]) {
			t.Fatalf("%s has not the form of a NIR", nir)
		}
		if _, ok := rankFake(nir); ok {
			t.Fatalf("%s is taken for a pseudonym", nir)
		}
	}
	step = fakeCount/9973 + 1
	for rank := uint64(0); rank < fakeCount; rank += step {
		fake := appendFake(nil, rank, true)
		back, ok := rankFake(fake)
		if !ok || back != rank {
			t.Fatalf("%d is %s, which is %d, %v", rank, fake, back, ok)
		}
		if realNIR.Match(fake[:13]) {
			t.Fatalf("%s may be real", fake)
		}
		if _, ok := rankNIR(fake); ok {
			t.Fatalf("%s is taken for a NIR", fake)
		}
		n, _ := new(big.Int).SetString(string(fake[:13]), 10)
		if key := fmt.Sprintf("%02d", 97-n.Mod(n, big.NewInt(97)).Int64()); key != string(fake[13:]) {
			t.Fatalf("the key of %s is %s", fake, key)
		}
	}
	for begin := range 1000 {
		sex, month := begin/100, begin%100
		real := realNIR.MatchString(fmt.Sprintf("%d85%02d78006084", sex, month))
		if real && fakeRank[begin] >= 0 {
			t.Errorf("sex %d and month %d are given, and used for pseudonyms", sex, month)
		}
	}
}

// TestNIRKeys: of numbers that are published as examples, and of what is none.
func TestNIRKeys(t *testing.T) {
	for _, nir := range []string{"255081416802538", "185057800608491", "190012A00100156", "190012B00100183", "1850578006084"} {
		rank, ok := rankNIR([]byte(nir))
		if !ok {
			t.Errorf("%s is refused", nir)
			continue
		}
		if back := appendNIR(nil, rank, len(nir) == 15); string(back) != nir {
			t.Errorf("%s became %s", nir, back)
		}
	}
	for _, nir := range []string{
		"", "185057800608437", "18505780060843", "585057800608436", "1851378006084", "1852178006084", "185052a006084", "1850578A06084",
		"185051A006084", "185 578006084", "18505780060843x", "1850578006084910", "１85057800608", "185053A00608436",
	} {
		if _, ok := rankNIR([]byte(nir)); ok {
			t.Errorf("%q is taken for a NIR", nir)
		}
	}
}
