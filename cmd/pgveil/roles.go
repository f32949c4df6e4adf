package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/goccy/go-yaml"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/proxy/scram"
)

// terminate says how pgveil authenticates clients, nil if the server does.
func (c *call) terminate(store *secrets, rings map[string]*keys.Keyring) (*proxy.Terminate, error) {
	auth := &c.config.Auth
	if auth.Mode != "terminate" {
		return nil, nil
	}
	// A secret that outlives a restart, and that every pgveil of the same audit log's key has.
	mac, err := rings[c.config.Audit.MACKey].MAC()
	if err != nil {
		return nil, err
	}
	mock, err := mac.ComputeMAC([]byte("pgveil: salts of roles that do not exist"))
	if err != nil {
		return nil, err
	}
	t := &proxy.Terminate{
		MockKey: mock, Cache: auth.Cache, FailureDelay: auth.FailureDelay, MaxFailures: auth.MaxFailures, FailureWindow: auth.FailureWindow,
	}
	switch {
	case auth.VaultPath != "":
		t.Secret = fromVault(func(ctx context.Context, role string) (keys.RoleSecret, error) {
			return store.vault.ReadRole(ctx, auth.VaultPath, role)
		})
	case auth.VaultStaticRoles != "":
		t.Secret = fromVault(func(ctx context.Context, role string) (keys.RoleSecret, error) {
			return store.vault.ReadStaticRole(ctx, auth.VaultStaticRoles, role)
		})
	default:
		if _, err := c.insecurePasswords(); err != nil {
			return nil, err
		}
		t.Secret = func(_ context.Context, role string) (proxy.RoleSecret, error) {
			all, err := c.insecurePasswords()
			if err != nil {
				return proxy.RoleSecret{}, err
			}
			if text := all[role]; scram.IsVerifier(text) {
				return proxy.RoleSecret{Verifier: text}, nil
			}
			return proxy.RoleSecret{Password: all[role]}, nil
		}
	}
	return t, nil
}

func fromVault(read func(ctx context.Context, role string) (keys.RoleSecret, error)) func(context.Context, string) (proxy.RoleSecret, error) {
	return func(ctx context.Context, role string) (proxy.RoleSecret, error) {
		secret, err := read(ctx, role)
		if errors.Is(err, keys.ErrNoSecret) || errors.Is(err, keys.ErrDestroyed) {
			return proxy.RoleSecret{}, nil
		}
		return proxy.RoleSecret(secret), err
	}
}

// insecurePasswords reads the file of roles' passwords or verifiers.
func (c *call) insecurePasswords() (map[string]string, error) {
	name := c.config.Auth.InsecurePasswords
	wrong := func(format string, args ...any) error {
		return c.config.Errorf("auth.insecure_passwords", "auth.insecure_passwords: "+format, args...)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, wrong("%v", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, wrong("%v", err)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, wrong("%s has mode %04o, with which others may read or change it; run chmod 0600 on it", name, perm)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPassword))
	if err != nil {
		return nil, wrong("%v", err)
	}
	var all map[string]string
	if yaml.Unmarshal(data, &all) != nil || len(data) == maxPassword { // its error would quote the file
		return nil, wrong("%s is not a YAML mapping of roles to passwords or verifiers", name)
	}
	return all, nil
}
