package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/cmd/pgveil/config"
)

// TestHealth: pgveil lives before it is ready, and while it ends it is ready no more.
func TestHealth(t *testing.T) {
	var said bytes.Buffer
	h, err := listenHealth(t.Context(), "127.0.0.1:0", slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	at := "http://" + regexp.MustCompile(`tcp=(\S+)`).FindStringSubmatch(said.String())[1]
	client := &http.Client{Timeout: 10 * time.Second}
	check := func(method, path string, status int, text string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, at+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != status || !strings.Contains(string(body), text) {
			t.Errorf("%s %s: %d %q, %v, want %d %q", method, path, answer.StatusCode, body, err, status, text)
		}
	}
	check("GET", "/livez", 200, "ok\n")
	check("GET", "/readyz", 503, "not ready: starting\n")
	h.keys.Store(newLiveKeys(nil, nil, &config.Config{}, slog.New(slog.DiscardHandler)))
	check("GET", "/readyz", 200, "ready\n")
	check("HEAD", "/readyz", 200, "")
	check("POST", "/readyz", 405, "")
	check("GET", "/", 404, "")
	h.ending.Store(true)
	check("GET", "/readyz", 503, "not ready: shutting down\n")
	check("GET", "/livez", 200, "ok\n")
	if _, err := listenHealth(t.Context(), strings.TrimPrefix(at, "http://"), slog.Default()); err == nil || !strings.Contains(err.Error(), "health.listen: cannot listen on 127.0.0.1:") {
		t.Errorf("a second one there: %v", err)
	}
	client.CloseIdleConnections()
	if err := h.close(); err != nil {
		t.Error(err)
	}
	if _, err := client.Get(at + "/livez"); err == nil {
		t.Error("it answers after its end")
	}
}
