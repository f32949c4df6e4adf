package alert_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy/alert"
)

// receiver is a webhook's other side. answers are its statuses, the last for good.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	answers []int
	got     []map[string]any
	auth    []string
	paths   []string
}

func receive(t *testing.T, answers ...int) *receiver {
	r := &receiver{answers: answers}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		body, _ := io.ReadAll(request.Body)
		var m map[string]any
		if err := json.Unmarshal(body, &m); err != nil || request.Method != http.MethodPost || request.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", request.Method, body, err)
		}
		r.got, r.auth, r.paths = append(r.got, m), append(r.auth, request.Header.Get("Authorization")), append(r.paths, request.URL.Path)
		status := r.answers[0]
		if len(r.answers) > 1 {
			r.answers = r.answers[1:]
		}
		if status == http.StatusFound {
			w.Header().Set("Location", "https://192.0.2.1/elsewhere")
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

// sending is a desk with a webhook at r.
func sending(t *testing.T, r *receiver, change func(*alert.WebhookOptions)) *told {
	t.Helper()
	log := new(buffer)
	o := alert.WebhookOptions{URL: r.URL + "/hook", Client: r.Client(), Wait: time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil))}
	if change != nil {
		change(&o)
	}
	d := newDesk(t, alert.Options{Webhook: alert.NewWebhook(o)})
	d.log = log
	return d
}

func (d *told) raise(texts ...string) {
	for _, text := range texts {
		d.Raise(alert.Alert{Kind: alert.Budget, Who: who("alice", "192.0.2.1:1"), About: text, Text: text})
	}
}

func texts(r *receiver) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, m := range r.got {
		all = append(all, m["text"].(string))
	}
	return strings.Join(all, " ")
}

// Alerts arrive in order, with who gave rise to them, and the token.
func TestWebhook(t *testing.T) {
	r := receive(t, http.StatusNoContent)
	d := sending(t, r, func(o *alert.WebhookOptions) {
		o.Token = func(context.Context) (string, error) { return "s3cret", nil }
	})
	d.raise("one", "two", "three")
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := texts(r); got != "one two three" {
		t.Errorf("got %s", got)
	}
	m := r.got[0]
	if m["kind"] != "budget" || m["session_user"] != "alice" || m["client"] != "192.0.2.1:1" || m["application"] != "lims" || len(m["id"].(string)) < 16 || m["id"] == r.got[1]["id"] {
		t.Errorf("%v", m)
	}
	if at, err := time.Parse(time.RFC3339Nano, m["time"].(string)); err != nil || time.Since(at) > time.Minute {
		t.Errorf("%v", m["time"])
	}
	if r.auth[0] != "Bearer s3cret" || r.paths[0] != "/hook" {
		t.Errorf("%q to %q", r.auth[0], r.paths[0])
	}
	d.raise("late")
	if stats := d.Stats(); stats.Undelivered != 1 || stats.Waiting != 0 {
		t.Errorf("%+v", stats)
	}
}

// A token can stand in the address.
func TestTokenInAddress(t *testing.T) {
	r := receive(t, http.StatusOK)
	d := sending(t, r, func(o *alert.WebhookOptions) {
		o.URL = r.URL + "/services/" + alert.TokenPlace
		o.Token = func(context.Context) (string, error) { return "s3cret", nil }
	})
	d.raise("one")
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.auth[0] != "" || r.paths[0] != "/services/s3cret" {
		t.Errorf("%q to %q", r.auth[0], r.paths[0])
	}
}

// What is not taken is tried again, under the same id, and nothing overtakes it.
func TestRetry(t *testing.T) {
	r := receive(t, http.StatusInternalServerError, http.StatusTooManyRequests, http.StatusForbidden, http.StatusOK)
	d := sending(t, r, nil)
	d.raise("one", "two")
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := texts(r); got != "one one one one two" {
		t.Errorf("got %s", got)
	}
	if r.got[0]["id"] != r.got[3]["id"] {
		t.Error("another id")
	}
	if log := d.log.String(); strings.Count(log, "cannot be sent") != 1 || strings.Count(log, "sent to the webhook again") != 1 {
		t.Error(log)
	}
}

// What would get the same answer again is given up, and so is what was tried for too long; redirects are not followed.
func TestGivenUp(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusFound, http.StatusBadRequest} {
		r := receive(t, status, http.StatusOK)
		d := sending(t, r, nil)
		d.raise("one", "two")
		if err := d.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := texts(r); got != "one two" || d.Stats().Undelivered != 1 {
			t.Errorf("%d: got %s, %+v", status, got, d.Stats())
		}
	}
	r := receive(t, http.StatusInternalServerError)
	d := sending(t, r, func(o *alert.WebhookOptions) { o.Keep = 20 * time.Millisecond })
	d.raise("one")
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.Stats().Undelivered != 1 || r.requests() < 2 {
		t.Errorf("%+v", d.Stats())
	}
}

// Neither the address nor the token is in the log, whatever goes wrong.
func TestWebhookSecrets(t *testing.T) {
	r := receive(t, http.StatusOK)
	for name, change := range map[string]func(*alert.WebhookOptions){
		"away": func(o *alert.WebhookOptions) { o.URL = "https://127.0.0.1:1/s3cret" },
		"no trust": func(o *alert.WebhookOptions) {
			o.Client, o.URL = &http.Client{}, r.URL+"/s3cret"
		},
		"no token": func(o *alert.WebhookOptions) {
			o.Token = func(context.Context) (string, error) { return "", errors.New("Vault is away") }
		},
		"no address": func(o *alert.WebhookOptions) { o.URL = "https://[s3cret" },
	} {
		d := sending(t, r, change)
		d.raise("one")
		ended, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := d.Close(ended)
		cancel()
		if err == nil || d.Stats().Undelivered != 1 || !strings.Contains(d.log.String(), "cannot be sent") {
			t.Errorf("%s: %v, %+v, %s", name, err, d.Stats(), d.log)
		}
		if strings.Contains(d.log.String(), "s3cret") {
			t.Errorf("%s: %s", name, d.log)
		}
	}
	if r.requests() != 0 {
		t.Error("a request")
	}
}

// A webhook that does not answer holds nobody up, and what waits is bounded.
func TestWebhookHangs(t *testing.T) {
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer server.Close()
	defer close(hold)
	d := newDesk(t, alert.Options{Webhook: alert.NewWebhook(alert.WebhookOptions{URL: server.URL})})
	begun := time.Now()
	for range 3000 {
		d.Raise(alert.Alert{Kind: alert.BreakGlass, Who: who("alice", "local"), Text: "why"})
	}
	if time.Since(begun) > 10*time.Second {
		t.Error("it waits")
	}
	if stats := d.Stats(); stats.Waiting != 1024 || stats.Undelivered != 3000-1024 {
		t.Errorf("%+v", stats)
	}
	ended, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := d.Close(ended); err == nil || d.Stats().Undelivered != 3000 {
		t.Errorf("%v, %+v", err, d.Stats())
	}
}
