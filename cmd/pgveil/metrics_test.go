package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/cmd/pgveil/config"
	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/testenv/stack"
)

// scrape gives the answer of /metrics.
func scrape(t *testing.T, h *health) string {
	t.Helper()
	server := httptest.NewServer(metricsHandler(h))
	defer server.Close()
	answer, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", answer.StatusCode, body, err)
	}
	return string(body)
}

// TestMetrics: what a client does is counted, the manual page names each metric with its type,
// and nothing that a client has chosen is in the answer.
func TestMetrics(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	h := new(health)
	if got := scrape(t, h); !strings.Contains(got, "pgveil_up 0\n") || strings.Contains(got, "pgveil_sessions") {
		t.Errorf("before it serves:\n%s", got)
	}
	rings := map[string]*keys.Keyring{}
	for name, ring := range s.Keys {
		rings[name] = ring
	}
	h.proxy.Store(s.Server)
	h.trail.Store(s.Audit)
	h.keys.Store(newLiveKeys(nil, rings, &config.Config{}, slog.New(slog.DiscardHandler)))

	conn := s.Connect(t, "biologist", "application_name=chosen_by_the_client")
	secretary := s.Connect(t, "secretary")
	for _, sql := range []string{
		`INSERT INTO lab.patient (id, nir, last_name) VALUES (1, '185057800608436', 'Lefèvre'), (2, '285057800608436', 'Bernard')`,
		`SELECT last_name, nir FROM lab.patient`,
		`SELECT 'a literal of the client'`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Exec(t.Context(), `SELECT last_name FROM lab.patient ORDER BY last_name`); err == nil {
		t.Fatal("not refused")
	}
	if err := secretary.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := scrape(t, h)
	for _, line := range []string{
		"pgveil_up 1", `pgveil_values_opened_total{verdict="decrypt"} 4`, "pgveil_rows_total 2",
		`pgveil_statements_total{outcome="refused"} 1`, `pgveil_connections_rejected_total{reason="authentication"} 0`,
		"pgveil_values_unopened_total 0", "pgveil_catalog_errors_total 0", "pgveil_audit_up 1",
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
	if !regexp.MustCompile(`pgveil_statements_total\{outcome="planned"\} [2-9]`).MatchString(got) ||
		!regexp.MustCompile(`pgveil_statements_total\{outcome="forwarded"\} [1-9]`).MatchString(got) ||
		!regexp.MustCompile(`pgveil_audit_flush_seconds_count [1-9]`).MatchString(got) ||
		!regexp.MustCompile(`pgveil_connections_total [2-9]`).MatchString(got) {
		t.Errorf("counts of statements, flushes or connections:\n%s", got)
	}
	for _, chosen := range []string{"chosen_by_the_client", "literal", "185057800608436", "biologist", "lab.patient"} {
		if strings.Contains(got, chosen) {
			t.Errorf("%q is in the answer", chosen)
		}
	}
	checkMetricsPage(t, got)
}

// checkMetricsPage compares the manual page with what is answered.
func checkMetricsPage(t *testing.T, answer string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	list := func(pattern, text string) (names []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			names = append(names, m[1]+" "+m[2])
		}
		slices.Sort(names)
		return names
	}
	described := list("(?m)^\\| `(pgveil_\\w+)` \\| (\\w+) \\|", string(page))
	answered := list(`(?m)^# TYPE (\S+) (\S+)$`, answer)
	if !slices.Equal(described, answered) {
		t.Errorf("the manual page has\n%q, /metrics\n%q", described, answered)
	}
}

// TestMetricsOfRejected: who does not get in is counted by why.
func TestMetricsOfRejected(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	if _, err := pgx.Connect(t.Context(), strings.Replace(s.DSN("biologist"), stack.Password, "wrong", 1)); err == nil {
		t.Fatal("a wrong password lets in")
	}
	// The client has its answer before the session is over.
	for deadline := time.Now().Add(20 * time.Second); s.Server.Stats().RejectedLogins == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if got := s.Server.Stats(); got.RejectedLogins != 1 || got.Accepted == 0 {
		t.Errorf("%+v", got)
	}
}
