package keys_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/testenv"
)

// TestTransitSigner: a key that stays in Vault signs; what it signs verifies by the exported
// public keys alone, those of older versions too.
func TestTransitSigner(t *testing.T) {
	t.Parallel()
	vault, _ := ownVault(t, testenv.VaultOptions{})
	write(t, vault, "transit/keys/pgveil-audit", map[string]any{"type": "ed25519"})
	write(t, vault, "transit/keys/aes", nil)
	policy := policyBlocks(t)[2] + `
path "transit/sign/aes" { capabilities = ["update"] }
path "transit/sign/missing" { capabilities = ["update"] }`
	if err := vault.Client().Sys().PutPolicyWithContext(t.Context(), "signs", policy); err != nil {
		t.Fatal(err)
	}
	token := newToken(t, vault, api.TokenCreateRequest{Policies: []string{"signs"}, NoDefaultPolicy: true, TTL: "1h"})
	store := openVault(t, withToken(config(t, vault), token))
	signer := store.TransitSigner("pgveil-audit")
	data := []byte("a checkpoint")
	first, err := signer.Sign(data)
	if err != nil {
		t.Fatal(err)
	}
	write(t, vault, "transit/keys/pgveil-audit/rotate", nil)
	second, err := signer.Sign(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 69 || bytes.Equal(first, second) {
		t.Errorf("%x, %x", first, second)
	}
	if _, err := signer.Public(t.Context()); !errors.Is(err, keys.ErrPermission) {
		t.Errorf("who signs may read the key: %v", err)
	}
	root := openVault(t, withToken(config(t, vault), vault.RootToken()))
	public, err := root.TransitSigner("pgveil-audit").Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := keys.ParsePublicKeyset(public.PublicKeyset())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(verifier.Verify(first, data), verifier.Verify(second, data)); err != nil {
		t.Error(err)
	}
	changed := bytes.Clone(first)
	changed[4] = 2 // the version
	if verifier.Verify(changed, data) == nil || verifier.Verify(first, []byte("another")) == nil {
		t.Error("another signature verifies")
	}
	for name, want := range map[string]error{"aes": keys.ErrRefused, "missing": keys.ErrRefused, "other": keys.ErrPermission} {
		if _, err := store.TransitSigner(name).Sign(data); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, want := range map[string]error{"aes": keys.ErrCorrupt, "missing": keys.ErrMissing} {
		if _, err := root.TransitSigner(name).Public(t.Context()); !errors.Is(err, want) {
			t.Errorf("public keys of %s: %v", name, err)
		}
	}
	if err := vault.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Sign(data); !errors.Is(err, keys.ErrVaultSealed) {
		t.Errorf("a sealed Vault: %v", err)
	}
	if err := vault.Unseal(t.Context()); err != nil {
		t.Fatal(err)
	}
}
