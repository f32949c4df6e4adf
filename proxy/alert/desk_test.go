package alert_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/proxy/audit"
)

// testMAC chains the records of a test's log.
type testMAC struct{}

func (testMAC) ComputeMAC(data []byte) ([]byte, error) {
	h := hmac.New(sha256.New, []byte("a key of tests"))
	h.Write(data)
	return h.Sum(nil), nil
}

func (m testMAC) VerifyMAC(mac, data []byte) error { return nil }

type testSigner struct{}

func (testSigner) Sign(data []byte) ([]byte, error) { return []byte("signed"), nil }

// buffer is an operator's log.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// told is a desk with what it tells.
type told struct {
	*alert.Desk
	dir   string
	trail *audit.Log
	log   *buffer
}

func newDesk(t *testing.T, o alert.Options) *told {
	t.Helper()
	d := &told{dir: filepath.Join(t.TempDir(), "audit"), log: new(buffer)}
	var err error
	if d.trail, err = audit.Open(audit.Options{Dir: d.dir, MAC: testMAC{}, Signer: testSigner{}}); err != nil {
		t.Fatal(err)
	}
	o.Audit, o.Log = d.trail, slog.New(slog.NewTextHandler(d.log, nil))
	d.Desk = alert.New(o)
	t.Cleanup(func() { d.trail.Close() })
	return d
}

// records ends the log and gives the alerts in it, "about text".
func (d *told) records(t *testing.T) []string {
	t.Helper()
	if err := d.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := d.trail.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(d.dir, "pgveil-000001.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var alerts []string
	for line := range strings.Lines(string(text)) {
		var r audit.Recorded
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Kind == "alert" {
			alerts = append(alerts, r.SessionUser+" "+r.About+" "+r.Text)
		}
	}
	return alerts
}

func who(role, client string) *audit.Record {
	return &audit.Record{SessionUser: role, Role: role, Client: client, Application: "lims"}
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

// Alerts alike are told once, and then as one; others each.
func TestFold(t *testing.T) {
	d := newDesk(t, alert.Options{Fold: time.Hour})
	for range 3 {
		d.Raise(alert.Alert{Kind: alert.Budget, Who: who("alice", "192.0.2.1:1"), Text: "too much"})
		d.Raise(alert.Alert{Kind: alert.Budget, Who: who("alice", "192.0.2.1:2"), Text: "too much"})
	}
	d.Raise(alert.Alert{Kind: alert.Budget, Who: who("alice", "192.0.2.2:1"), Text: "too much"})
	d.Raise(alert.Alert{Kind: alert.Budget, Who: who("bob", "192.0.2.1:1"), Text: "too much"})
	d.Raise(alert.Alert{Kind: alert.Canary, Who: who("alice", "192.0.2.1:1"), About: "a", Text: "canary a"})
	d.Raise(alert.Alert{Kind: alert.Canary, Who: who("alice", "192.0.2.1:1"), About: "b", Text: "canary b"})
	for range 2 {
		d.Raise(alert.Alert{Kind: alert.BreakGlass, Who: who("alice", "192.0.2.1:1"), Text: "why"})
	}
	stats := d.Stats()
	if stats.Raised[alert.Budget] != 8 || stats.Raised[alert.Canary] != 2 || stats.Raised[alert.Network] != 0 {
		t.Errorf("%+v", stats)
	}
	if n := strings.Count(d.log.String(), "msg=alert"); n != 7 {
		t.Errorf("%d lines: %s", n, d.log)
	}
	if line := `level=WARN msg=alert about=budget text="too much" role=alice client=192.0.2.1:1 application=lims`; !strings.Contains(d.log.String(), line) {
		t.Errorf("no line %s: %s", line, d.log)
	}
	want(t, d.records(t), "alice budget too much", "alice budget too much", "bob budget too much", "alice canary canary a", "alice canary canary b",
		"alice break_glass why", "alice break_glass why", "alice budget too much (5 more like it within 1h0m0s)")
}

// What is folded is told when the time is over, and again as long as it goes on.
func TestUnfold(t *testing.T) {
	d := newDesk(t, alert.Options{Fold: 50 * time.Millisecond})
	raise := func() { d.Raise(alert.Alert{Kind: alert.Budget, Who: who("alice", "local"), Text: "too much"}) }
	await := func(n int) {
		t.Helper()
		for begun := time.Now(); strings.Count(d.log.String(), "msg=alert") < n; time.Sleep(time.Millisecond) {
			if time.Since(begun) > 10*time.Second {
				t.Fatalf("not %d alerts: %s", n, d.log)
			}
		}
	}
	raise()
	raise()
	await(2)
	if !strings.Contains(d.log.String(), "too much (1 more like it within 50ms)") {
		t.Error(d.log)
	}
	time.Sleep(200 * time.Millisecond) // nothing came: it is over
	raise()
	await(3)
	if n := len(d.records(t)); n != 3 {
		t.Errorf("%d records", n)
	}
}

// Of a kind that is counted only many make an alert, within the window.
func TestCount(t *testing.T) {
	d := newDesk(t, alert.Options{Many: map[alert.Kind]int{alert.Refusals: 3, alert.Rejected: 1}, Window: time.Hour, Fold: time.Hour})
	text := func(n int) string { return fmt.Sprint(n, " times") }
	for range 4 {
		d.Count(alert.Refusals, "alice 1", who("alice", "192.0.2.1:1"), text)
		d.Count(alert.Failures, "alice 1", who("alice", "192.0.2.1:1"), text)
	}
	d.Count(alert.Refusals, "alice 2", who("alice", "192.0.2.2:1"), text)
	d.Count(alert.Refusals, "bob 1", who("bob", "192.0.2.1:1"), text)
	d.Count(alert.Rejected, "bob 1", who("bob", "192.0.2.1:1"), text)
	want(t, d.records(t), "alice refusals 3 times", "bob rejected 1 times", "alice refusals 4 times (1 more like it within 1h0m0s)")

	d = newDesk(t, alert.Options{Many: map[alert.Kind]int{alert.Refusals: 2}, Window: 20 * time.Millisecond})
	for range 4 {
		d.Count(alert.Refusals, "alice 1", who("alice", "192.0.2.1:1"), text)
		time.Sleep(30 * time.Millisecond)
	}
	want(t, d.records(t))
}

// What is told apart is bounded: a stranger who takes many names fills no memory.
func TestManyKeys(t *testing.T) {
	d := newDesk(t, alert.Options{Many: map[alert.Kind]int{alert.Rejected: 2}, Fold: time.Hour, Window: time.Hour})
	for i := range 20000 {
		d.Count(alert.Rejected, fmt.Sprint(i), who(fmt.Sprint("role", i), "192.0.2.1:1"), func(n int) string { return "rejected" })
	}
	if n := len(d.records(t)); n == 0 || n > 3 {
		t.Errorf("%d records", n)
	}
}

// Alerts are kept while the log cannot be written, and it says what became of them.
func TestClosedLog(t *testing.T) {
	d := newDesk(t, alert.Options{})
	if err := d.trail.Close(); err != nil {
		t.Fatal(err)
	}
	d.Raise(alert.Alert{Kind: alert.Budget, Who: who("alice", "local"), Text: "too much"})
	if !strings.Contains(d.log.String(), "too much") {
		t.Error("not told")
	}
}
