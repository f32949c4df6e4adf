package drivers

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// TestTerminatedDrivers has drivers log in where pgveil authenticates them, with TLS on
// both sides and the drivers' own defaults: those of libpq bind the channel.
func TestTerminatedDrivers(t *testing.T) {
	testenv.Require(t, testenv.PartPostgres, testenv.PartPsql, testenv.PartPsycopg2, testenv.PartPsycopg3, testenv.PartPgJDBC)
	ca, err := testenv.NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue("localhost")
	if err != nil {
		t.Fatal(err)
	}
	clients, err := proxy.LoadClientTLS(proxy.ClientTLSRequire, cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	s := stack.Start(t, stack.Options{
		Postgres: testenv.PostgresOptions{RequireTLS: true, CA: ca}, SSLMode: proxy.SSLRequire, Clients: clients,
		Terminate: &proxy.Terminate{
			MockKey: []byte("a key of tests"), FailureDelay: 10 * time.Millisecond,
			Secret: func(_ context.Context, name string) (proxy.RoleSecret, error) {
				if name == role {
					return proxy.RoleSecret{Password: stack.Password}, nil
				}
				return proxy.RoleSecret{}, nil
			},
		},
	})
	// The session is like any other.
	conn := s.Connect(t, role, "host=localhost", "sslmode=verify-full", "channel_binding=require", "sslrootcert="+ca.File())
	if _, err := conn.Exec(t.Context(), `INSERT INTO lab.patient (id, last_name) VALUES (1, $1)`, "Terminée-par-pgveil"); err != nil {
		t.Fatal(err)
	}
	var name string
	if err := conn.QueryRow(t.Context(), `SELECT last_name FROM lab.patient`).Scan(&name); err != nil || name != "Terminée-par-pgveil" {
		t.Errorf("%q, %v", name, err)
	}
	psql, err := testenv.ClientProgram("psql")
	if err != nil {
		t.Fatal(err)
	}
	python2, err := testenv.Python(testenv.PartPsycopg2)
	if err != nil {
		t.Fatal(err)
	}
	python3, err := testenv.Python(testenv.PartPsycopg3)
	if err != nil {
		t.Fatal(err)
	}
	java, jar, err := testenv.PgJDBC()
	if err != nil {
		t.Fatal(err)
	}
	for _, driver := range []struct {
		name    string
		libpq   bool
		command []string
	}{
		{"psql", true, []string{psql, "-X", "-A", "-t", "-c", "SELECT session_user"}},
		{"psycopg2", true, []string{python2, "testdata/login.py", "psycopg2"}},
		{"psycopg 3", true, []string{python3, "testdata/login.py", "psycopg"}},
		{"pgjdbc", false, []string{java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", jar, "testdata/Login.java"}},
	} {
		for _, binding := range []string{"", "require"} {
			if binding != "" && !driver.libpq {
				continue
			}
			for password, want := range map[string]string{stack.Password: role, "a wrong one": "28P01"} {
				t.Run(driver.name+" "+binding+" "+want, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
					defer cancel()
					cmd := exec.CommandContext(ctx, driver.command[0], driver.command[1:]...)
					cmd.Env = slices.DeleteFunc(side{port: s.Port}.environ(), func(kv string) bool {
						return strings.HasPrefix(kv, "PGPASSWORD=") || strings.HasPrefix(kv, "PGSSLMODE=") || strings.HasPrefix(kv, "PGHOST=")
					})
					cmd.Env = append(cmd.Env, "PGHOST=localhost", "PGPASSWORD="+password, "PGSSLMODE=verify-full", "PGSSLROOTCERT="+ca.File())
					if binding != "" {
						cmd.Env = append(cmd.Env, "PGCHANNELBINDING="+binding)
					}
					out, _ := cmd.CombinedOutput()
					got := strings.TrimSpace(string(out))
					if driver.name == "psql" && strings.Contains(got, `FATAL:  password authentication failed for user "`+role+`"`) {
						got = "28P01"
					}
					if got != want {
						t.Errorf("%s", got)
					}
				})
			}
		}
	}
}
