package proxy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// TestFunctions: functions that the schema file describes get sealed arguments, and
// what they return opens with the verdicts of its columns; others are refused.
func TestFunctions(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}, Schema: strings.TrimRight(stack.Schema, "\n") + `
    functions:
      lab.find_patient:
        arguments: {"1": lab.patient.nir}
        columns: {id: plain, nir: lab.patient.nir, last_name: lab.patient.last_name}
      lab.name_of: {returns: lab.patient.last_name}
      lab.add_patient: {arguments: {"2": lab.patient.nir, "3": lab.patient.last_name}, returns: plain}
`})
	fill(t, s)
	for _, sql := range []string{
		`CREATE FUNCTION lab.find_patient(wanted bytea) RETURNS TABLE (id int, nir bytea, last_name bytea) LANGUAGE sql AS 'SELECT id, nir, last_name FROM lab.patient WHERE nir = $1'`,
		// Nothing in the source tells what it reads.
		`CREATE FUNCTION lab.name_of(wanted int) RETURNS bytea LANGUAGE plpgsql AS $$ DECLARE r bytea; BEGIN EXECUTE 'SELECT last_name FROM lab.pati' || 'ent WHERE id = $1' INTO r USING wanted; RETURN r; END $$`,
		`CREATE FUNCTION lab.add_patient(int, bytea, bytea) RETURNS int LANGUAGE sql AS 'INSERT INTO lab.patient (id, nir, last_name) VALUES ($1, $2, $3) RETURNING id'`,
		`CREATE FUNCTION lab.all_names() RETURNS SETOF bytea LANGUAGE sql AS 'SELECT last_name FROM lab.patient'`,
		`CREATE VIEW lab.named AS SELECT id, lab.name_of(id) AS name FROM lab.result`,
		`GRANT SELECT ON lab.named TO biologist, secretary, researcher`,
	} {
		if err := s.Postgres.ExecIn(ctx, stack.Database, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Server.Check(ctx); err != nil {
		t.Fatal(err)
	}
	biologist, secretary, researcher := s.Connect(t, "biologist"), s.Connect(t, "secretary"), s.Connect(t, "researcher")
	for _, c := range []struct{ sql, want string }{
		{`SELECT * FROM lab.find_patient('` + nir1 + `')`, `1|` + nir1 + `|Lefèvre`},
		{`SELECT f.last_name, p.id FROM lab.patient p, lab.find_patient(p.nir) f WHERE p.id = 2`, `Bernard|2`},
		{`SELECT lab.name_of(2)`, `Bernard`},
		{`SELECT name FROM lab.named WHERE id = 1`, `Lefèvre`},
		{`SELECT lab.add_patient(3, '399', 'Dupont')`, `3`},
		{`SELECT nir, last_name FROM lab.patient WHERE nir = '399'`, `399            |Dupont`},
		{`SELECT last_name FROM lab.find_patient('none')`, ``},
		{`SELECT lab.all_names()`, `0A000`},
		{`SELECT * FROM lab.find_patient(upper(p.city)), lab.patient p`, `42P01`},
		{`SELECT lab.find_patient('x')`, `0A000`},
	} {
		if got := show(t, biologist, c.sql); got != c.want {
			t.Errorf("%s: %q, not %q", c.sql, got, c.want)
		}
	}
	var name string
	if err := biologist.QueryRow(ctx, `SELECT last_name FROM lab.find_patient($1)`, nir2).Scan(&name); err != nil || name != "Bernard" {
		t.Errorf("with a parameter: %q, %v", name, err)
	}
	// The verdicts of the columns: the secretary sees names, a masked nir; the researcher nothing.
	if got := show(t, secretary, `SELECT nir, last_name FROM lab.find_patient('`+nir1+`')`); got != "1**************|Lefèvre" {
		t.Errorf("secretary: %q", got)
	}
	if got := show(t, researcher, `SELECT lab.name_of(1)`); got != "NULL" {
		t.Errorf("researcher, hidden: %q", got)
	}
	if got := show(t, researcher, `SELECT id FROM lab.find_patient('`+nir1+`')`); got != "42501" {
		t.Errorf("researcher without the right to search: %q", got)
	}
	s.Postgres.NoPlaintext(t, stack.Database, "Dupont")
}
