package proxy

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/proxy/access"
	"github.com/pgveil/pgveil/testenv"
)

// identified is how a client shows a certificate with this common name.
func (s *terminating) identified(t *testing.T, name string) string {
	t.Helper()
	cert, key, err := s.ca.Issue(name)
	if err != nil {
		t.Fatal(err)
	}
	return "sslcert=" + url.QueryEscape(cert) + "&sslkey=" + url.QueryEscape(key)
}

// What a role's rule does not allow is refused before anything else, and the refusal does
// not say why; the log does.
func TestAdmit(t *testing.T) {
	closed := strings.ToLower(time.Now().AddDate(0, 0, 3).Weekday().String()[:3])
	rules, err := access.Parse("access.yaml", []byte(fmt.Sprintf(`
roles:
  elsewhere: {networks: [10.0.0.0/8, local]}
  here: {networks: 127.0.0.0/8}
  secured: {tls: require}
  closed: {hours: {days: %s, time_zone: UTC}}
  both: {certificate: require}
  machine: {method: cert}
  other: {method: cert}
  noserver: {method: cert}
  choosy: {certificate: optional}
certificates:
  - {cn: app-1, role: machine}
  - {cn: app-1, role: noserver}
  - {cn: '/^(.*)@lab$', role: '\1'}
`, closed)))
	if err != nil {
		t.Fatal(err)
	}
	roles := []string{"elsewhere", "here", "secured", "closed", "both", "machine", "other", "noserver", "choosy", "free"}
	s := startTerminating(t, testenv.PostgresOptions{}, roles, func(c *Config) { c.Access = rules })
	s.set("noserver", RoleSecret{})
	app, both, choosy := s.identified(t, "app-1"), s.identified(t, "both@lab"), s.identified(t, "choosy@lab")
	const reject, failed = `FATAL 28000 pgveil rejects connection for user "?"`, `FATAL 28P01 password authentication failed for user "?"`
	for _, c := range []struct {
		role, password string
		options        []string
		want           string
		because        string
	}{
		{role: "free", want: "free"},
		{role: "free", password: "wrong battery", want: failed},
		{role: "free", options: []string{app}, want: "free"},
		{role: "here", want: "here"},
		{role: "elsewhere", want: reject, because: "its network is not one of the role's"},
		{role: "elsewhere", password: "wrong battery", want: reject, because: "its network is not one of the role's"},
		{role: "secured", want: "secured"},
		{role: "secured", options: []string{"sslmode=disable"}, want: reject, because: "it does not use TLS"},
		{role: "closed", want: reject, because: "it is not one of the role's hours"},
		{role: "both", want: reject, because: "it shows no certificate"},
		{role: "both", options: []string{app}, want: reject, because: "its certificate is not the role's"},
		{role: "both", options: []string{both}, want: "both"},
		{role: "both", options: []string{both}, password: "wrong battery", want: failed},
		{role: "machine", want: reject, because: "it shows no certificate"},
		{role: "machine", options: []string{app}, password: "none is asked for", want: "machine"},
		{role: "machine", options: []string{"sslmode=disable"}, want: reject, because: "it shows no certificate"},
		{role: "other", options: []string{app}, want: reject, because: "its certificate is not the role's"},
		{role: "noserver", options: []string{app}, want: "FATAL 28000 pgveil has no password for this role that the server asks for"},
		{role: "choosy", want: "choosy"},
		{role: "choosy", options: []string{choosy}, want: "choosy"},
		{role: "choosy", options: []string{both}, want: reject, because: "its certificate is not the role's"},
	} {
		if c.password == "" {
			c.password = secret
		}
		if got, want := s.ask(t, c.role, c.password, c.options...), strings.ReplaceAll(c.want, "?", c.role); got != want {
			t.Errorf("%s with %v: %s, want %s", c.role, c.options, got, want)
		}
		if line := fmt.Sprintf("because=%q", c.because); c.because != "" && !strings.Contains(s.log.String(), line) {
			t.Errorf("%s: the log does not say %s", c.role, line)
		}
	}
	// A secret that was changed is read again for a certificate, too.
	conn, err := s.postgres.Conn(bounded(t), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(bounded(t), "ALTER ROLE machine PASSWORD 'a second battery'"); err != nil {
		t.Fatal(err)
	}
	s.set("machine", RoleSecret{Password: "a second battery"})
	aged := *s.terminator.secrets.known["machine"]
	aged.read = time.Now().Add(-10 * time.Second)
	s.terminator.secrets.remember("machine", &aged)
	if got := s.ask(t, "machine", secret, app); got != "machine" {
		t.Error(got)
	}
}

// Rules hold for relayed logins as well.
func TestAdmitRelayed(t *testing.T) {
	rules, err := access.Parse("access.yaml", []byte("roles: {alice: {tls: require}, '*': {networks: local}}"))
	if err != nil {
		t.Fatal(err)
	}
	s := startTerminating(t, testenv.PostgresOptions{}, []string{"alice"}, func(c *Config) { c.Access, c.Terminate = rules, nil })
	for _, c := range []struct{ role, option, want string }{
		{"alice", "channel_binding=disable", "alice"},
		{"alice", "sslmode=disable", `FATAL 28000 pgveil rejects connection for user "alice"`},
		{"bob", "channel_binding=disable", `FATAL 28000 pgveil rejects connection for user "bob"`},
	} {
		if got := s.ask(t, c.role, secret, c.option); got != c.want {
			t.Errorf("%s: %s", c.role, got)
		}
	}
}

// A role that is used from several places at once is reported, once for each place.
func TestSharedRoles(t *testing.T) {
	rules, err := access.Parse("access.yaml", []byte("roles: {pool: {shared: allow}}"))
	if err != nil {
		t.Fatal(err)
	}
	s := startTerminating(t, testenv.PostgresOptions{}, []string{"alice", "pool"}, func(c *Config) { c.Access = rules })
	open := func(role, host, application string) *pgx.Conn {
		t.Helper()
		config, err := pgx.ParseConfig(s.url(role, secret, "application_name="+application))
		if err != nil {
			t.Fatal(err)
		}
		config.DialFunc = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}).DialContext
		conn, err := pgx.ConnectConfig(bounded(t), config)
		if err != nil {
			t.Fatal(err)
		}
		var one int // by then the session has been counted
		if err := conn.QueryRow(bounded(t), "SELECT 1").Scan(&one); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		return conn
	}
	reports := func(want int, what string) {
		t.Helper()
		if n := strings.Count(s.log.String(), "about=shared"); n != want {
			t.Fatalf("%s: %d reports, want %d", what, n, want)
		}
	}
	first := open("alice", "127.0.0.1", "lims")
	open("alice", "127.0.0.1", "lims")
	reports(0, "one place")
	open("alice", "127.0.0.2", "lims")
	reports(1, "another host")
	open("alice", "127.0.0.2", "lims")
	reports(1, "the same again")
	open("alice", "127.0.0.2", "excel")
	reports(2, "another application")
	first.Close(context.Background())
	open("alice", "127.0.0.1", "lims")
	reports(2, "there again")
	open("pool", "127.0.0.1", "a")
	open("pool", "127.0.0.2", "b")
	reports(2, "allowed")
	for _, want := range []string{`text="role is used at once from 127.0.0.1, 127.0.0.2 by lims" role=alice`, ` by excel, lims" role=alice`} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the log does not say %s: %s", want, s.log)
		}
	}
	if err := s.config.Audit.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(s.auditDir, "*.jsonl"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("%v, %v", segments, err)
	}
	text, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool { return !strings.Contains(line, `"about":"shared"`) })
	if len(lines) != 2 || !strings.Contains(lines[1], `"session_user":"alice"`) || !strings.Contains(lines[1], `"text":"role is used at once from 127.0.0.1, 127.0.0.2 by excel, lims"`) {
		t.Errorf("%q", lines)
	}

	// What is remembered ends with the sessions, and what is told has a bound.
	var shared sharedRoles
	var leaves []func()
	told := 0
	for i := range 1000 {
		report, leave := shared.enter("flood", "host", fmt.Sprint(i))
		if report != nil {
			told++
		}
		leaves = append(leaves, leave)
	}
	if told == 0 || told > maxToldPlaces {
		t.Errorf("told %d times", told)
	}
	for i := range 100 {
		report, leave := shared.enter("x", fmt.Sprint(i%10), "app")
		if (report != nil) != (i > 0 && i < 10) {
			t.Errorf("session %d: %v", i, report)
		}
		leaves = append(leaves, leave)
	}
	for _, leave := range leaves {
		leave()
	}
	if len(shared.roles) != 0 {
		t.Errorf("%v", shared.roles)
	}
}
