package main

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/lab"
)

// database is the laboratory's.
const database = "laboratory"

// The roles. The importer fills the tables and reads nothing; pgveil's own reads
// catalogs.
const (
	biologist  = "biologist"
	secretary  = "secretary"
	researcher = "researcher"
	importer   = "importer"
	ownLogin   = "pgveil"
)

// schemaYAML is the schema file of the demo.
//
//go:embed schema.yaml
var schemaYAML []byte

// grants gives the roles what they need of the tables. What they see of the sealed
// columns is pgveil's business.
var grants = []string{
	"GRANT USAGE ON SCHEMA lab TO biologist, secretary, researcher, importer",
	"GRANT SELECT ON ALL TABLES IN SCHEMA lab TO biologist, secretary, researcher",
	"GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA lab TO biologist",
	"GRANT INSERT, UPDATE ON lab.patient TO secretary",
	"GRANT INSERT ON ALL TABLES IN SCHEMA lab TO importer",
}

// laboratory is the private server with the laboratory's database.
type laboratory struct {
	server    *testenv.Postgres
	tags      *schema.Database
	passwords map[string]string // by role, made anew for each run
}

// startLaboratory starts a server on the port and creates roles and tables. With
// searchable, all that the server writes is kept, so that it can be searched for
// plaintext. The caller must call server.Stop.
func startLaboratory(ctx context.Context, port int, searchable bool) (*laboratory, error) {
	l := &laboratory{passwords: make(map[string]string)}
	err := l.readTags()
	if err != nil {
		return nil, err
	}
	l.server, err = testenv.StartPostgres(ctx, testenv.PostgresOptions{
		Port: port, LogStatements: searchable, DiscardWAL: !searchable,
		Settings: map[string]string{"max_wal_size": "4GB", "synchronous_commit": "off"},
	})
	if err != nil {
		return nil, err
	}
	if err := l.create(ctx); err != nil {
		return nil, errors.Join(err, l.server.Stop())
	}
	return l, nil
}

func (l *laboratory) readTags() error {
	file, err := schema.Parse("schema.yaml", schemaYAML)
	if err == nil {
		l.tags = file.Databases[database]
	}
	return err
}

func (l *laboratory) create(ctx context.Context) error {
	for _, role := range []string{biologist, secretary, researcher, importer, ownLogin} {
		l.passwords[role] = strings.ToLower(rand.Text()[:16])
		if err := l.server.CreateRole(ctx, role, l.passwords[role]); err != nil {
			return err
		}
	}
	if err := l.server.CreateDatabase(ctx, database); err != nil {
		return err
	}
	ddl := []string{"CREATE SCHEMA lab"}
	for _, table := range lab.Tables() {
		create, err := l.createTable(table)
		if err != nil {
			return err
		}
		ddl = append(ddl, create)
	}
	return l.server.ExecIn(ctx, database, append(ddl, grants...)...)
}

// createTable is the table's DDL on the server: what is tagged is bytea, with the
// CHECK constraint that `pgveil schema sql` prints. Constraints such as NOT NULL
// stay.
func (l *laboratory) createTable(t lab.Table) (string, error) {
	var columns []string
	for _, c := range t.Columns {
		tag := l.tags.Column(t.Schema, t.Name, c.Name)
		switch {
		case (tag != nil) != (c.Encryption != ""):
			return "", fmt.Errorf("%s.%s: schema.yaml and the laboratory do not agree whether it is sealed", t, c.Name)
		case tag == nil:
			columns = append(columns, pgx.Identifier{c.Name}.Sanitize()+" "+c.Type+" "+c.Constraints)
		default:
			columns = append(columns, tag.Definition()+" "+c.Constraints)
		}
	}
	sql := fmt.Sprintf("CREATE TABLE %s (%s)", t, strings.Join(columns, ", "))
	if t.Name == "patient" {
		sql += "; CREATE UNIQUE INDEX ON lab.patient (nir)"
	} else {
		sql += "; CREATE INDEX ON lab.result (patient_id)"
	}
	return sql, nil
}

// url is how a role connects to a port: pgveil's or the server's.
func (l *laboratory) url(role string, port int) string {
	u := url.URL{
		Scheme: "postgresql", User: url.UserPassword(role, l.passwords[role]),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/" + database,
	}
	return u.String()
}

// application is what the demo's sessions say of themselves.
const application = "pgveil demo"

// connect connects a role to a port.
func (l *laboratory) connect(ctx context.Context, role string, port int) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(l.url(role, port))
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["application_name"] = application
	return pgx.ConnectConfig(ctx, config)
}

// ask runs one query as psql would, in the simple query protocol, so that every
// value comes as text.
func (l *laboratory) ask(ctx context.Context, role string, port int, sql string) (*answer, error) {
	conn, err := l.connect(ctx, role, port)
	if err != nil {
		return nil, err
	}
	a := &answer{}
	results := conn.PgConn().Exec(ctx, sql)
	for results.NextResult() {
		rows := results.ResultReader()
		a.fields = slices.Clone(rows.FieldDescriptions())
		for rows.NextRow() {
			var row [][]byte
			for _, value := range rows.Values() {
				row = append(row, bytes.Clone(value)) // nil stays nil
			}
			a.rows = append(a.rows, row)
		}
	}
	// With the session over, what it did is in the audit log, or about to be.
	err = errors.Join(results.Close(), conn.Close(ctx))
	if errors.As(err, &a.err) {
		return a, nil
	}
	return a, err
}
