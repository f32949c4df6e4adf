package proxy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/proxy/scram"
	"github.com/pgveil/pgveil/testenv"
)

// Drivers log in as they are configured by default, with TLS on both sides, which a
// relayed login cannot.
func TestTerminatedLogin(t *testing.T) {
	testenv.Require(t, testenv.PartPsql)
	s := startTerminating(t, testenv.PostgresOptions{RequireTLS: true}, []string{"alice"}, nil)
	for _, c := range []struct{ sslmode, binding, only, fails string }{
		{sslmode: "verify-full"},
		{sslmode: "verify-full", binding: "prefer", only: "psql pgx"},
		{sslmode: "verify-full", binding: "require", only: "psql pgx"},
		{sslmode: "verify-full", binding: "disable", only: "psql pgx"},
		{sslmode: "disable"},
		{sslmode: "disable", binding: "prefer", only: "psql pgx"},
		{sslmode: "disable", binding: "require", only: "psql pgx", fails: "channel binding"},
	} {
		for _, d := range drivers {
			if c.only != "" && !strings.Contains(c.only, d.name) {
				continue
			}
			t.Run(strings.Join([]string{c.sslmode, c.binding, d.name}, "/"), func(t *testing.T) {
				options := []string{"sslmode=" + c.sslmode, "application_name=the%20tests"}
				if c.binding != "" {
					options = append(options, "channel_binding="+c.binding)
				}
				got, err := d.ask(bounded(t), s.url("alice", secret, options...), whoAmI)
				switch {
				case c.fails != "":
					if err == nil || !strings.Contains(err.Error(), c.fails) {
						t.Errorf("%q, %v", got, err)
					}
				case err != nil || got != "alice the tests":
					t.Errorf("%q, %v", got, err)
				}
			})
		}
	}
	if n := s.reads["alice"]; n != 1 {
		t.Errorf("the secret was read %d times", n)
	}
}

// What a session is told at its start is the server's, as when the login is relayed, and its query can be cancelled.
func TestTerminatedSession(t *testing.T) {
	s := startTerminating(t, testenv.PostgresOptions{}, []string{"alice"}, nil)
	ctx := bounded(t)
	conn, err := pgx.Connect(ctx, s.url("alice", secret, "TimeZone=Europe%2FParis", "options=-c%20search_path%3Dlab"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var pid uint32
	var path, zone string
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid(), current_setting('search_path'), current_setting('TimeZone')").Scan(&pid, &path, &zone); err != nil {
		t.Fatal(err)
	}
	if conn.PgConn().PID() != pid || path != "lab" || zone != "Europe/Paris" || conn.PgConn().ParameterStatus("TimeZone") != zone ||
		conn.PgConn().ParameterStatus("server_version") == "" {
		t.Errorf("pid %d of %d, search_path %q, TimeZone %q", conn.PgConn().PID(), pid, path, zone)
	}
	ended := make(chan struct{})
	cancelling := make(chan error, 1)
	go func() {
		for { // one that comes before the query has begun does nothing
			select {
			case <-ended:
				cancelling <- nil
				return
			case <-time.After(100 * time.Millisecond):
			}
			if err := conn.PgConn().CancelRequest(ctx); err != nil {
				cancelling <- err
				return
			}
		}
	}()
	_, err = conn.Exec(ctx, "SELECT pg_sleep(60)")
	close(ended)
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "57014" {
		t.Error(err)
	}
	if err := <-cancelling; err != nil {
		t.Error(err)
	}
}

// Whoever cannot log in at the server cannot here, and is told as by the server.
func TestTerminatedRefusals(t *testing.T) {
	s := startTerminating(t, testenv.PostgresOptions{}, []string{"alice", "expired", "nologin", "one", "gone", "other"}, nil)
	err := s.postgres.Exec(bounded(t), "ALTER ROLE expired VALID UNTIL '2020-01-01'", "ALTER ROLE nologin NOLOGIN", "ALTER ROLE one CONNECTION LIMIT 1", "DROP ROLE gone")
	if err != nil {
		t.Fatal(err)
	}
	s.set("other", RoleSecret{Password: "not the server's battery"})
	held, err := pgx.Connect(bounded(t), s.url("one", secret))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close(context.Background())
	const failed = `FATAL 28P01 password authentication failed for user "`
	for _, c := range []struct{ role, password, want string }{
		{"alice", secret, "alice"},
		{"alice", "wrong battery", failed + `alice"`},
		{"alice", "", failed + `alice"`},
		{"nobody", secret, failed + `nobody"`},
		{"expired", secret, failed + `expired"`},
		{"gone", secret, failed + `gone"`},
		{"other", secret, failed + `other"`},
		{"other", "not the server's battery", failed + `other"`},
		{"nologin", secret, `FATAL 28000 role "nologin" is not permitted to log in`},
		{"one", secret, `FATAL 53300 too many connections for role "one"`},
		{"one", "wrong battery", failed + `one"`},
	} {
		if c.password == "" {
			continue // pgx would take it from elsewhere
		}
		if got := s.ask(t, c.role, c.password); got != c.want {
			t.Errorf("%s with %q: %s, want %s", c.role, c.password, got, c.want)
		}
	}
	if got := s.ask(t, "alice", secret, "dbname=nowhere"); got != `FATAL 3D000 database "nowhere" does not exist` {
		t.Error(got)
	}
	s.mu.Lock()
	s.broken = errors.New("no answer")
	s.mu.Unlock()
	for _, role := range []string{"bob", "carol"} {
		if got := s.ask(t, role, secret); got != "FATAL 57P03 pgveil cannot authenticate anybody at this moment" {
			t.Error(got)
		}
	}
	if got := s.ask(t, "alice", secret); got != "alice" {
		t.Errorf("what is known counts: %s", got)
	}
}

// Passwords change while pgveil remembers the old ones.
func TestTerminatedRotation(t *testing.T) {
	s := startTerminating(t, testenv.PostgresOptions{}, []string{"alice"}, func(c *Config) { c.Terminate.Cache = 50 * time.Millisecond })
	alter := func(password string) {
		t.Helper()
		conn, err := s.postgres.Conn(bounded(t), "postgres")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(bounded(t), "ALTER ROLE alice PASSWORD '"+password+"'"); err != nil {
			t.Fatal(err)
		}
	}
	const failed = `FATAL 28P01 password authentication failed for user "alice"`
	if got := s.ask(t, "alice", secret); got != "alice" {
		t.Fatal(got)
	}
	s.terminator.secrets.cache = time.Hour // what follows finds the old one remembered
	old := s.terminator.secrets.known["alice"]
	stale := func() {
		aged := *old
		aged.read = time.Now().Add(-time.Minute)
		s.terminator.secrets.remember("alice", &aged)
	}
	alter("a second battery")
	s.set("alice", RoleSecret{Password: "a second battery"})
	for _, c := range []struct{ password, want string }{
		{"a second battery", "alice"}, // wrong by what is remembered: read again
		{secret, failed},              // right by it, and the server knows better
	} {
		stale()
		if got := s.ask(t, "alice", c.password); got != c.want {
			t.Errorf("%q: %s", c.password, got)
		}
	}
	// A verifier with another salt holds from the next time on.
	verifier, err := scram.NewVerifier("a third battery", []byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	text := verifierText(verifier)
	alter("a third battery")
	s.set("alice", RoleSecret{Password: "a third battery", Verifier: text})
	stale()
	if got := s.ask(t, "alice", "a third battery"); got != failed {
		t.Error(got)
	}
	if got := s.ask(t, "alice", "a third battery"); got != "alice" {
		t.Error(got)
	}
}

// pgveil's certificate lets it in where the server maps it to the role, and then it is
// pgveil that looks at VALID UNTIL. Other ways that a server asks work as well.
func TestTerminatedServerMethods(t *testing.T) {
	dir := socketDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ident := filepath.Join(dir, "pg_ident.conf")
	if err := os.WriteFile(ident, []byte("pgveil pgveil bycert\npgveil pgveil late\npgveil pgveil both\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startTerminating(t, testenv.PostgresOptions{
		Settings: map[string]string{"ident_file": ident},
		HBA: []string{
			"hostssl all bycert,late,both,notmapped 127.0.0.1/32 cert map=pgveil", "hostssl all md5 127.0.0.1/32 md5", "hostssl all clear 127.0.0.1/32 password",
			"hostssl all gss 127.0.0.1/32 gss",
		},
	}, []string{"bycert", "late", "both", "notmapped", "md5", "clear", "noserver", "gss"}, nil)
	verifier, err := scram.NewVerifier(secret, []byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"bycert", "late", "notmapped", "noserver"} {
		s.set(role, RoleSecret{Verifier: verifierText(verifier)})
	}
	if err := s.postgres.Exec(bounded(t), "ALTER ROLE late VALID UNTIL '2020-01-01'", "ALTER ROLE bycert VALID UNTIL '2999-01-01'"); err != nil {
		t.Fatal(err)
	}
	const failed = `FATAL 28P01 password authentication failed for user "`
	for role, want := range map[string]string{
		"bycert": "bycert", "both": "both", "clear": "clear", "late": failed + `late"`,
		"md5":       "md5", // the server runs SCRAM, as the password is kept so
		"notmapped": `FATAL 28000 certificate authentication failed for user "notmapped"`,
		"noserver":  "FATAL 28000 pgveil has no password for this role that the server asks for",
		"gss":       "FATAL 0A000 the server asks for authentication method 7, which pgveil does not know",
	} {
		if got := s.ask(t, role, secret); got != want {
			t.Errorf("%s: %s, want %s", role, got, want)
		}
		if got := s.ask(t, role, "wrong battery"); got != failed+role+`"` {
			t.Errorf("%s with a wrong password: %s", role, got)
		}
	}
	// The question cannot be answered: nobody is let in.
	if err := s.postgres.Exec(bounded(t), "REVOKE SELECT ON pg_catalog.pg_roles FROM PUBLIC"); err != nil {
		t.Fatal(err)
	}
	if got := s.ask(t, "bycert", secret); got != "FATAL 57P03 pgveil cannot find out whether the role's password is valid" {
		t.Error(got)
	}
	// A password that is kept as MD5.
	conn, err := s.postgres.Conn(bounded(t), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range []string{"SET password_encryption = md5", "ALTER ROLE md5 PASSWORD 'a battery of md5'"} {
		if _, err := conn.Exec(bounded(t), statement); err != nil {
			t.Fatal(err)
		}
	}
	s.set("md5", RoleSecret{Password: "a battery of md5", Verifier: verifierText(verifier)})
	s.terminator.secrets.cache = 0
	if got := s.ask(t, "md5", secret); got != "md5" {
		t.Errorf("a password for the server, a verifier for the client: %s", got)
	}
}
