package proxy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/proxy/scram"
	"github.com/pgveil/pgveil/testenv"
)

// terminating is a pgveil that authenticates clients itself, for databases that no
// schema file describes.
type terminating struct {
	*Server
	postgres *testenv.Postgres
	ca       *testenv.CA
	log      *syncBuffer
	auditDir string
	port     int

	mu      sync.Mutex
	secrets map[string]RoleSecret
	reads   map[string]int
	broken  error
}

type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// set changes what is kept of a role.
func (s *terminating) set(role string, secret RoleSecret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[role] = secret
}

func (s *terminating) secret(_ context.Context, role string) (RoleSecret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads[role]++
	return s.secrets[role], s.broken
}

// startTerminating starts one before a server, with TLS on both sides. Each of roles has
// the password secret, on the server and in the secrets.
func startTerminating(t *testing.T, opts testenv.PostgresOptions, roles []string, change func(*Config)) *terminating {
	t.Helper()
	s := &terminating{ca: newCA(t), log: &syncBuffer{}, secrets: make(map[string]RoleSecret), reads: make(map[string]int)}
	opts.CA, opts.TLS = s.ca, true
	s.postgres = startPostgres(t, opts)
	for _, role := range roles {
		if err := s.postgres.CreateRole(bounded(t), role, secret); err != nil {
			t.Fatal(err)
		}
		s.secrets[role] = RoleSecret{Password: secret}
	}
	upstream := upstreamOf(s.postgres, SSLVerifyFull)
	certFile, keyFile, err := s.ca.Issue("pgveil")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := loadCertificate(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	upstream.Certificates = append(upstream.Certificates, cert)
	config := Config{
		Clients: clientTLS(t, ClientTLSAllow, s.ca), Upstreams: &Upstreams{Servers: []*UpstreamConfig{upstream}},
		Terminate: &Terminate{Secret: s.secret, MockKey: []byte("a key of tests"), Cache: time.Minute, FailureDelay: 10 * time.Millisecond},
		Log:       slog.New(slog.NewTextHandler(s.log, nil)),
		Audit:     s.openAudit(t),
	}
	if change != nil {
		change(&config)
	}
	if s.Server, err = New(config); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(<-served, s.Shutdown(ending)); err != nil {
			t.Error(err)
		}
		if log := s.log.String(); strings.Contains(log, "battery") || strings.Contains(log, "SCRAM-SHA-256$") {
			t.Error("a password or verifier is in the log")
		}
	})
	return s
}

func (s *terminating) openAudit(t *testing.T) *audit.Log {
	t.Helper()
	store, err := keys.CreateInsecureLocal(filepath.Join(t.TempDir(), "insecure-keys"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	open := func(name string, kind keys.KeyType) *keys.Keyring {
		_, err := store.Create(t.Context(), name, kind)
		if err != nil {
			t.Fatal(err)
		}
		ring, err := store.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return ring
	}
	mac, err := open("audit-mac", keys.TypeMAC).MAC()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := open("audit-signature", keys.TypeSignature).Signer()
	if err != nil {
		t.Fatal(err)
	}
	s.auditDir = filepath.Join(t.TempDir(), "audit")
	log, err := audit.Open(audit.Options{Dir: s.auditDir, MAC: mac, Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

// url is a role's way through pgveil.
func (s *terminating) url(role, password string, options ...string) string {
	options = append(options, "sslrootcert="+url.QueryEscape(s.ca.File()))
	if !strings.Contains(strings.Join(options, "&"), "sslmode=") {
		options = append(options, "sslmode=verify-full")
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, password),
		Host: "127.0.0.1:" + strconv.Itoa(s.port), Path: "/postgres", RawQuery: strings.Join(options, "&"),
	}
	return u.String()
}

// ask logs in with pgx, asks, and gives the answer or the error's SQLSTATE and message.
func (s *terminating) ask(t *testing.T, role, password string, options ...string) string {
	t.Helper()
	answer, err := askPgx(bounded(t), s.url(role, password, options...), "SELECT session_user::text")
	var e *pgconn.PgError
	switch {
	case errors.As(err, &e):
		return e.Severity + " " + e.Code + " " + e.Message
	case err != nil:
		return err.Error()
	}
	return answer
}

// verifierText writes a verifier as pg_authid has it.
func verifierText(v scram.Verifier) string {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", v.Iterations, b64(v.Salt), b64(v.StoredKey), b64(v.ServerKey))
}
