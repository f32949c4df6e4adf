package schema_test

import (
	"strings"
	"testing"

	"github.com/pgveil/pgveil/schema"
)

func budgetFile(budgets string) string {
	return `version: 1
keys: {identity: deterministic}
databases:
  laboratory:
    budgets: ` + budgets + `
    tables:
      lab.patient:
        columns:
          nir: {type: text, encryption: deterministic, key: identity, access: {biologist: decrypt}}
`
}

func TestBudgetFor(t *testing.T) {
	file, err := schema.Parse("schema.yaml", []byte(budgetFile(`{public: {rows: 100}, biologist: {rows: 500, patients_per_day: 20}, intern: {patients_per_day: 10, values: 7}}`)))
	if err != nil {
		t.Fatal(err)
	}
	d := file.Databases["laboratory"]
	for roles, want := range map[string]schema.Budget{
		"secretary":        {Rows: 100},
		"biologist":        {Rows: 100, PatientsDay: 20},
		"biologist intern": {Rows: 100, PatientsDay: 10, Values: 7},
	} {
		if got := d.BudgetFor(strings.Fields(roles)); got == nil || *got != want {
			t.Errorf("%s: %+v, want %+v", roles, got, want)
		}
	}
	if got := new(schema.Database).BudgetFor([]string{"biologist"}); got != nil {
		t.Errorf("without budgets: %+v", got)
	}
}

func TestBudgetFaults(t *testing.T) {
	for budgets, want := range map[string]string{
		`{biologist: {rows: 0}}`:              "rows",
		`{biologist: {patients_per_week: 7}}`: "patients_per_week",
		`{biologist: {}}`:                     "biologist",
		`{biologist: 10}`:                     "biologist",
	} {
		if _, err := schema.Parse("schema.yaml", []byte(budgetFile(budgets))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", budgets, err)
		}
	}
}
