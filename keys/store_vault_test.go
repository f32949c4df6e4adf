package keys_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/testenv"
)

func TestVaultStore(t *testing.T) {
	t.Parallel()
	vault, setup := sharedVault(t)
	admin := openVault(t, withAppRole(t, config(t, vault), setup.Admin))
	reader := openVault(t, withAppRole(t, config(t, vault), setup.Reader))
	ctx := t.Context()

	if infos, err := reader.List(ctx); err != nil || len(infos) != 0 {
		t.Errorf("List of nothing = %v, %v", infos, err)
	}
	made := map[string]keys.Info{}
	for _, kind := range keys.KeyTypes() {
		name := "key." + string(kind)
		info := create(t, admin, name, kind)
		if info.Name != name || info.Type != kind || len(info.Keys) != 1 || !info.Keys[0].Primary ||
			info.Keys[0].Status != "enabled" || info.KEK != "transit/keys/pgveil" || info.KEKVersion != 1 ||
			time.Since(info.Created).Abs() > time.Minute {
			t.Errorf("Create = %+v", info)
		}
		made[name] = info
		ring, err := reader.Open(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprint(ring.Info()), fmt.Sprint(info); got != want {
			t.Errorf("Info of Open = %s, of Create %s", got, want)
		}
	}
	infos, err := reader.List(ctx)
	if err != nil || len(infos) != len(keys.KeyTypes()) {
		t.Fatalf("List = %v, %v", infos, err)
	}
	for i, info := range infos {
		if got, want := fmt.Sprint(info), fmt.Sprint(made[info.Name]); got != want {
			t.Errorf("List[%d] = %s, want %s", i, got, want)
		}
		if i > 0 && infos[i-1].Name >= info.Name {
			t.Errorf("List is not in order at %s", info.Name)
		}
	}

	// Two processes open the same key.
	seal, err := admin.Open(ctx, "key.deterministic")
	if err != nil {
		t.Fatal(err)
	}
	open, err := reader.Open(ctx, "key.deterministic")
	if err != nil {
		t.Fatal(err)
	}
	a, err1 := seal.Sealer(keys.ModeDeterministic, "domain:nir", 32)
	b, err2 := open.Sealer(keys.ModeDeterministic, "domain:nir", 32)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Open(nil, mustSeal(t, a, []byte("185057512345678"))); err != nil || string(got) != "185057512345678" {
		t.Errorf("Open = %q, %v", got, err)
	}
}

// What lies in KV is Tink's encrypted keyset, and Transit gives the key only
// under the keyset's name.
func TestVaultKeepsCiphertext(t *testing.T) {
	t.Parallel()
	vault, setup := sharedVault(t)
	c := withAppRole(t, config(t, vault), setup.Admin)
	create(t, openVault(t, c), "patient", keys.TypeRandomized)
	secret, err := vault.Client().KVv2(testenv.KVMount).Get(t.Context(), c.KVPath+"/patient")
	if err != nil {
		t.Fatal(err)
	}
	var stored struct{ EncryptedKeyset []byte }
	if err := json.Unmarshal([]byte(secret.Data["keyset"].(string)), &stored); err != nil {
		t.Fatal(err)
	}
	ciphertext := string(stored.EncryptedKeyset)
	if !strings.HasPrefix(ciphertext, "vault:v1:") {
		t.Fatalf("stored: %.20q", ciphertext)
	}
	decrypt := func(name string) (string, error) {
		answer, err := vault.Client().Logical().WriteWithContext(t.Context(), "transit/decrypt/pgveil", map[string]any{
			"ciphertext":      ciphertext,
			"associated_data": base64.StdEncoding.EncodeToString([]byte(name)),
		})
		if err != nil {
			return "", err
		}
		plaintext, err := base64.StdEncoding.DecodeString(answer.Data["plaintext"].(string))
		return string(plaintext), err
	}
	plaintext, err := decrypt("patient")
	if err != nil || !strings.Contains(plaintext, "AesGcmKey") {
		t.Errorf("decrypted with its name: %v", err)
	}
	if _, err := decrypt("other"); err == nil {
		t.Error("decrypted with another name")
	}
	// The last 32 bytes of the key's message are the key itself.
	i := strings.Index(plaintext, "\x1a\x20") // field 3, 32 bytes
	if i < 0 {
		t.Fatal("no key in the decrypted keyset")
	}
	key := plaintext[i+2 : i+34]
	for field, value := range secret.Data {
		for _, form := range []string{key, base64.StdEncoding.EncodeToString([]byte(key)), hex.EncodeToString([]byte(key))} {
			if strings.Contains(fmt.Sprint(value), form) {
				t.Errorf("field %q holds the key in the clear", field)
			}
		}
	}
}

func TestVaultNeverOverwrites(t *testing.T) {
	t.Parallel()
	vault, setup := sharedVault(t)
	c := withAppRole(t, config(t, vault), setup.Admin)
	store := openVault(t, c)
	first := create(t, store, "patient", keys.TypeRandomized)
	for _, kind := range keys.KeyTypes() {
		_, err := store.Create(t.Context(), "patient", kind)
		wantVaultError(t, c, err, keys.ErrExists, `key "patient"`, c.Address, c.KVPath+"/patient")
	}
	ring, err := store.Open(t.Context(), "patient")
	if err != nil || ring.Info().Keys[0].ID != first.Keys[0].ID {
		t.Errorf("the first keyset is gone: %v, %v", ring, err)
	}
	// A deleted key is not one that may be made again by mistake.
	if err := vault.Client().KVv2(testenv.KVMount).Delete(t.Context(), c.KVPath+"/patient"); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), "patient")
	wantVaultError(t, c, err, keys.ErrMissing, `key "patient"`, "version 1", "deleted")
	_, err = store.Create(t.Context(), "patient", keys.TypeRandomized)
	wantVaultError(t, c, err, keys.ErrExists, "metadata")
	if infos, err := store.List(t.Context()); err != nil || len(infos) != 0 {
		t.Errorf("List = %v, %v", infos, err)
	}
}

func TestVaultPermissionsAndNames(t *testing.T) {
	t.Parallel()
	vault, setup := sharedVault(t)
	c := withAppRole(t, config(t, vault), setup.Reader)
	store := openVault(t, c)
	ctx := t.Context()
	_, err := store.Create(ctx, "patient", keys.TypeRandomized)
	wantVaultError(t, c, err, keys.ErrPermission, `key "patient"`, "transit/encrypt/pgveil", `"update"`)
	_, err = store.Open(ctx, "patient")
	wantVaultError(t, c, err, keys.ErrMissing, `key "patient"`, "secret/data/"+c.KVPath+"/patient", "pgveil keys create patient")
	_, err = store.Open(ctx, "../db")
	wantVaultError(t, c, err, keys.ErrMissing)
	_, err = store.Create(ctx, "a/b", keys.TypeMAC)
	wantVaultError(t, c, err, keys.ErrConfig)

	elsewhere := c
	elsewhere.KVPath = "other/keys"
	store = openVault(t, elsewhere)
	_, err = store.Open(ctx, "patient")
	wantVaultError(t, c, err, keys.ErrPermission, `key "patient"`, "secret/data/other/keys/patient", `"read"`)
	_, err = store.List(ctx)
	wantVaultError(t, c, err, keys.ErrPermission, "secret/metadata/other/keys", `"list"`)

	// May read the keyset but not use the KEK.
	if err := vault.Client().Sys().PutPolicyWithContext(ctx, "kv-only",
		`path "secret/data/pgveil/*" { capabilities = ["read"] }`); err != nil {
		t.Fatal(err)
	}
	create(t, openVault(t, withAppRole(t, config(t, vault), setup.Admin)), "patient", keys.TypeRandomized)
	kvOnly := withToken(config(t, vault), newToken(t, vault, tokenWith("kv-only")))
	_, err = openVault(t, kvOnly).Open(ctx, "patient")
	wantVaultError(t, kvOnly, err, keys.ErrPermission, `key "patient"`, "transit/decrypt/pgveil", `"update"`)
}

func TestVaultCorruptKeysets(t *testing.T) {
	t.Parallel()
	vault, setup := sharedVault(t)
	c := withAppRole(t, config(t, vault), setup.Admin)
	store := openVault(t, c)
	create(t, store, "patient", keys.TypeRandomized)
	kv := vault.Client().KVv2(testenv.KVMount)
	good, err := kv.Get(t.Context(), c.KVPath+"/patient")
	if err != nil {
		t.Fatal(err)
	}
	keyset := good.Data["keyset"].(string)
	put := func(name string, change map[string]any) {
		t.Helper()
		data := maps.Clone(good.Data)
		maps.Copy(data, change)
		if text, ok := data["keyset"].(string); ok && change["sha256"] == "fresh" {
			sum := sha256.Sum256([]byte(text))
			data["sha256"] = hex.EncodeToString(sum[:])
		}
		if _, err := kv.Put(t.Context(), c.KVPath+"/"+name, data); err != nil {
			t.Fatal(err)
		}
	}
	inside := func(change func(string) string) string {
		var stored map[string]any
		if err := json.Unmarshal([]byte(keyset), &stored); err != nil {
			t.Fatal(err)
		}
		raw, err := base64.StdEncoding.DecodeString(stored["encryptedKeyset"].(string))
		if err != nil {
			t.Fatal(err)
		}
		stored["encryptedKeyset"] = base64.StdEncoding.EncodeToString([]byte(change(string(raw))))
		text, err := json.Marshal(stored)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for i, bad := range []struct {
		change map[string]any
		reason error
		says   string
	}{
		{map[string]any{"keyset": nil}, keys.ErrCorrupt, `"keyset"`},
		{map[string]any{"keyset": 5}, keys.ErrCorrupt, `"keyset"`},
		{map[string]any{"kek": ""}, keys.ErrCorrupt, `"kek"`},
		{map[string]any{"keyset": keyset + " "}, keys.ErrCorrupt, "checksum"},
		{map[string]any{"keyset": keyset[:40], "sha256": "fresh"}, keys.ErrCorrupt, "Tink"},
		{map[string]any{"keyset": "{}", "sha256": "fresh"}, keys.ErrCorrupt, "Tink"},
		{map[string]any{"keyset": inside(func(string) string { return "plain" }), "sha256": "fresh"}, keys.ErrCorrupt, "not encrypted by Vault"},
		{map[string]any{"keyset": inside(func(s string) string { return s[:len(s)-8] + "AAAAAAAA" }), "sha256": "fresh"}, keys.ErrWrongKEK, "transit/keys/pgveil"},
		{map[string]any{"keyset": inside(func(s string) string { return strings.Replace(s, ":v1:", ":v99:", 1) }), "sha256": "fresh"}, keys.ErrWrongKEK, "version"},
	} {
		name := fmt.Sprintf("bad%d", i)
		put(name, bad.change)
		_, err := store.Open(t.Context(), name)
		wantVaultError(t, c, err, bad.reason, fmt.Sprintf("key %q", name), bad.says)
	}
	// Taken from another name, as it is.
	put("moved", nil)
	_, err = store.Open(t.Context(), "moved")
	wantVaultError(t, c, err, keys.ErrWrongKEK, `key "moved"`, "another name")

	// What the KEK decrypts to is no keyset.
	answer := write(t, vault, "transit/encrypt/pgveil", map[string]any{
		"plaintext":       base64.StdEncoding.EncodeToString([]byte("\xff\xff")),
		"associated_data": base64.StdEncoding.EncodeToString([]byte("noise")),
	})
	put("noise", map[string]any{"sha256": "fresh", "keyset": inside(func(string) string { return answer.Data["ciphertext"].(string) })})
	_, err = store.Open(t.Context(), "noise")
	wantVaultError(t, c, err, keys.ErrCorrupt, `key "noise"`)

	infos, err := store.List(t.Context())
	if !errors.Is(err, keys.ErrCorrupt) || len(infos) != 6 {
		t.Errorf("List = %d keysets, %v", len(infos), err)
	}
}

func TestVaultWrongKEK(t *testing.T) {
	t.Parallel()
	vault, setup := sharedVault(t)
	ctx := t.Context()
	write(t, vault, "transit/keys/spare", nil)
	write(t, vault, "transit/keys/spare/config", map[string]any{"deletion_allowed": true})
	c := withToken(config(t, vault), vault.RootToken())
	c.KEK = "spare"
	store := openVault(t, c)
	create(t, store, "patient", keys.TypeRandomized)

	other := withAppRole(t, config(t, vault), setup.Reader)
	_, err := openVault(t, other).Open(ctx, "patient")
	wantVaultError(t, other, err, keys.ErrWrongKEK, `key "patient"`, "transit/keys/spare", "transit/keys/pgveil")

	// Rotating the KEK touches no keyset.
	write(t, vault, "transit/keys/spare/rotate", nil)
	if ring, err := store.Open(ctx, "patient"); err != nil || ring.Info().KEKVersion != 1 {
		t.Errorf("after rotation of the KEK: %v, %v", ring, err)
	}
	if info := create(t, store, "recent", keys.TypeRandomized); info.KEKVersion != 2 {
		t.Errorf("made after rotation: %+v", info)
	}
	write(t, vault, "transit/keys/spare/config", map[string]any{"min_decryption_version": 2})
	_, err = store.Open(ctx, "patient")
	wantVaultError(t, c, err, keys.ErrWrongKEK, `key "patient"`, "min_decryption_version")
	if _, err := store.Open(ctx, "recent"); err != nil {
		t.Error(err)
	}

	// Destroying the KEK erases what it encrypted, even if its name comes back.
	if _, err := vault.Client().Logical().DeleteWithContext(ctx, "transit/keys/spare"); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(ctx, "recent")
	wantVaultError(t, c, err, keys.ErrWrongKEK, `key "recent"`, "does not exist")
	write(t, vault, "transit/keys/spare", nil)
	write(t, vault, "transit/keys/spare/rotate", nil)
	_, err = store.Open(ctx, "recent")
	wantVaultError(t, c, err, keys.ErrWrongKEK, `key "recent"`, "another key")
}

func TestVaultReadSecret(t *testing.T) {
	t.Parallel()
	vault, setup := sharedVault(t)
	c := withAppRole(t, config(t, vault), setup.Reader)
	store := openVault(t, c)
	path := c.KVPath + "/databases/lab"
	write(t, vault, "secret/data/"+path, map[string]any{"data": map[string]any{"password": "s3cret-né", "port": 5432, "empty": ""}})
	if got, err := store.ReadSecret(t.Context(), path, "password"); err != nil || got != "s3cret-né" {
		t.Errorf("ReadSecret = %q, %v", got, err)
	}
	for _, field := range []string{"absent", "port", "empty"} {
		_, err := store.ReadSecret(t.Context(), path, field)
		wantVaultError(t, c, err, keys.ErrNoSecret, "secret/data/"+path, fmt.Sprintf("%q", field))
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("error %q holds the password", err)
		}
	}
	_, err := store.ReadSecret(t.Context(), c.KVPath+"/databases/absent", "password")
	wantVaultError(t, c, err, keys.ErrNoSecret, "databases/absent")
	_, err = store.ReadSecret(t.Context(), "elsewhere", "password")
	wantVaultError(t, c, err, keys.ErrPermission, "secret/data/elsewhere", `"read"`)
}

// Vault is asked twice for a keyset, once of each engine, and never for a
// value. The namespace goes with every request.
func TestVaultRequests(t *testing.T) {
	t.Parallel()
	vault, _ := sharedVault(t)
	target, err := url.Parse(vault.Address())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var paths, namespaces []string
	relay := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			mu.Lock()
			paths = append(paths, strings.TrimPrefix(r.In.URL.Path, "/v1/"))
			namespaces = append(namespaces, r.In.Header.Get("X-Vault-Namespace"))
			mu.Unlock()
			r.SetURL(target)
			r.Out.Header.Del("X-Vault-Namespace") // this Vault has none
		},
		Transport: vault.Client().CloneConfig().HttpClient.Transport,
	}
	server := httptest.NewServer(relay)
	defer server.Close()
	c := withToken(config(t, vault), vault.RootToken())
	c.Address, c.Namespace = server.URL, "hospital/lab"
	store := openVault(t, c)
	create(t, store, "patient", keys.TypeRandomized)
	mu.Lock()
	paths = nil
	mu.Unlock()
	ring, err := store.Open(t.Context(), "patient")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ring.Sealer(keys.ModeRandomized, column, 32)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if got, err := s.Open(nil, mustSeal(t, s, []byte("positif"))); err != nil || string(got) != "positif" {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"secret/data/" + c.KVPath + "/patient", "transit/decrypt/pgveil"}; fmt.Sprint(paths) != fmt.Sprint(want) {
		t.Errorf("requests %v, want %v", paths, want)
	}
	for _, ns := range namespaces {
		if ns != "hospital/lab" {
			t.Errorf("namespaces %q", namespaces)
			break
		}
	}
}

// The lookup of a foreign HTTP server is not taken for Vault's.
func TestVaultIsSomethingElse(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<html>%s</html>", r.Header.Get("X-Vault-Token"))
	}))
	defer server.Close()
	c := withToken(keys.VaultConfig{Address: server.URL}, "hvs.very-secret")
	_, err := keys.OpenVault(t.Context(), c)
	wantVaultError(t, c, err, keys.ErrProtocol, server.URL)
}
