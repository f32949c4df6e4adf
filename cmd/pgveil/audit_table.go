package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy/audit"
)

func auditTableCommand() *command {
	return &command{
		name:  "audit table-sql",
		short: "print the DDL of the table that records are copied to",
		long: `
Prints SQL for the table, and a view over it, that audit.copy fills in the database that it
names, and grants its user the right to add to it. Run it there, as who is to own them.`,
		examples: []string{`pgveil audit table-sql --audit-copy postgres://pgveil_audit@evidence.example/evidence | psql evidence`},
		settings: []string{"audit.copy"},
		run:      auditTable,
	}
}

func auditTable(_ context.Context, c *call) error {
	for place := range strings.SplitSeq(c.config.Audit.Copy, ",") {
		if !isTable(place) {
			continue
		}
		u, err := c.tableAddress(place)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(c.out, audit.TableDDL(pgx.Identifier{u.User.Username()}.Sanitize()))
		return err
	}
	return c.config.Errorf("audit.copy", "audit.copy names no postgres://user@host:port/database")
}

func isTable(place string) bool {
	scheme, _, _ := strings.Cut(strings.TrimSpace(place), "://")
	return scheme == "postgres" || scheme == "postgresql"
}

// tableParameters are what the address of a table may say of the connection.
var tableParameters = []string{"sslmode", "sslrootcert", "sslcert", "sslkey", "sslsni", "channel_binding", "connect_timeout", "target_session_attrs"}

// tableAddress reads the address of a database that records are copied to.
func (c *call) tableAddress(place string) (*url.URL, error) {
	wrong := func(format string, args ...any) (*url.URL, error) {
		return nil, c.config.Errorf("audit.copy", "audit.copy: "+format, args...)
	}
	u, err := url.Parse(strings.TrimSpace(place))
	if err != nil { // which would quote a password
		return wrong("an address of PostgreSQL cannot be read")
	}
	if _, given := u.User.Password(); given {
		return wrong("the address of PostgreSQL holds a password, which stands in no file and no command line: it belongs into audit.copy_password_vault, or a file or variable")
	}
	if u.User.Username() == "" || u.Hostname() == "" || strings.Trim(u.Path, "/") == "" {
		return wrong("%q is not postgres://user@host:port/database", u)
	}
	query := u.Query()
	for key := range query {
		if !slices.Contains(tableParameters, key) {
			return wrong("parameter %q of the address is none of %s", key, strings.Join(tableParameters, ", "))
		}
	}
	if !query.Has("sslmode") {
		query.Set("sslmode", "verify-full")
	}
	if c.config.Audit.CopyCA != "" && !query.Has("sslrootcert") {
		query.Set("sslrootcert", c.config.Audit.CopyCA)
	}
	u.RawQuery = query.Encode()
	return u, nil
}

// tableCopy makes the copy to a table. Its password is read anew for each connection.
func (c *call) tableCopy(place string, store *secrets) (audit.Copy, error) {
	u, err := c.tableAddress(place)
	if err != nil {
		return nil, err
	}
	a := &c.config.Audit
	secret := &passwordPlace{c.config, "audit.copy_password", a.CopyPasswordFile, a.CopyPasswordEnv, a.CopyPasswordVault, c.lookupEnv, nil}
	if a.CopyPasswordVault != "" {
		if secret.store = vaultOf(store); secret.store == nil {
			return nil, c.config.Errorf("audit.copy_password_vault", "audit.copy_password_vault needs keys in Vault (keys.vault.address)")
		}
	}
	settings, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, c.config.Errorf("audit.copy", "audit.copy: %s", strings.Join(causes(err), "; "))
	}
	if _, err := secret.fetch(context.Background()); err != nil && a.CopyPasswordVault == "" {
		return nil, err
	}
	settings.RuntimeParams["application_name"], settings.RuntimeParams["client_encoding"] = "pgveil", "UTF8"
	name := "postgres://" + net.JoinHostPort(u.Hostname(), fmt.Sprint(settings.Port)) + u.Path
	return audit.NewTableCopy(name, func(ctx context.Context) (*pgx.Conn, error) {
		password, err := secret.fetch(ctx)
		if err != nil {
			return nil, err
		}
		with := settings.Copy()
		with.Password = password // none of the environment's, nor of a file of libpq's
		return pgx.ConnectConfig(ctx, with)
	}), nil
}

// vaultOf gives Vault, if the keys are in it.
func vaultOf(store *secrets) *keys.VaultStore {
	if store == nil {
		return nil
	}
	return store.vault
}

// splitLines puts the lines of a copy, from a file or standard input ("-"), into a directory of their own.
func (c *call) splitLines(name string) (dir string, done func(), err error) {
	in := c.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", nil, err
		}
		defer f.Close()
		in = f
	}
	if dir, err = os.MkdirTemp("", "pgveil-lines-"); err != nil {
		return "", nil, err
	}
	done = func() { _ = os.RemoveAll(dir) }
	if err := audit.SplitLines(dir, in); err != nil {
		done()
		return "", nil, fmt.Errorf("%s: %w", name, err)
	}
	return dir, done, nil
}
