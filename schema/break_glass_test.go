package schema_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/schema"
)

func glassFile(rule string) string {
	return `version: 1
keys: {identity: deterministic, medical: randomized}
databases:
  laboratory:
    break_glass: ` + rule + `
    tables:
      lab.patient:
        columns:
          nir: {type: char(15), encryption: deterministic, key: identity, access: {researcher: hide}}
          city: {type: text, encryption: none, access: {biologist: decrypt}}
      '"my lab".result':
        columns:
          outcome: {type: text, encryption: randomized, key: medical, was: {encryption: none}, access: {biologist: decrypt}}
`
}

func TestBreakGlass(t *testing.T) {
	for rule, opens := range map[string]string{
		`{researcher: {for: 30m}}`:                                                   "nir city outcome",
		`{researcher: {for: 30m, columns: [lab.patient.nir]}}`:                       "nir",
		`{researcher: {for: 30m, columns: [lab.patient.*]}}`:                         "nir city",
		`{researcher: {for: 30m, columns: ['"my lab".result.outcome']}}`:             "outcome",
		`{researcher: {for: 30m, columns: [lab.patient.city, '"my lab".result.*']}}`: "city outcome",
	} {
		f, err := schema.Parse("schema.yaml", []byte(glassFile(rule)))
		if err != nil {
			t.Errorf("%s: %v", rule, err)
			continue
		}
		db := f.Databases["laboratory"]
		if db.BreakGlass["researcher"].For != 30*time.Minute || len(db.BreakGlass) != 1 {
			t.Errorf("%s: %+v", rule, db.BreakGlass)
		}
		for _, c := range append(append([]*schema.Column{}, db.Columns...), db.Controlled...) {
			for _, form := range []*schema.Column{c, c.Was, c.WithKey(1)} {
				if form == nil {
					continue
				}
				got := form.AccessFor([]string{"researcher", schema.GlassRole("researcher")})
				if broken := got.Verdict == schema.Decrypt && got.Search; broken != strings.Contains(" "+opens+" ", " "+c.Name+" ") {
					t.Errorf("%s: %s: %+v", rule, c.Name, got)
				}
				for _, roles := range [][]string{{"researcher"}, {"researcher", schema.GlassRole("biologist")}, {"break_glass researcher"}} {
					if form.AccessFor(roles).Verdict == schema.Decrypt {
						t.Errorf("%s: %s is open to %q", rule, c.Name, roles)
					}
				}
			}
		}
	}
	for rule, want := range map[string]string{
		`{researcher: {for: 1h, budget: {}}}`:                         `the budget of break_glass of role "researcher"`,
		`{researcher: {for: 1h, budget: {rows: 0}}}`:                  `rows`,
		`{researcher: {for: 1h, budget: {patients_per_hor: 5}}}`:      `did you mean "patients_per_hour"?`,
		`{researcher: {for: 1h, budget: 5}}`:                          `the budget of break_glass`,
		`{}`:                                                          "break_glass",
		`{researcher: {}}`:                                            `does not say for how long`,
		`{researcher: {for: 1}}`:                                      `for`,
		`{researcher: {for: ten}}`:                                    `"ten" is not a time such as 30m`,
		`{researcher: {for: 48h}}`:                                    `"48h" is not a time such as 30m or 2h, of 1s to 24h`,
		`{researcher: {for: -1h}}`:                                    `is not a time`,
		`{researcher: {four: 1h}}`:                                    `did you mean "for"?`,
		`{public: {for: 1h}}`:                                         `not everybody may break the glass`,
		`{researcher: {for: 1h, columns: []}}`:                        `a list of columns`,
		`{researcher: {for: 1h, columns: lab.patient.nir}}`:           `a list of columns`,
		`{researcher: {for: 1h, columns: [lab.patient.nirr]}}`:        `did you mean "lab.patient.nir"?`,
		`{researcher: {for: 1h, columns: [lab.nothing.*]}}`:           `is not a tagged column`,
		`{researcher: {for: 1h, columns: [lab.patient.nir, {a: b}]}}`: `a column`,
	} {
		if _, err := schema.Parse("schema.yaml", []byte(glassFile(rule))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", rule, err, want)
		}
	}
}

// Of several roles that may break the glass the shortest time holds, and the least of what all of their budgets allow.
func TestBreaksAs(t *testing.T) {
	f, err := schema.Parse("schema.yaml", []byte(glassFile(`{ward: {for: 2h, budget: {rows: 10, patients_per_hour: 5}}, night: {for: 1h, budget: {rows: 20, patients_per_hour: 3}}, chief: {for: 30m}}`)))
	if err != nil {
		t.Fatal(err)
	}
	db := f.Databases["laboratory"]
	if !db.Budgeted() {
		t.Error("no budgets")
	}
	for roles, want := range map[string]struct {
		as     int
		lasts  time.Duration
		budget *schema.Budget
	}{
		"":                 {},
		"other":            {},
		"other ward":       {1, 2 * time.Hour, &schema.Budget{Rows: 10, PatientsHour: 5}},
		"ward night":       {2, time.Hour, &schema.Budget{Rows: 10, PatientsHour: 3}},
		"ward chief":       {2, 30 * time.Minute, nil},
		"chief night ward": {3, 30 * time.Minute, nil},
	} {
		as, rule := db.BreaksAs(strings.Fields(roles))
		if len(as) != want.as || rule.For != want.lasts || !reflect.DeepEqual(rule.Budget, want.budget) {
			t.Errorf("%q: %q, %+v, %+v", roles, as, rule, rule.Budget)
		}
	}
}
