package schema

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/testenv"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if server.postgres != nil {
		if err := server.postgres.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// server is started by the first test that asks for it.
var server struct {
	once     sync.Once
	postgres *testenv.Postgres
	err      error
	count    atomic.Int32
}

// A role of least rights: it may connect.
const (
	loginRole     = "pgveil_login"
	loginPassword = "login"
)

func startServer(t *testing.T) *testenv.Postgres {
	t.Helper()
	testenv.Require(t, testenv.PartPostgres)
	server.once.Do(func() {
		ctx := context.Background()
		p, err := testenv.StartPostgres(ctx, testenv.PostgresOptions{})
		if err != nil {
			server.err = err
			return
		}
		server.postgres = p
		server.err = errors.Join(
			p.CreateRole(ctx, loginRole, loginPassword),
			p.Exec(ctx, "CREATE ROLE biologist", "CREATE ROLE secretary"),
		)
	})
	if server.err != nil {
		t.Fatal(server.err)
	}
	return server.postgres
}

// newDatabase makes a database and runs statements in it. It returns a
// connection of the superuser and one of the role of least rights.
func newDatabase(t *testing.T, sql ...string) (super, login *pgx.Conn) {
	t.Helper()
	p := startServer(t)
	ctx := t.Context()
	name := fmt.Sprintf("test_%d", server.count.Add(1))
	if err := p.CreateDatabase(ctx, name); err != nil {
		t.Fatal(err)
	}
	super, err := p.Conn(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	login, err = pgx.Connect(ctx, p.DSN(loginRole, loginPassword, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(super.Close(context.Background()), login.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	mustExec(t, super, sql...)
	return super, login
}

func mustExec(t *testing.T, conn *pgx.Conn, sql ...string) {
	t.Helper()
	for _, s := range sql {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// mustParse parses the tables of one database named db.
func mustParse(t *testing.T, tables string) *Database {
	t.Helper()
	more := "" // a key that would otherwise make it unclear which is meant
	if strings.Contains(tables, "key: e") {
		more = ", e: deterministic"
	}
	text := "version: 1\nkeys: {r: randomized, d: deterministic" + more + "}\ndatabases:\n  db:\n    tables:\n" +
		"      " + strings.ReplaceAll(strings.TrimSpace(tables), "\n", "\n      ") + "\n"
	f, err := Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return f.Databases["db"]
}
