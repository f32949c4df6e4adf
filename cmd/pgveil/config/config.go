package config

import (
	"fmt"
	"strings"
	"time"
)

// Config is a complete configuration. Paths from the file are relative to its
// directory, others to the working directory.
type Config struct {
	File string // the configuration file that was read, "" if none

	Listen   string // address:port
	Socket   string // directory of a Unix socket, "" for none
	TLS      TLS
	Auth     Auth
	Server   Server
	Login    Login
	Schema   string // path of the schema file
	Vault    Vault
	Insecure string // directory of the insecure local store of keys, "" for none
	// KeysRefresh is how often the keysets are compared with the store's.
	KeysRefresh time.Duration
	// KeysMaxStale is how long keys serve that the store does not confirm.
	KeysMaxStale time.Duration
	Audit        Audit
	Alerts       Alerts
	Log          Log
	Health       string // address:port, "" for none
	Limits       Limits

	origins map[string]origin // by key; of settings that are given
}

// origin is where a setting comes from.
type origin struct {
	place string // flag, variable or file:line:column
	layer layer
}

// layer is the kind of place that a setting comes from. A higher one wins.
type layer uint8

const (
	fromDefault layer = iota
	fromFile
	fromEnvironment
	fromFlag
)

// TLS is how clients may connect.
type TLS struct {
	Mode                string
	Cert, Key, ClientCA string
}

// Auth is how clients are authenticated. At most one place of their roles' secrets is
// given, and one if the mode is terminate.
type Auth struct {
	Mode                string
	VaultPath           string // below the mount of KV
	VaultStaticRoles    string // mount
	InsecurePasswords   string // file
	Cache, FailureDelay time.Duration
	MaxFailures         int
	FailureWindow       time.Duration
	Access              string // file, "" for none
}

// Server is the PostgreSQL server.
type Server struct {
	Host                                  string
	Port                                  int
	SSLMode, SSLRootCert, SSLCert, SSLKey string
	Pooler                                string
	TargetSessionAttrs                    string
	ConnectTimeout, TCPUserTimeout        time.Duration
}

// Login is pgveil's own login to the server. At most one of the three places of
// the password is given.
type Login struct {
	User          string
	PasswordFile  string
	PasswordEnv   string // name of a variable of the environment
	PasswordVault string // path#field
	Refresh       time.Duration
}

// Vault is where the keys are, unless they are in the insecure local store.
type Vault struct {
	Address, CAFile, ServerName, Namespace string
	Timeout                                time.Duration
	KVMount, Prefix, TransitMount, KEK     string

	TokenFile, WrappedTokenFile                             string
	TokenEnv                                                string // name of a variable of the environment
	AppRoleMount, RoleID, SecretIDFile, WrappedSecretIDFile string
	KubernetesMount, KubernetesRole, KubernetesJWTFile      string
	CertMount, CertRole, CertFile, KeyFile                  string
}

// Audit is the audit log.
type Audit struct {
	Dir                                                                      string
	Commands                                                                 string // directory of the records of commands that change keys
	EndUser                                                                  string // regular expression, "" for none
	MACKey, SignatureKey, SignatureTransit, SubjectKey, Retain, Copy, CopyCA string
	CopyPasswordFile                                                         string
	CopyPasswordEnv                                                          string // name of a variable of the environment
	CopyPasswordVault                                                        string // path#field
	SegmentSize                                                              int
	SegmentAge                                                               time.Duration
}

// Alerts are how people are told what should not wait.
type Alerts struct {
	Webhook, WebhookCA string
	WebhookTokenFile   string
	WebhookTokenEnv    string // name of a variable of the environment
	WebhookTokenVault  string // path#field
	Fold, Window       time.Duration
	Networks           string // on or off
	// How many of them in Window are an alert; 0 for none.
	Refusals, Failures, Rejected int
}

// Log is the operator's log, on standard error.
type Log struct{ Level, Format string }

// Limits bound what clients can take.
type Limits struct {
	MaxConnections int
	MaxMessage     int // bytes
	StartupTimeout time.Duration
	ShutdownGrace  time.Duration
}

// Error is a fault of the configuration.
type Error struct {
	Place   string // flag, variable or file:line:column; "" if it is nowhere
	Message string
	Hint    string // what to do about it; may be ""
}

func (e *Error) Error() string {
	if e.Place == "" {
		return e.Message
	}
	return e.Place + ": " + e.Message
}

// Errorf makes an [Error] about a setting, named by its key in the file.
func (c *Config) Errorf(key, format string, args ...any) *Error {
	return &Error{Place: c.origins[key].place, Message: fmt.Sprintf(format, args...)}
}

// Missing is the error about a setting that a command needs.
func (c *Config) Missing(key string) *Error {
	s := lookup(key)
	e := &Error{Message: fmt.Sprintf("the setting %s is missing: %s", key, strings.ReplaceAll(s.Help, "`", ""))}
	e.Hint = fmt.Sprintf("set %s in the configuration file, %s in the environment, or --%s", key, s.Env(), s.Flag())
	return e
}
