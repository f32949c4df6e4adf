package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The login's TLS is that of clients' connections, in the order in which libpq tries.
func TestLoginConfig(t *testing.T) {
	// None of these may have a say.
	for name, value := range map[string]string{
		"PGHOST": "192.0.2.1", "PGPORT": "1", "PGUSER": "nobody", "PGPASSWORD": "other", "PGDATABASE": "other",
		"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/nowhere", "PGOPTIONS": "-c x=1", "PGAPPNAME": "other",
		"PGREQUIREAUTH": "none", "PGTARGETSESSIONATTRS": "standby", "PGCONNECT_TIMEOUT": "1", "PGCHANNELBINDING": "require",
	} {
		t.Setenv(name, value)
	}
	for _, test := range []struct {
		host, mode string
		want       []string // what is tried
	}{
		{"db", SSLDisable, []string{"clear"}},
		{"db", SSLAllow, []string{"clear", "TLS"}},
		{"db", SSLPrefer, []string{"TLS", "clear"}},
		{"db", "", []string{"TLS", "clear"}},
		{"db", SSLRequire, []string{"TLS"}},
		{"db", SSLVerifyCA, []string{"TLS"}},
		{"db", SSLVerifyFull, []string{"TLS"}},
		{"/run/postgresql", SSLRequire, []string{"clear"}},
	} {
		u := &UpstreamConfig{Host: test.host, Port: 5433, SSLMode: test.mode}
		config, err := u.LoginConfig("pgveil", "it's a \\ secret", "lab oratory")
		if err != nil {
			t.Fatal(err)
		}
		kind := map[bool]string{true: "TLS", false: "clear"}
		tried := []string{kind[config.TLSConfig != nil]}
		for _, f := range config.Fallbacks {
			tried = append(tried, kind[f.TLSConfig != nil])
			if f.Host != test.host || f.Port != 5433 {
				t.Errorf("%s: falls back to %s:%d", test.mode, f.Host, f.Port)
			}
		}
		if strings.Join(tried, " ") != strings.Join(test.want, " ") {
			t.Errorf("%s %s: %v, not %v", test.host, test.mode, tried, test.want)
		}
		if config.Host != test.host || config.Port != 5433 || config.User != "pgveil" || config.Password != "it's a \\ secret" ||
			config.Database != "lab oratory" || config.ValidateConnect != nil || len(config.RuntimeParams) != 2 || config.RuntimeParams["client_encoding"] != "UTF8" {
			t.Errorf("%s %s: %+v", test.host, test.mode, config.RuntimeParams)
		}
		wantAuth := ""
		if test.host == "db" && strings.Contains(strings.Join(tried, " "), "clear") {
			wantAuth = "!password"
		}
		if config.RequireAuth != wantAuth {
			t.Errorf("%s %s: require_auth %q", test.host, test.mode, config.RequireAuth)
		}
	}
}

// A server, or who pretends to be one, that asks for the password itself over a
// connection in clear does not get it.
func TestLoginKeepsThePasswordFromTheNetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan []byte, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			heard <- nil
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		startup := make([]byte, 1024)
		n, _ := conn.Read(startup)
		_, _ = conn.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 3}) // AuthenticationCleartextPassword
		rest, _ := io.ReadAll(conn)
		heard <- append(startup[:n], rest...)
	}()
	u := &UpstreamConfig{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, SSLMode: SSLDisable}
	config, err := u.LoginConfig("pgveil", "hunter2", "laboratory")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if conn, err := pgx.ConnectConfig(ctx, config); err == nil {
		conn.Close(ctx)
		t.Error("connected")
	}
	text := <-heard
	if !bytes.Contains(text, []byte("pgveil")) || bytes.Contains(text, []byte("hunter2")) {
		t.Errorf("the server heard %q", text)
	}
}
