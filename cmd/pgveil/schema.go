package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/yamlfile"
)

func schemaCommand() *command {
	return &command{name: "schema", short: "the schema file", long: "Checks the schema file and gives the DDL that it needs."}
}

func schemaCheckCommand() *command {
	return &command{
		name:  "schema check",
		short: "compare the schema file with the live databases",
		long: `
Looks, in every database that the schema file names, for tagged tables and columns that
are not there or have another type, CHECK constraints that are missing or differ, what
is declared on sealed columns and would break, and roles that do not exist. The exit
status is 1 if there is a problem of severity error.`,
		examples: []string{
			"pgveil schema check",
			"pgveil schema check --json | jq '.problems[] | select(.severity == \"error\")'",
		},
		settings: []string{"schema", "server", "login", "keys.vault", "log"},
		flags: func(flags *pflag.FlagSet) {
			flags.Bool("json", false, "print JSON")
		},
		run: schemaCheck,
	}
}

func schemaSQLCommand() *command {
	return &command{
		name:  "schema sql",
		short: "print the DDL of the tagged columns",
		long: `
Prints SQL for the tagged columns: of type bytea, each with the CHECK constraint that
keeps everything out but values sealed for it.`,
		examples: []string{
			"pgveil schema sql | psql laboratory",
			"pgveil schema sql --database laboratory --form tables",
			"pgveil schema sql --form constraints      # for columns that are there already",
			"pgveil schema sql --form budgets          # what budgets are counted in",
			"pgveil schema sql --form networks         # what the networks of roles are remembered in",
		},
		settings: []string{"schema", "login.user"},
		flags: func(flags *pflag.FlagSet) {
			flags.StringP("database", "d", "", "`name` of one database; all of the schema file without")
			flags.String("form", "columns", "`what` to print: columns (ALTER TABLE … ADD COLUMN), tables (lines for CREATE TABLE), constraints (ALTER TABLE … ADD CONSTRAINT), budgets (the tables that budgets are counted in, and what login.user may do with them) or networks (the table that the networks of roles are remembered in)")
		},
		run: schemaSQL,
	}
}

// ddlForms are what schema sql prints, for a database and pgveil's own login.
var ddlForms = map[string]func(d *schema.Database, login string) string{
	"columns":     func(d *schema.Database, _ string) string { return schema.DDL(d, schema.AddColumns) },
	"tables":      func(d *schema.Database, _ string) string { return schema.DDL(d, schema.CreateTables) },
	"constraints": func(d *schema.Database, _ string) string { return schema.DDL(d, schema.AddConstraints) },
	"budgets":     func(_ *schema.Database, login string) string { return schema.BudgetDDL(login) },
	"networks":    func(_ *schema.Database, login string) string { return schema.NetworkDDL(login) },
}

func schemaSQL(_ context.Context, c *call) error {
	form, ok := ddlForms[c.text("form")]
	if !ok {
		return usageErrorf(schemaSQLCommand(), "unknown form %q%s", c.text("form"), yamlfile.DidYouMean(c.text("form"), slices.Sorted(maps.Keys(ddlForms))))
	}
	file, err := c.readSchema()
	if err != nil {
		return err
	}
	names, err := c.databases(schemaSQLCommand(), file)
	if err != nil {
		return err
	}
	for i, name := range names {
		if len(names) > 1 {
			if i > 0 {
				fmt.Fprintln(c.out)
			}
			fmt.Fprintf(c.out, "-- database %q\n", name)
		}
		if _, err := io.WriteString(c.out, form(file.Databases[name], c.config.Login.User)); err != nil {
			return err
		}
	}
	return nil
}

// databases gives the names of the file's databases, or the one of --database.
func (c *call) databases(cmd *command, file *schema.File) ([]string, error) {
	names := slices.Sorted(maps.Keys(file.Databases))
	name := c.text("database")
	if name == "" {
		return names, nil
	}
	if !slices.Contains(names, name) {
		return nil, usageErrorf(cmd, "%s has no database %q%s", c.config.Schema, name, yamlfile.DidYouMean(name, names))
	}
	return []string{name}, nil
}

// checkReport is the output of schema check --json.
type checkReport struct {
	OK       bool              `json:"ok"` // no problem of severity error
	Problems []schema.Problem  `json:"problems"`
	Warnings []*yamlfile.Error `json:"warnings"` // of the schema file
}

func schemaCheck(ctx context.Context, c *call) error {
	file, err := c.readSchema()
	if err != nil {
		return err
	}
	upstreams, err := c.upstreams()
	if err != nil {
		return err
	}
	login, done, err := c.newLogin(ctx, upstreams, file, nil, c.logger())
	if err != nil {
		return err
	}
	defer done()
	problems, err := checkAll(ctx, login, file)
	if err != nil {
		return err
	}
	if c.bool("json") {
		err = c.printJSON(checkReport{!schema.HasErrors(problems), list(problems), list(file.Warnings)})
	} else {
		err = printProblems(c.out, file, problems)
	}
	if err == nil && schema.HasErrors(problems) {
		err = &exitError{status: statusFails}
	}
	return err
}

// checkAll checks every database of the schema file. One that does not exist is a
// problem like others.
func checkAll(ctx context.Context, login *login, file *schema.File) ([]schema.Problem, error) {
	var problems []schema.Problem
	checked, missing := false, error(nil)
	// Any database tells which ones there are; postgres serves if none of the file's
	// does.
	for _, name := range append(slices.Sorted(maps.Keys(file.Databases)), "postgres") {
		database, named := file.Databases[name]
		if !named && checked {
			break
		}
		err := login.with(ctx, name, func(conn *pgx.Conn) error {
			if !checked {
				checked = true
				found, err := schema.CheckServer(ctx, conn, file)
				problems = append(problems, found...)
				if err != nil {
					return err
				}
			}
			if !named {
				return nil
			}
			found, err := schema.Check(ctx, conn, database)
			problems = append(problems, found...)
			return err
		})
		var refused *pgconn.PgError
		switch {
		case err == nil:
		case errors.As(err, &refused) && refused.Code == "3D000": // invalid_catalog_name
			missing = err
		default:
			return nil, err
		}
	}
	if !checked {
		return nil, missing
	}
	return problems, nil
}

func (l *login) with(ctx context.Context, database string, f func(*pgx.Conn) error) error {
	conn, err := l.connect(ctx, database)
	if err != nil {
		return err
	}
	return errors.Join(f(conn), conn.Close(ctx))
}

func printProblems(w io.Writer, file *schema.File, problems []schema.Problem) error {
	counts := make(map[schema.Severity]int)
	for _, warning := range file.Warnings {
		fmt.Fprintf(w, "%s:%d:%d: warning: %s\n", warning.File, warning.Line, warning.Position.Column, warning.Message)
		counts[schema.SeverityWarning]++
	}
	for _, p := range problems {
		fmt.Fprintln(w, p)
		if p.Fix != "" {
			fmt.Fprintf(w, "    fix: %s\n", p.Fix)
		}
		counts[p.Severity]++
	}
	_, err := fmt.Fprintf(w, "%d errors, %d warnings, %d notices\n", counts[schema.SeverityError], counts[schema.SeverityWarning], counts[schema.SeverityNotice])
	return err
}
