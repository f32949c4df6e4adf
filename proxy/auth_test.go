package proxy

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/lib/pq"

	"github.com/pgveil/pgveil/testenv"
)

const secret = "correct horse 'é' \\ battery"

// driver asks for a value through a driver; the URL holds the password.
type driver struct {
	name string
	ask  func(ctx context.Context, url, query string) (string, error)
}

var drivers = []driver{{"psql", askPsql}, {"pgx", askPgx}, {"lib/pq", askPq}}

func askPsql(ctx context.Context, dsn, query string) (string, error) {
	program, err := testenv.ClientProgram("psql")
	if err != nil {
		return "", err
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", err
	}
	password, _ := u.User.Password()
	u.User = url.User(u.User.Username())
	cmd := exec.CommandContext(ctx, program, "-X", "-A", "-t", "-v", "VERBOSITY=verbose", "-d", u.String(), "-c", query)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password, "LC_ALL=C.UTF-8", "HOME=/nonexistent")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func askPgx(ctx context.Context, dsn, query string) (string, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var answer string
	err = conn.QueryRow(ctx, query).Scan(&answer)
	return answer, err
}

func askPq(ctx context.Context, dsn, query string) (string, error) {
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		return "", err
	}
	defer db.Close()
	var answer string
	err = db.QueryRowContext(ctx, query).Scan(&answer)
	return answer, err
}

// loginServer is a server with a role for each method of authentication.
func loginServer(t *testing.T, opts testenv.PostgresOptions) *testenv.Postgres {
	t.Helper()
	opts.HBA = []string{
		"local all trusted trust", // over the Unix socket
		"host all md5 127.0.0.1/32 md5", "host all cleartext 127.0.0.1/32 password",
		"host all trusted 127.0.0.1/32 trust", "host all gss 127.0.0.1/32 gss",
		"local all cleartext password", "local all md5 md5",
	}
	server := startPostgres(t, opts)
	for _, role := range []string{"scram", "cleartext", "trusted", "gss"} {
		if err := server.CreateRole(bounded(t), role, secret); err != nil {
			t.Fatal(err)
		}
	}
	err := server.Exec(bounded(t), "CREATE ROLE md5 LOGIN", "SET password_encryption = md5")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := server.Conn(bounded(t), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range []string{"SET password_encryption = md5", "ALTER ROLE md5 PASSWORD '" + strings.ReplaceAll(secret, "'", "''") + "'"} {
		if _, err := conn.Exec(bounded(t), statement); err != nil {
			t.Fatal(err)
		}
	}
	return server
}

// through is a URL through the relay.
func through(r *loginRelay, user, password string, options ...string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password),
		Host: "127.0.0.1:" + strconv.Itoa(r.port()), Path: "/postgres", RawQuery: strings.Join(options, "&"),
	}
	return u.String()
}

const whoAmI = "SELECT current_user || ' ' || current_setting('application_name')"

func TestLogin(t *testing.T) {
	testenv.Require(t, testenv.PartPsql)
	ca := newCA(t)
	server := loginServer(t, testenv.PostgresOptions{TLS: true, CA: ca})
	clients := clientTLS(t, ClientTLSAllow, ca)
	relays := map[string]*loginRelay{
		"server in clear":        relayLogins(t, clients, upstreamOf(server, SSLDisable), ""),
		"server over TLS":        relayLogins(t, clients, upstreamOf(server, SSLVerifyFull), ""),
		"server by Unix socket":  relayLogins(t, clients, &UpstreamConfig{Host: server.Dir(), Port: server.Port()}, ""),
		"the same certificate":   relayLogins(t, sameCertificate(t, server), upstreamOf(server, SSLVerifyFull), ""),
		"client TLS not offered": relayLogins(t, &ClientTLS{}, upstreamOf(server, SSLVerifyFull), ""),
	}
	root := "&sslrootcert=" + url.QueryEscape(ca.File())
	const (
		inClear = "sslmode=disable"
		inTLS   = "sslmode=verify-full"
		// Without an SSLRequest; psql has it since version 17, and lib/pq does it without
		// the ALPN that the server, too, insists on.
		inDirect = "sslmode=verify-full&sslnegotiation=direct"
	)
	for _, c := range []struct {
		relay, sslmode, user string
		only                 string // of the drivers
		binding              string
		fails                string
	}{
		{relay: "server in clear", sslmode: inClear, user: "scram"},
		{relay: "server in clear", sslmode: inClear, user: "md5"},
		{relay: "server in clear", sslmode: inClear, user: "trusted"},
		{relay: "server in clear", sslmode: inClear, user: "cleartext", fails: "password in clear, and this connection is not encrypted"},
		{relay: "server in clear", sslmode: inTLS, user: "scram"},
		{relay: "server in clear", sslmode: inTLS, user: "md5"},
		{relay: "server in clear", sslmode: inTLS, user: "cleartext"},
		{relay: "server over TLS", sslmode: inClear, user: "scram"},
		{relay: "server over TLS", sslmode: inClear, user: "md5"},
		{relay: "server over TLS", sslmode: inClear, user: "cleartext", fails: "password in clear, and this connection is not encrypted"},
		{relay: "server over TLS", sslmode: inTLS, user: "scram", only: "psql pgx", fails: "SCRAM channel binding cannot hold"},
		{relay: "server over TLS", sslmode: inTLS, user: "scram", only: "lib/pq"},
		{relay: "server over TLS", sslmode: inTLS, user: "scram", binding: "disable", only: "psql pgx"},
		{relay: "server over TLS", sslmode: inTLS, user: "scram", binding: "require", only: "psql pgx", fails: "channel binding"},
		{relay: "server over TLS", sslmode: inTLS, user: "md5"},
		{relay: "server over TLS", sslmode: inTLS, user: "cleartext"},
		{relay: "server by Unix socket", sslmode: inTLS, user: "scram"},
		{relay: "server by Unix socket", sslmode: inClear, user: "scram"},
		{relay: "server by Unix socket", sslmode: inTLS, user: "cleartext"},
		{relay: "the same certificate", sslmode: inTLS, user: "scram"},
		{relay: "the same certificate", sslmode: inTLS, user: "scram", binding: "require", only: "psql pgx"},
		{relay: "the same certificate", sslmode: inTLS, user: "scram", binding: "disable", only: "psql pgx"},
		{relay: "the same certificate", sslmode: inClear, user: "scram"},
		{relay: "the same certificate", sslmode: inDirect, user: "scram", only: "pgx"},
		{relay: "server in clear", sslmode: inDirect, user: "cleartext", only: "pgx"},
		{relay: "client TLS not offered", sslmode: inClear, user: "scram"},
		{relay: "client TLS not offered", sslmode: "sslmode=prefer", user: "scram", only: "psql pgx"},
		{relay: "client TLS not offered", sslmode: "sslmode=require", user: "scram", only: "psql pgx", fails: "TLS|SSL"},
	} {
		for _, d := range drivers {
			if c.only != "" && !strings.Contains(c.only, d.name) {
				continue
			}
			t.Run(strings.Join([]string{c.relay, c.sslmode, c.user, c.binding, d.name}, "/"), func(t *testing.T) {
				options := []string{c.sslmode + root, "application_name=the%20tests"}
				if c.binding != "" {
					options = append(options, "channel_binding="+c.binding)
				}
				got, err := d.ask(bounded(t), through(relays[c.relay], c.user, secret, options...), whoAmI)
				if c.fails != "" {
					if err == nil || !containsAny(err.Error(), c.fails) {
						t.Fatalf("%q, error %v, want %q", got, err, c.fails)
					}
					return
				}
				if err != nil || got != c.user+" the tests" {
					t.Fatalf("%q, error %v", got, err)
				}
				s, _ := relays[c.relay].last()
				if (s.tls != nil) != strings.HasPrefix(c.sslmode, inTLS) {
					t.Errorf("TLS with the client: %v", s.tls != nil)
				}
			})
		}
	}
}

func containsAny(s, words string) bool {
	for word := range strings.SplitSeq(words, "|") {
		if strings.Contains(s, word) {
			return true
		}
	}
	return false
}

// sameCertificate shows clients the server's own certificate.
func sameCertificate(t *testing.T, server *testenv.Postgres) *ClientTLS {
	t.Helper()
	dir := filepath.Join(server.Dir(), "tls")
	c, err := LoadClientTLS(ClientTLSRequire, filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"), "")
	if err != nil {
		t.Fatal(err)
	}
	c.Mode = ClientTLSAllow
	return c
}

// The server's errors arrive as they are, and what it says at login is known.
func TestLoginErrors(t *testing.T) {
	server := loginServer(t, testenv.PostgresOptions{})
	relay := relayLogins(t, &ClientTLS{}, upstreamOf(server, SSLPrefer), "")
	for _, c := range []struct{ user, password, database, code string }{
		{"scram", "wrong " + secret, "postgres", "28P01"},
		{"md5", "wrong " + secret, "postgres", "28P01"},
		{"nobody", secret, "postgres", "28P01"},
		{"scram", secret, "nowhere", "3D000"},
		{"gss", secret, "postgres", "0A000"},
	} {
		ask := func(dsn string) *pgconn.PgError {
			_, err := askPgx(bounded(t), strings.Replace(dsn, "/postgres?", "/"+c.database+"?", 1), "SELECT 1")
			var e *pgconn.PgError
			if !errors.As(err, &e) {
				t.Fatalf("%s: %v", c.user, err)
			}
			return e
		}
		got := ask(through(relay, c.user, c.password, "sslmode=disable"))
		if got.Code != c.code || got.Severity != "FATAL" {
			t.Errorf("%+v: %v", c, got)
		}
		if err := relay.errorWith(t, c.code); strings.Contains(err.Error(), secret) {
			t.Error("the password is in the error")
		}
		if c.user == "gss" {
			continue
		}
		direct := ask(server.DSN(c.user, c.password, "postgres"))
		if *got != *direct {
			t.Errorf("%s: %+v, from the server itself %+v", c.user, got, direct)
		}
	}
}

func TestLoginResult(t *testing.T) {
	server := loginServer(t, testenv.PostgresOptions{})
	relay := relayLogins(t, &ClientTLS{}, upstreamOf(server, SSLPrefer), "")
	ctx := bounded(t)
	conn, err := pgx.Connect(ctx, through(relay, "scram", secret, "sslmode=disable", "TimeZone=Europe%2FParis", "options=-c%20search_path%3Dlab"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var pid uint32
	var path, zone string
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid(), current_setting('search_path'), current_setting('TimeZone')").Scan(&pid, &path, &zone); err != nil {
		t.Fatal(err)
	}
	_, told := relay.last()
	if told.key == nil || told.key.pid != pid || conn.PgConn().PID() != pid || len(told.key.secret) != 4 {
		t.Errorf("key %+v, backend %d, client's %d", told.key, pid, conn.PgConn().PID())
	}
	if path != "lab" || zone != "Europe/Paris" || told.parameters["TimeZone"] != zone || told.status != 'I' {
		t.Errorf("search_path %q, TimeZone %q, parameters %v, status %q", path, zone, told.parameters, told.status)
	}
	for _, name := range []string{"server_version", "client_encoding", "DateStyle", "standard_conforming_strings", "is_superuser"} {
		if told.parameters[name] == "" || told.parameters[name] != conn.PgConn().ParameterStatus(name) {
			t.Errorf("%s: %q, the client has %q", name, told.parameters[name], conn.PgConn().ParameterStatus(name))
		}
	}
}

// A password may cross a Unix socket in clear, on either side.
func TestLoginOverUnixSocket(t *testing.T) {
	server := loginServer(t, testenv.PostgresOptions{})
	dir := socketDir(t)
	relayLogins(t, &ClientTLS{Mode: ClientTLSRequire}, &UpstreamConfig{Host: server.Dir(), Port: server.Port()}, dir)
	for _, user := range []string{"cleartext", "trusted"} {
		dsn := fmt.Sprintf("postgres://%s:%s@/postgres?host=%s&application_name=x", user, url.QueryEscape(secret), url.QueryEscape(dir))
		dsn = strings.ReplaceAll(dsn, "+", "%20")
		if got, err := askPsql(bounded(t), dsn, whoAmI); err != nil || got != user+" x" {
			t.Errorf("%s: %q %v", user, got, err)
		}
	}
}

// TestLoginTimeout has a server that never answers.
func TestLoginTimeout(t *testing.T) {
	server := loginServer(t, testenv.PostgresOptions{})
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if _, err := openServer(ctx, upstreamOf(server, SSLDisable), nil); err == nil || time.Since(begun) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
}
