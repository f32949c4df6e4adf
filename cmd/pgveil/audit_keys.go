package main

import (
	"context"
	"errors"
	"os"

	"github.com/pgveil/pgveil/cmd/pgveil/config"
	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/schema"
)

// auditKeySettings are those that say which keys an audit log has.
var auditKeySettings = []string{"audit.mac_key", "audit.signature_key", "audit.signature_transit"}

// auditKeys lists the keysets that an audit log needs. A key that signs in Vault is none.
func auditKeys(c *config.Config) []neededKey {
	needed := []neededKey{{c.Audit.MACKey, keys.TypeMAC}}
	if c.Audit.SignatureTransit == "" {
		needed = append(needed, neededKey{c.Audit.SignatureKey, keys.TypeSignature})
	}
	return needed
}

// auditOptions sets the keys of a log that is to be written.
func (c *call) auditOptions(options *audit.Options, store *secrets, rings map[string]*keys.Keyring) (err error) {
	if options.MAC, err = rings[c.config.Audit.MACKey].MAC(); err != nil {
		return err
	}
	if c.config.Audit.SignatureTransit == "" {
		options.Signer, err = rings[c.config.Audit.SignatureKey].Signer()
		return err
	}
	options.SignLater = true
	options.Signer, err = c.transitSigner(store)
	return err
}

// transitSigner gives the signer in Vault.
func (c *call) transitSigner(store *secrets) (*keys.TransitSigner, error) {
	if store.vault == nil {
		return nil, c.config.Errorf("audit.signature_transit", "needs keys.vault, and keys.insecure_local is set")
	}
	return store.vault.TransitSigner(c.config.Audit.SignatureTransit), nil
}

// auditVerifier gives what verifies the checkpoints: the public keys of a file, if there is
// one, else those of the store.
func (c *call) auditVerifier(ctx context.Context, store *secrets, file string) (*keys.Verifier, error) {
	switch {
	case file != "":
		data, err := os.ReadFile(file)
		if err == nil {
			var verifier *keys.Verifier
			if verifier, err = keys.ParsePublicKeyset(data); err == nil {
				return verifier, nil
			}
		}
		return nil, &config.Error{Place: "--public-keyset", Message: err.Error()}
	case c.config.Audit.SignatureTransit != "":
		signer, err := c.transitSigner(store)
		if err != nil {
			return nil, err
		}
		verifier, err := signer.Public(ctx)
		if errors.Is(err, keys.ErrPermission) {
			return nil, &exitError{status: statusFails, err: err, hint: "without the right to read the key in Vault, verify by its public keys: --public-keyset"}
		}
		return verifier, err
	default:
		return storedVerifier(ctx, store, c.config.Audit.SignatureKey)
	}
}

// storedVerifier gives what verifies the signatures of a keyset.
func storedVerifier(ctx context.Context, store *secrets, name string) (*keys.Verifier, error) {
	rings, err := openKeys(ctx, store, []neededKey{{name, keys.TypeSignature}})
	if err != nil {
		return nil, err
	}
	signer, err := rings[name].Signer()
	if err != nil {
		return nil, err
	}
	return signer.Verifier, nil
}

// hasSubjects reports whether a table of the schema file names its subject.
func hasSubjects(file *schema.File) bool {
	for _, database := range file.Databases {
		if len(database.Subjects()) > 0 {
			return true
		}
	}
	return false
}

// tagKey gives the key of the tags of subjects, nil where it was not opened.
func (c *call) tagKey(rings map[string]*keys.Keyring) (*audit.TagKey, error) {
	ring := rings[c.config.Audit.SubjectKey]
	if ring == nil {
		return nil, nil
	}
	mac, err := ring.MAC()
	if err != nil {
		return nil, err
	}
	each, err := ring.EachMAC()
	if err != nil {
		return nil, err
	}
	older := make([]audit.MAC, len(each))
	for i := range each {
		older[i] = each[i]
	}
	return audit.NewTagKey(mac, older...)
}
