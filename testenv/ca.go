package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// CA is a certificate authority for tests. Its key stays in memory.
type CA struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes a certificate authority that keeps its files in dir, which must
// exist.
func NewCA(dir string) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "pgveil test CA " + serial.Text(36)},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(30 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	ca := &CA{dir: dir, cert: cert, key: key}
	return ca, writePEM(ca.File(), "CERTIFICATE", der, 0o644)
}

// File returns the path of the authority's certificate, in PEM, as sslrootcert
// and VAULT_CACERT want it.
func (ca *CA) File() string { return filepath.Join(ca.dir, "ca.crt") }

// Pool returns a new pool holding the authority's certificate alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// Issue makes a certificate for servers and clients, valid from an hour ago
// for 30 days, and returns the paths of the certificate and its key in PEM. A name that is
// an IP address becomes one; any other is a DNS name. The first is also the
// common name, which PostgreSQL's cert authentication takes for the role.
func (ca *CA) Issue(names ...string) (certFile, keyFile string, err error) {
	now := time.Now()
	return ca.IssueFor(now.Add(-time.Hour), now.Add(30*24*time.Hour-2*time.Hour), names...)
}

// IssueFor is Issue with a validity of one's own, so that a test can have a
// certificate that has expired.
func (ca *CA) IssueFor(notBefore, notAfter time.Time, names ...string) (certFile, keyFile string, err error) {
	if len(names) == 0 {
		return "", "", errors.New("a certificate needs a name")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	serial, err := newSerial()
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: names[0]},
		NotBefore:    notBefore,
		NotAfter:     notAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		return "", "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	base := filepath.Join(ca.dir, serial.Text(36))
	certFile, keyFile = base+".crt", base+".key"
	err = errors.Join(
		writePEM(certFile, "CERTIFICATE", der, 0o644),
		writePEM(keyFile, "PRIVATE KEY", private, 0o600),
	)
	return certFile, keyFile, err
}

func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	data := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path, data, mode); err != nil {
		return fmt.Errorf("write certificate: %w", err)
	}
	return nil
}
