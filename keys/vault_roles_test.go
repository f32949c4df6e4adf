package keys_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/keys"
)

// TestRolesPolicy: a pgveil that authenticates clients itself reads the secrets of their
// roles from a real Vault, and no more than that.
func TestRolesPolicy(t *testing.T) {
	t.Parallel()
	vault, as := policyVault(t)
	_, policy, _, _, _ := policies(t)
	for role, data := range map[string]map[string]any{
		"alice": {"password": "of alice"}, "bob.b@lab-1_$": {"password": "of bob", "verifier": "of bob, too"},
		"carol": {"verifier": "of carol"}, "empty": {"other": "x"}, "number": {"password": 7}, "gone": {"password": "of gone"},
	} {
		write(t, vault, "secret/data/pgveil/roles/"+role, map[string]any{"data": data})
	}
	if _, err := vault.Client().Logical().DeleteWithContext(t.Context(), "secret/data/pgveil/roles/gone"); err != nil {
		t.Fatal(err)
	}
	store, client := as("roles", policy)
	for role, want := range map[string]keys.RoleSecret{
		"alice": {Password: "of alice"}, "bob.b@lab-1_$": {Password: "of bob", Verifier: "of bob, too"}, "carol": {Verifier: "of carol"},
	} {
		if got, err := store.ReadRole(t.Context(), "pgveil/roles", role); err != nil || got != want {
			t.Errorf("%s: %v, %v", role, got == want, err)
		}
	}
	// "login" is another's secret, one step up.
	for _, role := range []string{"nobody", "empty", "number", "gone", "", ".", "..", "../login", "..%2flogin", "alice/", "a b", "é", "alice?version=1", "\x00"} {
		if got, err := store.ReadRole(t.Context(), "pgveil/roles", role); !errors.Is(err, keys.ErrNoSecret) || got != (keys.RoleSecret{}) {
			t.Errorf("%q: %v", role, err)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", keys.RoleSecret{Password: "hush"}, keys.RoleSecret{Password: "hush"}, keys.RoleSecret{Password: "hush"}); strings.Contains(s, "hush") {
		t.Error(s)
	}
	denied(t, "whoever authenticates", client, append(nobodys, [][2]string{
		{"LIST", "secret/metadata/pgveil/roles"},
		{"WRITE", "secret/data/pgveil/roles/alice"},
		{"DELETE", "secret/data/pgveil/roles/alice"},
		{"LIST", "database/static-roles"},
		{"GET", "database/creds/alice"},
		{"WRITE", "database/rotate-role/alice"},
		{"GET", "database/config/lab"},
	}...))
	// This Vault has no database engine: it is the policy that counts.
	if _, err := client.Logical().ReadWithContext(t.Context(), "database/static-creds/alice"); err != nil && strings.Contains(err.Error(), "403") {
		t.Error(err)
	}
}

// TestStaticRoles reads what Vault's database secrets engine answers, from a server that
// answers so: the tests' Vault is built without that engine.
func TestStaticRoles(t *testing.T) {
	t.Parallel()
	fake := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := func(status int, body any) {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(body)
		}
		creds := func(username, password string) {
			answer(http.StatusOK, map[string]any{"data": map[string]any{
				"username": username, "password": password, "rotation_period": 86400, "ttl": 4711, "last_vault_rotation": "2026-01-01T00:00:00Z",
			}})
		}
		switch role, _ := strings.CutPrefix(r.URL.Path, "/v1/db/lab/static-creds/"); {
		case r.URL.Path == "/v1/auth/token/lookup-self":
			answer(http.StatusOK, map[string]any{"data": map[string]any{"ttl": 0, "renewable": false}})
		case r.Header.Get("X-Vault-Token") != "a token":
			answer(http.StatusForbidden, map[string]any{"errors": []string{"permission denied"}})
		case role == "alice":
			creds("alice", "rotated by Vault")
		case role == "ALICE": // as Vault might take the one for the other
			creds("alice", "rotated by Vault")
		case role == "down":
			answer(http.StatusInternalServerError, map[string]any{"errors": []string{"internal error"}})
		default:
			answer(http.StatusBadRequest, map[string]any{"errors": []string{"unknown role: " + role}})
		}
	}))
	defer fake.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: fake.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	store := openVault(t, keys.VaultConfig{Address: fake.URL, CAFile: ca, VaultLogin: keys.VaultLogin{Token: "a token"}})
	if got, err := store.ReadStaticRole(t.Context(), "db/lab", "alice"); err != nil || got != (keys.RoleSecret{Password: "rotated by Vault"}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, role := range []string{"ALICE", "nobody", "..", "../../alice"} {
		if got, err := store.ReadStaticRole(t.Context(), "db/lab", role); !errors.Is(err, keys.ErrNoSecret) || got != (keys.RoleSecret{}) || strings.Contains(err.Error(), "rotated") {
			t.Errorf("%s: %v", role, err)
		}
	}
	if _, err := store.ReadStaticRole(t.Context(), "db/lab", "down"); !errors.Is(err, keys.ErrUnreachable) {
		t.Error(err)
	}
}
