package keys_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/testenv"
)

// loginServer stands before a real Vault and answers the logins that this one has no method for:
// what a method decides is the test's, and the token that it gives is the real Vault's, as is
// every other answer.
type loginServer struct {
	ca  *testenv.CA
	url string

	mu       sync.Mutex
	requests []loginRequest
	made     []string // tokens
}

type loginRequest struct {
	namespace string
	body      map[string]string
	cert      string // common name
}

// startLoginServer takes logins at a path, for which accept says why one is refused, "" if it is
// not. The tokens live for ttl and are not renewable.
func startLoginServer(t *testing.T, vault *testenv.Vault, path, ttl string, accept func(loginRequest) (refused string)) *loginServer {
	t.Helper()
	target, err := url.Parse(vault.Address())
	if err != nil {
		t.Fatal(err)
	}
	l := &loginServer{}
	if l.ca, err = testenv.NewCA(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	cert, key, err := l.ca.Issue("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	relay := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("X-Vault-Namespace") // this Vault has none
		},
		Transport: vault.Client().CloneConfig().HttpClient.Transport,
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/"+path {
			relay.ServeHTTP(w, r)
			return
		}
		request := loginRequest{namespace: r.Header.Get("X-Vault-Namespace"), body: map[string]string{}}
		if err := json.NewDecoder(r.Body).Decode(&request.body); err != nil || r.Method != http.MethodPut || r.Header.Get("X-Vault-Request") != "true" || r.Header.Get("X-Vault-Token") != "" {
			http.Error(w, "bad request", http.StatusInternalServerError)
			return
		}
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			request.cert = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.requests = append(l.requests, request)
		if refused := accept(request); refused != "" {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{refused}})
			return
		}
		fixed := false
		secret, err := vault.Client().Auth().Token().CreateWithContext(context.Background(), &api.TokenCreateRequest{Policies: []string{"pgveil"}, TTL: ttl, Renewable: &fixed})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		l.made = append(l.made, secret.Auth.ClientToken)
		_ = json.NewEncoder(w).Encode(secret)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	l.url = server.URL
	return l
}

func (l *loginServer) config(t *testing.T, vault *testenv.Vault) keys.VaultConfig {
	c := config(t, vault)
	c.Address, c.CAFile, c.Namespace = l.url, l.ca.File(), "hospital/lab"
	return c
}

func (l *loginServer) logins() []loginRequest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]loginRequest(nil), l.requests...)
}

// replaceFile puts another text into a file at once, as orchestrators do.
func replaceFile(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	next := name + ".new"
	if err := errors.Join(os.WriteFile(next, []byte(text), mode), os.Rename(next, name)); err != nil {
		t.Fatal(err)
	}
}

// The token of the service account is read at each login, which is made again when the token of
// Vault ends, and is readable for all, as Kubernetes makes it.
func TestKubernetesLogin(t *testing.T) {
	t.Parallel()
	vault, _ := sharedVault(t)
	keyFor(t, vault)
	server := startLoginServer(t, vault, "auth/clusters/paris/login", "2s", func(r loginRequest) string {
		if r.body["role"] != "pgveil" || !strings.HasPrefix(r.body["jwt"], "jwt-") || len(r.body) != 2 {
			return "invalid role name"
		}
		return ""
	})
	log := &syncBuffer{}
	c := server.config(t, vault)
	c.Logger = log.logger()
	c.KubernetesRole, c.KubernetesMount, c.KubernetesJWTFile = "pgveil", "clusters/paris", secretFile(t, "jwt-first")
	if err := os.Chmod(c.KubernetesJWTFile, 0o644); err != nil {
		t.Fatal(err)
	}
	store := openVault(t, c)
	opens(t, store, 0)
	replaceFile(t, c.KubernetesJWTFile, "jwt-second", 0o644)
	eventually(t, "a login with the new token of the service account", func() error {
		logins := server.logins()
		if last := logins[len(logins)-1]; last.body["jwt"] != "jwt-second" {
			return fmt.Errorf("%+v", last)
		}
		return nil
	})
	opens(t, store, 0)
	if first := server.logins()[0]; first.body["jwt"] != "jwt-first" || first.namespace != "hospital/lab" || first.cert != "" {
		t.Errorf("first login: %+v", first)
	}
	if strings.Contains(log.String(), "jwt-") || strings.Contains(log.String(), "hvs.") {
		t.Errorf("the log holds a secret: %s", log)
	}

	c.KubernetesRole = "other"
	_, err := keys.OpenVault(t.Context(), c)
	wantVaultError(t, c, err, keys.ErrPermission, "Kubernetes login: invalid role name")
	c.KubernetesMount = "clusters/lyon"
	_, err = keys.OpenVault(t.Context(), c)
	wantVaultError(t, c, err, keys.ErrPermission, "auth/clusters/lyon")
	c.KubernetesJWTFile = "/nonexistent/token"
	_, err = keys.OpenVault(t.Context(), c)
	wantVaultError(t, c, err, keys.ErrConfig, "service account", "/nonexistent/token")
}

// The certificate is read at each login, on a connection of its own, so that it can be replaced
// before it ends; and the token that it got is revoked at the end.
func TestCertificateLogin(t *testing.T) {
	t.Parallel()
	vault, _ := sharedVault(t)
	keyFor(t, vault)
	server := startLoginServer(t, vault, "auth/cert/login", "2s", func(r loginRequest) string {
		if r.cert == "" || r.body["name"] != "pgveil" || len(r.body) != 1 {
			return "client certificate must be supplied"
		}
		return ""
	})
	c := server.config(t, vault)
	issue := func(name string) (certFile, keyFile string) {
		t.Helper()
		certFile, keyFile, err := server.ca.Issue(name)
		if err != nil {
			t.Fatal(err)
		}
		return certFile, keyFile
	}
	c.CertFile, c.KeyFile = issue("pgveil-1")
	c.CertRole = "pgveil"
	store, err := keys.OpenVault(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	opens(t, store, 0)
	cert, key := issue("pgveil-2")
	if err := errors.Join(os.Rename(key, c.KeyFile), os.Rename(cert, c.CertFile)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a login with the new certificate", func() error {
		logins := server.logins()
		if last := logins[len(logins)-1]; last.cert != "pgveil-2" {
			return fmt.Errorf("%+v", last)
		}
		return nil
	})
	opens(t, store, 0)
	if first := server.logins()[0]; first.cert != "pgveil-1" || first.namespace != "hospital/lab" {
		t.Errorf("first login: %+v", first)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	server.mu.Lock()
	last := server.made[len(server.made)-1]
	server.mu.Unlock()
	if _, err := vault.Client().Auth().Token().LookupWithContext(t.Context(), last); err == nil {
		t.Error("the last token still lives after Close")
	}

	wrong := c
	wrong.CertRole = "other"
	_, err = keys.OpenVault(t.Context(), wrong)
	wantVaultError(t, wrong, err, keys.ErrPermission, "certificate login: client certificate must be supplied")
	_, wrong.KeyFile = issue("other")
	_, err = keys.OpenVault(t.Context(), wrong)
	wantVaultError(t, wrong, err, keys.ErrConfig, wrong.CertFile, wrong.KeyFile)
	wrong.KeyFile = ""
	_, err = keys.OpenVault(t.Context(), wrong)
	wantVaultError(t, wrong, err, keys.ErrConfig, "both the certificate and its private key")
	if err := os.Chmod(c.KeyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = keys.OpenVault(t.Context(), c)
	wantVaultError(t, c, err, keys.ErrConfig, c.KeyFile, "chmod 0400")
}

// wrap asks Vault for the answer to a request in a wrapping, as whoever deploys pgveil does.
func wrap(t *testing.T, vault *testenv.Vault, path string, data map[string]any) (wrapping string) {
	t.Helper()
	client, err := vault.Client().Clone()
	if err != nil {
		t.Fatal(err)
	}
	client.SetToken(vault.RootToken())
	client.SetWrappingLookupFunc(func(string, string) string { return "1h" })
	answer, err := client.Logical().WriteWithContext(t.Context(), path, data)
	if err != nil {
		t.Fatal(err)
	}
	return answer.WrapInfo.Token
}

// A wrapped secret id is unwrapped once, and serves every login of the process; the next process
// needs another. What was unwrapped by somebody else is an alarm.
func TestWrappedSecretID(t *testing.T) {
	t.Parallel()
	vault, _ := sharedVault(t)
	keyFor(t, vault)
	role := shortRole(t, vault, "wrapped", "2s", "2s")
	const path = "auth/approle/role/wrapped/secret-id"
	c := config(t, vault)
	log := &syncBuffer{}
	c.Logger = log.logger()
	c.RoleID, c.WrappedSecretIDFile = role.RoleID, secretFile(t, wrap(t, vault, path, nil))
	store := openVault(t, c)
	opens(t, store, 0)
	_, err := keys.OpenVault(t.Context(), c)
	wantVaultError(t, c, err, keys.ErrIntercepted, c.WrappedSecretIDFile, "was used before", "somebody else has the secret id")

	// The running one logs in again, with the file taken away, and takes a new one.
	if err := os.Remove(c.WrappedSecretIDFile); err != nil {
		t.Fatal(err)
	}
	opens(t, store, 3*time.Second)
	if n := strings.Count(log.String(), "unwrapped the secret id"); n != 1 || !strings.Contains(log.String(), "logged in to Vault again") {
		t.Errorf("unwrapped %d times: %s", n, log)
	}
	replaceFile(t, c.WrappedSecretIDFile, wrap(t, vault, path, nil), 0o400)
	eventually(t, "the new wrapping is opened", func() error {
		if n := strings.Count(log.String(), "unwrapped the secret id"); n != 2 {
			return fmt.Errorf("unwrapped %d times", n)
		}
		return nil
	})
	opens(t, store, 0)
	_, err = keys.OpenVault(t.Context(), c)
	wantVaultError(t, c, err, keys.ErrIntercepted)

	// One that somebody has opened, in the place of it, while the store runs: an alarm in the log.
	used := wrap(t, vault, path, nil)
	if _, err := vault.Client().Logical().UnwrapWithContext(t.Context(), used); err != nil {
		t.Fatal(err)
	}
	replaceFile(t, c.WrappedSecretIDFile, used, 0o400)
	eventually(t, "an alarm", func() error {
		if _, err := store.Open(t.Context(), "patient"); !errors.Is(err, keys.ErrIntercepted) || !strings.Contains(err.Error(), "the token has expired or was revoked") {
			return fmt.Errorf("%w; log: %s", err, log)
		}
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "level=ERROR") && strings.Contains(line, "a wrapped secret may have been intercepted") {
				return nil
			}
		}
		return fmt.Errorf("log: %s", log)
	})

	// Something else in the place of it: a secret that whoever put it there has made.
	forged := c
	forged.WrappedSecretIDFile = secretFile(t, wrap(t, vault, "sys/wrapping/wrap", map[string]any{"secret_id": "known"}))
	_, err = keys.OpenVault(t.Context(), forged)
	wantVaultError(t, forged, err, keys.ErrIntercepted, "sys/wrapping/wrap", "no secret id (below auth/approle/role/)")
	forged.WrappedSecretIDFile = secretFile(t, "hvs.nothing")
	_, err = keys.OpenVault(t.Context(), forged)
	wantVaultError(t, forged, err, keys.ErrIntercepted, forged.WrappedSecretIDFile)
	forged.WrappedSecretIDFile = "/nonexistent/wrapping"
	_, err = keys.OpenVault(t.Context(), forged)
	wantVaultError(t, forged, err, keys.ErrConfig, "/nonexistent/wrapping")
	forged.SecretIDFile = forged.WrappedSecretIDFile
	_, err = keys.OpenVault(t.Context(), forged)
	wantVaultError(t, forged, err, keys.ErrConfig, "two files")
	if strings.Contains(log.String(), "hvs.") {
		t.Errorf("the log holds a token: %s", log)
	}
}

// A wrapped token, likewise; it is pgveil's alone, and is revoked at the end.
func TestWrappedToken(t *testing.T) {
	t.Parallel()
	vault, _ := sharedVault(t)
	keyFor(t, vault)
	c := config(t, vault)
	c.WrappedTokenFile = secretFile(t, wrap(t, vault, "auth/token/create", map[string]any{"policies": []string{"pgveil"}, "ttl": "1h"}))
	store, err := keys.OpenVault(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	opens(t, store, 0)
	_, err = keys.OpenVault(t.Context(), c)
	wantVaultError(t, c, err, keys.ErrIntercepted, c.WrappedTokenFile, "somebody else has the token")
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), "patient")
	wantVaultError(t, c, err, keys.ErrPermission, "put a new one into "+c.WrappedTokenFile)

	// A wrapping that holds no token.
	c.WrappedTokenFile = secretFile(t, wrap(t, vault, "auth/approle/role/pgveil/secret-id", nil))
	_, err = keys.OpenVault(t.Context(), c)
	wantVaultError(t, c, err, keys.ErrProtocol, "no token in the wrapping")
}

// An unwrapping whose answer is lost has used the wrapping up, and says so, rather than that
// somebody else has the secret.
func TestUnwrappingIsCutOff(t *testing.T) {
	t.Parallel()
	vault, _ := sharedVault(t)
	target, err := url.Parse(vault.Address())
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: vault.Client().CloneConfig().HttpClient.Transport,
		ModifyResponse: func(r *http.Response) error {
			if r.Request.URL.Path != "/v1/sys/wrapping/unwrap" {
				return nil
			}
			asked.Add(1)
			return errors.New("lost")
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	})
	t.Cleanup(server.Close)
	c := config(t, vault)
	c.Address, c.CAFile = server.URL, ""
	c.WrappedTokenFile = secretFile(t, wrap(t, vault, "auth/token/create", map[string]any{"policies": []string{"pgveil"}, "ttl": "1h"}))
	_, err = keys.OpenVault(t.Context(), c)
	wantVaultError(t, c, err, keys.ErrUnreachable, "502", "the wrapping in "+c.WrappedTokenFile+" may be used up by this request of pgveil's")
	if n := asked.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}
