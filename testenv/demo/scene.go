package main

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/pgveil/pgveil/testenv/lab"
)

// scene is one query of one user, and what should come of it.
type scene struct {
	role, about string
	sql         string
	outputs     []output
	rows        []truth // what the query finds, in clear
	sqlstate    string  // the error instead of rows
	direct      bool    // show what the server itself answers, too
	blind       bool    // the server itself finds nothing
}

// output is a result column and how the role sees it.
type output struct {
	column string // of the laboratory, such as lab.patient.nir
	see    view
}

// view turns a value in clear into what a role sees.
type view func(string) string

// truth is a row of the join of both tables, or of one of them, by column.
type truth map[string]string

// null stands for NULL in a truth and in what is seen.
const null = "\x00"

func plain(s string) string  { return s }
func hidden(string) string   { return null }
func yearOf(s string) string { return s[:4] + "-01-01" }

// firstOnly is the NIR as the secretary sees it.
func firstOnly(s string) string { return s[:1] + strings.Repeat("*", len(s)-1) }

func patientTruth(p lab.Patient) truth {
	return truth{
		"lab.patient.id":         strconv.FormatInt(p.ID, 10),
		"lab.patient.nir":        p.NIR,
		"lab.patient.last_name":  p.LastName,
		"lab.patient.first_name": p.FirstName,
		"lab.patient.sex":        p.Sex,
		"lab.patient.birth_date": p.BirthDate.Format("2006-01-02"),
		"lab.patient.phone":      p.Phone,
	}
}

// resultTruth is a result with its patient.
func resultTruth(made *lab.Lab, r lab.Result) truth {
	t := patientTruth(made.Patient(r.PatientID))
	t["lab.result.label"] = r.Label
	t["lab.result.outcome"] = r.Outcome
	t["lab.result.value"] = null
	if value, ok := new(big.Rat).SetString(r.Value.V); ok && r.Value.Valid {
		t["lab.result.value"] = value.FloatString(3) // numeric(10,3)
	}
	return t
}

// scenes are the tour's, for a laboratory of the given size.
func scenes(made *lab.Lab, patients, results int64) []scene {
	const shown = 3
	var people, first, studied []truth
	for id := int64(1); id <= min(shown, patients); id++ {
		people = append(people, patientTruth(made.Patient(id)))
	}
	for id := int64(1); id <= min(shown, results); id++ {
		first = append(first, resultTruth(made, made.Result(id)))
	}
	loinc := frequentAnalyte(made, results)
	for r := range made.Results() {
		if r.LOINC == loinc {
			if studied = append(studied, resultTruth(made, r)); len(studied) == shown {
				break
			}
		}
	}
	somebody := made.Patient(made.Result(1).PatientID)
	return []scene{
		{
			role: biologist, about: "reads everything", direct: true,
			sql: fmt.Sprintf("SELECT p.last_name, r.label, r.value, r.outcome FROM lab.patient p"+
				" JOIN lab.result r ON r.patient_id = p.id WHERE r.id <= %d ORDER BY r.id", shown),
			outputs: []output{
				{"lab.patient.last_name", plain},
				{"lab.result.label", plain},
				{"lab.result.value", plain},
				{"lab.result.outcome", plain},
			},
			rows: first,
		},
		{
			role: biologist, about: "finds a patient by NIR, which the server cannot", direct: true, blind: true,
			sql: fmt.Sprintf("SELECT id, last_name, first_name, phone FROM lab.patient WHERE nir = '%s'", somebody.NIR),
			outputs: []output{
				{"lab.patient.id", plain},
				{"lab.patient.last_name", plain},
				{"lab.patient.first_name", plain},
				{"lab.patient.phone", plain},
			},
			rows: []truth{patientTruth(somebody)},
		},
		{
			role: secretary, about: "reads names and telephone numbers, and the NIR masked", direct: true,
			sql: fmt.Sprintf("SELECT id, nir, last_name, first_name, phone FROM lab.patient WHERE id <= %d ORDER BY id", shown),
			outputs: []output{
				{"lab.patient.id", plain},
				{"lab.patient.nir", firstOnly},
				{"lab.patient.last_name", plain},
				{"lab.patient.first_name", plain},
				{"lab.patient.phone", plain},
			},
			rows: people,
		},
		{
			role: secretary, about: "may not read medical results", sqlstate: "42501",
			sql: fmt.Sprintf("SELECT label, outcome FROM lab.result WHERE id <= %d ORDER BY id", shown),
		},
		{
			role: researcher, about: "reads results and years of birth, and nobody's name", direct: true,
			sql: fmt.Sprintf("SELECT p.sex, p.birth_date, p.last_name, r.label, r.outcome FROM lab.patient p"+
				" JOIN lab.result r ON r.patient_id = p.id WHERE r.loinc = '%s' ORDER BY r.id LIMIT %d", loinc, shown),
			outputs: []output{
				{"lab.patient.sex", plain},
				{"lab.patient.birth_date", yearOf},
				{"lab.patient.last_name", hidden},
				{"lab.result.label", plain},
				{"lab.result.outcome", plain},
			},
			rows: studied,
		},
		{
			role: researcher, about: "may not try whether somebody is in it either", sqlstate: "42501",
			sql: fmt.Sprintf("SELECT count(*) FROM lab.patient WHERE nir = '%s'", somebody.NIR),
		},
	}
}

// frequentAnalyte returns the LOINC code that the first results have most often.
func frequentAnalyte(made *lab.Lab, results int64) string {
	counts := make(map[string]int)
	var most string
	for id := int64(1); id <= min(results, 500); id++ {
		code := made.Result(id).LOINC
		if counts[code]++; counts[code] > counts[most] {
			most = code
		}
	}
	return most
}

// want is what the role should be shown, cell by cell.
func (sc *scene) want() [][]string {
	rows := make([][]string, len(sc.rows))
	for i, row := range sc.rows {
		for _, out := range sc.outputs {
			value := row[out.column]
			if value != null {
				value = out.see(value)
			}
			rows[i] = append(rows[i], value)
		}
	}
	return rows
}
