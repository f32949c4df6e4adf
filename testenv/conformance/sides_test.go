package conformance

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// schemaText describes the database of a suite: tagged tables in a schema of their
// own, under names that no suite uses.
func schemaText(database string) string {
	return `version: 1
keys: {identity: deterministic, medical: randomized}
databases:
  ` + database + `:
    tables:
      pgveil_lab.patient:
        columns:
          nir: {type: char(15), encryption: deterministic, key: identity, domain: nir, access: {postgres: decrypt}}
          last_name: {type: varchar(80), encryption: randomized, key: medical, access: {postgres: decrypt}}
          birth_date: {type: date, encryption: randomized, key: medical, access: {postgres: decrypt}}
      pgveil_lab.assay_outcome:
        columns:
          nir: {type: char(15), encryption: deterministic, key: identity, domain: nir, access: {postgres: decrypt}}
          outcome: {type: 'text', encryption: randomized, key: medical, access: {postgres: decrypt}}
`
}

var labTables = []string{
	`CREATE SCHEMA pgveil_lab`,
	`CREATE TABLE pgveil_lab.patient (id int PRIMARY KEY, nir bytea UNIQUE, last_name bytea, birth_date bytea, city text)`,
	`CREATE TABLE pgveil_lab.assay_outcome (id int PRIMARY KEY, nir bytea REFERENCES pgveil_lab.patient (nir), outcome bytea, sampled timestamptz)`,
	`CREATE VIEW pgveil_lab.patient_outcome AS SELECT p.nir, p.last_name, a.outcome FROM pgveil_lab.patient p JOIN pgveil_lab.assay_outcome a USING (nir)`,
}

// planted are values of tagged columns that no server may ever hold in the clear.
var planted = []string{"185057800608436", "Lefèvre-Quintessence", "séropositif-confirmé-1847", "Vandenbroucke-Ølgaard", "278031412345693"}

// settings of the servers: what pg_regress gives a database that it makes, and
// nothing that would differ between two runs.
var settings = []string{
	"lc_messages TO 'C'", "lc_monetary TO 'C'", "lc_numeric TO 'C'", "lc_time TO 'C'",
	"bytea_output TO 'hex'", "timezone_abbreviations TO 'Default'",
}

// side is a server with the tables, reached directly or through pgveil.
type side struct {
	name     string
	dir      string // where its results go
	server   *testenv.Postgres
	port     int
	database string
}

func (s *side) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

func (s *side) environ() []string {
	return []string{"PGHOST=127.0.0.1", "PGPORT=" + strconv.Itoa(s.port), "PGUSER=" + testenv.SuperUser, "PGDATABASE=" + s.database}
}

var serverOptions = testenv.PostgresOptions{
	AuthMethod: testenv.AuthTrust, LogStatements: true,
	Settings: map[string]string{"max_prepared_transactions": "2"},
}

// startThrough starts a server with pgveil in front of it, and plants values.
func startThrough(t *testing.T, database string) *side {
	t.Helper()
	s := stack.Start(t, stack.Options{Postgres: serverOptions, Database: database, Schema: schemaText(database), Tables: labTables, Refresh: 5 * time.Second})
	through := &side{"through pgveil", "through", s.Postgres, s.Port, database}
	through.prepare(t)
	plant(t, s)
	return through
}

// startDirect starts a server with the same tables in it, in their sealed form.
func startDirect(t *testing.T, database string) *side {
	t.Helper()
	ctx := context.Background()
	server, err := testenv.StartPostgres(ctx, serverOptions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	file, err := schema.Parse("schema.yaml", []byte(schemaText(database)))
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"biologist", "secretary", "researcher", "pgveil"} {
		if err := server.CreateRole(ctx, role, stack.Password); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.CreateDatabase(ctx, database); err != nil {
		t.Fatal(err)
	}
	ddl := append(append([]string{}, labTables...), schema.DDL(file.Databases[database], schema.AddConstraints))
	if err := server.ExecIn(ctx, database, ddl...); err != nil {
		t.Fatal(err)
	}
	direct := &side{"directly", "direct", server, server.Port(), database}
	direct.prepare(t)
	return direct
}

func (s *side) prepare(t *testing.T) {
	t.Helper()
	for _, setting := range settings {
		if err := s.server.Exec(context.Background(), fmt.Sprintf("ALTER DATABASE %s SET %s", s.database, setting)); err != nil {
			t.Fatal(err)
		}
	}
}

// plant stores the planted values through pgveil.
func plant(t *testing.T, s *stack.Stack) {
	t.Helper()
	ctx := context.Background()
	conn := s.Connect(t, testenv.SuperUser)
	defer conn.Close(ctx)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeDescribeExec} {
		for i, row := range [][3]string{{planted[0], planted[1], planted[2]}, {planted[4], planted[3], planted[2]}} {
			id := 10*int(mode) + i
			if _, err := conn.Exec(ctx, `DELETE FROM pgveil_lab.assay_outcome WHERE nir = $1`, mode, row[0]); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(ctx, `DELETE FROM pgveil_lab.patient WHERE nir = $1`, mode, row[0]); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(ctx, `INSERT INTO pgveil_lab.patient (id, nir, last_name, birth_date) VALUES ($1, $2, $3, '1985-05-17')`,
				mode, id, row[0], row[1]); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(ctx, `INSERT INTO pgveil_lab.assay_outcome (id, nir, outcome) VALUES ($1, $2, $3)`,
				mode, id, row[0], row[2]); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// checkPlanted reads the planted values through pgveil, and looks for them in all
// that the server keeps.
func checkPlanted(t *testing.T, through *side) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=%s sslmode=disable", through.port, testenv.SuperUser, through.database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, row := range [][3]string{{planted[0], planted[1], planted[2]}, {planted[4], planted[3], planted[2]}} {
		var name, outcome string
		if err := conn.QueryRow(ctx, `SELECT last_name, outcome FROM pgveil_lab.patient_outcome WHERE nir = $1`, row[0]).Scan(&name, &outcome); err != nil {
			t.Fatal(err)
		}
		if name != row[1] || outcome != row[2] {
			t.Errorf("a planted row reads %q, %q after the suites", name, outcome)
		}
	}
	through.server.NoPlaintext(t, through.database, planted...)
}
