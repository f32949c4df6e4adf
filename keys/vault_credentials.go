package keys

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// VaultLogin is one way to log in to Vault. Files are read again at each login.
type VaultLogin struct {
	// A token, a file that holds one and may be replaced (as Vault Agent does), or a file
	// that holds a wrapping token, of which a token is unwrapped once.
	Token            string
	TokenFile        string
	WrappedTokenFile string

	// AppRole, with the secret id in a file, or wrapped.
	RoleID              string
	SecretIDFile        string
	WrappedSecretIDFile string
	AppRoleMount        string // default "approle"

	// The service account of a Kubernetes pod.
	KubernetesRole    string
	KubernetesJWTFile string // default: where Kubernetes puts it
	KubernetesMount   string // default "kubernetes"

	// A TLS certificate, in PEM.
	CertFile  string
	KeyFile   string
	CertRole  string // "" for any that fits
	CertMount string // default "cert"
}

// kubernetesJWT is where Kubernetes puts the token of a pod's service account.
const kubernetesJWT = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// ways names the ways to log in that are given.
func (l *VaultLogin) ways() []string {
	var ways []string
	for _, way := range []struct {
		name  string
		given bool
	}{
		{"a token", l.Token != ""},
		{"the token in " + l.TokenFile, l.TokenFile != ""},
		{"the wrapped token in " + l.WrappedTokenFile, l.WrappedTokenFile != ""},
		{"AppRole " + l.RoleID, l.RoleID != "" || l.SecretIDFile != "" || l.WrappedSecretIDFile != ""},
		{"Kubernetes role " + l.KubernetesRole, l.KubernetesRole != ""},
		{"the certificate in " + l.CertFile, l.CertFile != "" || l.KeyFile != ""},
	} {
		if way.given {
			ways = append(ways, way.name)
		}
	}
	return ways
}

func (l *VaultLogin) checkLogin() error {
	switch ways := l.ways(); {
	case len(ways) == 0:
		return errors.New("there is no way to log in: a token file, an AppRole's role id and secret id file, a Kubernetes role, or a TLS certificate")
	case len(ways) > 1:
		return fmt.Errorf("there is more than one way to log in: keep one of %s", strings.Join(ways, " and "))
	case l.SecretIDFile != "" && l.WrappedSecretIDFile != "":
		return errors.New("AppRole has two files of the secret id: keep the wrapped one or the other")
	case (l.RoleID == "") != (l.SecretIDFile == "" && l.WrappedSecretIDFile == ""):
		return errors.New("AppRole needs both the role id and the file of the secret id")
	case (l.CertFile == "") != (l.KeyFile == ""):
		return errors.New("the login by TLS certificate needs both the certificate and its private key")
	}
	if l.KubernetesJWTFile == "" {
		l.KubernetesJWTFile = kubernetesJWT
	}
	return nil
}

// clientCertificate reads the certificate for the login, anew for each connection.
func (l *VaultLogin) clientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	chain, err := os.ReadFile(l.CertFile)
	if err != nil {
		return nil, fmt.Errorf("certificate for Vault: %w", err)
	}
	key, err := readCredential(l.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("private key for Vault: %w", err)
	}
	pair, err := tls.X509KeyPair(chain, []byte(key))
	if err != nil {
		return nil, fmt.Errorf("certificate for Vault in %s with the private key in %s: %w", l.CertFile, l.KeyFile, err)
	}
	return &pair, nil
}

// readCredential reads a file that holds one secret, with or without a newline
// at its end. A group may read it, as orchestrators arrange; others may not.
func readCredential(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if perm := info.Mode().Perm(); perm&0o027 != 0 {
		return "", fmt.Errorf("%w: %s has mode %04o; run chmod 0400 on it", ErrInsecure, name, perm)
	}
	return readSecret(name, f)
}

// readJWT reads the token of a service account, which Kubernetes makes readable for everyone
// in the pod.
func readJWT(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return readSecret(name, f)
}

func readSecret(name string, f io.Reader) (string, error) {
	const most = 64 << 10
	data, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(data))
	clear(data)
	if secret == "" || len(data) == most {
		return "", fmt.Errorf("%s does not hold one secret", name)
	}
	return secret, nil
}
