package keys

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/hashicorp/vault/api"
)

// VaultConfig says where Vault is, how to log in, and where in it the keys are.
// Vault's own environment variables (VAULT_ADDR, VAULT_TOKEN,
// VAULT_SKIP_VERIFY …) have no effect.
type VaultConfig struct {
	// Address is Vault's URL. It is https://…, or http://… on a loopback
	// address, or unix://… for a Vault Agent's socket.
	Address    string
	Namespace  string
	CAFile     string        // PEM; default: the system's authorities
	ServerName string        // in Vault's certificate; default: the address's host
	Timeout    time.Duration // of one request with its retries; default 10 s

	KVMount      string // of KV version 2; default "secret"
	KVPath       string // of the keysets below KVMount; default "pgveil/keys"
	TransitMount string // default "transit"
	KEK          string // name of the Transit key; default "pgveil"

	VaultLogin

	Logger *slog.Logger // takes what happens in the background; default slog.Default()
}

// String leaves the token out.
func (c VaultConfig) String() string {
	return fmt.Sprintf("Vault at %s, login by %s", c.Address, strings.Join(c.ways(), " and "))
}

// GoString leaves the token out.
func (c VaultConfig) GoString() string { return c.String() }

// LogValue leaves the token out.
func (c VaultConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// complete fills in the defaults and checks the rest.
func (c VaultConfig) complete() (VaultConfig, error) {
	for _, d := range []struct {
		field *string
		value string
	}{
		{&c.KVMount, "secret"},
		{&c.KVPath, "pgveil/keys"},
		{&c.TransitMount, "transit"},
		{&c.KEK, "pgveil"},
		{&c.AppRoleMount, "approle"},
		{&c.KubernetesMount, "kubernetes"},
		{&c.CertMount, "cert"},
	} {
		if *d.field = strings.Trim(*d.field, "/"); *d.field == "" {
			*d.field = d.value
		}
		if path.Clean(*d.field) != *d.field || strings.HasPrefix(*d.field, "..") {
			return c, fmt.Errorf("%q is not a path in Vault", *d.field)
		}
	}
	if strings.Contains(c.KEK, "/") {
		return c, fmt.Errorf("%q is not the name of a Transit key", c.KEK)
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, errors.Join(c.checkAddress(), c.checkLogin())
}

func (c *VaultConfig) checkAddress() error {
	u, err := url.Parse(c.Address)
	switch {
	case err != nil || c.Address == "":
		return errors.New("the address is not a URL such as https://vault.example:8200")
	case u.User != nil:
		return errors.New("the address has a user name or password in it")
	case u.Scheme == "unix", u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return errors.New("the address must be https://…, or http://… on a loopback address: keys would cross the network in the clear")
	default:
		return fmt.Errorf("the address %s is neither https://…, http://… nor unix://…", c.Address)
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// httpClient makes the HTTP client for all requests.
func (c *VaultConfig) httpClient() (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("CA file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA file %s: there is no certificate in it", c.CAFile)
		}
	}
	if c.CertFile != "" {
		if _, err := c.clientCertificate(nil); err != nil {
			return nil, err
		}
		config.GetClientCertificate = c.clientCertificate
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: c.Timeout, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:     config,
			TLSHandshakeTimeout: c.Timeout,
			ForceAttemptHTTP2:   true,
			MaxIdleConns:        4,
			IdleConnTimeout:     90 * time.Second,
		},
		// The API's client follows a standby's redirect by itself.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// maxRetries is how often the API's client makes a request again that got no answer, or one of
// status 5xx.
const maxRetries = 2

// client makes an API client without a token. What it takes from the
// environment is taken out again.
func (c *VaultConfig) client(h *http.Client) (*api.Client, error) {
	client, err := api.NewClient(&api.Config{
		Address:      c.Address,
		HttpClient:   h,
		Timeout:      c.Timeout,
		MaxRetries:   maxRetries,
		Backoff:      retryablehttp.DefaultBackoff, // 0.1 s, 0.2 s, or what Vault asks for
		MinRetryWait: 100 * time.Millisecond,
		MaxRetryWait: time.Second,
	})
	if err != nil {
		return nil, err
	}
	client.SetHeaders(http.Header{api.RequestHeaderName: []string{"true"}})
	client.ClearToken()
	if c.Namespace != "" {
		client.SetNamespace(c.Namespace)
	}
	return client, nil
}
