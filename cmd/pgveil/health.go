package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/proxy/audit"
)

// health answers over HTTP whether pgveil lives and whether it is ready for clients. It tells
// names of keys and no addresses, paths or values.
type health struct {
	server *http.Server
	ended  chan struct{}
	keys   atomic.Pointer[liveKeys] // nil until clients are served
	trail  atomic.Pointer[audit.Log]
	proxy  atomic.Pointer[proxy.Server]
	ending atomic.Bool
}

// listenHealth answers from now on.
func listenHealth(ctx context.Context, address string, log *slog.Logger) (*health, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("health.listen: cannot listen on %s: %w", address, rootCause(err))
	}
	h := &health{ended: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		ready, text := h.ready()
		if ready {
			answer(w, http.StatusOK, text)
		} else {
			answer(w, http.StatusServiceUnavailable, text)
		}
	})
	mux.Handle("GET /metrics", metricsHandler(h))
	h.server = &http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(h.ended)
		if err := h.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("health.listen answers no more", "error", err)
		}
	}()
	log.Info("health", "tcp", l.Addr().String())
	return h, nil
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// ready reports whether clients get what they ask for, with the reasons against it. A pgveil
// that goes on with the keys that it holds is ready, and says so: taken away from its clients it
// would do them no good.
func (h *health) ready() (ready bool, text string) {
	serving := h.keys.Load()
	switch {
	case h.ending.Load():
		return false, "not ready: shutting down\n"
	case serving == nil:
		return false, "not ready: starting\n"
	}
	ready = true
	var lines strings.Builder
	for _, key := range serving.health() {
		since := key.confirmed.UTC().Format(time.RFC3339)
		switch {
		case key.withheld:
			ready = false
			fmt.Fprintf(&lines, "key %s: withheld, not confirmed since %s: %s\n", key.name, since, key.reason)
		case key.until.IsZero():
			fmt.Fprintf(&lines, "key %s: not confirmed since %s: %s\n", key.name, since, key.reason)
		default:
			fmt.Fprintf(&lines, "key %s: not confirmed since %s, serves until %s: %s\n", key.name, since, key.until.UTC().Format(time.RFC3339), key.reason)
		}
	}
	if trail := h.trail.Load(); trail != nil {
		if n, since, err := trail.Unsigned(); err != nil {
			fmt.Fprintf(&lines, "audit log: checkpoints cannot be signed since %s, %s unsigned\n", since.UTC().Format(time.RFC3339), count(n, "segment"))
		}
	}
	switch {
	case !ready:
		return false, "not ready\n" + lines.String()
	case lines.Len() > 0:
		return true, "ready, but\n" + lines.String()
	}
	return true, "ready\n"
}

func (h *health) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := h.server.Shutdown(ctx)
	if err != nil {
		err = h.server.Close()
	}
	<-h.ended
	return err
}
