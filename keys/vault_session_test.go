package keys_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/testenv"
)

func tokenWith(policies ...string) api.TokenCreateRequest {
	return api.TokenCreateRequest{Policies: policies}
}

// keyFor makes a key that stores of the test's configuration can open.
func keyFor(t *testing.T, vault *testenv.Vault) {
	t.Helper()
	create(t, openVault(t, withToken(config(t, vault), vault.RootToken())), "patient", keys.TypeRandomized)
}

// opens fails the test unless the store opens the key of keyFor for that long.
func opens(t *testing.T, store *keys.VaultStore, during time.Duration) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if _, err := store.Open(t.Context(), "patient"); err != nil {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
		if time.Since(began) > during {
			return
		}
	}
}

func TestTokenIsRenewed(t *testing.T) {
	t.Parallel()
	vault, _ := sharedVault(t)
	keyFor(t, vault)
	renewable := true
	token := newToken(t, vault, api.TokenCreateRequest{TTL: "2s", Renewable: &renewable})
	opens(t, openVault(t, withToken(config(t, vault), token)), 3*time.Second)
}

// The tokens of this role live one second, two with renewal: the store logs
// in again, several times, and no request fails.
func TestAppRoleLogsInAgain(t *testing.T) {
	t.Parallel()
	vault, _ := sharedVault(t)
	keyFor(t, vault)
	credentials := shortRole(t, vault, "short-lived", "1s", "2s")
	opens(t, openVault(t, withAppRole(t, config(t, vault), credentials)), 5*time.Second)
}

// shortRole makes an AppRole with the reader's policy.
func shortRole(t *testing.T, vault *testenv.Vault, name, ttl, most string) testenv.Credentials {
	t.Helper()
	path := "auth/approle/role/" + name
	write(t, vault, path, map[string]any{"token_policies": "pgveil", "token_ttl": ttl, "token_max_ttl": most})
	role, err := vault.Client().Logical().ReadWithContext(t.Context(), path+"/role-id")
	if err != nil {
		t.Fatal(err)
	}
	secret := write(t, vault, path+"/secret-id", nil)
	return testenv.Credentials{RoleID: role.Data["role_id"].(string), SecretID: secret.Data["secret_id"].(string)}
}

// A token that was revoked is replaced at the first request that it fails.
func TestAppRoleTokenRevoked(t *testing.T) {
	t.Parallel()
	vault, _ := sharedVault(t)
	keyFor(t, vault)
	credentials := shortRole(t, vault, "revoked", "1h", "2h")
	c := withAppRole(t, config(t, vault), credentials)
	store := openVault(t, c)
	opens(t, store, 0)
	before := revokeAll(t, vault, "revoked")
	opens(t, store, 0)
	// And it does not log in for a request that its policies deny.
	logins := len(accessors(t, vault, "revoked"))
	for range 5 {
		_, err := store.ReadSecret(t.Context(), "elsewhere", "x")
		wantVaultError(t, c, err, keys.ErrPermission)
	}
	if got := len(accessors(t, vault, "revoked")); before != 1 || logins != 1 || got != 1 {
		t.Errorf("tokens: %d at first, %d after the revocation, %d after denied requests; want 1 each", before, logins, got)
	}
	// The role is gone: the store says so and lives on.
	if _, err := vault.Client().Logical().DeleteWithContext(t.Context(), "auth/approle/role/revoked"); err != nil {
		t.Fatal(err)
	}
	revokeAll(t, vault, "revoked")
	_, err := store.Open(t.Context(), "patient")
	wantVaultError(t, c, err, keys.ErrPermission, `key "patient"`)
}

// accessors lists the tokens that an AppRole made.
func accessors(t *testing.T, vault *testenv.Vault, role string) (found []string) {
	t.Helper()
	list, err := vault.Client().Logical().ListWithContext(t.Context(), "auth/token/accessors")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list.Data["keys"].([]any) {
		token, err := vault.Client().Auth().Token().LookupAccessorWithContext(t.Context(), a.(string))
		if err != nil {
			continue // it ended since
		}
		if meta, _ := token.Data["meta"].(map[string]any); meta["role_name"] == role {
			found = append(found, a.(string))
		}
	}
	return found
}

func revokeAll(t *testing.T, vault *testenv.Vault, role string) int {
	t.Helper()
	found := accessors(t, vault, role)
	for _, a := range found {
		if err := vault.Client().Auth().Token().RevokeAccessorWithContext(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	return len(found)
}

func TestCloseRevokesAppRoleToken(t *testing.T) {
	t.Parallel()
	vault, _ := sharedVault(t)
	credentials := shortRole(t, vault, "closed", "1h", "2h")
	store, err := keys.OpenVault(t.Context(), withAppRole(t, config(t, vault), credentials))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(accessors(t, vault, "closed")); n != 1 {
		t.Fatalf("%d tokens, want 1", n)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(accessors(t, vault, "closed")); n != 0 {
		t.Errorf("%d tokens after Close, want 0", n)
	}
	// A token that was given is not the store's to end.
	token := newToken(t, vault, api.TokenCreateRequest{TTL: "1h"})
	for range 2 {
		store, err := keys.OpenVault(t.Context(), withToken(config(t, vault), token))
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A token file is read again when its token ends, as Vault Agent expects.
func TestTokenFileIsReadAgain(t *testing.T) {
	t.Parallel()
	vault, _ := sharedVault(t)
	keyFor(t, vault)
	renewable := false
	short := api.TokenCreateRequest{TTL: "1s", Renewable: &renewable}
	c := config(t, vault)
	c.TokenFile = filepath.Join(t.TempDir(), "token")
	replace := func(token string) {
		t.Helper()
		next := c.TokenFile + ".new"
		if err := errors.Join(os.WriteFile(next, []byte(token), 0o640), os.Rename(next, c.TokenFile)); err != nil {
			t.Fatal(err)
		}
	}
	replace(newToken(t, vault, short))
	store := openVault(t, c)
	opens(t, store, 0)
	eventually(t, "the token ends", func() error {
		if _, err := store.Open(t.Context(), "patient"); err != nil {
			wantVaultError(t, c, err, keys.ErrPermission)
			return nil
		}
		return errors.New("still valid")
	})
	replace(newToken(t, vault, api.TokenCreateRequest{TTL: "1h"}))
	opens(t, store, 0) // at once, by the request itself
}

// The background alone finds the new token too.
func TestTokenFileIsReadAgainInTheBackground(t *testing.T) {
	t.Parallel()
	vault, _ := sharedVault(t)
	renewable := false
	c := config(t, vault)
	log := &syncBuffer{}
	c.Logger = log.logger()
	c.TokenFile = secretFile(t, newToken(t, vault, api.TokenCreateRequest{TTL: "1s", Renewable: &renewable}))
	openVault(t, c)
	eventually(t, "an error in the log", func() error {
		if !strings.Contains(log.String(), "cannot log in to Vault again") {
			return fmt.Errorf("log: %s", log)
		}
		return nil
	})
	token := newToken(t, vault, api.TokenCreateRequest{TTL: "1h"})
	if err := errors.Join(os.Chmod(c.TokenFile, 0o600), os.WriteFile(c.TokenFile, []byte(token), 0o600)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a login in the log", func() error {
		if !strings.Contains(log.String(), "logged in to Vault again") {
			return fmt.Errorf("log: %s", log)
		}
		return nil
	})
	if strings.Contains(log.String(), "hvs.") {
		t.Errorf("the log holds a token: %s", log)
	}
}

func TestBadLogins(t *testing.T) {
	t.Parallel()
	vault, setup := sharedVault(t)
	renewable := false
	ended := newToken(t, vault, api.TokenCreateRequest{TTL: "1h", Renewable: &renewable})
	if err := vault.Client().Auth().Token().RevokeTreeWithContext(t.Context(), ended); err != nil {
		t.Fatal(err)
	}
	loose := secretFile(t, setup.Reader.SecretID)
	if err := os.Chmod(loose, 0o444); err != nil {
		t.Fatal(err)
	}
	empty := secretFile(t, "")
	const absent = "/nonexistent/secret"
	for what, c := range map[string]struct {
		change func(*keys.VaultConfig)
		reason error
		says   string
	}{
		"revoked token":   {func(c *keys.VaultConfig) { c.Token = ended }, keys.ErrPermission, "not valid"},
		"no such token":   {func(c *keys.VaultConfig) { c.Token = "hvs.nosuchtoken" }, keys.ErrPermission, "not valid"},
		"no such file":    {func(c *keys.VaultConfig) { c.TokenFile = absent }, keys.ErrConfig, absent},
		"empty file":      {func(c *keys.VaultConfig) { c.TokenFile = empty }, keys.ErrConfig, empty},
		"file for others": {func(c *keys.VaultConfig) { c.TokenFile = loose }, keys.ErrInsecure, "0444"},
		"wrong secret id": {func(c *keys.VaultConfig) {
			c.RoleID, c.SecretIDFile = setup.Reader.RoleID, secretFile(t, setup.Admin.SecretID)
		}, keys.ErrPermission, "AppRole login"},
		"wrong role id": {func(c *keys.VaultConfig) {
			c.RoleID, c.SecretIDFile = "no-such-role", secretFile(t, setup.Reader.SecretID)
		}, keys.ErrPermission, "AppRole login"},
		"secret id for others": {func(c *keys.VaultConfig) {
			c.RoleID, c.SecretIDFile = setup.Reader.RoleID, loose
		}, keys.ErrInsecure, "chmod 0400"},
		"no AppRole there": {func(c *keys.VaultConfig) {
			c.RoleID, c.SecretIDFile = setup.Reader.RoleID, secretFile(t, setup.Reader.SecretID)
			c.AppRoleMount = "elsewhere"
		}, keys.ErrPermission, "auth/elsewhere"},
		"no login":     {func(*keys.VaultConfig) {}, keys.ErrConfig, "no way to log in"},
		"two logins":   {func(c *keys.VaultConfig) { c.Token, c.TokenFile = ended, absent }, keys.ErrConfig, "more than one"},
		"half AppRole": {func(c *keys.VaultConfig) { c.RoleID = "x" }, keys.ErrConfig, "both"},
	} {
		conf := config(t, vault)
		c.change(&conf)
		store, err := keys.OpenVault(t.Context(), conf)
		if err == nil {
			store.Close()
			t.Errorf("%s: logged in", what)
			continue
		}
		wantVaultError(t, conf, err, c.reason, c.says)
	}
}

func TestBadAddresses(t *testing.T) {
	t.Parallel()
	vault, _ := sharedVault(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + closed.Addr().String()
	closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	plain := strings.Replace(vault.Address(), "https:", "http:", 1)
	ca := vault.CA().File()
	notCA := secretFile(t, "not a certificate")
	for what, c := range map[string]struct {
		config keys.VaultConfig
		reason error
		says   string
	}{
		"none":            {keys.VaultConfig{}, keys.ErrConfig, "URL"},
		"not a URL":       {keys.VaultConfig{Address: "vault:8200"}, keys.ErrConfig, "https"},
		"in the clear":    {keys.VaultConfig{Address: "http://vault.example:8200"}, keys.ErrConfig, "in the clear"},
		"with a password": {keys.VaultConfig{Address: "https://u:hunter2@vault.example"}, keys.ErrConfig, "user name"},
		"refused":         {keys.VaultConfig{Address: refused}, keys.ErrUnreachable, "refused"},
		"silent":          {keys.VaultConfig{Address: "http://" + silent.Addr().String()}, keys.ErrUnreachable, "no answer in time"},
		"no such host":    {keys.VaultConfig{Address: "https://vault.invalid"}, keys.ErrUnreachable, "vault.invalid"},
		"no such socket":  {keys.VaultConfig{Address: "unix:///nonexistent/agent.sock"}, keys.ErrUnreachable, "agent.sock"},
		"unknown CA":      {keys.VaultConfig{Address: vault.Address()}, keys.ErrUnreachable, "CA file"},
		"other name":      {keys.VaultConfig{Address: vault.Address(), CAFile: ca, ServerName: "vault.example"}, keys.ErrUnreachable, "server name"},
		"no CA file":      {keys.VaultConfig{Address: vault.Address(), CAFile: "/nonexistent/ca"}, keys.ErrConfig, "/nonexistent/ca"},
		"no CA in it":     {keys.VaultConfig{Address: vault.Address(), CAFile: notCA}, keys.ErrConfig, notCA},
		"HTTP to TLS":     {keys.VaultConfig{Address: plain}, keys.ErrUnreachable, "https://"},
		"odd path":        {keys.VaultConfig{Address: vault.Address(), KVPath: "a/../b"}, keys.ErrConfig, "a/../b"},
		"odd KEK":         {keys.VaultConfig{Address: vault.Address(), KEK: "a/b"}, keys.ErrConfig, "a/b"},
	} {
		c.config.Token, c.config.Timeout = "hvs.very-secret", time.Second
		store, err := keys.OpenVault(t.Context(), c.config)
		if err == nil {
			store.Close()
			t.Errorf("%s: logged in", what)
			continue
		}
		t.Logf("%s: %v", what, err)
		wantVaultError(t, c.config, err, c.reason, c.says)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error holds a password", what)
		}
	}
	named := withToken(config(t, vault), vault.RootToken())
	named.Address, named.ServerName = strings.Replace(vault.Address(), "127.0.0.1", "localhost", 1), "localhost"
	opensEmpty(t, openVault(t, named))
}

func opensEmpty(t *testing.T, store *keys.VaultStore) {
	t.Helper()
	if infos, err := store.List(t.Context()); err != nil || len(infos) != 0 {
		t.Errorf("List = %v, %v", infos, err)
	}
}

// The environment of the vault command means nothing to pgveil: above all, it
// cannot switch the verification of certificates off.
func TestVaultEnvironmentIsIgnored(t *testing.T) {
	vault, _ := sharedVault(t)
	for name, value := range map[string]string{
		"VAULT_ADDR":            "http://127.0.0.1:1",
		"VAULT_AGENT_ADDR":      "http://127.0.0.1:1",
		"VAULT_TOKEN":           "hvs.other",
		"VAULT_NAMESPACE":       "nowhere",
		"VAULT_SKIP_VERIFY":     "true",
		"VAULT_HEADERS":         `{"X-Odd":"1"}`,
		"VAULT_TLS_SERVER_NAME": "elsewhere",
	} {
		t.Setenv(name, value)
	}
	opensEmpty(t, openVault(t, withToken(config(t, vault), vault.RootToken())))
	c := withToken(config(t, vault), vault.RootToken())
	c.CAFile = ""
	_, err := keys.OpenVault(t.Context(), c)
	wantVaultError(t, c, err, keys.ErrUnreachable, "not trusted")
}

func TestVaultSealed(t *testing.T) {
	t.Parallel()
	vault, setup := ownVault(t, testenv.VaultOptions{})
	c := withAppRole(t, config(t, vault), setup.Admin)
	store := openVault(t, c)
	create(t, store, "patient", keys.TypeRandomized)
	ring, err := store.Open(t.Context(), "patient")
	if err != nil {
		t.Fatal(err)
	}
	if err := vault.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), "patient")
	wantVaultError(t, c, err, keys.ErrVaultSealed, `key "patient"`, c.Address, "unseal")
	_, err = store.List(t.Context())
	wantVaultError(t, c, err, keys.ErrVaultSealed)
	_, err = keys.OpenVault(t.Context(), c)
	wantVaultError(t, c, err, keys.ErrVaultSealed, c.Address)
	byToken := withToken(config(t, vault), vault.RootToken())
	_, err = keys.OpenVault(t.Context(), byToken)
	wantVaultError(t, byToken, err, keys.ErrVaultSealed, c.Address)

	// What is open stays open.
	s, err := ring.Sealer(keys.ModeRandomized, column, 32)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(nil, mustSeal(t, s, []byte("positif"))); err != nil || string(got) != "positif" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if err := vault.Unseal(t.Context()); err != nil {
		t.Fatal(err)
	}
	opens(t, store, 0)
}

// Vault hangs, stops and comes back.
func TestVaultOutage(t *testing.T) {
	t.Parallel()
	vault, _ := ownVault(t, testenv.VaultOptions{Persistent: true})
	keyFor(t, vault)
	credentials := shortRole(t, vault, "outage", "1s", "2s")
	c := withAppRole(t, config(t, vault), credentials)
	c.Timeout = 2 * time.Second
	store := openVault(t, c)
	opens(t, store, 0)

	if err := vault.Pause(); err != nil {
		t.Fatal(err)
	}
	for _, request := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := store.Open(ctx, "patient"); return err },
		func(ctx context.Context) error { _, err := store.List(ctx); return err },
		func(ctx context.Context) error { _, err := keys.OpenVault(ctx, c); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		began := time.Now()
		err := request(ctx)
		cancel()
		wantVaultError(t, c, err, keys.ErrUnreachable, "no answer in time")
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v after its context ended", took)
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		wantVaultError(t, c, request(ctx), context.Canceled)
	}
	if err := vault.Resume(); err != nil {
		t.Fatal(err)
	}
	opens(t, store, 0)

	if err := vault.Interrupt(); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(t.Context(), "patient")
	wantVaultError(t, c, err, keys.ErrUnreachable, `key "patient"`, c.Address)
	if err := vault.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	opens(t, store, 3*time.Second)
}

// The KEK's request takes no context in Tink's client, and is given up all the
// same.
func TestKEKRequestIsGivenUp(t *testing.T) {
	t.Parallel()
	vault, _ := ownVault(t, testenv.VaultOptions{})
	c := withToken(config(t, vault), vault.RootToken())
	store := openVault(t, c)
	if err := vault.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := store.Create(ctx, "patient", keys.TypeRandomized)
	wantVaultError(t, c, err, keys.ErrUnreachable, "transit/encrypt/pgveil")
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v after its context ended", took)
	}
	if err := vault.Resume(); err != nil {
		t.Fatal(err)
	}
	create(t, store, "patient", keys.TypeRandomized)
}
