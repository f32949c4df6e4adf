package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgveil/pgveil/cmd/pgveil/config"
	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
)

// secrets are the store of keys and, if that is Vault, Vault itself, which may hold
// the login's password too.
type secrets struct {
	keys.Store
	vault *keys.VaultStore // nil with an insecure local store
}

// openSecrets opens the store of keys. With create, an insecure local store that is
// not there is made.
func (c *call) openSecrets(ctx context.Context, log *slog.Logger, create bool) (*secrets, error) {
	if dir := c.config.Insecure; dir != "" {
		open := keys.OpenInsecureLocal
		if create {
			open = keys.CreateInsecureLocal
		}
		local, err := open(dir)
		if err != nil {
			return nil, err
		}
		return &secrets{Store: local}, nil
	}
	if c.config.Vault.Address == "" {
		missing := c.config.Missing("keys.vault.address")
		missing.Hint += "; for development, keys.insecure_local instead"
		return nil, missing
	}
	vault, err := c.openVault(ctx, log)
	if err != nil {
		return nil, err
	}
	return &secrets{vault, vault}, nil
}

func (c *call) openVault(ctx context.Context, log *slog.Logger) (*keys.VaultStore, error) {
	v := &c.config.Vault
	token := ""
	if v.TokenEnv != "" {
		if token, _ = c.lookupEnv(v.TokenEnv); token == "" {
			return nil, c.config.Errorf("keys.vault.token_env", "the variable %s of the environment is not set", v.TokenEnv)
		}
	}
	return keys.OpenVault(ctx, keys.VaultConfig{
		Address: v.Address, Namespace: v.Namespace, CAFile: v.CAFile, ServerName: v.ServerName, Timeout: v.Timeout,
		KVMount: v.KVMount, KVPath: v.Prefix, TransitMount: v.TransitMount, KEK: v.KEK,
		VaultLogin: keys.VaultLogin{
			Token: token, TokenFile: v.TokenFile, WrappedTokenFile: v.WrappedTokenFile,
			RoleID: v.RoleID, SecretIDFile: v.SecretIDFile, WrappedSecretIDFile: v.WrappedSecretIDFile, AppRoleMount: v.AppRoleMount,
			KubernetesRole: v.KubernetesRole, KubernetesJWTFile: v.KubernetesJWTFile, KubernetesMount: v.KubernetesMount,
			CertFile: v.CertFile, KeyFile: v.KeyFile, CertRole: v.CertRole, CertMount: v.CertMount,
		},
		Logger: log,
	})
}

// neededKey is a key that something needs, and the type that it has to be of.
type neededKey struct {
	name string
	kind keys.KeyType
}

// neededKeys lists the keys that the schema file, with its projects, and the audit log need.
func neededKeys(c *config.Config, file *schema.File) []neededKey {
	var needed []neededKey
	for _, name := range slices.Sorted(maps.Keys(file.Keys)) {
		if file.Keys[name].ByValue { // there is none of that name
			continue
		}
		kind := keys.TypeRandomized
		if file.Keys[name].Mode == schema.Deterministic {
			kind = keys.TypeDeterministic
		}
		needed = append(needed, neededKey{name, kind})
	}
	for _, name := range slices.Sorted(maps.Keys(file.Projects)) {
		needed = append(needed, neededKey{file.Projects[name].Key, keys.TypePseudonym})
	}
	if hasSubjects(file) {
		needed = append(needed, neededKey{c.Audit.SubjectKey, keys.TypeMAC})
	}
	return append(needed, auditKeys(c)...)
}

// openServed is openKeys for what serves: of a column's keyset that was destroyed it takes what
// is left, if the store knows which values that erases. Nothing is sealed with it.
func openServed(ctx context.Context, store keys.Store, needed []neededKey, log *slog.Logger) (map[string]*keys.Keyring, error) {
	return openKeys(ctx, erasedStore{store, log}, needed)
}

// erasedStore opens destroyed keysets.
type erasedStore struct {
	keys.Store
	log *slog.Logger
}

func (s erasedStore) Open(ctx context.Context, name string) (*keys.Keyring, error) {
	ring, err := s.Store.Open(ctx, name)
	if left := keys.Erased(err); left != nil && (left.Type() == keys.TypeRandomized || left.Type() == keys.TypeDeterministic) {
		s.log.Warn("key was destroyed: what it sealed reads as erased, and nothing is sealed with it", "key", name, "destroyed", left.Info().Destroyed.UTC().Format(time.RFC3339))
		return left, nil
	}
	return ring, err
}

// openKeys opens keys. The error tells every one that is missing or of another
// type.
func openKeys(ctx context.Context, store keys.Store, needed []neededKey) (map[string]*keys.Keyring, error) {
	type result struct {
		ring *keys.Keyring
		err  error
	}
	opened := make([]result, len(needed))
	var opening errgroup.Group // at once, for a Vault that is slow
	opening.SetLimit(4)
	for i, n := range needed {
		opening.Go(func() error {
			opened[i].ring, opened[i].err = store.Open(ctx, n.name)
			return nil
		})
	}
	_ = opening.Wait()
	rings := make(map[string]*keys.Keyring)
	var errs []error
	for i, n := range needed {
		ring, err := opened[i].ring, opened[i].err
		switch {
		case err != nil:
			errs = append(errs, err)
			if ctx.Err() != nil || errors.Is(err, keys.ErrUnreachable) || errors.Is(err, keys.ErrVaultSealed) {
				return nil, errors.Join(errs...) // the others would say the same
			}
		case ring.Type() != n.kind:
			errs = append(errs, fmt.Errorf("key %q is of type %s, and one of type %s is needed", n.name, ring.Type(), n.kind))
		default:
			rings[n.name] = ring
		}
	}
	return rings, errors.Join(errs...)
}

// readSchema reads the schema file.
func (c *call) readSchema() (*schema.File, error) {
	if c.config.Schema == "" {
		return nil, c.config.Missing("schema")
	}
	file, err := schema.ReadFile(c.config.Schema)
	if err != nil {
		return nil, &exitError{status: statusUsage, err: err}
	}
	return file, nil
}
