package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/cmd/pgveil/config"
	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// login makes pgveil's own connections to the server.
type login struct {
	config    *config.Config
	upstreams *proxy.Upstreams
	env       func(string) (string, bool)
	log       *slog.Logger
	vault     *keys.VaultStore // nil unless the password is in it

	mu       sync.Mutex
	password string
}

// newLogin prepares logins. open holds Vault if it is the store of keys.
func (c *call) newLogin(ctx context.Context, upstreams *proxy.Upstreams, file *schema.File, open *secrets, log *slog.Logger) (*login, func(), error) {
	l := &login{config: c.config, upstreams: upstreams, env: c.lookupEnv, log: log}
	if names := slices.Sorted(maps.Keys(file.Databases)); len(names) > 0 {
		upstreams.State = func(ctx context.Context, server *proxy.UpstreamConfig) (proxy.ServerState, error) {
			return l.state(ctx, server, names[0])
		}
	}
	done := func() {}
	if c.config.Login.PasswordVault != "" {
		switch {
		case open != nil && open.vault != nil:
			l.vault = open.vault
		case c.config.Vault.Address == "":
			return nil, nil, c.config.Errorf("login.password_vault", "login.password_vault needs keys.vault.address")
		default:
			vault, err := c.openVault(ctx, log)
			if err != nil {
				return nil, nil, err
			}
			l.vault, done = vault, func() { vault.Close() }
		}
	}
	if _, err := l.read(ctx); err != nil {
		done()
		return nil, nil, err
	}
	return l, done, nil
}

// connect opens a connection to a database, on the server that sessions go to.
func (l *login) connect(ctx context.Context, database string) (conn *pgx.Conn, err error) {
	err = l.upstreams.Connect(ctx, func(ctx context.Context, server *proxy.UpstreamConfig) (err error) {
		conn, err = l.connectTo(ctx, server, database)
		return err
	})
	if e, ok := pgerror.As(err); ok {
		err = fmt.Errorf("no server for pgveil's login: %s", strings.TrimSuffix(e.Detail, "."))
	}
	return conn, err
}

// state asks a server what it is.
func (l *login) state(ctx context.Context, server *proxy.UpstreamConfig, database string) (state proxy.ServerState, err error) {
	conn, err := l.connectTo(ctx, server, database)
	if err != nil {
		l.log.Warn("server does not say whether it is a standby", "error", err)
		return state, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, `SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only') OPERATOR(pg_catalog.=) 'on'`).
		Scan(&state.Standby, &state.ReadOnly)
	return state, err
}

// connectTo opens a connection to a database of one server. A password that the server does not
// take is read again, since it may have been changed.
func (l *login) connectTo(ctx context.Context, server *proxy.UpstreamConfig, database string) (*pgx.Conn, error) {
	l.mu.Lock()
	password := l.password
	l.mu.Unlock()
	conn, err := l.connectWith(ctx, server, database, password)
	var refused *pgconn.PgError
	if err == nil || !errors.As(err, &refused) || !strings.HasPrefix(refused.Code, "28") {
		return conn, err
	}
	again, readErr := l.read(ctx)
	if readErr != nil || again == password {
		return nil, errors.Join(err, readErr)
	}
	return l.connectWith(ctx, server, database, again)
}

func (l *login) connectWith(ctx context.Context, server *proxy.UpstreamConfig, database, password string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.config.Server.ConnectTimeout)
	defer cancel()
	settings, err := server.LoginConfig(l.config.Login.User, password, database)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, settings)
	if err != nil {
		return nil, l.describe(server, database, err)
	}
	return conn, nil
}

// describe puts an error of pgx, which tells every attempt on a line, into one.
func (l *login) describe(server *proxy.UpstreamConfig, database string, err error) error {
	_, address := server.Address()
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("the server at %s refuses pgveil's login %q to database %q: %w", address, l.config.Login.User, database, refused)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the server at %s gives pgveil's login no answer within %v", address, l.config.Server.ConnectTimeout)
	default:
		return fmt.Errorf("pgveil's login cannot connect to the server at %s: %s", address, strings.Join(causes(err), "; "))
	}
}

// causes gives the innermost errors, each once.
func causes(err error) []string {
	var list []string
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case interface{ Unwrap() []error }:
			for _, each := range e.Unwrap() {
				walk(each)
			}
		case interface{ Unwrap() error }:
			if inner := e.Unwrap(); inner != nil {
				walk(inner)
				return
			}
			list = append(list, err.Error())
		default:
			list = append(list, err.Error())
		}
	}
	walk(err)
	slices.Sort(list)
	return slices.Compact(list)
}

// read reads the password from where it is, "" if there is none.
func (l *login) read(ctx context.Context) (string, error) {
	password, err := l.fetch(ctx)
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	l.password = password
	l.mu.Unlock()
	return password, nil
}

func (l *login) fetch(ctx context.Context) (string, error) {
	from := &l.config.Login
	return (&passwordPlace{l.config, "login.password", from.PasswordFile, from.PasswordEnv, from.PasswordVault, l.env, l.vault}).fetch(ctx)
}

// upstreams says how the servers are reached.
func (c *call) upstreams() (*proxy.Upstreams, error) {
	s := &c.config.Server
	u, err := proxy.NewUpstreams(s.Host, s.Port, s.SSLMode, s.SSLRootCert, s.SSLCert, s.SSLKey)
	if err != nil {
		return nil, &config.Error{Message: fmt.Sprintf("server: %v", err)}
	}
	u.Target, u.Pooler = s.TargetSessionAttrs, s.Pooler
	for _, server := range u.Servers {
		server.ConnectTimeout, server.UserTimeout = s.ConnectTimeout, s.TCPUserTimeout
	}
	return u, nil
}
