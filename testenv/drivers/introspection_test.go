package drivers

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
)

// TestIntrospection: what programs read of the catalog about tagged tables is what
// they read about the twin's, whose columns have the logical types.
func TestIntrospection(t *testing.T) {
	testenv.Require(t, testenv.PartPostgres)
	p := startPair(t)
	files, err := filepath.Glob("testdata/introspection/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no queries", err)
	}
	for _, path := range files {
		queries := readQueries(t, path)
		for name, send := range protocols {
			t.Run(filepath.Base(path)+" "+name, func(t *testing.T) {
				p.both(t, func(ctx context.Context, s side) ([]line, error) { return s.introspect(ctx, queries, send) })
			})
		}
	}
	t.Run("psql", func(t *testing.T) {
		testenv.Require(t, testenv.PartPsql)
		psql, err := testenv.ClientProgram("psql")
		if err != nil {
			t.Fatal(err)
		}
		script := readFile(t, "testdata/introspection/describe.psql")
		p.both(t, func(ctx context.Context, s side) ([]line, error) { return psqlSteps(ctx, s, psql, script) })
	})
}

// namedQuery is a statement of testdata/introspection, after a line "-- name".
type namedQuery struct{ name, sql string }

func readQueries(t *testing.T, path string) []namedQuery {
	t.Helper()
	var queries []namedQuery
	for _, block := range strings.Split(strings.TrimSpace(readFile(t, path)), "\n\n") {
		name, sql, ok := strings.Cut(block, "\n")
		if !ok || !strings.HasPrefix(name, "-- ") {
			t.Fatalf("%s: %q", path, block)
		}
		queries = append(queries, namedQuery{name[3:], sql})
	}
	return queries
}

// protocols are the ways to send a statement.
var protocols = map[string]func(ctx context.Context, c *pgconn.PgConn, sql string) ([]*pgconn.Result, error){
	"simple": func(ctx context.Context, c *pgconn.PgConn, sql string) ([]*pgconn.Result, error) {
		return c.Exec(ctx, sql).ReadAll()
	},
	"extended": func(ctx context.Context, c *pgconn.PgConn, sql string) ([]*pgconn.Result, error) {
		r := c.ExecParams(ctx, sql, nil, nil, nil, nil).Read()
		return []*pgconn.Result{r}, r.Err
	},
	"prepared": func(ctx context.Context, c *pgconn.PgConn, sql string) ([]*pgconn.Result, error) {
		if _, err := c.Prepare(ctx, "a statement", sql, nil); err != nil {
			return nil, err
		}
		r := c.ExecPrepared(ctx, "a statement", nil, nil, nil).Read()
		if r.Err == nil {
			r.Err = c.Deallocate(ctx, "a statement")
		}
		return []*pgconn.Result{r}, r.Err
	},
}

// copied reports whether the protocol at hand gives a statement's rows otherwise.
func copied(sql string) bool { return strings.HasPrefix(sql, "COPY") }

// introspect runs the queries in one session and tells what they give.
func (s side) introspect(ctx context.Context, queries []namedQuery, send func(context.Context, *pgconn.PgConn, string) ([]*pgconn.Result, error)) ([]line, error) {
	conn, err := pgx.Connect(ctx, s.dsn())
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	var lines []line
	for _, q := range queries {
		if copied(q.sql) {
			var b strings.Builder
			_, err := conn.PgConn().CopyTo(ctx, &b, q.sql)
			lines = append(lines, line{q.name, map[string]any{"copied": b.String(), "error": sayError(err)}})
			continue
		}
		results, err := send(ctx, conn.PgConn(), q.sql)
		out := map[string]any{"error": sayError(err)}
		for i, r := range results {
			out[fmt.Sprint("result ", i)] = sayResult(r, strings.Contains(q.sql, "ORDER BY"))
		}
		lines = append(lines, line{q.name, out})
	}
	return lines, nil
}

// sayResult gives a result's tag, its columns and its rows; OIDs that the two servers
// have given to objects of their own are not compared.
func sayResult(r *pgconn.Result, ordered bool) []string {
	out := []string{r.CommandTag.String()}
	for _, f := range r.FieldDescriptions {
		out = append(out, fmt.Sprint(f.Name, f.DataTypeOID, f.DataTypeSize, f.TypeModifier, f.Format))
	}
	var rows []string
	for _, values := range r.Rows {
		var row strings.Builder
		for i, value := range values {
			said := "NULL"
			if value != nil {
				said = fmt.Sprintf("%q", value)
			}
			if r.FieldDescriptions[i].DataTypeOID == 26 && userOID.MatchString(said) {
				said = "an OID"
			}
			row.WriteString(said + " ")
		}
		rows = append(rows, row.String())
	}
	if !ordered {
		slices.Sort(rows)
	}
	return append(out, rows...)
}

// userOID matches what is no OID of the server's own: those are below 16384.
var userOID = regexp.MustCompile(`^"(1638[4-9]|1639\d|16[4-9]\d\d|1[7-9]\d\d\d|[2-9]\d{4}|\d{6,})"$`)

func sayError(err error) map[string]any {
	if err == nil {
		return nil
	}
	e, ok := err.(*pgconn.PgError) //nolint:errorlint // of pgconn itself
	if !ok {
		return map[string]any{"other": err.Error()}
	}
	return map[string]any{"sqlstate": e.Code, "message": e.Message, "hint": e.Hint, "position": e.Position}
}
