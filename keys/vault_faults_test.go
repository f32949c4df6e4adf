package keys_test

import (
	"errors"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/testenv"
)

// What was deleted and what was destroyed are told apart, with the way back where there is one.
func TestVaultVersionGone(t *testing.T) {
	t.Parallel()
	vault, setup := sharedVault(t)
	keyFor(t, vault)
	c := withAppRole(t, config(t, vault), setup.Reader)
	store := openVault(t, c)
	kv, path := vault.Client().KVv2(testenv.KVMount), c.KVPath+"/patient"
	if err := kv.DeleteVersions(t.Context(), path, []int{1}); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(t.Context(), "patient")
	wantVaultError(t, c, err, keys.ErrMissing, `key "patient"`, "secret/data/"+path, "version 1, the last one, was deleted", "vault kv undelete -mount=secret -versions=1 "+path)
	if err := kv.Undelete(t.Context(), path, []int{1}); err != nil {
		t.Fatal(err)
	}
	opens(t, store, 0)
	if err := kv.Destroy(t.Context(), path, []int{1}); err != nil {
		t.Fatal(err)
	}
	_, err = store.Version(t.Context(), "patient")
	wantVaultError(t, c, err, keys.ErrMissing, `key "patient"`, "version 1, the last one, was destroyed, which cannot be undone", "vault kv rollback -mount=secret -version=N "+path)
}

// A damaged keyset says how the one before it comes back, and it does.
func TestVaultDamagedKeysetComesBack(t *testing.T) {
	t.Parallel()
	vault, setup := sharedVault(t)
	keyFor(t, vault)
	c := withAppRole(t, config(t, vault), setup.Reader)
	store := openVault(t, c)
	kv, path := vault.Client().KVv2(testenv.KVMount), c.KVPath+"/patient"
	good, err := kv.Get(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := map[string]any{"keyset": "x" + good.Data["keyset"].(string), "kek": good.Data["kek"], "sha256": good.Data["sha256"]}
	if _, err := kv.Put(t.Context(), path, damaged); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), "patient")
	wantVaultError(t, c, err, keys.ErrCorrupt, `key "patient"`, "secret/data/"+path, "checksum", "vault kv rollback -mount=secret -version=N "+path)
	if _, err := kv.Rollback(t.Context(), path, 1); err != nil {
		t.Fatal(err)
	}
	opens(t, store, 0)
}

var errStillValid = errors.New("still valid")

// A token that has ended is not taken for a policy that lacks something.
func TestVaultTokenEnded(t *testing.T) {
	t.Parallel()
	vault, _ := sharedVault(t)
	keyFor(t, vault)
	fixed := false
	for what, end := range map[string]func(token string){
		"revoked": func(token string) {
			if err := vault.Client().Auth().Token().RevokeTreeWithContext(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		},
		"expired": func(token string) {
			eventually(t, "the token expires", func() error {
				_, err := vault.Client().Auth().Token().LookupWithContext(t.Context(), token)
				if err == nil {
					return errStillValid
				}
				return nil
			})
		},
	} {
		ttl := map[string]string{"revoked": "1h", "expired": "2s"}[what]
		token := newToken(t, vault, api.TokenCreateRequest{TTL: ttl, Renewable: &fixed})
		byValue := withToken(config(t, vault), token)
		byFile := config(t, vault)
		byFile.TokenFile = secretFile(t, token)
		stores := map[*keys.VaultConfig]*keys.VaultStore{&byValue: openVault(t, byValue), &byFile: openVault(t, byFile)}
		end(token)
		for c, store := range stores {
			_, err := store.Open(t.Context(), "patient")
			wantVaultError(t, *c, err, keys.ErrPermission, `key "patient"`, "the token has expired or was revoked")
			if err != nil && (strings.Contains(err.Error(), "capability") || c.TokenFile != "" && !strings.Contains(err.Error(), "put a new one into "+c.TokenFile)) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

// What can be done about a KEK whose old versions are no longer to decrypt works.
func TestVaultMinDecryptionVersion(t *testing.T) {
	t.Parallel()
	vault, _ := ownVault(t, testenv.VaultOptions{})
	keyFor(t, vault)
	c := withToken(config(t, vault), vault.RootToken())
	store := openVault(t, c)
	least := func(version int) {
		t.Helper()
		write(t, vault, "transit/keys/pgveil/config", map[string]any{"min_decryption_version": version})
	}
	write(t, vault, "transit/keys/pgveil/rotate", nil)
	least(2)
	_, err := store.Open(t.Context(), "patient")
	wantVaultError(t, c, err, keys.ErrWrongKEK, `key "patient"`, "below the min_decryption_version of transit/keys/pgveil", "pgveil keys rewrap patient")
	least(1)
	if _, err := store.Rewrap(t.Context(), "patient"); err != nil {
		t.Fatal(err)
	}
	least(2)
	opens(t, store, 0)
}

// A Vault whose every answer takes five seconds opens keys all the same, and the log says why
// it takes so long; a shorter timeout gives up in time.
func TestVaultSlow(t *testing.T) {
	t.Parallel()
	vault, setup := sharedVault(t)
	keyFor(t, vault)
	address, slow := slowRelay(t, vault, 5*time.Second)
	log := &syncBuffer{}
	c := withAppRole(t, config(t, vault), setup.Reader)
	c.Address, c.CAFile, c.Timeout, c.Logger = address, "", 30*time.Second, log.logger()
	hasty := c
	hasty.Timeout = time.Second
	patient, impatient := openVault(t, c), openVault(t, hasty)
	slow.Store(true)
	began := time.Now()
	_, err := impatient.Open(t.Context(), "patient")
	wantVaultError(t, hasty, err, keys.ErrUnreachable, `key "patient"`, "no answer in time", "keys.vault.timeout (1s)")
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("given up after %v", took)
	}
	var asking sync.WaitGroup
	for range 2 {
		asking.Go(func() {
			if _, err := patient.Version(t.Context(), "patient"); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	slow.Store(false)
	opens(t, patient, 0)
	if n := strings.Count(log.String(), "Vault answers slowly"); n != 1 {
		t.Errorf("the log says it %d times: %s", n, log)
	}
	if !strings.Contains(log.String(), "Vault answers in time again") {
		t.Errorf("log: %s", log)
	}
}

// slowRelay is an HTTP server before Vault that holds each request back while slow is set.
func slowRelay(t *testing.T, vault *testenv.Vault, wait time.Duration) (address string, slow *atomic.Bool) {
	t.Helper()
	target, err := url.Parse(vault.Address())
	if err != nil {
		t.Fatal(err)
	}
	slow = &atomic.Bool{}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			if slow.Load() {
				select {
				case <-time.After(wait):
				case <-r.In.Context().Done():
				}
			}
			r.SetURL(target)
		},
		Transport: vault.Client().CloneConfig().HttpClient.Transport,
	})
	t.Cleanup(server.Close)
	return server.URL, slow
}
