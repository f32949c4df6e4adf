package keys_test

import (
	"errors"
	"testing"

	"github.com/pgveil/pgveil/keys"
)

// TestReidentifyPolicy: whoever re-identifies opens the project's keyset and those of the audit
// log, and each other request is denied.
func TestReidentifyPolicy(t *testing.T) {
	t.Parallel()
	_, as := policyVault(t)
	store, client := as("ethics", policyBlocks(t)[6])
	for _, name := range []string{"cohort-2026", "audit-mac", "audit-signature"} {
		if ring, err := store.Open(t.Context(), name); err != nil || ring.Info().Created.IsZero() {
			t.Errorf("%s: %v, %v", name, ring, err)
		}
	}
	if _, err := store.Open(t.Context(), "old"); !errors.Is(err, keys.ErrPermission) {
		t.Errorf("a column's key: %v", err)
	}
	denied(t, "who re-identifies", client, append(nobodys, [][2]string{
		{"GET", "secret/data/pgveil/keys/old"},
		{"WRITE", "secret/data/pgveil/keys/cohort-2026"},
		{"WRITE", "secret/data/pgveil/keys/new"},
		{"WRITE", "secret/destroy/pgveil/keys/cohort-2026"},
		{"GET", "secret/data/pgveil/login"},
		{"LIST", "secret/metadata/pgveil/keys"},
		{"WRITE", "transit/encrypt/pgveil"},
	}...))
}
