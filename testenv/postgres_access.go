package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Addr returns the server's TCP address, such as "127.0.0.1:54321".
func (p *Postgres) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// Port returns the server's TCP port.
func (p *Postgres) Port() int { return p.port }

// Dir returns the server's temporary directory, which also holds its Unix
// socket.
func (p *Postgres) Dir() string { return p.dir }

func (p *Postgres) dataDir() string { return filepath.Join(p.dir, "data") }

// LogFile returns the path of the server's log.
func (p *Postgres) LogFile() string { return filepath.Join(p.dir, "server.log") }

// Major returns the server's major version.
func (p *Postgres) Major() int { return p.in.major }

// CA returns the authority of the server's certificate, nil without TLS.
func (p *Postgres) CA() *CA {
	if !p.opts.TLS {
		return nil
	}
	return p.opts.CA
}

// Superuser returns the name of the superuser.
func (p *Postgres) Superuser() string { return SuperUser }

// SuperPassword returns the superuser's password, made anew for each server.
func (p *Postgres) SuperPassword() string { return p.password }

// DSN returns a connection URL over TCP, as libpq, pgx and lib/pq take it. It
// holds the password. With TLS it asks for verify-full, otherwise for no TLS.
func (p *Postgres) DSN(user, password, database string) string {
	query := url.Values{"sslmode": {"disable"}}
	if ca := p.CA(); ca != nil {
		query.Set("sslmode", "verify-full")
		query.Set("sslrootcert", ca.File())
	}
	return connectionURL(p.Addr(), user, password, database, query)
}

func connectionURL(addr, user, password, database string, query url.Values) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, password),
		Host:     addr,
		Path:     "/" + database,
		RawQuery: query.Encode(),
	}
	return u.String()
}

// Conn opens a session of the superuser in a database, over the Unix socket.
// The caller closes it.
func (p *Postgres) Conn(ctx context.Context, database string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.Fallbacks = p.dir, uint16(p.port), nil
	config.User, config.Database = SuperUser, database
	config.RuntimeParams["application_name"], config.RuntimeParams["client_encoding"] = "testenv", "UTF8"
	return pgx.ConnectConfig(ctx, config)
}

// Exec runs statements in the database postgres as the superuser, each in a
// transaction of its own, and stops at the first error.
func (p *Postgres) Exec(ctx context.Context, sql ...string) error {
	return p.ExecIn(ctx, SuperUser, sql...)
}

// ExecIn is Exec in another database. A string may hold several statements,
// which are then one transaction.
func (p *Postgres) ExecIn(ctx context.Context, database string, sql ...string) error {
	conn, err := p.Conn(ctx, database)
	if err != nil {
		return err
	}
	for i, s := range sql {
		if _, err := conn.PgConn().Exec(ctx, s).ReadAll(); err != nil {
			return errors.Join(fmt.Errorf("statement %d: %w", i+1, err), conn.Close(ctx))
		}
	}
	return conn.Close(ctx)
}

// query reads one row as the superuser.
func (p *Postgres) query(ctx context.Context, sql string, dest ...any) error {
	conn, err := p.Conn(ctx, SuperUser)
	if err != nil {
		return err
	}
	return errors.Join(conn.QueryRow(ctx, sql).Scan(dest...), conn.Close(ctx))
}

// CreateRole creates a role that may log in. Its password reaches the server as
// a verifier only. Options are those of CREATE ROLE, such as "IN ROLE doctors".
func (p *Postgres) CreateRole(ctx context.Context, name, password string, options ...string) error {
	secret, err := verifier(p.opts.AuthMethod, name, password)
	if err != nil {
		return err
	}
	return p.Exec(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD %s %s",
		pgx.Identifier{name}.Sanitize(), quoteLiteral(secret), strings.Join(options, " ")))
}

// CreateDatabase creates a database.
func (p *Postgres) CreateDatabase(ctx context.Context, name string) error {
	return p.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
}
