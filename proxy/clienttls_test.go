package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/schema/pgerror"
	"github.com/pgveil/pgveil/testenv"
)

// within sends an SSLRequest and makes conn a TLS connection.
func within(t *testing.T, conn net.Conn, config *tls.Config) *tls.Conn {
	t.Helper()
	_, _ = conn.Write([]byte(sslRequest))
	answer := make([]byte, 1)
	if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != 'S' {
		t.Fatalf("answer to SSLRequest: %q %v", answer, err)
	}
	return tls.Client(conn, config)
}

func TestClientTLS(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	certificate := func(ca *testenv.CA, names ...string) []tls.Certificate {
		cert, key, err := ca.Issue(names...)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	expired := func() []tls.Certificate {
		cert, key, err := ca.IssueFor(time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour), "late")
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}()
	for _, c := range []struct {
		name     string
		direct   bool
		protos   []string
		shown    []tls.Certificate
		version  uint16
		identity string
		fails    string // text of the relay's error
	}{
		{name: "requested"},
		{name: "requested with ALPN", protos: []string{"postgresql"}},
		{name: "requested with another ALPN", protos: []string{"http/1.1"}, fails: "unsupported application protocols"},
		{name: "direct", direct: true, protos: []string{"postgresql"}},
		{name: "direct with several", direct: true, protos: []string{"h2", "postgresql"}},
		{name: "direct without ALPN", direct: true, fails: "direct TLS connection without ALPN"},
		{name: "direct with another ALPN", direct: true, protos: []string{"h2"}, fails: "unsupported application protocols"},
		{name: "client certificate", shown: certificate(ca, "ada"), identity: "CN=ada"},
		{name: "certificate of another authority", shown: certificate(other, "ada"), fails: "certificate signed by unknown authority"},
		{name: "expired certificate", shown: expired, fails: "expired"},
		{name: "old TLS", version: tls.VersionTLS11, fails: "unsupported versions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, result := accept(t, clientTLS(t, ClientTLSRequire, ca))
			config := &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", NextProtos: c.protos, MaxVersion: c.version, MinVersion: tls.VersionTLS10}
			// Shown whatever authorities are asked for.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if c.shown == nil {
					return &tls.Certificate{}, nil
				}
				return &c.shown[0], nil
			}
			var secured *tls.Conn
			if c.direct {
				secured = tls.Client(client, config)
			} else {
				secured = within(t, client, config)
			}
			_, writeErr := secured.Write([]byte(ada))
			s := <-result
			if c.fails != "" {
				if s.err == nil || !strings.Contains(s.err.Error(), c.fails) {
					t.Fatalf("error %v, want %q", s.err, c.fails)
				}
				if _, read := secured.Read(make([]byte, 1)); writeErr == nil && read == nil {
					t.Error("the client was not cut off")
				}
				return
			}
			if s.err != nil || writeErr != nil {
				t.Fatal(s.err, writeErr)
			}
			if s.tls == nil || !s.protected() || s.identity() != c.identity || s.user != "ada" {
				t.Errorf("TLS %v, identity %q, user %q", s.tls != nil, s.identity(), s.user)
			}
			if string(s.certificate) != string(secured.ConnectionState().PeerCertificates[0].Raw) {
				t.Error("the client has seen another certificate")
			}
			// What follows is within TLS.
			go func() { _, _ = s.conn.Write([]byte("hello")) }()
			got := make([]byte, 5)
			if _, err := io.ReadFull(secured, got); err != nil || string(got) != "hello" {
				t.Errorf("%q %v", got, err)
			}
		})
	}
}

func TestClientTLSModes(t *testing.T) {
	ca := newCA(t)
	for _, c := range []struct{ mode, answer, plain string }{
		{"", "N", ""},
		{ClientTLSDisable, "N", ""},
		{ClientTLSAllow, "S", ""},
		{ClientTLSRequire, "S", "FATAL 28000 pgveil accepts connections over TLS only"},
	} {
		clients := &ClientTLS{}
		if c.mode != "" {
			clients = clientTLS(t, c.mode, ca)
		}
		client, _ := accept(t, clients)
		_, _ = client.Write([]byte(sslRequest))
		answer := make([]byte, 1)
		if _, err := io.ReadFull(client, answer); err != nil || string(answer) != c.answer {
			t.Errorf("%q: answer to SSLRequest %q %v", c.mode, answer, err)
		}
		client.Close()

		client, result := accept(t, clients)
		_, _ = client.Write([]byte(ada))
		s := <-result
		if c.plain == "" {
			if s.err != nil || s.protected() {
				t.Errorf("%q: plain connection: %v", c.mode, s.err)
			}
			continue
		}
		if got := lastError(client); got != c.plain {
			t.Errorf("%q: plain connection: %q", c.mode, got)
		}
		if e, ok := pgerror.As(s.err); !ok || !strings.Contains(e.Hint, "sslmode=require") {
			t.Errorf("%q: %v has no hint", c.mode, s.err)
		}
	}
}

// Cancel requests come in clear from many clients, also where TLS is required, and
// hold nothing to hide but what the server takes in clear itself.
func TestCancelInClearWhereTLSIsRequired(t *testing.T) {
	client, result := accept(t, clientTLS(t, ClientTLSRequire, newCA(t)))
	_, _ = client.Write([]byte(packet(80877102, "\x00\x00\x00\x01KEY!")))
	if s := <-result; s.err != nil || s.cancel == nil {
		t.Fatal(s.err)
	}
}

func TestDirectTLSWhereNotOffered(t *testing.T) {
	client, result := accept(t, &ClientTLS{})
	err := tls.Client(client, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}}).Handshake()
	if s := <-result; err == nil || s.err == nil || !strings.Contains(s.err.Error(), "TLS is not offered") {
		t.Fatal(err, s.err)
	}
}

// A request for encryption within TLS is one too many, as in the server.
func TestSSLRequestWithinTLS(t *testing.T) {
	ca := newCA(t)
	for request, want := range map[string]string{
		sslRequest:    "FATAL 0A000 unsupported frontend protocol 1234.5679: server supports 3.0 to 3.0",
		gssencRequest: "FATAL 0A000 unsupported frontend protocol 1234.5680: server supports 3.0 to 3.0",
	} {
		client, _ := accept(t, clientTLS(t, ClientTLSAllow, ca))
		secured := within(t, client, &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"})
		_, _ = secured.Write([]byte(request))
		if got := lastError(secured); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestLoadClientTLS(t *testing.T) {
	ca := newCA(t)
	cert, key, err := ca.Issue("localhost")
	if err != nil {
		t.Fatal(err)
	}
	_, otherKey, err := ca.Issue("localhost")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LoadClientTLS("maybe", cert, key, ""); err == nil {
		t.Error("unknown mode")
	}
	if _, err := LoadClientTLS(ClientTLSRequire, cert, otherKey, ""); err == nil {
		t.Error("a key of another certificate")
	}
	if _, err := LoadClientTLS(ClientTLSRequire, cert, filepath.Join(t.TempDir(), "none"), ""); !errors.Is(err, os.ErrNotExist) {
		t.Error("no key:", err)
	}
	if _, err := LoadClientTLS(ClientTLSRequire, cert, key, key); err == nil {
		t.Error("a key instead of an authority")
	}
	if c, err := LoadClientTLS(ClientTLSRequire, cert, key, ca.File()); err != nil || c.ClientCAs.Equal(x509.NewCertPool()) {
		t.Error(err)
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadClientTLS(ClientTLSRequire, cert, key, ""); err == nil || !strings.Contains(err.Error(), "group or world access") {
		t.Error("a key that all can read:", err)
	}
}
