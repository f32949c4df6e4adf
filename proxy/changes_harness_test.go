package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// twinTables are the tables of the stack as they would be without pgveil.
var twinTables = []string{
	`CREATE SCHEMA lab`,
	`CREATE TABLE lab.patient (id int PRIMARY KEY, nir char(15) UNIQUE, email varchar(120), last_name varchar(80), birth_date date, city text)`,
	`CREATE TABLE lab.result (id int PRIMARY KEY, patient int REFERENCES lab.patient, nir char(15), outcome varchar(20), document jsonb, sampled timestamptz)`,
	`CREATE TABLE lab.plain (id int PRIMARY KEY, note text, nir text)`,
	`CREATE SCHEMA other`,
	`CREATE TABLE other.patient (id int, nir text)`,
}

// pair is a role's connection through pgveil, and one to a server with the same tables
// in the clear.
type pair struct {
	stack           *stack.Stack
	direct, through *pgconn.PgConn
}

func startPair(t *testing.T) *pair {
	t.Helper()
	s := stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}})
	clear := inTheClear(t, append(twinTables, everyTable())...)
	return &pair{s, connectPg(t, clear.DSN(clear.Superuser(), clear.SuperPassword(), "postgres")), connectPg(t, s.DSN("biologist"))}
}

// step is one statement of a test, with its parameters or in a Query message.
type step struct {
	sql    string
	params []any    // strings or nil; empty: a Query message
	oids   []uint32 // declared
	// refused is what pgveil's refusal says, in part; the twin does not run such a
	// statement.
	refused string
}

// answer is all that a client sees of a statement.
type answer struct {
	results []*pgconn.Result
	err     error
}

func ask(c *pgconn.PgConn, s step) answer {
	ctx := context.Background()
	if len(s.params) == 0 {
		results, err := c.Exec(ctx, s.sql).ReadAll()
		return answer{results, err}
	}
	values := make([][]byte, len(s.params))
	for i, p := range s.params {
		if text, ok := p.(string); ok {
			values[i] = []byte(text)
		}
	}
	r := c.ExecParams(ctx, s.sql, values, s.oids, nil, nil).Read()
	return answer{[]*pgconn.Result{r}, r.Err}
}

// run runs the steps on both sides and compares all that comes back.
func (p *pair) run(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		name := fmt.Sprintf("%s %v", s.sql, s.params)
		got := ask(p.through, s)
		if s.refused != "" {
			var e *pgconn.PgError
			if !errors.As(got.err, &e) || e.Code != "0A000" && e.Code != "42501" || !bytes.Contains([]byte(e.Message), []byte(s.refused)) {
				t.Errorf("%s: %v, not the refusal %q", name, got.err, s.refused)
			}
			continue
		}
		want := ask(p.direct, s)
		compareAnswers(t, name, want, got)
	}
}

func compareAnswers(t *testing.T, name string, want, got answer) {
	t.Helper()
	if !sameError(want.err, got.err) {
		t.Errorf("%s: through pgveil: %v, directly: %v", name, got.err, want.err)
		return
	}
	if len(want.results) != len(got.results) {
		t.Errorf("%s: %d results, directly %d", name, len(got.results), len(want.results))
		return
	}
	for i, w := range want.results {
		g := got.results[i]
		if w.CommandTag.String() != g.CommandTag.String() || len(w.FieldDescriptions) != len(g.FieldDescriptions) || len(w.Rows) != len(g.Rows) {
			t.Errorf("%s: %s with %d columns and %d rows, directly %s with %d and %d", name, g.CommandTag, len(g.FieldDescriptions), len(g.Rows),
				w.CommandTag, len(w.FieldDescriptions), len(w.Rows))
			return
		}
		for j, f := range w.FieldDescriptions {
			h := g.FieldDescriptions[j]
			if f.Name != h.Name || f.DataTypeOID != h.DataTypeOID || f.TypeModifier != h.TypeModifier || f.DataTypeSize != h.DataTypeSize {
				t.Errorf("%s: described as %+v, directly %+v", name, h, f)
			}
		}
		for j, row := range w.Rows {
			for k := range row {
				if !bytes.Equal(row[k], g.Rows[j][k]) || (row[k] == nil) != (g.Rows[j][k] == nil) {
					t.Errorf("%s: row %d column %d is %q, directly %q", name, j, k, g.Rows[j][k], row[k])
				}
			}
		}
	}
}

// sealed checks, at the server itself, that every value of the tagged columns is
// sealed for its column and opens, and that none of the markers is there.
func (p *pair) sealed(t *testing.T, markers ...string) {
	t.Helper()
	ctx := context.Background()
	conn, err := p.stack.Postgres.Conn(ctx, stack.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	values := 0
	for _, column := range p.stack.File.Databases[stack.Database].Columns {
		sealer, err := p.stack.Sealer(column)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := conn.Query(ctx, fmt.Sprintf("SELECT %q FROM %q.%q WHERE %[1]q IS NOT NULL", column.Name, column.Schema, column.Table))
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var value []byte
			if err := rows.Scan(&value); err != nil {
				t.Fatal(err)
			}
			values++
			if _, err := sealer.Open(nil, value); err != nil {
				t.Errorf("a value of %s does not open", column.QualifiedName())
			}
		}
		if rows.Err() != nil {
			t.Fatal(rows.Err())
		}
	}
	if values == 0 {
		t.Error("no sealed value was stored")
	}
	p.stack.Postgres.NoPlaintext(t, stack.Database, markers...)
}
