package keys_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/testenv"
)

var _ keys.Store = (*keys.VaultStore)(nil)

// The Vault that most tests share; those that seal or stop one have their own.
var shared struct {
	once  sync.Once
	vault *testenv.Vault
	setup testenv.VaultSetup
	err   error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.vault != nil {
		if err := shared.vault.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func startVault(ctx context.Context, opts testenv.VaultOptions) (*testenv.Vault, testenv.VaultSetup, error) {
	vault, err := testenv.StartVault(ctx, opts)
	if err != nil {
		return nil, testenv.VaultSetup{}, err
	}
	setup, err := vault.SetupPgveil(ctx)
	return vault, setup, err
}

func sharedVault(t *testing.T) (*testenv.Vault, testenv.VaultSetup) {
	t.Helper()
	testenv.Require(t, testenv.PartVault)
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // it may be built first
		defer cancel()
		shared.vault, shared.setup, shared.err = startVault(ctx, testenv.VaultOptions{TLS: true})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.vault, shared.setup
}

func ownVault(t *testing.T, opts testenv.VaultOptions) (*testenv.Vault, testenv.VaultSetup) {
	t.Helper()
	testenv.Require(t, testenv.PartVault)
	vault, setup, err := startVault(t.Context(), opts)
	if vault != nil {
		t.Cleanup(func() {
			if err := vault.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return vault, setup
}

// secretFile writes a file as readCredential wants it, with a newline as
// editors leave it.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o400); err != nil {
		t.Fatal(err)
	}
	return path
}

// config returns a configuration without a login, with keys in a folder of the
// test's own.
func config(t *testing.T, vault *testenv.Vault) keys.VaultConfig {
	c := keys.VaultConfig{
		Address: vault.Address(),
		KVPath:  testenv.KVPrefix + "/" + strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()),
		Timeout: 5 * time.Second,
		Logger:  slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if ca := vault.CA(); ca != nil {
		c.CAFile = ca.File()
	}
	return c
}

func withAppRole(t *testing.T, c keys.VaultConfig, credentials testenv.Credentials) keys.VaultConfig {
	c.RoleID, c.SecretIDFile = credentials.RoleID, secretFile(t, credentials.SecretID)
	return c
}

func withToken(c keys.VaultConfig, token string) keys.VaultConfig {
	c.Token = token
	return c
}

func openVault(t *testing.T, c keys.VaultConfig) *keys.VaultStore {
	t.Helper()
	store, err := keys.OpenVault(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func create(t *testing.T, store keys.Store, name string, kind keys.KeyType) keys.Info {
	t.Helper()
	info, err := store.Create(t.Context(), name, kind)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func openKey(t *testing.T, store keys.Store, name string) *keys.Keyring {
	t.Helper()
	ring, err := store.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// write is a request by root.
func write(t *testing.T, vault *testenv.Vault, path string, data map[string]any) *api.Secret {
	t.Helper()
	secret, err := vault.Client().Logical().WriteWithContext(t.Context(), path, data)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// newToken makes a token of the reader's policy and the default one.
func newToken(t *testing.T, vault *testenv.Vault, request api.TokenCreateRequest) string {
	t.Helper()
	if request.Policies == nil {
		request.Policies = []string{"pgveil"}
	}
	secret, err := vault.Client().Auth().Token().CreateWithContext(t.Context(), &request)
	if err != nil {
		t.Fatal(err)
	}
	return secret.Auth.ClientToken
}

// eventually waits for a condition, at most ten seconds.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// wantVaultError is wantError for errors of a Vault whose secrets are given.
func wantVaultError(t *testing.T, c keys.VaultConfig, err, reason error, mentions ...string) {
	t.Helper()
	wantError(t, err, reason, mentions...)
	if err == nil {
		return
	}
	secrets := []string{c.Token}
	for _, file := range []string{c.TokenFile, c.WrappedTokenFile, c.SecretIDFile, c.WrappedSecretIDFile, c.KubernetesJWTFile} {
		if data, err := os.ReadFile(file); err == nil {
			secrets = append(secrets, strings.TrimSpace(string(data)))
		}
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("error %q holds a secret", err)
		}
	}
	if errors.Is(err, keys.ErrConfig) && c.Token != "" && strings.Contains(fmt.Sprintf("%v %+v %#v", c, c, c), c.Token) {
		t.Error("the configuration prints its token")
	}
}
