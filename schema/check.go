package schema

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// Severity says how bad a [Problem] is.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // sealed columns would not work or not be safe
	SeverityWarning Severity = "warning" // works, most likely not as meant
	SeverityNotice  Severity = "notice"  // worth knowing
)

// Problem is a disagreement between the schema file and a live server.
type Problem struct {
	Severity Severity `json:"severity"`
	Database string   `json:"database"`
	Object   string   `json:"object"`          // what it is about, such as lab.patient.nir
	Place    string   `json:"place,omitempty"` // file:line:column of the tag, if the file has it
	Message  string   `json:"message"`
	Fix      string   `json:"fix,omitempty"` // SQL, or what else to do
	// InClear says that a tagged column is of a type that holds values in clear.
	InClear bool `json:"in_clear,omitempty"`
}

// String gives the problem in one line, without the fix.
func (p Problem) String() string {
	place := ""
	if p.Place != "" {
		place = p.Place + ": "
	}
	return fmt.Sprintf("%s%s: %s: %s", place, p.Severity, p.Object, p.Message)
}

// HasErrors reports whether any problem is an error.
func HasErrors(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Severity == SeverityError })
}

// CheckServer compares the databases that the file names with those of the
// server that conn is connected to, whichever of them it is connected to.
func CheckServer(ctx context.Context, conn *pgx.Conn, f *File) ([]Problem, error) {
	rows, err := conn.Query(ctx, `SELECT datname::text FROM pg_catalog.pg_database WHERE NOT datistemplate`, pgx.QueryExecModeExec)
	if err != nil {
		return nil, fmt.Errorf("check the server: %w", err)
	}
	live, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("check the server: %w", err)
	}
	var problems []Problem
	for _, name := range names(f.Databases) {
		if !slices.Contains(live, name) {
			problems = append(problems, Problem{
				Severity: SeverityError, Database: name, Object: "database " + qualifiedName(name), Place: f.Name,
				Message: "there is no such database" + yamlfile.DidYouMean(name, live),
			})
		}
	}
	return problems, nil
}

// Check compares the tags of db with the live database that conn is connected
// to: tables, columns, CHECK constraints, what else is declared on sealed
// columns, and roles. Any role that may connect can do it. The problems come in
// the file's order; no problem is no element. The error is of the connection.
func Check(ctx context.Context, conn *pgx.Conn, db *Database) ([]Problem, error) {
	c := &checker{loader: *newLoader(db)}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
		// So that what the server prints has one form.
		for _, set := range []string{
			`SET LOCAL search_path = ''`, `SET LOCAL bytea_output = 'hex'`, `SET LOCAL standard_conforming_strings = on`,
			`SET LOCAL quote_all_identifiers = off`,
		} {
			if _, err := tx.Exec(ctx, set); err != nil {
				return err
			}
		}
		for _, step := range []func(context.Context, Querier) error{
			c.readRelations, c.readAttributes, c.readInheritance, c.readSealing, c.checkTables, c.checkColumns, c.checkKeyBy,
			c.checkConstraints, c.checkStrayConstraints, c.checkIndexes, c.checkTriggers, c.checkPolicies, c.checkControlled, c.checkRoles,
		} {
			if err := step(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("check database %q: %w", db.Name, err)
	}
	return c.sorted(), nil
}

// checker holds what is found so far. The loader reads the relations and
// carries the tags along inheritance.
type checker struct {
	loader
	found  []found
	tagged []uint32 // relations with a tagged attribute
}

type found struct {
	Problem
	order int // of the column in the file
}

// report adds a problem about a column, or about part of one.
func (c *checker) report(severity Severity, column *Column, object, fix, format string, args ...any) {
	p := Problem{
		Severity: severity, Database: c.db.Name, Object: object, Message: fmt.Sprintf(format, args...), Fix: fix,
	}
	order := len(c.db.Columns)
	if column != nil {
		column = column.InFile()
		if order = slices.Index(c.db.Columns, column); order < 0 {
			order = len(c.db.Columns)
		}
		if at, ok := c.db.positions[column]; ok {
			p.Place = fmt.Sprintf("%s:%d:%d", c.db.file, at.Line, at.Column)
		}
	}
	c.found = append(c.found, found{p, order})
}

func (c *checker) sorted() []Problem {
	slices.SortStableFunc(c.found, func(a, b found) int { return a.order - b.order })
	problems := make([]Problem, len(c.found))
	for i, f := range c.found {
		problems[i] = f.Problem
	}
	return problems
}

// checkTables looks for the tables and columns of the file and sets the tags.
func (c *checker) checkTables(context.Context, Querier) error {
	byName := make(map[relationName]*Relation)
	schemas := make(map[string][]string) // the tables of each
	for _, r := range c.relations {
		byName[relationName{r.Schema, r.Name}] = r
		if !r.Temporary() && isTable(r) && r.Schema != "pg_catalog" && r.Schema != "information_schema" {
			schemas[r.Schema] = append(schemas[r.Schema], r.Name)
		}
	}
	for _, columns := range c.db.byTable() {
		first := columns[0]
		r := byName[relationName{first.Schema, first.Table}]
		if r == nil {
			c.report(SeverityError, first, "table "+first.TableName(), "", "there is no such table%s", tableHint(first, schemas))
			continue
		}
		switch {
		case !isTable(r):
			c.report(SeverityError, first, first.TableName(), "Tag the columns of the table that it reads.", "it is not a table and cannot be tagged")
			continue
		case r.Kind == 'f':
			c.report(SeverityWarning, first, first.TableName(), "Add the CHECK constraint to the table on the other server.",
				"it is a foreign table, for which PostgreSQL does not enforce CHECK constraints")
		}
		var existing []string
		for _, a := range r.Attributes {
			existing = append(existing, a.Name)
		}
		for _, column := range columns {
			if !slices.Contains(existing, column.Name) {
				c.report(SeverityError, column, column.QualifiedName(), column.addColumn(), "there is no such column%s", yamlfile.DidYouMean(column.Name, existing))
			}
		}
	}
	if err := c.tag(); err != nil {
		// Tags that meet: the rest is checked as far as they are set.
		c.report(SeverityError, nil, "database "+qualifiedName(c.db.Name), "", "%v", err)
	}
	for _, r := range c.relations {
		if slices.ContainsFunc(r.Attributes, func(a Attribute) bool { return a.Tagged != nil }) {
			c.tagged = append(c.tagged, r.OID)
		}
	}
	return nil
}

func tableHint(c *Column, schemas map[string][]string) string {
	tables, ok := schemas[c.Schema]
	if !ok {
		return fmt.Sprintf(", as there is no table in a schema %s%s", qualifiedName(c.Schema), yamlfile.DidYouMean(c.Schema, names(schemas)))
	}
	if hint := yamlfile.DidYouMean(c.Table, tables); hint != "" {
		return hint
	}
	for _, schemaName := range names(schemas) {
		if slices.Contains(schemas[schemaName], c.Table) {
			return fmt.Sprintf("; there is one named %s", qualifiedName(schemaName, c.Table))
		}
	}
	return ""
}

// checkColumns looks at the types, defaults and generated columns.
func (c *checker) checkColumns(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT a.attrelid, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.atttypid,
			a.attgenerated <> '', coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '')
		FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
		ORDER BY a.attrelid, a.attnum`, pgx.QueryExecModeExec, c.tagged)
	if err != nil {
		return err
	}
	var oid, typeOID uint32
	var name, typeName, expression string
	var generated bool
	_, err = pgx.ForEachRow(rows, []any{&oid, &name, &typeName, &typeOID, &generated, &expression}, func() error {
		r := c.byOID[oid]
		object := qualifiedName(r.Schema, r.Name, name)
		table := identifier(r.Schema, r.Name)
		column := r.Attribute(name).Tagged
		if generated {
			for _, a := range r.Attributes {
				if a.Tagged != nil && a.Name != name && mentionsColumn(expression, a.Name) {
					c.report(SeverityError, a.Tagged, object, fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s;", table, identifier(name)),
						"this generated column computes with the sealed column %s and would see ciphertext", a.Name)
				}
			}
		}
		if column == nil {
			return nil
		}
		if typeOID != byteaOID {
			c.report(SeverityError, column, object,
				"Seal what it holds: pgveil schema plan, then pgveil schema apply.",
				"its type is %s, and a sealed column is bytea", typeName)
			c.found[len(c.found)-1].InClear = true
		}
		switch {
		case generated:
			c.report(SeverityError, column, object, "", "it is a generated column, which pgveil cannot seal")
		case expression != "" && !nullDefault(expression) && !sealedDefault(expression, column):
			c.report(SeverityError, column, object, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT;", table, identifier(name)),
				"its default is a value in clear")
		}
		return nil
	})
	return err
}

const byteaOID = 17

// sealedDefault reports whether a default is a value sealed for the column, as pgveil
// writes it.
func sealedDefault(expression string, c *Column) bool {
	return regexp.MustCompile(`^` + sealedLiteral(c) + `$`).MatchString(expression)
}

func nullDefault(expression string) bool {
	return expression == "NULL" || strings.HasPrefix(expression, "NULL::")
}
