package lab

import (
	"fmt"
	"strings"
)

// Encryption is how the schema file tags a column.
type Encryption string

// The ways a column may be tagged. An untagged column has none of them.
const (
	Deterministic Encryption = "deterministic"
	Randomized    Encryption = "randomized"
)

// Column is a column as the application sees it.
type Column struct {
	Name        string
	Type        string // the logical type
	Constraints string // SQL
	Encryption  Encryption
}

// Table is a table as the application sees it.
type Table struct {
	Schema  string
	Name    string
	Columns []Column
}

// String returns the qualified name.
func (t Table) String() string { return t.Schema + "." + t.Name }

// ColumnNames returns the names in the order of the Row methods.
func (t Table) ColumnNames() []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

// Tables returns the laboratory's tables, those that others refer to first. The
// caller may change them.
func Tables() []Table {
	return []Table{
		{"lab", "patient", []Column{
			{"id", "bigint", "PRIMARY KEY", ""},
			{"nir", "char(15)", "NOT NULL", Deterministic},
			{"last_name", "varchar(80)", "NOT NULL", Randomized},
			{"first_name", "varchar(80)", "NOT NULL", Randomized},
			{"sex", "char(1)", "NOT NULL", ""},
			{"birth_date", "date", "NOT NULL", Randomized},
			{"email", "varchar(120)", "", Deterministic},
			{"phone", "varchar(20)", "NOT NULL", Randomized},
			{"address", "text", "NOT NULL", Randomized},
		}},
		{"lab", "result", []Column{
			{"id", "bigint", "PRIMARY KEY", ""},
			{"patient_id", "bigint", "NOT NULL REFERENCES lab.patient", ""},
			{"loinc", "varchar(10)", "NOT NULL", ""},
			{"label", "text", "NOT NULL", ""},
			{"value", "numeric(10,3)", "", Randomized},
			{"unit", "varchar(20)", "NOT NULL", ""},
			{"outcome", "varchar(20)", "NOT NULL", Randomized},
			{"sampled_at", "timestamptz", "NOT NULL", ""},
			{"comment", "text", "", Randomized},
			{"document", "jsonb", "NOT NULL", Randomized},
		}},
	}
}

// DDL returns the statements that make the tables in clear, as the application
// knows them. A server behind pgveil has bytea for the tagged columns.
func DDL() string {
	var b strings.Builder
	b.WriteString("CREATE SCHEMA IF NOT EXISTS lab;\n")
	for _, t := range Tables() {
		fmt.Fprintf(&b, "CREATE TABLE %s (\n", t)
		for i, c := range t.Columns {
			end := ","
			if i == len(t.Columns)-1 {
				end = ""
			}
			fmt.Fprintf(&b, "    %s\n", strings.TrimSpace(c.Name+" "+c.Type+" "+c.Constraints)+end)
		}
		b.WriteString(");\n")
	}
	return b.String()
}

// Row returns the patient's values in the order of the table's columns, with
// nil for NULL.
func (p Patient) Row() []any {
	return []any{
		p.ID, p.NIR, p.LastName, p.FirstName, p.Sex, p.BirthDate,
		orNil(p.Email.V, p.Email.Valid), p.Phone, p.Address,
	}
}

// Row returns the result's values in the order of the table's columns, with nil
// for NULL. The value is decimal text and the document JSON text.
func (r Result) Row() []any {
	return []any{
		r.ID, r.PatientID, r.LOINC, r.Label, orNil(r.Value.V, r.Value.Valid), r.Unit, r.Outcome, r.SampledAt,
		orNil(r.Comment.V, r.Comment.Valid), string(r.Document),
	}
}

func orNil(s string, valid bool) any {
	if !valid {
		return nil
	}
	return s
}
