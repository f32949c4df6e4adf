package lab

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Lab is a laboratory of a given size.
type Lab struct {
	seed     uint64
	patients int64
	results  int64
}

// New returns the laboratory of a seed. Results need at least one patient.
func New(seed uint64, patients, results int64) (*Lab, error) {
	switch {
	case patients < 0 || results < 0:
		return nil, errors.New("a laboratory cannot have a negative number of patients or results")
	case patients == 0 && results > 0:
		return nil, errors.New("results need at least one patient")
	}
	return &Lab{seed: seed, patients: patients, results: results}, nil
}

// Patient is a row of lab.patient.
type Patient struct {
	ID        int64
	NIR       string // 15 characters
	LastName  string
	FirstName string
	Sex       string    // "F" or "M"
	BirthDate time.Time // midnight UTC
	Email     sql.Null[string]
	Phone     string
	Address   string
}

// Result is a row of lab.result.
type Result struct {
	ID        int64
	PatientID int64
	LOINC     string
	Label     string
	Value     sql.Null[string] // decimal, for numeric(10,3)
	Unit      string
	Outcome   string
	SampledAt time.Time // UTC, whole seconds
	Comment   sql.Null[string]
	Document  json.RawMessage
}

// Patients gives every patient in the order of the identifiers, from 1 on.
func (l *Lab) Patients() iter.Seq[Patient] { return rows(l.patients, l.Patient) }

// Results gives every result in the order of the identifiers, from 1 on.
func (l *Lab) Results() iter.Seq[Result] { return rows(l.results, l.Result) }

func rows[T any](count int64, row func(id int64) T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for id := int64(1); id <= count; id++ {
			if !yield(row(id)) {
				return
			}
		}
	}
}

// dice returns the random numbers of one row.
func (l *Lab) dice(table uint64, id int64) *rand.Rand {
	return rand.New(rand.NewPCG(l.seed^table, uint64(id)))
}

const (
	patientTable = 0x9e3779b97f4a7c15
	resultTable  = 0xc2b2ae3d27d4eb4f
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// youngest is the last day of birth.
var youngest = time.Date(2019, 12, 31, 0, 0, 0, 0, time.UTC)

// Patient returns the patient of an identifier, from 1 on.
func (l *Lab) Patient(id int64) Patient {
	r := l.dice(patientTable, id)
	female := r.IntN(100) < 54
	p := Patient{ID: id, Sex: "M", FirstName: pick(r, maleNames), LastName: pick(r, lastNames)}
	if female {
		p.Sex, p.FirstName = "F", pick(r, femaleNames)
	}
	if r.IntN(12) == 0 {
		p.LastName += "-" + pick(r, lastNames)
	}
	// Ages up to 99 years, the middle ones most often.
	days := (r.IntN(99*365) + r.IntN(99*365)) / 2
	p.BirthDate = youngest.AddDate(0, 0, -days)
	department := pick(r, departments)
	if p.BirthDate.Year() < 1976 && (department == "2A" || department == "2B") {
		department = "20"
	}
	p.NIR = nir(l.seed, id, female, p.BirthDate.Year(), int(p.BirthDate.Month()), department)
	if r.IntN(12) > 0 {
		p.Email = sql.Null[string]{V: email(r, p), Valid: true}
	}
	p.Phone = fmt.Sprintf("%s %02d %02d", pick(r, fictitious), r.IntN(100), r.IntN(100))
	if r.IntN(8) == 0 {
		p.Phone = "+33 " + p.Phone[1:]
	}
	p.Address = address(r)
	return p
}

func email(r *rand.Rand, p Patient) string {
	domain := pick(r, []string{"example.org", "example.com", "example.net"})
	return plain(p.FirstName) + "." + plain(p.LastName) + "." + strconv.FormatInt(p.ID, 36) + "@" + domain
}

// plain keeps the letters of a name, in lower case and without accents.
func plain(name string) string {
	name = strings.NewReplacer("œ", "oe", "æ", "ae").Replace(strings.ToLower(name))
	return strings.Map(func(c rune) rune {
		if c <= unicode.MaxASCII && unicode.IsLetter(c) {
			return c
		}
		return -1
	}, norm.NFD.String(name))
}

func address(r *rand.Rand) string {
	number := strconv.Itoa(1 + r.IntN(180))
	switch r.IntN(10) {
	case 0:
		number += " bis"
	case 1:
		number += " ter"
	}
	city := pick(r, cities)
	return fmt.Sprintf("%s %s, %s %s", number, pick(r, streets), city.code, city.name)
}

var (
	firstSample = time.Date(2020, 1, 1, 6, 0, 0, 0, time.UTC)
	sampleSpan  = int64(5 * 365 * 24 * time.Hour / time.Second)
)

// Result returns the result of an identifier, from 1 on.
func (l *Lab) Result(id int64) Result {
	r := l.dice(resultTable, id)
	a := analyteAt(r.IntN(weights))
	res := Result{
		ID:        id,
		PatientID: 1 + r.Int64N(l.patients),
		LOINC:     a.LOINC,
		Label:     a.Label,
		Unit:      a.Unit,
		SampledAt: firstSample.Add(time.Duration(r.Int64N(sampleSpan)) * time.Second),
	}
	value, has := 0.0, true
	if a.Kind == Quantitative {
		value, res.Outcome = measure(r, a)
	} else {
		value, has, res.Outcome = detect(r, a)
	}
	if has {
		res.Value = sql.Null[string]{V: strconv.FormatFloat(value, 'f', a.Decimals, 64), Valid: true}
	}
	res.Comment = comment(r)
	res.Document = document(r, a, res)
	return res
}

// measure draws a value, mostly inside the reference range, and says where it
// lies as printed.
func measure(r *rand.Rand, a Analyte) (float64, string) {
	v := (a.Low+a.High)/2 + r.NormFloat64()*(a.High-a.Low)/5
	if r.IntN(12) == 0 { // an illness
		v = a.High * math.Exp(math.Abs(r.NormFloat64()))
	}
	scale := math.Pow10(a.Decimals)
	v = math.Round(max(v, a.Low*0.4)*scale) / scale
	switch {
	case v < a.Low:
		return v, Low
	case v > a.High:
		return v, High
	default:
		return v, Normal
	}
}

// detect draws an outcome and the value that goes with it, if any does.
func detect(r *rand.Rand, a Analyte) (value float64, has bool, outcome string) {
	chance := r.Float64()
	switch {
	case chance < a.Positive:
		outcome = Positive
	case chance < a.Positive+0.008:
		outcome = Indeterminate
	case chance < a.Positive+0.013:
		return 0, false, Unreadable
	default:
		outcome = Negative
	}
	if a.Kind == Cycles {
		switch outcome {
		case Positive:
			return 12 + 24*r.Float64(), true, outcome
		case Indeterminate:
			return 37 + 3*r.Float64(), true, outcome
		}
		return 0, false, outcome
	}
	switch outcome {
	case Positive:
		return 1.2 * math.Exp(5*r.Float64()), true, outcome
	case Indeterminate:
		return 0.9 + 0.2*r.Float64(), true, outcome
	}
	return 0.03 + 0.8*r.Float64(), true, outcome
}

// comment is missing as often as not; one in 500 is long.
func comment(r *rand.Rand) sql.Null[string] {
	if r.IntN(2) == 0 {
		return sql.Null[string]{}
	}
	sentences, glue := 1+r.IntN(2), " "
	if r.IntN(250) == 0 {
		sentences, glue = 20+r.IntN(60), "\n"
	}
	parts := make([]string, sentences)
	for i := range parts {
		parts[i] = pick(r, comments)
	}
	return sql.Null[string]{V: strings.Join(parts, glue), Valid: true}
}

// details is what lab.result.document holds.
type details struct {
	Site      string     `json:"site"`
	Specimen  string     `json:"prélèvement"`
	Automate  string     `json:"automate"`
	Biologist string     `json:"biologiste"`
	Range     *reference `json:"référence,omitempty"`
	Flags     []string   `json:"alertes"`
	Validated bool       `json:"validé"`
	Delay     int        `json:"délai_min"`
}

type reference struct {
	Low  float64 `json:"bas"`
	High float64 `json:"haut"`
}

func document(r *rand.Rand, a Analyte, res Result) json.RawMessage {
	d := details{
		Site:      pick(r, sites),
		Specimen:  a.Specimen,
		Automate:  pick(r, automates),
		Biologist: "Dr " + pick(r, lastNames),
		Flags:     []string{},
		Validated: r.IntN(50) > 0,
		Delay:     15 + r.IntN(600),
	}
	if a.Kind == Quantitative {
		d.Range = &reference{a.Low, a.High}
	}
	if res.Outcome != Negative && res.Outcome != Normal {
		d.Flags = append(d.Flags, res.Outcome)
	}
	doc, err := json.Marshal(d)
	if err != nil {
		panic("lab: " + err.Error()) // none of the types above can fail
	}
	return doc
}
