package config

import "strings"

// check compares the settings with one another.
func (c *Config) check() error {
	if c.TLS.Mode != "disable" {
		for key, file := range map[string]string{"tls.cert": c.TLS.Cert, "tls.key": c.TLS.Key} {
			if file == "" {
				return c.Errorf("tls.mode", "%s needs %s", c.TLS.Mode, key)
			}
		}
	}
	if (c.Server.SSLCert == "") != (c.Server.SSLKey == "") {
		return &Error{Message: "server.sslcert and server.sslkey go together"}
	}
	if err := c.only("login", "login.password_file", "login.password_env", "login.password_vault"); err != nil {
		return err
	}
	if err := c.only("keys.vault", "keys.vault.token_file", "keys.vault.token_env", "keys.vault.approle.role_id"); err != nil {
		return err
	}
	return c.only("keys", "keys.vault.address", "keys.insecure_local")
}

// only asks that at most one of some settings of a group is given.
func (c *Config) only(group string, keys ...string) error {
	first := ""
	for _, key := range keys {
		switch _, given := c.places[key]; {
		case !given:
		case first == "":
			first = key
		default:
			return c.Errorf(key, "%s has %s already: keep one", group, strings.TrimPrefix(first, group+"."))
		}
	}
	return nil
}
