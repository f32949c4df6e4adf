package keys_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/testenv"
)

// policyBlocks reads those of the page for operators.
func policyBlocks(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../docs/vault.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile(`(?m)(^    path .*\n)+`).FindAllString(string(page), -1)
	if len(blocks) != 7 {
		t.Fatalf("the page has %d policies", len(blocks))
	}
	return blocks
}

func policies(t *testing.T) (serves, roles, officer, destroyer, auditor string) {
	t.Helper()
	blocks := policyBlocks(t)
	return blocks[0], blocks[0] + blocks[1], blocks[3], blocks[3] + blocks[4], blocks[5]
}

// policyVault is a Vault with the names of the page, a keyset old, one of a project, the audit log's, and a KEK of
// somebody else.
func policyVault(t *testing.T) (vault *testenv.Vault, as func(name, policy string) (*keys.VaultStore, *api.Client)) {
	vault, setup := ownVault(t, testenv.VaultOptions{})
	names := config(t, vault)
	names.KVPath = "pgveil/keys"
	admin := openVault(t, withAppRole(t, names, setup.Admin))
	create(t, admin, "old", keys.TypeRandomized)
	create(t, admin, "audit-mac", keys.TypeMAC)
	create(t, admin, "audit-signature", keys.TypeSignature)
	create(t, admin, "cohort-2026", keys.TypePseudonym)
	write(t, vault, "secret/data/pgveil/login", map[string]any{"data": map[string]any{"password": "of pgveil"}})
	write(t, vault, "secret/data/elsewhere", map[string]any{"data": map[string]any{"password": "of others"}})
	write(t, vault, "transit/keys/other", nil)
	return vault, func(name, policy string) (*keys.VaultStore, *api.Client) {
		t.Helper()
		if err := vault.Client().Sys().PutPolicyWithContext(t.Context(), name, policy); err != nil {
			t.Fatal(err)
		}
		token := newToken(t, vault, api.TokenCreateRequest{Policies: []string{name}, NoDefaultPolicy: true, TTL: "1h"})
		client, err := vault.Client().Clone()
		if err != nil {
			t.Fatal(err)
		}
		client.SetToken(token)
		client.SetMaxRetries(0)
		return openVault(t, withToken(names, token)), client
	}
}

// denied fails the test where Vault does not answer a request with 403. Each is a method and a
// path; those that write have a body in which each engine finds what it asks for.
func denied(t *testing.T, who string, client *api.Client, requests [][2]string) {
	t.Helper()
	plaintext := base64.StdEncoding.EncodeToString([]byte("plaintext"))
	body := map[string]any{
		"data": map[string]any{"keyset": "x"}, "versions": []int{1}, "plaintext": plaintext, "input": plaintext, "ciphertext": "vault:v1:AAAA",
		"min_decryption_version": 1, "deletion_allowed": true, "exportable": true, "policy": `path "*" { capabilities = ["sudo"] }`, "policies": []string{"root"},
		"min_available_version": 1, "max_versions": 1, "type": "kv",
	}
	logical := client.Logical()
	for _, r := range requests {
		method, path := r[0], r[1]
		var err error
		switch method {
		case "GET":
			_, err = logical.ReadWithContext(t.Context(), path)
		case "LIST":
			_, err = logical.ListWithContext(t.Context(), path)
		case "WRITE":
			_, err = logical.WriteWithContext(t.Context(), path, body)
		case "PATCH":
			_, err = logical.JSONMergePatch(t.Context(), path, body)
		case "DELETE":
			_, err = logical.DeleteWithContext(t.Context(), path)
		default:
			t.Fatalf("unknown method %s", method)
		}
		var refused *api.ResponseError
		if !errors.As(err, &refused) || refused.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s %s: %v, want 403", who, method, path, err)
		}
	}
}

// What nobody of pgveil may do.
var nobodys = [][2]string{
	{"DELETE", "secret/data/pgveil/keys/old"},
	{"WRITE", "secret/delete/pgveil/keys/old"},
	{"WRITE", "secret/undelete/pgveil/keys/old"},
	{"DELETE", "secret/metadata/pgveil/keys/old"},
	{"WRITE", "secret/metadata/pgveil/keys/old"},
	{"PATCH", "secret/metadata/pgveil/keys/old"},
	{"PATCH", "secret/data/pgveil/keys/old"},
	{"WRITE", "secret/config"},
	{"GET", "secret/data/elsewhere"},
	{"WRITE", "secret/data/elsewhere"},
	{"WRITE", "secret/data/pgveil/login"},
	{"LIST", "secret/metadata"},
	{"GET", "transit/keys/pgveil"},
	{"LIST", "transit/keys"},
	{"WRITE", "transit/keys/pgveil"},
	{"WRITE", "transit/keys/new"},
	{"DELETE", "transit/keys/pgveil"},
	{"WRITE", "transit/keys/pgveil/rotate"},
	{"WRITE", "transit/keys/pgveil/config"},
	{"WRITE", "transit/keys/pgveil/trim"},
	{"GET", "transit/export/encryption-key/pgveil"},
	{"GET", "transit/backup/pgveil"},
	{"WRITE", "transit/restore/pgveil"},
	{"WRITE", "transit/rewrap/pgveil"},
	{"WRITE", "transit/datakey/plaintext/pgveil"},
	{"WRITE", "transit/datakey/wrapped/pgveil"},
	{"WRITE", "transit/hmac/pgveil"},
	{"WRITE", "transit/decrypt/other"},
	{"WRITE", "transit/encrypt/other"},
	{"WRITE", "auth/token/create"},
	{"WRITE", "auth/token/create-orphan"},
	{"LIST", "auth/token/accessors"},
	{"WRITE", "auth/approle/role/pgveil/secret-id"},
	{"GET", "auth/approle/role/pgveil/role-id"},
	{"WRITE", "auth/approle/role/pgveil"},
	{"GET", "sys/policies/acl/pgveil"},
	{"WRITE", "sys/policies/acl/pgveil"},
	{"GET", "sys/mounts"},
	{"WRITE", "sys/mounts/new"},
	{"GET", "sys/auth"},
	{"GET", "sys/audit"},
	{"WRITE", "sys/seal"},
	{"GET", "cubbyhole/x"},
}

// TestServePolicy: whoever serves opens keys and reads the password of its login, and each other
// request is denied.
func TestServePolicy(t *testing.T) {
	t.Parallel()
	vault, as := policyVault(t)
	serves, _, _, _, _ := policies(t)
	store, client := as("serves", serves)
	for _, name := range []string{"old", "audit-mac", "audit-signature"} {
		if ring, err := store.Open(t.Context(), name); err != nil || ring.Info().Created.IsZero() {
			t.Errorf("%s: %v, %v", name, ring, err)
		}
		if _, err := store.Version(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	if password, err := store.ReadSecret(t.Context(), "pgveil/login", "password"); err != nil || password != "of pgveil" {
		t.Errorf("%q, %v", password, err)
	}
	self := client.Auth().Token()
	if _, err := self.RenewSelfWithContext(t.Context(), 60); err != nil {
		t.Errorf("its own token: %v", err)
	}
	denied(t, "whoever serves", client, append(nobodys, [][2]string{
		{"WRITE", "secret/data/pgveil/keys/old"},
		{"WRITE", "secret/data/pgveil/keys/new"},
		{"WRITE", "secret/destroy/pgveil/keys/old"},
		{"LIST", "secret/metadata/pgveil/keys"},
		{"LIST", "secret/metadata/pgveil"},
		{"GET", "secret/data/pgveil/other"},
		{"WRITE", "transit/encrypt/pgveil"},
	}...))
	if _, err := store.List(t.Context()); !errors.Is(err, keys.ErrPermission) {
		t.Errorf("List: %v", err)
	}
	if ring := openKey(t, store, "old"); len(ring.Info().Keys) != 1 {
		t.Errorf("the keyset is another: %+v", ring.Info())
	}

	// By the AppRole of the page, in which nothing but the policy counts.
	write(t, vault, "auth/approle/role/page", map[string]any{
		"token_policies": "serves", "token_no_default_policy": true, "token_ttl": "1h", "token_max_ttl": "24h",
	})
	role, err := vault.Client().Logical().ReadWithContext(t.Context(), "auth/approle/role/page/role-id")
	if err != nil {
		t.Fatal(err)
	}
	names, log := config(t, vault), &syncBuffer{}
	names.KVPath, names.Logger = "pgveil/keys", log.logger()
	byRole, err := keys.OpenVault(t.Context(), withAppRole(t, names, testenv.Credentials{
		RoleID: role.Data["role_id"].(string), SecretID: write(t, vault, "auth/approle/role/page/secret-id", nil).Data["secret_id"].(string),
	}))
	if err != nil {
		t.Fatal(err)
	}
	openKey(t, byRole, "old")
	if err := byRole.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String(), "left to expire") {
		t.Errorf("the token was not revoked: %s", log)
	}
}

// TestOfficerPolicy: an officer makes and changes keys, which whoever serves may not, and only
// who has the right to destroys one.
func TestOfficerPolicy(t *testing.T) {
	t.Parallel()
	_, as := policyVault(t)
	servesPolicy, _, officerPolicy, destroyerPolicy, _ := policies(t)
	serves, _ := as("serves", servesPolicy)
	officer, client := as("officer", officerPolicy)
	destroyer, destroyerClient := as("destroyer", destroyerPolicy)
	ctx := t.Context()
	if infos, err := officer.List(ctx); err != nil || len(infos) != 4 {
		t.Errorf("List: %v, %v", infos, err)
	}
	version := func() string {
		v, err := officer.Version(ctx, "old")
		if err != nil {
			t.Error(err)
		}
		return v
	}
	first := openKey(t, officer, "old").Info().Keys[0].ID
	var id uint32
	for _, change := range []struct {
		what string
		do   func(keys.Store) error
	}{
		{"Create", func(s keys.Store) error { _, err := s.Create(ctx, "new", keys.TypeMAC); return err }},
		{"AddKey", func(s keys.Store) (err error) { id, err = s.AddKey(ctx, "old"); return err }},
		{"Promote", func(s keys.Store) error { return s.Promote(ctx, "old", id) }},
		{"Rewrap", func(s keys.Store) error { _, err := s.Rewrap(ctx, "old"); return err }},
		{"Restore", func(s keys.Store) error { return s.Restore(ctx, "old", first) }},
		{"Retire", func(s keys.Store) error { return s.Retire(ctx, "old", first, version()) }},
	} {
		if err := change.do(serves); !errors.Is(err, keys.ErrPermission) {
			t.Errorf("%s with the policy of whoever serves: %v", change.what, err)
		}
		if err := change.do(officer); err != nil {
			t.Errorf("%s with the officer's policy: %v", change.what, err)
		}
	}
	others := append(nobodys, [2]string{"GET", "secret/data/pgveil/login"})
	denied(t, "the officer", client, append(others, [2]string{"WRITE", "secret/destroy/pgveil/keys/old"}))
	denied(t, "whoever destroys", destroyerClient, others)
	for _, destroy := range []func(keys.Store) error{
		func(s keys.Store) error { return s.Remove(ctx, "old", first, version()) },
		func(s keys.Store) error { return s.Destroy(ctx, "old", version()) },
	} {
		before := openKey(t, officer, "old").Info()
		if err := destroy(officer); !errors.Is(err, keys.ErrPermission) {
			t.Errorf("destroying with the officer's policy: %v", err)
		}
		if after := openKey(t, officer, "old").Info(); len(after.Keys) != len(before.Keys) {
			t.Errorf("%+v, before %+v", after, before)
		}
		if err := destroy(destroyer); err != nil {
			t.Errorf("destroying with its policy: %v", err)
		}
	}
}

// TestAuditorPolicy: an auditor opens the key of the audit log's MAC, and no other.
func TestAuditorPolicy(t *testing.T) {
	t.Parallel()
	_, as := policyVault(t)
	_, _, _, _, policy := policies(t)
	auditor, client := as("auditor", policy)
	if _, err := openKey(t, auditor, "audit-mac").MAC(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"old", "audit-signature"} {
		if _, err := auditor.Open(t.Context(), name); !errors.Is(err, keys.ErrPermission) {
			t.Errorf("%s: %v", name, err)
		}
	}
	denied(t, "the auditor", client, append(nobodys, [][2]string{
		{"WRITE", "secret/data/pgveil/keys/audit-mac"},
		{"WRITE", "secret/data/pgveil/keys/new"},
		{"WRITE", "secret/destroy/pgveil/keys/audit-mac"},
		{"GET", "secret/data/pgveil/login"},
		{"LIST", "secret/metadata/pgveil/keys"},
		{"WRITE", "transit/encrypt/pgveil"},
	}...))
}
