package proxy_test

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/testenv/stack"
)

// alertsOf waits until the audit log holds n alerts of these kinds, and gives them: "role about text".
func alertsOf(t *testing.T, s *stack.Stack, n int, kinds ...string) []string {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		segments, err := filepath.Glob(filepath.Join(s.AuditDir, "*.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, segment := range segments {
			text, err := os.ReadFile(segment)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				var r audit.Recorded
				if json.Unmarshal([]byte(line), &r) == nil && r.Kind == "alert" && slices.Contains(kinds, r.About) {
					got = append(got, r.SessionUser+" "+r.About+" "+r.Text)
				}
			}
		}
		if len(got) >= n || time.Since(begun) > 10*time.Second {
			if len(got) != n {
				t.Fatalf("%d alerts, want %d: %q", len(got), n, got)
			}
			return got
		}
	}
}

func many(counts map[alert.Kind]int) func(*proxy.Config) {
	return func(c *proxy.Config) {
		c.Alerts = alert.New(alert.Options{Audit: c.Audit, Log: c.Log, Many: counts})
	}
}

// TestAlerts: refusals, values that cannot be opened, and logins that fail are told once there are many.
func TestAlerts(t *testing.T) {
	s := stack.Start(t, stack.Options{Change: many(map[alert.Kind]int{alert.Refusals: 3, alert.Failures: 2, alert.Rejected: 2})})
	ctx := t.Context()
	conn := s.Connect(t, "biologist")
	if _, err := conn.Exec(ctx, `INSERT INTO lab.patient (id, nir, last_name) VALUES (1, '185057800608436', 'Durand'), (2, '285057800608436', 'Bernard')`); err != nil {
		t.Fatal(err)
	}
	researcher := s.Connect(t, "researcher")
	for range 5 {
		if _, code := rowsOf(researcher, `SELECT nir FROM lab.patient WHERE nir = '185057800608436'`); code != "42501" {
			t.Fatal(code)
		}
		if _, code := rowsOf(researcher, `SELECT count(*) FROM lab.patient ORDER BY last_name LIKE 'x'`); code != "0A000" && code != "42501" && code != "42803" {
			t.Fatal(code)
		}
	}
	// A value that was moved to another row's column is one that cannot be opened.
	if err := s.Postgres.ExecIn(ctx, s.Database, `UPDATE lab.patient SET last_name = set_byte(last_name, octet_length(last_name) - 1, get_byte(last_name, octet_length(last_name) - 1) # 1) WHERE id = 1`); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []any{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		if _, code := rowsOf(conn, `SELECT last_name FROM lab.patient WHERE id = 1`, mode); code != "XX001" {
			t.Fatal(code)
		}
	}
	for range 2 {
		if conn, err := pgx.Connect(ctx, strings.Replace(s.DSN("secretary"), stack.Password, "wrong", 1)); err == nil {
			conn.Close(ctx)
			t.Fatal("let in")
		}
	}
	got := alertsOf(t, s, 4, "refusals", "failures", "rejected")
	for i, want := range []string{
		"researcher refusals role was refused 3 statements on tagged columns, for want of the right",
		"biologist failures 2 statements met a value that cannot be opened, the last in column lab.patient.last_name: ",
		"secretary rejected 2 clients that said they are this role were not let in, the last with SQLSTATE 28P01",
		"secretary rejected 2 clients from host 127.0.0.1 were not let in, the last with SQLSTATE 28P01",
	} {
		if !strings.HasPrefix(got[i], want) {
			t.Errorf("got %q, want %q", got[i], want)
		}
	}
	stats := s.Server.Stats()
	if stats.Unopened != 2 || stats.Alerts.Raised[alert.Failures] != 1 || stats.Alerts.Raised[alert.Refusals] < 3 {
		t.Errorf("%+v", stats)
	}
}

// TestAlertOfBudget: a budget that stops statements is told once for a while.
func TestAlertOfBudget(t *testing.T) {
	s := startBudget(t, "{rows: 10}")
	conn := s.Connect(t, "biologist")
	for range 3 {
		if _, code := rowsOf(conn, `SELECT last_name FROM lab.patient`); code != "53400" {
			t.Fatal(code)
		}
	}
	if got := alertsOf(t, s, 1, "budget"); got[0] != `biologist budget the budget of role "biologist" is used up: rows is 10` {
		t.Errorf("%q", got)
	}
	if n := s.Server.Stats().Alerts.Raised[alert.Budget]; n != 3 {
		t.Errorf("%d", n)
	}
}

// connectFrom connects from an address of this machine.
func connectFrom(t *testing.T, s *stack.Stack, role, address string) {
	t.Helper()
	config, err := pgx.ParseConfig(s.DSN(role))
	if err != nil {
		t.Fatal(err)
	}
	config.DialFunc = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// TestNewNetwork: the first network of a role is its own, each further one is told once: by all
// proxies together where the database has the table, by each of them where it has none.
func TestNewNetwork(t *testing.T) {
	for _, table := range []bool{false, true} {
		s := stack.Start(t, stack.Options{Change: func(c *proxy.Config) { c.NewNetworks = true }})
		if table {
			if err := s.Postgres.ExecIn(t.Context(), s.Database, schema.NetworkDDL("pgveil")); err != nil {
				t.Fatal(err)
			}
		}
		text := func(network string) string {
			return "biologist network role connects from network " + network + " for the first time"
		}
		connectFrom(t, s, "biologist", "127.0.0.1")
		settle(t, s, table, "biologist", 1)
		connectFrom(t, s, "biologist", "127.0.0.2")
		connectFrom(t, s, "secretary", "127.0.1.1")
		settle(t, s, table, "secretary", 1)
		alertsOf(t, s, 0, "network")
		connectFrom(t, s, "biologist", "127.0.1.1")
		alertsOf(t, s, 1, "network")
		connectFrom(t, s, "biologist", "127.0.1.2")
		connectFrom(t, s, "biologist", "127.0.0.1")
		connectFrom(t, s, "biologist", "127.0.2.1")
		got := alertsOf(t, s, 2, "network")
		if got[0] != text("127.0.1.0/24") || got[1] != text("127.0.2.0/24") {
			t.Errorf("%q", got)
		}
		// Another proxy, as after a restart.
		other := s.Another(t)
		connectFrom(t, other, "biologist", "127.0.1.7")
		connectFrom(t, other, "biologist", "127.0.3.1")
		if got = alertsOf(t, s, 3, "network"); got[2] != text("127.0.3.0/24") {
			t.Errorf("%q", got)
		}
		if !table {
			continue
		}
		connectFrom(t, s, "biologist", "127.0.3.9") // it is known to all
		settle(t, s, table, "biologist", 4)
		time.Sleep(100 * time.Millisecond)
		alertsOf(t, s, 3, "network")
	}
}

// settle waits until the table, if there is one, has n networks of a role.
func settle(t *testing.T, s *stack.Stack, table bool, role string, n int) {
	t.Helper()
	if !table {
		return
	}
	conn, err := s.Postgres.Conn(t.Context(), s.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		var have int
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pgveil.role_network WHERE role = $1`, role).Scan(&have); err != nil {
			t.Fatal(err)
		}
		if have == n {
			return
		}
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("%d networks of %s, want %d", have, role, n)
		}
	}
}
