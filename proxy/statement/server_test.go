package statement

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
	"github.com/pgveil/pgveil/testenv"
)

// TestPlansOnServer runs the golden statements on a real server whose tables are
// those of the catalog file. What pgveil accepts, the server must take with the
// edits in place and describe as the plan says; where pgveil says that a name
// does not resolve, the server must say the same of the client's text.
func TestPlansOnServer(t *testing.T) {
	conn, a := startFixture(t)
	files, _ := filepath.Glob("testdata/plans/*.plan")
	described, named := 0, 0
	for _, path := range files {
		for _, c := range readPlans(t, path) {
			if len(c.env.TempNames) > 0 || slices.ContainsFunc(c.options, func(o string) bool { return strings.HasPrefix(o, "@local") }) {
				continue
			}
			env := setPath(t, conn, c.env.SearchPath)
			text := new(Lexer).Lex([]byte(c.sql))
			if len(text.Commands()) > 1 {
				continue
			}
			plan, err := a.Plan(text, env)
			if e, ok := pgerror.As(err); ok && strings.HasPrefix(e.Code, "42") {
				named++
				compareError(t, conn, path, &c, e)
			}
			if err != nil || plan == nil {
				continue
			}
			var edits Edits
			if plan.Edits(text, &edits) != nil {
				continue
			}
			described++
			compareDescription(t, conn, path, &c, plan, text, &edits)
		}
	}
	if described < 200 || named < 20 {
		t.Errorf("only %d descriptions and %d errors were compared", described, named)
	}
}

// startFixture makes the tables of the catalog file and reads their catalog.
func startFixture(t *testing.T) (*pgx.Conn, *Analyzer) {
	t.Helper()
	testenv.Require(t, testenv.PartPostgres)
	p, err := testenv.StartPostgres(t.Context(), testenv.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	conn, err := p.Conn(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	f := readFixture(t)
	for _, sql := range f.ddl() {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	catalog, err := schema.LoadCatalog(t.Context(), conn, &schema.Database{Name: "postgres", Columns: f.columns, Functions: f.declared})
	if err != nil {
		t.Fatal(err)
	}
	return conn, NewAnalyzer(catalog)
}

// ddl gives the statements that make the relations of the fixture.
func (f *fixture) ddl() []string {
	quote := func(names ...string) string { return pgx.Identifier(names).Sanitize() }
	out := []string{"CREATE SCHEMA lab", "CREATE SCHEMA archive", "CREATE SEQUENCE public.s"}
	for _, r := range f.relations {
		name := quote(r.Schema, r.Name)
		switch {
		case r.Schema == "pg_catalog", r.Schema == "information_schema", r.Kind == awaited:
		case r.Name == "event_2024":
			out = append(out, "CREATE TABLE "+name+" PARTITION OF lab.event DEFAULT")
		case r.Kind == 'v':
			out = append(out, "CREATE VIEW "+name+" AS "+r.Definition)
		case r.Kind == 'm':
			out = append(out, "CREATE MATERIALIZED VIEW "+name+" AS "+r.Definition)
		default:
			var columns []string
			for _, a := range r.Attributes {
				columns = append(columns, quote(a.Name)+" "+oidName(a.TypeOID))
			}
			sql := "CREATE TABLE " + name + " (" + strings.Join(columns, ", ") + ")"
			if r.Kind == 'p' {
				sql += " PARTITION BY RANGE (id)"
			}
			out = append(out, sql)
		}
	}
	return append(out,
		"ALTER TABLE lab.patient ADD PRIMARY KEY (id), ADD UNIQUE (nir)",
		"CREATE UNIQUE INDEX ON lab.patient (id) WHERE nir = '\\x'",
		"ALTER TABLE lab.visit ADD PRIMARY KEY (id)",
		"CREATE RULE r AS ON INSERT TO lab.ruled DO ALSO DELETE FROM lab.patient",
		"CREATE RULE r AS ON INSERT TO lab.v_ruled DO INSTEAD INSERT INTO lab.patient (id) VALUES (NEW.id)",
		"CREATE FUNCTION lab.export_patients() RETURNS int LANGUAGE sql AS 'SELECT count(*)::int FROM lab.patient'",
		"CREATE FUNCTION lab.find_patient(bytea, int DEFAULT 0) RETURNS TABLE (id int, nir bytea, last_name bytea) LANGUAGE sql AS 'SELECT 1, $1, $1'",
		"CREATE FUNCTION lab.name_of(int) RETURNS bytea LANGUAGE sql AS 'SELECT NULL::bytea'",
		"CREATE FUNCTION lab.shared() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"CREATE FUNCTION archive.shared() RETURNS int LANGUAGE sql AS 'SELECT 1'",
	)
}

func oidName(oid uint32) string {
	for name, o := range otherTypes {
		if o == oid {
			return name
		}
	}
	return typeName(oid)
}

// setPath sets the search path and gives the session's Env.
func setPath(t *testing.T, conn *pgx.Conn, path []string) *Env {
	t.Helper()
	var names []string
	for i, s := range path {
		if i == 0 && s == "pg_catalog" || temporarySchema(s) {
			continue
		}
		names = append(names, s)
	}
	if _, err := conn.Exec(t.Context(), "SET search_path = "+strings.Join(names, ", ")); err != nil {
		t.Fatal(err)
	}
	env := &Env{}
	if err := conn.QueryRow(t.Context(), "SELECT current_schemas(true)::text[]").Scan(&env.SearchPath); err != nil {
		t.Fatal(err)
	}
	return env
}

func compareError(t *testing.T, conn *pgx.Conn, path string, c *planCase, e *pgerror.Error) {
	t.Helper()
	_, err := conn.PgConn().Prepare(t.Context(), "", c.sql, nil)
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		t.Errorf("%s:%d: %s\npgveil says %v, the server takes it", path, c.line, c.sql, e)
		return
	}
	if server.Code != e.Code || server.Message != e.Message || e.Position > 0 && int(server.Position) != len([]rune(c.sql[:e.Position-1]))+1 {
		t.Errorf("%s:%d: %s\npgveil says %s at %d: %s\nthe server %s at %d: %s", path, c.line, c.sql,
			e.Code, e.Position, e.Message, server.Code, server.Position, server.Message)
	}
}

func compareDescription(t *testing.T, conn *pgx.Conn, path string, c *planCase, plan *Plan, text *Text, edits *Edits) {
	t.Helper()
	const bytea, byteaArray = 17, 1001
	oids := make([]uint32, edits.MaxParam)
	sql := splicedText(text.SQL(), edits, func(v *Value, p *Param) string {
		switch {
		case v != nil && v.Null:
			if v.Array {
				return "NULL::pg_catalog.bytea[]"
			}
			return "NULL::pg_catalog.bytea"
		case v != nil && v.Array:
			return `'{}'::pg_catalog.bytea[]`
		case v != nil:
			return `'\x00'::pg_catalog.bytea`
		}
		oid := uint32(bytea)
		if p.Array {
			oid = byteaArray
		}
		oids = append(oids, oid)
		return fmt.Sprintf("$%d", len(oids))
	})
	for n := 1; n <= edits.MaxParam; n++ {
		if !edits.PlainParam(n) {
			oids[n-1] = bytea // not in the text any more
		}
	}
	description, err := conn.PgConn().Prepare(t.Context(), "", sql, oids)
	if err != nil {
		if !slices.Contains(c.options, "@fails") {
			t.Errorf("%s:%d: %s\nthe server does not take %s: %v", path, c.line, c.sql, sql, err)
		}
		return
	}
	fields := make([]Field, len(description.Fields))
	for i, f := range description.Fields {
		fields[i] = Field{TableOID: f.TableOID, Attribute: f.TableAttributeNumber, TypeOID: f.DataTypeOID}
	}
	if err := plan.Verify(0, fields); err != nil {
		t.Errorf("%s:%d: %s\nplan  %s\nserver %v", path, c.line, c.sql, describeOutputs(plan.Statements[0].Outputs), fields)
	}
}
