package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// Address returns the server's URL, such as "https://127.0.0.1:34567".
func (v *Vault) Address() string {
	scheme := "http"
	if v.opts.TLS {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(v.port))
}

// RootToken returns the token that may do everything.
func (v *Vault) RootToken() string { return v.rootToken }

// UnsealKey returns the only key share, in base64.
func (v *Vault) UnsealKey() string { return v.unsealKey }

// CA returns the authority of the server's certificate, nil without TLS.
func (v *Vault) CA() *CA {
	if !v.opts.TLS {
		return nil
	}
	return v.opts.CA
}

// LogFile returns the path of the server's log.
func (v *Vault) LogFile() string { return filepath.Join(v.dir, "vault.log") }

func (v *Vault) storage() string { return filepath.Join(v.dir, "storage") }

// Client returns the client that holds the root token. It is the same one each
// time; use Clone for one with another token.
func (v *Vault) Client() *api.Client { return v.client }

// newClient ignores the user's own VAULT_ADDR, VAULT_TOKEN and namespace.
func (v *Vault) newClient() (*api.Client, error) {
	config := api.DefaultConfig()
	if config.Error != nil {
		return nil, config.Error
	}
	config.Address, config.AgentAddress = v.Address(), ""
	if v.opts.TLS {
		if err := config.ConfigureTLS(&api.TLSConfig{CACert: v.opts.CA.File()}); err != nil {
			return nil, err
		}
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	client.ClearNamespace()
	client.SetToken("")
	return client, nil
}

// Seal seals Vault: it goes on answering, and every answer is 503.
func (v *Vault) Seal(ctx context.Context) error { return v.client.Sys().SealWithContext(ctx) }

// Unseal unseals Vault and waits until it is ready for requests.
func (v *Vault) Unseal(ctx context.Context) error {
	status, err := v.client.Sys().UnsealWithContext(ctx, v.unsealKey)
	if err != nil {
		return fmt.Errorf("unseal Vault: %w", err)
	}
	if status.Sealed {
		return errors.New("unseal Vault: the only key share was not enough")
	}
	return retry(ctx, func() error {
		health, err := v.client.Sys().HealthWithContext(ctx)
		if err == nil && (health.Sealed || health.Standby) {
			err = errors.New("Vault is unsealed but not active")
		}
		return err
	})
}

// The names that SetupPgveil uses.
const (
	TransitMount = "transit"
	KEKName      = "pgveil"
	KVMount      = "secret"
	KVPrefix     = "pgveil" // below which the policies allow anything
	AppRoleMount = "approle"
)

// Credentials are an AppRole's.
type Credentials struct {
	RoleID   string
	SecretID string
}

// VaultSetup is what SetupPgveil made.
type VaultSetup struct {
	// Admin may create, change and read what lies below secret/pgveil, and
	// encrypt and decrypt with the KEK.
	Admin Credentials
	// Reader may only read below secret/pgveil and decrypt with the KEK, as a
	// pgveil that serves needs.
	Reader Credentials
}

const adminPolicy = `
path "secret/data/pgveil/*"     { capabilities = ["create", "read", "update", "delete"] }
path "secret/metadata/pgveil/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "secret/metadata/pgveil"   { capabilities = ["list"] }
path "secret/destroy/pgveil/*"  { capabilities = ["update"] }
path "secret/delete/pgveil/*"   { capabilities = ["update"] }
path "transit/encrypt/pgveil"   { capabilities = ["update"] }
path "transit/decrypt/pgveil"   { capabilities = ["update"] }
`

const readerPolicy = `
path "secret/data/pgveil/*"     { capabilities = ["read"] }
path "secret/metadata/pgveil/*" { capabilities = ["read", "list"] }
path "secret/metadata/pgveil"   { capabilities = ["list"] }
path "transit/decrypt/pgveil"   { capabilities = ["update"] }
`

// SetupPgveil mounts transit, KV version 2 and AppRole, makes the KEK
// (aes256-gcm96), and makes two AppRoles whose tokens live an hour and renew up
// to a day.
func (v *Vault) SetupPgveil(ctx context.Context) (VaultSetup, error) {
	sys := v.client.Sys()
	if err := sys.MountWithContext(ctx, TransitMount, &api.MountInput{Type: "transit"}); err != nil {
		return VaultSetup{}, err
	}
	kv := &api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}
	if err := sys.MountWithContext(ctx, KVMount, kv); err != nil {
		return VaultSetup{}, err
	}
	if err := sys.EnableAuthWithOptionsWithContext(ctx, AppRoleMount, &api.EnableAuthOptions{Type: "approle"}); err != nil {
		return VaultSetup{}, err
	}
	if _, err := v.client.Logical().WriteWithContext(ctx, TransitMount+"/keys/"+KEKName, nil); err != nil {
		return VaultSetup{}, err
	}
	// A new KV mount answers 400 until it has made its own keys.
	err := retry(ctx, func() error {
		_, err := v.client.Logical().ListWithContext(ctx, KVMount+"/metadata/"+KVPrefix)
		return err
	})
	if err != nil {
		return VaultSetup{}, fmt.Errorf("wait for the KV mount: %w", err)
	}

	admin, err := v.appRole(ctx, "pgveil-admin", adminPolicy)
	if err != nil {
		return VaultSetup{}, err
	}
	reader, err := v.appRole(ctx, "pgveil", readerPolicy)
	return VaultSetup{Admin: admin, Reader: reader}, err
}

// appRole makes an AppRole with a policy of the same name.
func (v *Vault) appRole(ctx context.Context, name, policy string) (Credentials, error) {
	if err := v.client.Sys().PutPolicyWithContext(ctx, name, strings.TrimSpace(policy)); err != nil {
		return Credentials{}, err
	}
	logical, path := v.client.Logical(), "auth/"+AppRoleMount+"/role/"+name
	_, err := logical.WriteWithContext(ctx, path, map[string]any{
		"token_policies": []string{name},
		"token_ttl":      "1h",
		"token_max_ttl":  "24h",
	})
	if err != nil {
		return Credentials{}, err
	}
	id, err := logical.ReadWithContext(ctx, path+"/role-id")
	if err != nil {
		return Credentials{}, err
	}
	secret, err := logical.WriteWithContext(ctx, path+"/secret-id", nil)
	if err != nil {
		return Credentials{}, err
	}
	var c Credentials
	if id != nil && secret != nil {
		c.RoleID, _ = id.Data["role_id"].(string)
		c.SecretID, _ = secret.Data["secret_id"].(string)
	}
	if c.RoleID == "" || c.SecretID == "" {
		return Credentials{}, fmt.Errorf("AppRole %s: Vault gave no identifiers", name)
	}
	return c, nil
}

// retry calls f until it succeeds, at most for ten seconds, and returns its
// last error.
func retry(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}
