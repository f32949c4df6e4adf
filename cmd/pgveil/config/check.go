package config

import (
	"errors"
	"path/filepath"
	"strings"
)

// check compares the settings with one another.
func (c *Config) check() error {
	if c.TLS.Mode != "disable" {
		switch {
		case c.TLS.Cert == "":
			return c.Errorf("tls.mode", "tls.mode %s needs tls.cert", c.TLS.Mode)
		case c.TLS.Key == "":
			return c.Errorf("tls.mode", "tls.mode %s needs tls.key", c.TLS.Mode)
		}
	}
	switch {
	case c.Server.SSLCert != "" && c.Server.SSLKey == "":
		return c.Errorf("server.sslcert", "server.sslcert needs server.sslkey")
	case c.Server.SSLKey != "" && c.Server.SSLCert == "":
		return c.Errorf("server.sslkey", "server.sslkey needs server.sslcert")
	}
	if c.KeysMaxStale <= c.KeysRefresh {
		return c.Errorf("keys.max_stale", "keys.max_stale (%v) has to be longer than keys.refresh (%v): keys would be withheld that nobody had asked for", c.KeysMaxStale, c.KeysRefresh)
	}
	if c.Audit.Commands != "" && filepath.Clean(c.Audit.Commands) == filepath.Clean(c.Audit.Dir) {
		return c.Errorf("audit.commands", "audit.commands is the directory of audit.dir, to which pgveil serve writes alone")
	}
	return errors.Join(
		c.choose("login", []string{"login.password_file"}, []string{"login.password_env"}, []string{"login.password_vault"}),
		c.choose("audit", []string{"audit.copy_password_file"}, []string{"audit.copy_password_env"}, []string{"audit.copy_password_vault"}),
		c.choose("alerts", []string{"alerts.webhook_token_file"}, []string{"alerts.webhook_token_env"}, []string{"alerts.webhook_token_vault"}),
		c.choose("keys.vault.approle", []string{"keys.vault.approle.secret_id_file"}, []string{"keys.vault.approle.wrapped_secret_id_file"}),
		c.choose("keys.vault", []string{"keys.vault.token_file"}, []string{"keys.vault.token_env"}, []string{"keys.vault.wrapped_token_file"},
			[]string{"keys.vault.approle.role_id", "keys.vault.approle.secret_id_file", "keys.vault.approle.wrapped_secret_id_file"},
			[]string{"keys.vault.kubernetes.role"},
			[]string{"keys.vault.cert.cert_file", "keys.vault.cert.key_file", "keys.vault.cert.role"}),
		c.choose("keys", []string{"keys.vault.address"}, []string{"keys.insecure_local"}),
		c.checkAuth(),
	)
}

// checkAuth looks at where the roles' secrets are.
func (c *Config) checkAuth() error {
	err := c.choose("auth", []string{"auth.vault_path"}, []string{"auth.vault_static_roles"}, []string{"auth.insecure_passwords"})
	if err != nil || c.Auth.Mode != "terminate" {
		return err
	}
	inVault := c.Auth.VaultPath != "" || c.Auth.VaultStaticRoles != ""
	switch {
	case !inVault && c.Auth.InsecurePasswords == "":
		return c.Errorf("auth.mode", "auth.mode terminate needs auth.vault_path or auth.vault_static_roles; for development, auth.insecure_passwords")
	case inVault && c.Vault.Address == "":
		return c.Errorf("auth.mode", "secrets of roles in Vault need keys.vault.address")
	case c.Auth.InsecurePasswords != "" && !strings.Contains(filepath.Base(c.Auth.InsecurePasswords), "insecure"):
		return c.Errorf("auth.insecure_passwords", "auth.insecure_passwords is a file of passwords in the clear, so its name must contain \"insecure\"")
	}
	return nil
}

// choose keeps that alternative of a group which the highest layer gives and takes
// the others back, so that a flag or variable can replace what the file says. Two in
// one layer are an error.
func (c *Config) choose(group string, alternatives ...[]string) error {
	layers := make([]layer, len(alternatives))
	highest, chosen := fromDefault, ""
	for i, keys := range alternatives {
		for _, key := range keys {
			layers[i] = max(layers[i], c.origins[key].layer)
		}
		highest = max(highest, layers[i])
	}
	for i, keys := range alternatives {
		switch {
		case layers[i] == fromDefault:
		case layers[i] < highest:
			for _, key := range keys {
				lookup(key).set(c, "")
				delete(c.origins, key)
			}
		case chosen != "":
			return c.Errorf(keys[0], "%s has %s already, and %s is another way: keep one", group,
				strings.TrimPrefix(chosen, group+"."), strings.TrimPrefix(keys[0], group+"."))
		default:
			chosen = keys[0]
		}
	}
	return nil
}
