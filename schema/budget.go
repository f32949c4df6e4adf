package schema

import (
	"fmt"
	"strings"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// Budget is how much may be opened for a login role. What is 0 has no bound.
type Budget struct {
	Rows, Values              int64 // of one statement: rows of which something is opened, and values
	PatientsHour, PatientsDay int64 // distinct ones, in each hour and day of UTC
}

// stricter gives what both allow.
func (b Budget) stricter(o Budget) Budget {
	least := func(a, b int64) int64 {
		if a == 0 || b != 0 && b < a {
			return b
		}
		return a
	}
	return Budget{least(b.Rows, o.Rows), least(b.Values, o.Values), least(b.PatientsHour, o.PatientsHour), least(b.PatientsDay, o.PatientsDay)}
}

// Counts reports whether patients are counted.
func (b Budget) Counts() bool { return b.PatientsHour > 0 || b.PatientsDay > 0 }

// BudgetFor gives the budget of a login role: the least of what the budgets of all roles
// that it is or may become allow. nil: it has none.
func (d *Database) BudgetFor(roles []string) *Budget {
	var found *Budget
	for _, role := range append([]string{PublicRole}, roles...) {
		b, ok := d.Budgets[role]
		switch {
		case !ok:
		case found == nil:
			found = &b
		default:
			both := found.stricter(b)
			found = &both
		}
	}
	return found
}

// parseBudgets reads the budgets of a database.
func (p *fileParser) parseBudgets(e yamlfile.Entry, db *Database) {
	db.Budgets = make(map[string]Budget)
	for _, e := range p.Mapping(e.Value, "the budgets of database "+quote(db.Name)) {
		if !p.checkName(e.At, "role", e.Key) {
			continue
		}
		db.Budgets[e.Key] = p.parseBudget(e, "the budget of role "+quote(e.Key))
	}
}

// parseBudget reads one budget.
func (p *fileParser) parseBudget(e yamlfile.Entry, what string) (b Budget) {
	fields := p.Fields(e.Value, what, budgetKeys)
	for key, to := range map[string]*int64{"rows": &b.Rows, "values": &b.Values, "patients_per_hour": &b.PatientsHour, "patients_per_day": &b.PatientsDay} {
		if f, ok := fields[key]; ok {
			n, _ := p.Integer(f, what, 1, 1<<30)
			*to = int64(n)
		}
	}
	if b == (Budget{}) && len(p.Faults) == 0 {
		p.Errorf(e.At, "%s bounds nothing: %s", what, strings.Join(budgetKeys, ", "))
	}
	return b
}

// Budgeted reports whether there is any budget.
func (d *Database) Budgeted() bool {
	for _, b := range d.BreakGlass {
		if b.Budget != nil {
			return true
		}
	}
	return len(d.Budgets) > 0
}

// BudgetDDL returns the statements that make what budgets are counted in, and let pgveil's own
// login count. It holds no value and no identifier of a patient.
func BudgetDDL(login string) string {
	role := identifier(login)
	return fmt.Sprintf(`CREATE SCHEMA IF NOT EXISTS pgveil;
CREATE TABLE IF NOT EXISTS pgveil.budget (
    role text NOT NULL,
    span text NOT NULL,
    begins timestamptz NOT NULL,
    used bigint NOT NULL DEFAULT 0,
    written bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (role, span, begins)
);
CREATE TABLE IF NOT EXISTS pgveil.budget_subject (
    role text NOT NULL,
    span text NOT NULL,
    begins timestamptz NOT NULL,
    n bigint NOT NULL,
    tag bytea NOT NULL,
    PRIMARY KEY (role, span, begins, n)
);
REVOKE ALL ON pgveil.budget, pgveil.budget_subject FROM PUBLIC;
GRANT USAGE ON SCHEMA pgveil TO %[1]s;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgveil.budget TO %[1]s;
GRANT SELECT, INSERT, DELETE ON pgveil.budget_subject TO %[1]s;
`, role)
}
