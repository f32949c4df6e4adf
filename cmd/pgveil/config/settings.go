package config

import (
	"slices"
	"strings"
	"time"
)

// Setting is one setting: a key of the file, a flag and a variable.
type Setting struct {
	// Key is the path of keys in the file, such as "server.port".
	Key     string
	Kind    Kind
	Default string
	Words   []string // of a choice
	Low     int      // of a number
	High    int
	Help    string // a phrase; the text in backquotes names the flag's value
	field   func(*Config) any
}

// Flag returns the name of the flag, without the dashes.
func (s *Setting) Flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.Key) }

// Env returns the name of the variable of the environment.
func (s *Setting) Env() string {
	return "PGVEIL_" + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// settings is the one table. Sections stay together.
var settings = []*Setting{
	{Key: "listen", Kind: Address, Default: "127.0.0.1:6432", Help: "`address:port` for clients", field: func(c *Config) any { return &c.Listen }},
	{Key: "socket", Kind: Path, Help: "`directory` of a Unix socket for clients, beside the port", field: func(c *Config) any { return &c.Socket }},

	{Key: "tls.mode", Kind: Choice, Words: []string{"disable", "allow", "require"}, Default: "disable", Help: "TLS with clients: disable, allow or require", field: func(c *Config) any { return &c.TLS.Mode }},
	{Key: "tls.cert", Kind: Path, Help: "`file` of pgveil's certificate and its chain, in PEM", field: func(c *Config) any { return &c.TLS.Cert }},
	{Key: "tls.key", Kind: Path, Help: "`file` of the private key of tls.cert, in PEM, not readable by others", field: func(c *Config) any { return &c.TLS.Key }},
	{Key: "tls.client_ca", Kind: Path, Help: "`file` of the authorities of clients' certificates, in PEM", field: func(c *Config) any { return &c.TLS.ClientCA }},

	{Key: "auth.mode", Kind: Choice, Words: []string{"relay", "terminate"}, Default: "relay", Help: "who authenticates clients: relay, the server does, or terminate, pgveil does", field: func(c *Config) any { return &c.Auth.Mode }},
	{Key: "auth.vault_path", Kind: Text, Help: "`path` of the secrets of clients' roles below keys.vault.kv_mount, one for each", field: func(c *Config) any { return &c.Auth.VaultPath }},
	{Key: "auth.vault_static_roles", Kind: Text, Help: "`mount` of Vault's database secrets engine, whose static roles are the clients' roles", field: func(c *Config) any { return &c.Auth.VaultStaticRoles }},
	{Key: "auth.insecure_passwords", Kind: Path, Help: "`file` of roles' passwords, for development, instead of Vault; \"insecure\" is in its name", field: func(c *Config) any { return &c.Auth.InsecurePasswords }},
	{Key: "auth.cache", Kind: Duration, Default: "10s", Help: "how long the secret of a role counts after it was read", field: func(c *Config) any { return &c.Auth.Cache }},
	{Key: "auth.failure_delay", Kind: Duration, Default: "500ms", Help: "how long a client that fails to authenticate waits for its answer", field: func(c *Config) any { return &c.Auth.FailureDelay }},
	{Key: "auth.max_failures", Kind: Number, Low: 1, High: 1 << 20, Default: "20", Help: "how many wrong passwords of a role, or from an address, are looked at in each auth.failure_window", field: func(c *Config) any { return &c.Auth.MaxFailures }},
	{Key: "auth.failure_window", Kind: Duration, Default: "1m", Help: "the time that auth.max_failures is for", field: func(c *Config) any { return &c.Auth.FailureWindow }},
	{Key: "auth.access", Kind: Path, Help: "`file` that says which roles may connect from where, how and when", field: func(c *Config) any { return &c.Auth.Access }},

	{Key: "server.host", Kind: Text, Default: "localhost", Help: "the PostgreSQL server's `name`, address, or directory of its Unix socket; several with commas, each host or host:port", field: func(c *Config) any { return &c.Server.Host }},
	{Key: "server.port", Kind: Number, Low: 1, High: 65535, Default: "5432", Help: "the server's port, where server.host has none", field: func(c *Config) any { return &c.Server.Port }},
	{Key: "server.sslmode", Kind: Choice, Words: []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}, Default: "prefer", Help: "TLS with the server, as libpq means it", field: func(c *Config) any { return &c.Server.SSLMode }},
	{Key: "server.sslrootcert", Kind: RootCert, Help: "`file` of the authorities of the server's certificate, in PEM, or system", field: func(c *Config) any { return &c.Server.SSLRootCert }},
	{Key: "server.sslcert", Kind: Path, Help: "`file` of pgveil's own certificate for the server, in PEM", field: func(c *Config) any { return &c.Server.SSLCert }},
	{Key: "server.sslkey", Kind: Path, Help: "`file` of the private key of server.sslcert, in PEM, not readable by others", field: func(c *Config) any { return &c.Server.SSLKey }},
	{Key: "server.pooler", Kind: Choice, Words: []string{"none", "session", "transaction"}, Default: "none", Help: "what the connection pooler between pgveil and the server pools by", field: func(c *Config) any { return &c.Server.Pooler }},
	{Key: "server.target_session_attrs", Kind: Choice, Words: []string{"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}, Default: "any", Help: "which of several servers sessions go to, as libpq means it", field: func(c *Config) any { return &c.Server.TargetSessionAttrs }},
	{Key: "server.connect_timeout", Kind: Duration, Default: "10s", Help: "how long a connection to the server may take to be made", field: func(c *Config) any { return &c.Server.ConnectTimeout }},
	{Key: "server.tcp_user_timeout", Kind: Duration, Default: "2m", Help: "how long the server's host may be silent on the network before its connections end", field: func(c *Config) any { return &c.Server.TCPUserTimeout }},

	{Key: "login.user", Kind: Text, Default: "pgveil", Help: "the `role` that pgveil reads catalogs as", field: func(c *Config) any { return &c.Login.User }},
	{Key: "login.password_file", Kind: Path, Help: "`file` that holds the login's password", field: func(c *Config) any { return &c.Login.PasswordFile }},
	{Key: "login.password_env", Kind: Variable, Help: "`name` of the variable of the environment that holds the login's password", field: func(c *Config) any { return &c.Login.PasswordEnv }},
	{Key: "login.password_vault", Kind: Reference, Help: "`path#field` of the secret in Vault that holds the login's password", field: func(c *Config) any { return &c.Login.PasswordVault }},
	{Key: "login.refresh", Kind: Duration, Default: "5s", Help: "how often the catalog is compared with the server's", field: func(c *Config) any { return &c.Login.Refresh }},

	{Key: "schema", Kind: Path, Help: "`file` that says which columns are sealed", field: func(c *Config) any { return &c.Schema }},

	{Key: "keys.vault.address", Kind: Text, Help: "`URL` of Vault, such as https://vault.example:8200", field: func(c *Config) any { return &c.Vault.Address }},
	{Key: "keys.vault.ca_file", Kind: Path, Help: "`file` of the authorities of Vault's certificate, in PEM; the system's without", field: func(c *Config) any { return &c.Vault.CAFile }},
	{Key: "keys.vault.server_name", Kind: Text, Help: "`name` in Vault's certificate, if it is not the address's", field: func(c *Config) any { return &c.Vault.ServerName }},
	{Key: "keys.vault.namespace", Kind: Text, Help: "`namespace` of Vault", field: func(c *Config) any { return &c.Vault.Namespace }},
	{Key: "keys.vault.timeout", Kind: Duration, Default: "10s", Help: "how long one request to Vault may take", field: func(c *Config) any { return &c.Vault.Timeout }},
	{Key: "keys.vault.kv_mount", Kind: Text, Default: "secret", Help: "`mount` of the KV version 2 engine", field: func(c *Config) any { return &c.Vault.KVMount }},
	{Key: "keys.vault.prefix", Kind: Text, Default: "pgveil/keys", Help: "`path` of the keysets below that mount", field: func(c *Config) any { return &c.Vault.Prefix }},
	{Key: "keys.vault.transit_mount", Kind: Text, Default: "transit", Help: "`mount` of the Transit engine", field: func(c *Config) any { return &c.Vault.TransitMount }},
	{Key: "keys.vault.kek", Kind: Text, Default: "pgveil", Help: "`name` of the Transit key that encrypts the keysets", field: func(c *Config) any { return &c.Vault.KEK }},
	{Key: "keys.vault.token_file", Kind: Path, Help: "`file` that holds a token for Vault, as Vault Agent writes it", field: func(c *Config) any { return &c.Vault.TokenFile }},
	{Key: "keys.vault.wrapped_token_file", Kind: Path, Help: "`file` that holds a wrapping token, which a token for Vault is unwrapped from, once", field: func(c *Config) any { return &c.Vault.WrappedTokenFile }},
	{Key: "keys.vault.token_env", Kind: Variable, Help: "`name` of the variable of the environment that holds a token for Vault", field: func(c *Config) any { return &c.Vault.TokenEnv }},
	{Key: "keys.vault.approle.mount", Kind: Text, Default: "approle", Help: "`mount` of the AppRole login", field: func(c *Config) any { return &c.Vault.AppRoleMount }},
	{Key: "keys.vault.approle.role_id", Kind: Text, Help: "role `id` of the AppRole that pgveil logs in with", field: func(c *Config) any { return &c.Vault.RoleID }},
	{Key: "keys.vault.approle.secret_id_file", Kind: Path, Help: "`file` that holds the AppRole's secret id", field: func(c *Config) any { return &c.Vault.SecretIDFile }},
	{Key: "keys.vault.approle.wrapped_secret_id_file", Kind: Path, Help: "`file` that holds a wrapping token, which the AppRole's secret id is unwrapped from, once", field: func(c *Config) any { return &c.Vault.WrappedSecretIDFile }},
	{Key: "keys.vault.kubernetes.mount", Kind: Text, Default: "kubernetes", Help: "`mount` of the Kubernetes login", field: func(c *Config) any { return &c.Vault.KubernetesMount }},
	{Key: "keys.vault.kubernetes.role", Kind: Text, Help: "`role` of the Kubernetes login, by the service account of pgveil's pod", field: func(c *Config) any { return &c.Vault.KubernetesRole }},
	{Key: "keys.vault.kubernetes.jwt_file", Kind: Path, Default: "/var/run/secrets/kubernetes.io/serviceaccount/token", Help: "`file` that holds the token of the service account", field: func(c *Config) any { return &c.Vault.KubernetesJWTFile }},
	{Key: "keys.vault.cert.mount", Kind: Text, Default: "cert", Help: "`mount` of the login by TLS certificate", field: func(c *Config) any { return &c.Vault.CertMount }},
	{Key: "keys.vault.cert.role", Kind: Text, Help: "`role` of the login by TLS certificate; any that fits without", field: func(c *Config) any { return &c.Vault.CertRole }},
	{Key: "keys.vault.cert.cert_file", Kind: Path, Help: "`file` of the certificate that pgveil logs in with, and its chain, in PEM", field: func(c *Config) any { return &c.Vault.CertFile }},
	{Key: "keys.vault.cert.key_file", Kind: Path, Help: "`file` of the private key of keys.vault.cert.cert_file, in PEM, not readable by others", field: func(c *Config) any { return &c.Vault.KeyFile }},
	{Key: "keys.insecure_local", Kind: Path, Help: "`directory` of keys in the clear, for development, instead of Vault; \"insecure\" is in its name", field: func(c *Config) any { return &c.Insecure }},
	{Key: "keys.refresh", Kind: Duration, Default: "10s", Help: "how often the keys are compared with the store's", field: func(c *Config) any { return &c.KeysRefresh }},
	{Key: "keys.max_stale", Kind: Duration, Default: "24h", Help: "how long keys serve on that the store does not confirm", field: func(c *Config) any { return &c.KeysMaxStale }},

	{Key: "audit.dir", Kind: Path, Help: "`directory` of the audit log", field: func(c *Config) any { return &c.Audit.Dir }},
	{Key: "audit.commands", Kind: Path, Help: "`directory` of the audit log of commands that change keys; without it, that of audit.dir with -commands after its name", field: func(c *Config) any { return &c.Audit.Commands }},
	{Key: "audit.end_user", Kind: Text, Help: "regular `expression` whose first group is, in application_name, whom an application acts for", field: func(c *Config) any { return &c.Audit.EndUser }},
	{Key: "audit.mac_key", Kind: Text, Default: "audit-mac", Help: "`name` of the key of type mac that chains the records", field: func(c *Config) any { return &c.Audit.MACKey }},
	{Key: "audit.signature_key", Kind: Text, Default: "audit-signature", Help: "`name` of the key of type signature that signs checkpoints", field: func(c *Config) any { return &c.Audit.SignatureKey }},
	{Key: "audit.signature_transit", Kind: Text, Help: "`name` of an ed25519 key of keys.vault.transit_mount that signs checkpoints, instead of audit.signature_key", field: func(c *Config) any { return &c.Audit.SignatureTransit }},
	{Key: "audit.subject_key", Kind: Text, Default: "audit-subject", Help: "`name` of the key of type mac that makes the tags of subjects, if the schema file names any", field: func(c *Config) any { return &c.Audit.SubjectKey }},
	{Key: "audit.retain", Kind: Choice, Words: []string{"6 months", "1 year", "3 years"}, Help: "how long pgveil audit purge keeps records: 6 months, 1 year or 3 years", field: func(c *Config) any { return &c.Audit.Retain }},
	{Key: "audit.copy", Kind: Text, Help: "`places` to which records are copied once they are durable: stdout, syslog+tls://host:port, syslog+tcp://host:port, postgres://user@host:port/database; several with commas", field: func(c *Config) any { return &c.Audit.Copy }},
	{Key: "audit.copy_ca", Kind: Path, Help: "`file` of the authorities of the certificates of syslog and PostgreSQL servers that records are copied to, in PEM; the system's without", field: func(c *Config) any { return &c.Audit.CopyCA }},
	{Key: "audit.copy_password_file", Kind: Path, Help: "`file` that holds the password for the PostgreSQL server of audit.copy", field: func(c *Config) any { return &c.Audit.CopyPasswordFile }},
	{Key: "audit.copy_password_env", Kind: Variable, Help: "`name` of the variable of the environment that holds it", field: func(c *Config) any { return &c.Audit.CopyPasswordEnv }},
	{Key: "audit.copy_password_vault", Kind: Reference, Help: "`path#field` of the secret in Vault that holds it", field: func(c *Config) any { return &c.Audit.CopyPasswordVault }},
	{Key: "audit.segment_size", Kind: Size, Low: 4096, High: 1 << 40, Default: "64MB", Help: "a segment of the log ends at this size", field: func(c *Config) any { return &c.Audit.SegmentSize }},
	{Key: "audit.segment_age", Kind: Duration, Default: "24h", Help: "a segment of the log ends at this age", field: func(c *Config) any { return &c.Audit.SegmentAge }},

	{Key: "alerts.webhook", Kind: Text, Help: "`URL` that each alert is sent to as JSON, https://…; {token} in it is replaced by the token", field: func(c *Config) any { return &c.Alerts.Webhook }},
	{Key: "alerts.webhook_ca", Kind: Path, Help: "`file` of the authorities of the webhook's certificate, in PEM; the system's without", field: func(c *Config) any { return &c.Alerts.WebhookCA }},
	{Key: "alerts.webhook_token_file", Kind: Path, Help: "`file` that holds the token for the webhook", field: func(c *Config) any { return &c.Alerts.WebhookTokenFile }},
	{Key: "alerts.webhook_token_env", Kind: Variable, Help: "`name` of the variable of the environment that holds it", field: func(c *Config) any { return &c.Alerts.WebhookTokenEnv }},
	{Key: "alerts.webhook_token_vault", Kind: Reference, Help: "`path#field` of the secret in Vault that holds it", field: func(c *Config) any { return &c.Alerts.WebhookTokenVault }},
	{Key: "alerts.fold", Kind: Duration, Default: "10m", Help: "for how long alerts like one that was told are only counted", field: func(c *Config) any { return &c.Alerts.Fold }},
	{Key: "alerts.networks", Kind: Choice, Words: []string{"on", "off"}, Default: "on", Help: "whether a role that connects from a network for the first time is an alert: on or off", field: func(c *Config) any { return &c.Alerts.Networks }},
	{Key: "alerts.refusals", Kind: Number, Low: 0, High: 1 << 20, Default: "10", Help: "how many statements of a role, refused for want of a right, are an alert; 0 for never", field: func(c *Config) any { return &c.Alerts.Refusals }},
	{Key: "alerts.failures", Kind: Number, Low: 0, High: 1 << 20, Default: "1", Help: "how many statements that meet a value that cannot be opened are an alert; 0 for never", field: func(c *Config) any { return &c.Alerts.Failures }},
	{Key: "alerts.rejected", Kind: Number, Low: 0, High: 1 << 20, Default: "5", Help: "how many clients of a role, or from a host, that are not let in are an alert; 0 for never", field: func(c *Config) any { return &c.Alerts.Rejected }},
	{Key: "alerts.window", Kind: Duration, Default: "10m", Help: "the time in which these are counted", field: func(c *Config) any { return &c.Alerts.Window }},

	{Key: "log.level", Kind: Choice, Words: []string{"debug", "info", "warn", "error"}, Default: "info", Help: "what is logged: debug, info, warn or error", field: func(c *Config) any { return &c.Log.Level }},
	{Key: "log.format", Kind: Choice, Words: []string{"text", "json"}, Default: "text", Help: "how it is written: text or json", field: func(c *Config) any { return &c.Log.Format }},

	{Key: "health.listen", Kind: Address, Help: "`address:port` of /livez and /readyz, over HTTP; none without", field: func(c *Config) any { return &c.Health }},

	{Key: "limits.max_connections", Kind: Number, Low: 0, High: 1 << 20, Default: "0", Help: "clients at a time; 0 for no bound but the server's", field: func(c *Config) any { return &c.Limits.MaxConnections }},
	{Key: "limits.max_message", Kind: Size, Low: 64 << 10, High: 1 << 30, Default: "1GB", Help: "largest message that has to be held in memory", field: func(c *Config) any { return &c.Limits.MaxMessage }},
	{Key: "limits.startup_timeout", Kind: Duration, Default: "60s", Help: "how long a client may take to be authenticated", field: func(c *Config) any { return &c.Limits.StartupTimeout }},
	{Key: "limits.shutdown_grace", Kind: Duration, Default: "10s", Help: "how long sessions may take to end when pgveil is told to", field: func(c *Config) any { return &c.Limits.ShutdownGrace }},
}

// Settings returns the settings below some keys, such as "server" or "audit.dir",
// in the table's order; all of them without arguments.
func Settings(below ...string) []*Setting {
	var list []*Setting
	for _, s := range settings {
		if len(below) == 0 || slices.ContainsFunc(below, s.below) {
			list = append(list, s)
		}
	}
	return list
}

func (s *Setting) below(key string) bool { return s.Key == key || strings.HasPrefix(s.Key, key+".") }

func lookup(key string) *Setting {
	i := slices.IndexFunc(settings, func(s *Setting) bool { return s.Key == key })
	return settings[i]
}

// set puts a value, given by Kind.parse, into its field.
func (s *Setting) set(c *Config, value any) {
	switch field := s.field(c).(type) {
	case *string:
		*field = value.(string)
	case *int:
		*field = value.(int)
	case *time.Duration:
		*field = value.(time.Duration)
	}
}
