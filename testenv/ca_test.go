package testenv

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
	"time"
)

func TestCA(t *testing.T) {
	dir := t.TempDir()
	ca, err := NewCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, err := ca.Issue("db.example.org", "127.0.0.1", "::1")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if pair.Leaf.Subject.CommonName != "db.example.org" {
		t.Errorf("common name %q", pair.Leaf.Subject.CommonName)
	}
	for name, good := range map[string]bool{
		"db.example.org": true, "127.0.0.1": true, "::1": true,
		"other.example.org": false, "127.0.0.2": false,
	} {
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			_, err := pair.Leaf.Verify(x509.VerifyOptions{
				Roots: ca.Pool(), DNSName: name, KeyUsages: []x509.ExtKeyUsage{usage},
			})
			if (err == nil) != good {
				t.Errorf("%s: %v, want good %v", name, err, good)
			}
		}
	}

	other, err := NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: other.Pool()}); err == nil {
		t.Error("another authority vouches for the certificate")
	}

	now := time.Now()
	certFile, keyFile, err = ca.IssueFor(now.Add(-2*time.Hour), now.Add(-time.Hour), "old.example.org")
	if err != nil {
		t.Fatal(err)
	}
	if pair, err = tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool()}); err == nil {
		t.Error("an expired certificate is good")
	}
	if _, _, err := ca.Issue(); err == nil {
		t.Error("a certificate without a name is issued")
	}
}
