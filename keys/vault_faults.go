package keys

import (
	"cmp"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"
)

// gone is the error of a secret of KV whose newest version cannot be read any more. What
// can be got back is told apart from what cannot.
func (c *VaultConfig) gone(path string, version *api.KVVersionMetadata) error {
	switch {
	case version == nil:
		return &StoreError{Reason: ErrMissing, Detail: "its last version was deleted"}
	case version.Destroyed:
		return &StoreError{Reason: ErrMissing, Detail: fmt.Sprintf("version %d, the last one, was destroyed, which cannot be undone; %s", version.Version, c.restoreHint(path))}
	default:
		return &StoreError{Reason: ErrMissing, Detail: fmt.Sprintf("version %d, the last one, was deleted; get it back with vault kv undelete -mount=%s -versions=%d %s",
			version.Version, c.KVMount, version.Version, path)}
	}
}

// restoreHint says how an earlier version of a secret takes the place of the newest.
func (c *VaultConfig) restoreHint(path string) string {
	return fmt.Sprintf("an earlier version, if there is one, comes back with vault kv rollback -mount=%s -version=N %s", c.KVMount, path)
}

// tokenPlace says where a new token has to be put.
func (c *VaultConfig) tokenPlace() string {
	if file := cmp.Or(c.TokenFile, c.WrappedTokenFile); file != "" {
		return "into " + file
	}
	return "where pgveil is given it, and start it again"
}

// slowness tells the log when Vault answers slowly, and when it no longer does: each once.
type slowness struct{ is atomic.Bool }

// slowAnswer is how long an answer of Vault takes that the log tells of.
const slowAnswer = 2 * time.Second

func (s *slowness) note(c *VaultConfig, took time.Duration, err error) {
	slow := took >= slowAnswer
	if err != nil && !slow || s.is.Swap(slow) == slow {
		return // an error that comes at once says nothing of an answer's time
	}
	if slow {
		c.Logger.Warn("Vault answers slowly", "vault", c.Address, "took", took.Round(time.Millisecond), "timeout", c.Timeout,
			"hint", "look after its load, its storage and the network; a request that takes longer than keys.vault.timeout fails")
		return
	}
	c.Logger.Info("Vault answers in time again", "vault", c.Address)
}
