package lab

import (
	"encoding/json"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestNIRKnownExamples(t *testing.T) {
	for _, nir := range []string{
		"255081416802538", // the specimen of the Carte Vitale
		"184127645108946",
		"295109912611193", // born abroad
		"253072A07300443", // Corse-du-Sud
		"253072B07300470", // Haute-Corse
	} {
		if !ValidNIR(nir) {
			t.Errorf("%s is not valid", nir)
		}
		for i := range 13 {
			if c := nir[i]; c >= '0' && c <= '9' {
				wrong := nir[:i] + string('0'+(c-'0'+1)%10) + nir[i+1:]
				if ValidNIR(wrong) {
					t.Errorf("%s is valid", wrong)
				}
			}
		}
	}
	for _, nir := range []string{
		"", "25508141680253", "2550814168025380", "253072C07300443", "2530A2A07300443", "2530720073004 3", "253072a07300443",
		"253072B07300443", "25307200730044é",
	} {
		if ValidNIR(nir) {
			t.Errorf("%q is valid", nir)
		}
	}
	// A and B stand for 0, and one or two million are taken off: the same key.
	for _, c := range []struct {
		base string
		less uint64
	}{{"1850578A06084", 0}, {"253072A073004", 1_000_000}, {"253072B073004", 2_000_000}} {
		key, err := NIRKey(c.base)
		if c.less == 0 {
			if err == nil {
				t.Errorf("%s has the key %s", c.base, key)
			}
			continue
		}
		n, _ := strconv.ParseUint(strings.NewReplacer("A", "0", "B", "0").Replace(c.base), 10, 64)
		if want := 97 - (n-c.less)%97; err != nil || key != strconv.FormatUint(want, 10) {
			t.Errorf("%s has the key %s, want %d, %v", c.base, key, want, err)
		}
	}
}

func TestPlacesAreDistinct(t *testing.T) {
	seen := make([]bool, birthplaces)
	for n := range int64(birthplaces) {
		commune, order := place(12345678901234567890, n)
		if commune < 1 || commune > communes || order < 1 || order > orders {
			t.Fatalf("patient %d: commune %d, order %d", n, commune, order)
		}
		at := (commune-1)*orders + order - 1
		if seen[at] {
			t.Fatalf("patient %d shares commune %d and order %d", n, commune, order)
		}
		seen[at] = true
	}
	distinct := make(map[string]bool)
	for _, where := range abroad {
		if len(where) != 5 || distinct[where] {
			t.Errorf("place of birth %q", where)
		}
		distinct[where] = true
	}
}

func newLab(t *testing.T, seed uint64, patients, results int64) *Lab {
	t.Helper()
	l, err := New(seed, patients, results)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestPatients(t *testing.T) {
	const count = 30_000
	l := newLab(t, 1, count, 0)
	var (
		nirs, emails                         = map[string]bool{}, map[string]bool{}
		women, corsica, old20, abroad, young int
		ages                                 [10]int
	)
	phone := regexp.MustCompile(`^(?:0|\+33 )(?:1 99 00|2 61 91|3 53 01|4 65 71|5 36 49|6 39 98) \d\d \d\d$`)
	mail := regexp.MustCompile(`^[a-z]+\.[a-z]+\.[0-9a-z]+@example\.(?:org|com|net)$`)
	postal := regexp.MustCompile(`^\d+(?: bis| ter)? .*, \d{5} \S`)
	next := int64(1)
	for p := range l.Patients() {
		if p.ID != next {
			t.Fatalf("patient %d after %d", p.ID, next-1)
		}
		next++
		if !ValidNIR(p.NIR) || nirs[p.NIR] {
			t.Fatalf("NIR %s: valid %v, seen %v", p.NIR, ValidNIR(p.NIR), nirs[p.NIR])
		}
		nirs[p.NIR] = true
		if want := map[string]string{"M": "1", "F": "2"}[p.Sex] + p.BirthDate.Format("0601"); p.NIR[:5] != want {
			t.Errorf("NIR %s of %s born %s", p.NIR, p.Sex, p.BirthDate)
		}
		switch where := p.NIR[5:7]; where {
		case "2A", "2B":
			corsica++
			if p.BirthDate.Year() < 1976 {
				t.Errorf("NIR %s of somebody born in %d", p.NIR, p.BirthDate.Year())
			}
		case "20":
			old20++
			if p.BirthDate.Year() >= 1976 {
				t.Errorf("NIR %s of somebody born in %d", p.NIR, p.BirthDate.Year())
			}
		case "97", "99":
			abroad++
		}
		if p.Sex == "F" {
			women++
		}
		age := 2019 - p.BirthDate.Year()
		ages[age/10]++
		if age < 18 {
			young++
		}
		if p.Email.Valid {
			if emails[p.Email.V] || !mail.MatchString(p.Email.V) {
				t.Errorf("email %q, seen %v", p.Email.V, emails[p.Email.V])
			}
			emails[p.Email.V] = true
		}
		if !phone.MatchString(p.Phone) || len(p.Phone) > 20 {
			t.Errorf("telephone %q", p.Phone)
		}
		if !postal.MatchString(p.Address) {
			t.Errorf("address %q", p.Address)
		}
		if p.LastName == "" || utf8.RuneCountInString(p.LastName) > 80 || p.FirstName == "" {
			t.Errorf("name %q %q", p.FirstName, p.LastName)
		}
	}
	if next != count+1 {
		t.Errorf("%d patients", next-1)
	}
	share(t, "women", women, count, 0.50, 0.58)
	share(t, "born in Corsica since 1976", corsica, count, 0.003, 0.02)
	share(t, "born in Corsica before", old20, count, 0.003, 0.02)
	share(t, "born abroad or overseas", abroad, count, 0.02, 0.04)
	share(t, "minors", young, count, 0.03, 0.15)
	share(t, "with e-mail", len(emails), count, 0.88, 0.95)
	for decade, n := range ages {
		if n == 0 {
			t.Errorf("nobody aged %d to %d", decade*10, decade*10+9)
		}
	}
}

func share(t *testing.T, what string, n, of int, low, high float64) {
	t.Helper()
	if got := float64(n) / float64(of); got < low || got > high {
		t.Errorf("%s: %.4f, want %.3f to %.3f", what, got, low, high)
	}
}

func TestResults(t *testing.T) {
	const patients, count = 1000, 40_000
	l := newLab(t, 7, patients, count)
	byLOINC, byOutcome := map[string]int{}, map[string]int{}
	positive := map[string]int{}
	known := map[string]Analyte{}
	for _, a := range Analytes() {
		known[a.LOINC] = a
	}
	var without, commented, long int
	seen := make([]bool, patients+1)
	for r := range l.Results() {
		a := known[r.LOINC]
		if a.Label != r.Label || a.Unit != r.Unit {
			t.Fatalf("result %d: %s %s %s", r.ID, r.LOINC, r.Label, r.Unit)
		}
		if r.PatientID < 1 || r.PatientID > patients {
			t.Fatalf("result %d of patient %d", r.ID, r.PatientID)
		}
		seen[r.PatientID] = true
		byLOINC[r.LOINC]++
		byOutcome[r.Outcome]++
		if r.Outcome == Positive {
			positive[r.LOINC]++
		}
		checkValue(t, a, r)
		if !r.Value.Valid {
			without++
		}
		if r.SampledAt.Year() < 2020 || r.SampledAt.Year() > 2024 || r.SampledAt.Nanosecond() != 0 || r.SampledAt.Location() != time.UTC {
			t.Errorf("sampled at %s", r.SampledAt)
		}
		if r.Comment.Valid {
			commented++
			if len(r.Comment.V) > 400 {
				long++
			}
		}
		var doc details
		if err := json.Unmarshal(r.Document, &doc); err != nil || doc.Site == "" || doc.Specimen != a.Specimen ||
			(doc.Range != nil) != (a.Kind == Quantitative) {
			t.Fatalf("document %s, %v", r.Document, err)
		}
	}
	for loinc, a := range known {
		share(t, loinc, byLOINC[loinc], count, 0.5*float64(a.Weight)/float64(weights), 1.6*float64(a.Weight)/float64(weights))
	}
	for _, outcome := range []string{Positive, Negative, Indeterminate, Unreadable, Normal, Low, High} {
		if byOutcome[outcome] == 0 {
			t.Errorf("no result is %s", outcome)
		}
	}
	share(t, "PCR positive", positive["94500-6"], byLOINC["94500-6"], 0.06, 0.10)
	share(t, "antigen positive", positive["94558-4"], byLOINC["94558-4"], 0.035, 0.065)
	share(t, "HIV positive", positive["56888-1"], byLOINC["56888-1"], 0, 0.02)
	share(t, "without a value", without, count, 0.05, 0.25)
	share(t, "with a comment", commented, count, 0.48, 0.52)
	share(t, "with a long comment", long, count, 0.0005, 0.005)
	for id, has := range seen[1:] {
		if !has {
			t.Errorf("patient %d has no result", id+1)
		}
	}
}

// checkValue holds a value against the outcome that goes with it.
func checkValue(t *testing.T, a Analyte, r Result) {
	t.Helper()
	if !r.Value.Valid {
		if a.Kind == Quantitative || r.Outcome == Positive {
			t.Errorf("%s %s has no value", a.Label, r.Outcome)
		}
		return
	}
	whole, fraction, _ := strings.Cut(r.Value.V, ".")
	v, err := strconv.ParseFloat(r.Value.V, 64)
	if err != nil || len(whole) > 7 || len(fraction) != a.Decimals || v < 0 || math.IsInf(v, 0) {
		t.Errorf("%s: value %q", a.Label, r.Value.V)
	}
	var want string
	switch {
	case a.Kind == Cycles && v >= 37:
		want = Indeterminate
	case a.Kind == Cycles:
		want = Positive
	case a.Kind == Index && v > 1.1:
		want = Positive
	case a.Kind == Index && v >= 0.9:
		want = Indeterminate
	case a.Kind == Index:
		want = Negative
	case v < a.Low:
		want = Low
	case v > a.High:
		want = High
	default:
		want = Normal
	}
	if r.Outcome != want {
		t.Errorf("%s = %s is %s, want %s", a.Label, r.Value.V, r.Outcome, want)
	}
}

// TestLOINCCheckDigits computes the check digit of each code (LOINC Users'
// Guide, "Check digit": Luhn's, modulo 10).
func TestLOINCCheckDigits(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range Analytes() {
		number, check, _ := strings.Cut(a.LOINC, "-")
		sum := 0
		for i := range len(number) {
			d := int(number[len(number)-1-i] - '0')
			if i%2 == 0 {
				d = d*2/10 + d*2%10
			}
			sum += d
		}
		if strconv.Itoa((10-sum%10)%10) != check || seen[a.LOINC] {
			t.Errorf("%s: check digit %d, seen %v", a.LOINC, (10-sum%10)%10, seen[a.LOINC])
		}
		seen[a.LOINC] = true
		if utf8.RuneCountInString(a.Unit) > 20 || a.Decimals > 3 || a.Weight < 1 || (a.Kind == Quantitative) != (a.High > a.Low) {
			t.Errorf("analyte %+v", a)
		}
	}
	if len(seen) < 22 || !seen["94500-6"] || !seen["56888-1"] {
		t.Errorf("analytes %v", seen)
	}
}

func TestSameSeedSameLab(t *testing.T) {
	const n = 500
	a, b, other := newLab(t, 42, n, n), newLab(t, 42, 10*n, n), newLab(t, 43, n, n)
	same := 0
	for p := range a.Patients() {
		if !reflect.DeepEqual(p, b.Patient(p.ID)) {
			t.Fatalf("patient %d differs", p.ID)
		}
		if p.NIR == other.Patient(p.ID).NIR || p.Address == other.Patient(p.ID).Address {
			same++
		}
	}
	if same > n/20 {
		t.Errorf("%d of %d patients are the same under another seed", same, n)
	}
	again := newLab(t, 42, n, n)
	same = 0
	for r := range a.Results() {
		if !reflect.DeepEqual(r, again.Result(r.ID)) {
			t.Fatalf("result %d differs", r.ID)
		}
		if reflect.DeepEqual(r, other.Result(r.ID)) {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d of %d results are the same under another seed", same, n)
	}
	// What the demo shows must not change from one Go release to the next.
	if got := a.Patient(1).NIR + " " + a.Patient(1).LastName; got != golden {
		t.Errorf("the first patient of seed 42 is %q, was %q", got, golden)
	}
}

const golden = "154116461360834 Haddad"

func TestNewRefuses(t *testing.T) {
	for _, size := range [][2]int64{{-1, 0}, {1, -1}, {0, 1}} {
		if _, err := New(1, size[0], size[1]); err == nil {
			t.Errorf("%v patients and results are accepted", size)
		}
	}
	for range newLab(t, 1, 0, 0).Patients() {
		t.Error("an empty laboratory has a patient")
	}
}

func TestNamesArePlainInEmail(t *testing.T) {
	for name, want := range map[string]string{
		"Œuvrard": "oeuvrard", "N'Diaye": "ndiaye", "Anne-Sophie": "annesophie", "Nguyễn": "nguyen", "Lætitia": "laetitia",
		"François": "francois", "Le Goff": "legoff",
	} {
		if got := plain(name); got != want {
			t.Errorf("%s becomes %s, want %s", name, got, want)
		}
	}
}

func BenchmarkPatient(b *testing.B) {
	l, _ := New(1, math.MaxInt64, 0)
	for id := int64(1); b.Loop(); id++ {
		l.Patient(id)
	}
}

func BenchmarkResult(b *testing.B) {
	l, _ := New(1, 1_000_000, math.MaxInt64)
	for id := int64(1); b.Loop(); id++ {
		l.Result(id)
	}
}
