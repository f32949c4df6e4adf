package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
)

// tlsConfig is the client side of TLS for sslmode. crypto/tls is told not to verify
// because it would always check the host's name, and never the common name; verify
// does what sslmode says.
func (u *UpstreamConfig) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         u.Host, // sent as SNI unless it is an address
		NextProtos:         []string{alpn},
		Certificates:       u.Certificates,
		InsecureSkipVerify: true,
		VerifyConnection:   u.verify,
	}
}

// verify checks the server's certificate as libpq does: nothing for allow, prefer,
// and require without sslrootcert; its chain for verify-ca and require with
// sslrootcert; its name too for verify-full.
func (u *UpstreamConfig) verify(state tls.ConnectionState) error {
	mode := u.mode()
	if mode == SSLAllow || mode == SSLPrefer || mode == SSLRequire && u.Roots == nil {
		return nil
	}
	if u.Roots == nil {
		// A nil pool would mean the system's authorities.
		return fmt.Errorf("sslmode %s needs sslrootcert", mode)
	}
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server showed no certificate")
	}
	leaf := state.PeerCertificates[0]
	options := x509.VerifyOptions{Roots: u.Roots, Intermediates: x509.NewCertPool()}
	for _, cert := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(cert)
	}
	if _, err := leaf.Verify(options); err != nil {
		return err
	}
	if mode != SSLVerifyFull {
		return nil
	}
	return verifyHost(leaf, u.Host)
}

// verifyHost is pq_verify_peer_name_matches_certificate of libpq: the alternative
// names decide; the common name counts only when there are none to which the host
// could be compared.
func verifyHost(cert *x509.Certificate, host string) error {
	err := cert.VerifyHostname(host)
	if err == nil || len(cert.DNSNames) > 0 || len(cert.IPAddresses) > 0 {
		return err
	}
	if name := cert.Subject.CommonName; name != "" && matchesName(name, host) {
		return nil
	}
	return fmt.Errorf("server certificate for %q does not match host name %q", cert.Subject.CommonName, host)
}

// matchesName compares a common name with a host, as libpq: a wildcard stands for
// the leftmost label alone.
func matchesName(pattern, host string) bool {
	pattern, host = strings.ToLower(pattern), strings.ToLower(host)
	if pattern == host {
		return true
	}
	suffix, ok := strings.CutPrefix(pattern, "*.")
	if !ok || strings.Contains(suffix, "*") || net.ParseIP(host) != nil {
		return false
	}
	label, rest, ok := strings.Cut(host, ".")
	return ok && label != "" && rest == suffix
}
