package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// PgBouncerOptions says how to start PgBouncer.
type PgBouncerOptions struct {
	// Server is where it connects to.
	Server *Postgres
	// ServerPort is where it connects to on 127.0.0.1 in place of the server's own
	// port, unless 0: what stands in front of the server.
	ServerPort int
	// Port is where it listens on 127.0.0.1; 0 takes a free one.
	Port int
	// PoolMode is session by default.
	PoolMode string
	// CertFile and KeyFile are those with which it offers TLS to clients; "" offers none.
	CertFile, KeyFile string
	// Settings are further lines for the section [pgbouncer].
	Settings map[string]string
}

// PgBouncer is a running PgBouncer in front of a [Postgres]. It knows the roles
// that the server had when it started, and any database.
type PgBouncer struct {
	server *Postgres
	dir    string
	port   int
	proc   *process
}

// StartPgBouncer starts PgBouncer and waits until it accepts connections. The
// context bounds the start alone. The caller must call Stop.
func StartPgBouncer(ctx context.Context, opts PgBouncerOptions) (*PgBouncer, error) {
	program, err := findPgBouncer()
	if err != nil {
		return nil, err
	}
	as, err := serverAccount()
	if err != nil {
		return nil, err
	}
	var b *PgBouncer
	err = withPort(opts.Port, func(port int) error {
		b = &PgBouncer{server: opts.Server, port: port}
		if err := b.launch(ctx, program, as, opts); err != nil {
			return errors.Join(err, b.Stop())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *PgBouncer) launch(ctx context.Context, program string, as account, opts PgBouncerOptions) error {
	var err error
	if b.dir, err = as.tempDir("pgveil-pgbouncer-"); err != nil {
		return err
	}
	users, err := b.userlist(ctx)
	if err != nil {
		return err
	}
	config, list := b.path("pgbouncer.ini"), b.path("userlist.txt")
	err = errors.Join(
		os.WriteFile(list, []byte(users), 0o600),
		os.WriteFile(config, []byte(b.config(list, opts)), 0o600),
	)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(b.LogFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	if opts.CertFile != "" {
		if err := errors.Join(copyFile(opts.CertFile, b.path("server.crt")), copyFile(opts.KeyFile, b.path("server.key"))); err != nil {
			return err
		}
	}
	if err := as.own(b.dir); err != nil {
		return err
	}
	b.proc, err = command{
		name:   "PgBouncer",
		args:   []string{program, config},
		signal: "TERM", // immediate shutdown
		dir:    b.dir,
		as:     as,
		stdout: log,
		stderr: log,
	}.start()
	if err != nil {
		return err
	}
	for {
		conn, err := net.Dial("tcp", b.Addr())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PgBouncer does not answer: %w", ctx.Err())
		case <-b.proc.exited:
			return startError("PgBouncer", b.port, b.LogFile())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// userlist returns the server's roles with their verifiers, not passwords:
// PgBouncer can log in to the server with what it learns from a client's SCRAM
// exchange, provided both sides hold the same verifier.
func (b *PgBouncer) userlist(ctx context.Context) (string, error) {
	conn, err := b.server.Conn(ctx, SuperUser)
	if err != nil {
		return "", err
	}
	rows, err := conn.Query(ctx, "SELECT rolname, coalesce(rolpassword, '') FROM pg_authid WHERE rolcanlogin ORDER BY 1")
	if err != nil {
		return "", errors.Join(err, conn.Close(ctx))
	}
	var list strings.Builder
	var name, secret string
	_, err = pgx.ForEachRow(rows, []any{&name, &secret}, func() error {
		fmt.Fprintf(&list, "%s %s\n", quoteUser(name), quoteUser(secret))
		return nil
	})
	return list.String(), errors.Join(err, conn.Close(ctx))
}

// quoteUser quotes a field of userlist.txt.
func quoteUser(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func (b *PgBouncer) config(list string, opts PgBouncerOptions) string {
	authType := b.server.opts.AuthMethod
	if authType == AuthPassword {
		authType = "plain"
	}
	mode := opts.PoolMode
	if mode == "" {
		mode = "session"
	}
	port := opts.ServerPort
	if port == 0 {
		port = b.server.Port()
	}
	lines := []string{
		"[databases]",
		"* = host=127.0.0.1 port=" + strconv.Itoa(port),
		"[pgbouncer]",
		"listen_addr = 127.0.0.1",
		"listen_port = " + strconv.Itoa(b.port),
		"unix_socket_dir = ",
		"auth_type = " + authType,
		"auth_file = " + list,
		"pool_mode = " + mode,
		"max_client_conn = 500",
		"log_connections = 0",
		"log_disconnections = 0",
		"default_pool_size = 400",
		"ignore_startup_parameters = extra_float_digits",
		"server_tls_sslmode = " + map[bool]string{false: "disable", true: "require"}[b.server.opts.TLS],
	}
	if opts.CertFile != "" {
		lines = append(lines, "client_tls_sslmode = allow", "client_tls_cert_file = "+b.path("server.crt"), "client_tls_key_file = "+b.path("server.key"))
	}
	for name, value := range opts.Settings {
		lines = append(lines, name+" = "+value)
	}
	return strings.Join(lines, "\n") + "\n"
}

// Addr returns the TCP address that PgBouncer listens on.
func (b *PgBouncer) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port)) }

// LogFile returns the path of its log.
func (b *PgBouncer) LogFile() string { return b.path("pgbouncer.log") }

func (b *PgBouncer) path(name string) string { return filepath.Join(b.dir, name) }

// DSN returns a connection URL through PgBouncer. It holds the password.
func (b *PgBouncer) DSN(user, password, database string) string {
	return connectionURL(b.Addr(), user, password, database, url.Values{"sslmode": {"disable"}})
}

// Stop ends PgBouncer and removes its files. Further calls do nothing.
func (b *PgBouncer) Stop() error {
	var err error
	if b.proc != nil {
		err = b.proc.close(false)
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

// findPgBouncer looks in /usr/sbin, too, where Debian has it and the PATH of an
// ordinary user does not lead.
func findPgBouncer() (string, error) {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path, nil
	}
	if path := "/usr/sbin/pgbouncer"; executable(path) {
		return path, nil
	}
	return "", &MissingError{Part: PartPgBouncer, Package: "pgbouncer", Detail: "not on PATH nor in /usr/sbin"}
}
