package proxy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
	"github.com/pgveil/pgveil/testenv"
)

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// hbaFor makes roles that pg_hba.conf only lets in one way.
var hbaFor = []string{
	"hostssl all tlsonly 127.0.0.1/32 trust", "host all tlsonly all reject",
	"hostnossl all clearonly 127.0.0.1/32 trust", "host all clearonly all reject",
	"host all anyway 127.0.0.1/32 trust", "host all never all reject",
}

func withRoles(t *testing.T, server *testenv.Postgres) *testenv.Postgres {
	t.Helper()
	if err := server.Exec(bounded(t), "CREATE ROLE tlsonly LOGIN", "CREATE ROLE clearonly LOGIN", "CREATE ROLE anyway LOGIN"); err != nil {
		t.Fatal(err)
	}
	return server
}

// TestSSLMode is the table of the manual's "SSL Mode Descriptions", on servers with
// and without TLS.
func TestSSLMode(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	secure := withRoles(t, startPostgres(t, testenv.PostgresOptions{TLS: true, CA: ca, HBA: hbaFor}))
	plain := withRoles(t, startPostgres(t, testenv.PostgresOptions{HBA: hbaFor}))
	const (
		noTLS   = "08006 the server does not offer TLS, but sslmode is "
		unknown = "08006 x509: certificate signed by unknown authority"
	)
	for _, c := range []struct {
		mode   string
		server *testenv.Postgres
		host   string
		roots  *testenv.CA
		user   string
		want   string // "TLS", "clear", "refused" by the server, or the error
	}{
		{SSLDisable, secure, "", nil, "anyway", "clear"},
		{SSLDisable, secure, "", nil, "tlsonly", "refused"},
		{SSLAllow, secure, "", nil, "anyway", "clear"},
		{SSLAllow, secure, "", nil, "tlsonly", "TLS"},
		{SSLAllow, secure, "", nil, "never", "refused"},
		{SSLPrefer, secure, "", nil, "never", "refused"},
		{SSLPrefer, secure, "", nil, "anyway", "TLS"},
		{"", secure, "", nil, "anyway", "TLS"},
		{SSLPrefer, secure, "", nil, "clearonly", "clear"},
		{SSLPrefer, secure, "", other, "anyway", "TLS"},
		{SSLRequire, secure, "", nil, "anyway", "TLS"},
		{SSLRequire, secure, "", nil, "clearonly", "refused"},
		{SSLRequire, secure, "", ca, "anyway", "TLS"},
		{SSLRequire, secure, "", other, "anyway", unknown},
		{SSLVerifyCA, secure, "", ca, "anyway", "TLS"},
		{SSLVerifyCA, secure, "", other, "anyway", unknown},
		{SSLVerifyCA, secure, "", nil, "anyway", "08006 sslmode verify-ca needs sslrootcert"},
		{SSLVerifyFull, secure, "", ca, "anyway", "TLS"},
		{SSLVerifyFull, secure, "localhost", ca, "anyway", "TLS"},
		{SSLVerifyFull, secure, "", other, "anyway", unknown},
		{SSLDisable, plain, "", nil, "anyway", "clear"},
		{SSLAllow, plain, "", nil, "anyway", "clear"},
		{SSLAllow, plain, "", nil, "tlsonly", "refused"},
		{SSLPrefer, plain, "", nil, "anyway", "clear"},
		{SSLPrefer, plain, "", nil, "tlsonly", "refused"},
		{SSLRequire, plain, "", nil, "anyway", noTLS + "require"},
		{SSLVerifyCA, plain, "", ca, "anyway", noTLS + "verify-ca"},
		{SSLVerifyFull, plain, "", ca, "anyway", noTLS + "verify-full"},
	} {
		name := fmt.Sprintf("%s/%s/%s", c.mode, c.host, c.user)
		u := &UpstreamConfig{Host: "127.0.0.1", Port: c.server.Port(), SSLMode: c.mode}
		if c.host != "" {
			u.Host = c.host
		}
		if c.roots != nil {
			u.Roots = c.roots.Pool()
		}
		if got := open(t, u, c.user); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s, server with TLS %v: %s, want %s", name, c.server == secure, got, c.want)
		}
	}
	// A server of another name: pgveil itself, with such a certificate.
	cert, key, err := ca.Issue("db.example")
	if err != nil {
		t.Fatal(err)
	}
	clients, err := LoadClientTLS(ClientTLSAllow, cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	named := relayLogins(t, clients, upstreamOf(plain, SSLDisable), "")
	for mode, want := range map[string]string{
		SSLRequire: "TLS", SSLVerifyCA: "TLS",
		SSLVerifyFull: "08006 x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
	} {
		u := &UpstreamConfig{Host: "127.0.0.1", Port: named.port(), SSLMode: mode, Roots: ca.Pool()}
		if got := open(t, u, "anyway"); !strings.HasPrefix(got, want) {
			t.Errorf("%s to a server of another name: %s, want %s", mode, got, want)
		}
	}
	for _, mode := range []string{SSLDisable, SSLRequire, SSLVerifyFull} {
		u := &UpstreamConfig{Host: secure.Dir(), Port: secure.Port(), SSLMode: mode}
		if got := open(t, u, "postgres"); got != "clear" {
			t.Errorf("%s over a Unix socket: %s", mode, got)
		}
	}
}

// open says how a connection to the server came about.
func open(t *testing.T, u *UpstreamConfig, user string) string {
	t.Helper()
	b, err := openServer(bounded(t), u, []wire.StartupParam{{Name: "user", Value: user}, {Name: "database", Value: "postgres"}})
	if err != nil {
		e, ok := pgerror.As(err)
		if !ok || e.Severity != "FATAL" {
			return "not a FATAL error for clients: " + err.Error()
		}
		return e.Code + " " + e.Detail
	}
	defer b.conn.Close()
	typ, _, err := b.r.Next()
	switch {
	case err != nil:
		return err.Error()
	case typ == 'E':
		return "refused"
	case typ != 'R':
		return string(rune(typ))
	}
	_, encrypted := b.conn.(*tls.Conn)
	if encrypted != (b.tls != nil) {
		return "the backend's TLS state is wrong"
	}
	if encrypted {
		return "TLS"
	}
	if !b.local {
		return "a local connection is not known as one"
	}
	return "clear"
}

// The server asks for a certificate of pgveil's own.
func TestUpstreamCertificate(t *testing.T) {
	ca := newCA(t)
	server := withRoles(t, startPostgres(t, testenv.PostgresOptions{
		TLS: true, CA: ca,
		HBA: []string{"hostssl all anyway 127.0.0.1/32 trust clientcert=verify-full"},
	}))
	cert, key, err := ca.Issue("anyway")
	if err != nil {
		t.Fatal(err)
	}
	with, err := NewUpstream("127.0.0.1", server.Port(), SSLVerifyFull, ca.File(), cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if got := open(t, with, "anyway"); got != "TLS" {
		t.Errorf("with the certificate: %s", got)
	}
	without, err := NewUpstream("127.0.0.1", server.Port(), SSLVerifyFull, ca.File(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := open(t, without, "anyway"); got != "refused" {
		t.Errorf("without the certificate: %s", got)
	}
}

// fakeServer answers every connection's first packet with these bytes and closes.
func fakeServer(t *testing.T, answer string) *UpstreamConfig {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var head [4]byte
				if _, err := io.ReadFull(conn, head[:]); err != nil {
					return
				}
				_, _ = io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(head[:]))-4)
				_, _ = conn.Write([]byte(answer))
				_, _ = io.CopyN(io.Discard, conn, 1)
			}()
		}
	}()
	return &UpstreamConfig{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}
}

func TestHostileServerAtTLS(t *testing.T) {
	for _, c := range []struct{ answer, detail string }{
		{"E\x00\x00\x00\x09secret", "the server answered the SSLRequest with an error."},
		{"SR\x00\x00\x00\x08\x00\x00\x00\x00", "received unencrypted data after SSL response."},
		{"NR\x00\x00\x00\x08\x00\x00\x00\x00", "received unencrypted data after SSL response."},
		{"?", "received an invalid response to SSL negotiation."},
	} {
		u := fakeServer(t, c.answer)
		u.SSLMode = SSLRequire
		_, err := dialServer(bounded(t), u)
		e, ok := pgerror.As(err)
		if !ok || e.Code != pgerror.ConnectionFailure || e.Detail != c.detail {
			t.Errorf("%q: %+v", c.answer, e)
		}
	}
}

func TestServerUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for _, u := range []*UpstreamConfig{
		{Host: "127.0.0.1", Port: port, SSLMode: SSLDisable},
		{Host: "127.0.0.1", Port: port, SSLMode: SSLPrefer},
		{Host: "127.0.0.1", Port: port, SSLMode: SSLVerifyFull},
		{Host: filepath.Join(t.TempDir(), "none"), Port: port},
		{Host: "pgveil.invalid", Port: port},
	} {
		_, err := dialServer(bounded(t), u)
		e, ok := pgerror.As(err)
		_, address := u.Address()
		if !ok || e.Code != pgerror.CannotConnect || e.Severity != "FATAL" || !strings.Contains(e.Message, address) || e.Detail == "" {
			t.Errorf("%v: %+v", u, e)
		}
	}
	// A server that accepts and says nothing is given up with ctx.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, mode := range []string{SSLPrefer, SSLRequire, SSLDisable} {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		begun := time.Now()
		u := &UpstreamConfig{Host: "127.0.0.1", Port: silent.Addr().(*net.TCPAddr).Port, SSLMode: mode}
		_, err := openServer(ctx, u, nil)
		cancel()
		if e, ok := pgerror.As(err); !ok || e.Code != pgerror.ConnectionFailure || time.Since(begun) > 5*time.Second {
			t.Errorf("%s: %v after %v", mode, err, time.Since(begun))
		}
	}
}

func TestNewUpstream(t *testing.T) {
	ca := newCA(t)
	cert, key, err := ca.Issue("pgveil")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ mode, root, cert, key, fails string }{
		{"", "", "", "", ""},
		{SSLRequire, ca.File(), cert, key, ""},
		{SSLVerifyFull, "system", "", "", ""},
		{SSLRequire, "system", "", "", `needs sslmode "verify-full"`},
		{"full", "", "", "", "unknown sslmode"},
		{SSLVerifyCA, "", "", "", "needs sslrootcert"},
		{SSLVerifyFull, "/none", "", "", "no such file"},
		{SSLVerifyFull, key, "", "", "no certificate in"},
		{SSLRequire, "", cert, "", "no such file"},
		{SSLRequire, "", cert, "/none", "no such file"},
	} {
		_, err := NewUpstream("db", 0, c.mode, c.root, c.cert, c.key)
		if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for want, u := range map[string]UpstreamConfig{
		"tcp db:5432": {Host: "db"}, "tcp [::1]:6433": {Host: "::1", Port: 6433},
		"unix /run/postgresql/.s.PGSQL.5433": {Host: "/run/postgresql", Port: 5433},
	} {
		if network, address := u.Address(); network+" "+address != want {
			t.Errorf("%s %s, want %s", network, address, want)
		}
	}
}

// certificateFor makes a self-signed certificate.
func certificateFor(t *testing.T, common string, names ...string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: common}, NotAfter: time.Now().Add(time.Hour)}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestVerifyHost(t *testing.T) {
	for _, c := range []struct {
		common string
		names  []string
		host   string
		ok     bool
	}{
		{"x", []string{"db.lab.example"}, "db.lab.example", true},
		{"x", []string{"db.lab.example"}, "DB.lab.example", true},
		{"x", []string{"*.lab.example"}, "db.lab.example", true},
		{"x", []string{"*.lab.example"}, "a.db.lab.example", false},
		{"x", []string{"*.lab.example"}, "lab.example", false},
		{"x", []string{"10.0.0.1"}, "10.0.0.1", true},
		{"x", []string{"10.0.0.1"}, "10.0.0.2", false},
		{"db.lab.example", []string{"other.example"}, "db.lab.example", false}, // the common name no longer counts
		{"db.lab.example", []string{"10.0.0.1"}, "db.lab.example", false},
		{"db.lab.example", nil, "db.lab.example", true},
		{"DB.lab.example", nil, "db.LAB.example", true},
		{"*.lab.example", nil, "db.lab.example", true},
		{"*.lab.example", nil, "a.db.lab.example", false},
		{"*.lab.example", nil, ".lab.example", false},
		{"*", nil, "db", false},
		{"*.*.example", nil, "db.lab.example", false},
		{"d*.lab.example", nil, "db.lab.example", false},
		{"*.0.0.1", nil, "10.0.0.1", false},
		{"10.0.0.1", nil, "10.0.0.1", true},
		{"", nil, "db", false},
		{"db", nil, "", false},
	} {
		if err := verifyHost(certificateFor(t, c.common, c.names...), c.host); (err == nil) != c.ok {
			t.Errorf("%q %v for %q: %v", c.common, c.names, c.host, err)
		}
	}
}

// TestNewUpstreams: lists of hosts.
func TestNewUpstreams(t *testing.T) {
	for hosts, want := range map[string]string{
		"db":                              "tcp db:5432",
		"db1,db2:6000":                    "tcp db1:5432, tcp db2:6000",
		" db1 , [::1]:6000 ,[::2],::3,/s": "tcp db1:5432, tcp [::1]:6000, tcp [::2]:5432, tcp [::3]:5432, unix /s/.s.PGSQL.5432",
		"":                                "a host of the list is empty",
		"db1,,db2":                        "a host of the list is empty",
		"db1:":                            `"" is not a port`,
		"db1:0":                           `"0" is not a port`,
		"db1:x":                           `"x" is not a port`,
		":5432":                           `":5432" is not a host, or host:port`,
	} {
		u, err := NewUpstreams(hosts, 5432, SSLPrefer, "", "", "")
		var all []string
		if err != nil {
			all = append(all, err.Error())
		} else {
			for _, server := range u.Servers {
				network, address := server.Address()
				all = append(all, network+" "+address)
			}
		}
		if got := strings.Join(all, ", "); got != want {
			t.Errorf("%q: %s, not %s", hosts, got, want)
		}
	}
}
