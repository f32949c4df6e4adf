package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"syscall"
)

// The TLS modes towards clients. Unix sockets never use TLS, as in PostgreSQL.
const (
	ClientTLSDisable = "disable" // TLS is not offered
	ClientTLSAllow   = "allow"   // the client chooses
	ClientTLSRequire = "require" // connections in clear are refused
)

// alpn is the protocol name of PostgreSQL in the ALPN extension of TLS; a direct
// TLS connection must offer it. Source: PostgreSQL 17 manual, "SSL Session
// Encryption".
const alpn = "postgresql"

// ClientTLS says how clients may connect. The zero value is "disable".
type ClientTLS struct {
	Mode        string
	Certificate tls.Certificate
	// ClientCAs verifies the certificates that clients show; nil asks for none. A
	// client may go without, but one that it shows must be valid.
	ClientCAs *x509.CertPool
}

// LoadClientTLS reads the certificate, its key and the authority of the clients'
// certificates ("" for none) from files in PEM.
func LoadClientTLS(mode, certFile, keyFile, clientCAFile string) (*ClientTLS, error) {
	c := &ClientTLS{Mode: mode}
	switch mode {
	case "", ClientTLSDisable:
		return c, nil
	case ClientTLSAllow, ClientTLSRequire:
	default:
		return nil, fmt.Errorf("unknown TLS mode %q: it is disable, allow or require", mode)
	}
	var err error
	if c.Certificate, err = loadCertificate(certFile, keyFile); err != nil {
		return nil, err
	}
	if clientCAFile != "" {
		if c.ClientCAs, err = loadPool(clientCAFile); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *ClientTLS) offered() bool { return c.Mode == ClientTLSAllow || c.Mode == ClientTLSRequire }

// handshake makes conn a TLS connection.
func (c *ClientTLS) handshake(ctx context.Context, conn net.Conn) (*tls.Conn, error) {
	config := &tls.Config{
		Certificates: []tls.Certificate{c.Certificate},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{alpn},
		// As in PostgreSQL: connections live long, and a ticket's key is one more secret.
		SessionTicketsDisabled: true,
	}
	if c.ClientCAs != nil {
		config.ClientCAs = c.ClientCAs
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	secured := tls.Server(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS with the client: %w", err)
	}
	return secured, nil
}

func loadCertificate(certFile, keyFile string) (tls.Certificate, error) {
	if err := checkPrivate(keyFile); err != nil {
		return tls.Certificate{}, err
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return cert, fmt.Errorf("certificate %s with key %s: %w", certFile, keyFile, err)
	}
	return cert, nil
}

// checkPrivate refuses a key file that others can read, by PostgreSQL's rule: mode
// 0600 or less, or 0640 or less when root owns it.
func checkPrivate(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	forbidden := os.FileMode(0o077)
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid == 0 {
		forbidden = 0o037
	}
	if info.Mode().Perm()&forbidden != 0 {
		return fmt.Errorf("private key file %s has group or world access: chmod 600 it", file)
	}
	return nil
}

func loadPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", file)
	}
	return pool, nil
}
