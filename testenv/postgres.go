package testenv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// SuperUser is the bootstrap superuser of every server started here.
const SuperUser = "postgres"

// The values of PostgresOptions.AuthMethod, as pg_hba.conf names them.
const (
	AuthSCRAM    = "scram-sha-256"
	AuthMD5      = "md5"
	AuthPassword = "password" // in clear
	AuthTrust    = "trust"
)

// PostgresOptions says how to start a server. The zero value is a server with
// SCRAM, without TLS, on a free port.
type PostgresOptions struct {
	Port       int    // 0 takes a free one
	AuthMethod string // for TCP; default AuthSCRAM

	TLS        bool // offer TLS, with a certificate for localhost and 127.0.0.1
	RequireTLS bool // refuse TCP without TLS; implies TLS
	CA         *CA  // signs the certificate, and any a client shows; default: one of its own

	// LogStatements logs every statement and its parameters to LogFile.
	LogStatements bool
	// DiscardWAL lets the server recycle its WAL, and keeps its files on disk, for
	// the demo and benchmarks. Otherwise all WAL is kept, so that FindPlaintext can
	// search it, and the files may lie in memory, in /dev/shm.
	DiscardWAL bool
	// Fsync makes the server flush to disk as in production, with files on disk.
	Fsync bool

	Settings map[string]string // for postgresql.conf, unquoted; they win over the rest
	HBA      []string          // lines of pg_hba.conf to put before the others

	Encoding string // default UTF8
	Locale   string // default C.UTF-8
}

// Postgres is a running PostgreSQL server.
type Postgres struct {
	opts     PostgresOptions
	in       installation
	as       account
	dir      string
	port     int
	password string
	firstWAL string // name of the segment written at the start

	mu   sync.Mutex
	proc *process
}

// StartPostgres starts a private server and waits until it answers. The context
// bounds the start alone. The caller must call Stop.
func StartPostgres(ctx context.Context, opts PostgresOptions) (*Postgres, error) {
	if opts.AuthMethod == "" {
		opts.AuthMethod = AuthSCRAM
	}
	if opts.Encoding == "" {
		opts.Encoding = "UTF8"
	}
	if opts.Locale == "" {
		opts.Locale = "C.UTF-8"
	}
	opts.TLS = opts.TLS || opts.RequireTLS
	in, err := findPostgres()
	if err != nil {
		return nil, err
	}
	as, err := serverAccount()
	if err != nil {
		return nil, err
	}
	template, err := in.template(ctx, as, opts.Encoding, opts.Locale)
	if err != nil {
		return nil, err
	}
	var p *Postgres
	err = withPort(opts.Port, func(port int) error {
		p = &Postgres{opts: opts, in: in, as: as, port: port, password: rand.Text()}
		return p.create(ctx, template)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// create makes the server's files and starts it; on an error nothing is left.
func (p *Postgres) create(ctx context.Context, template string) (err error) {
	makeDir := p.as.tempDirInMemory
	if p.opts.DiscardWAL || p.opts.Fsync {
		makeDir = p.as.tempDir
	}
	if p.dir, err = makeDir("pgveil-pg-"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Stop())
		}
	}()
	if err := copyTree(template, p.dataDir()); err != nil {
		return err
	}
	if err := p.configure(); err != nil {
		return err
	}
	if err := p.as.own(p.dir); err != nil {
		return err
	}
	if err := p.launch(ctx); err != nil {
		return err
	}
	secret, err := verifier(p.opts.AuthMethod, SuperUser, p.password)
	if err != nil {
		return err
	}
	if err := p.Exec(ctx, "ALTER ROLE "+SuperUser+" PASSWORD "+quoteLiteral(secret)); err != nil {
		return err
	}
	return p.query(ctx, "SELECT pg_walfile_name(pg_current_wal_insert_lsn())", &p.firstWAL)
}

// configure writes postgresql.conf, pg_hba.conf and the TLS files.
func (p *Postgres) configure() error {
	lines := []string{
		"listen_addresses = '127.0.0.1'",
		"port = " + strconv.Itoa(p.port),
		"unix_socket_directories = '" + p.dir + "'",
		"logging_collector = off",
		"log_destination = 'stderr'",
		"log_line_prefix = '%m [%p] %q%u@%d '",
		"lc_messages = 'C'",
	}
	if p.opts.AuthMethod == AuthMD5 {
		lines = append(lines, "password_encryption = 'md5'")
	} else {
		lines = append(lines, "password_encryption = 'scram-sha-256'")
	}
	if !p.opts.Fsync {
		lines = append(lines, "fsync = off")
	}
	if p.opts.LogStatements {
		lines = append(lines, "log_statement = 'all'",
			"log_parameter_max_length = -1", "log_parameter_max_length_on_error = -1")
	}
	if !p.opts.DiscardWAL {
		lines = append(lines, "wal_keep_size = '64GB'", "wal_recycle = off", "wal_compression = off")
	}
	if p.opts.TLS {
		tls, err := p.tlsFiles()
		if err != nil {
			return err
		}
		lines = append(lines, tls...)
	}
	for name, value := range p.opts.Settings {
		lines = append(lines, name+" = '"+strings.ReplaceAll(value, "'", "''")+"'")
	}
	if err := appendLines(filepath.Join(p.dataDir(), "postgresql.conf"), os.O_APPEND, lines); err != nil {
		return err
	}

	// The socket lies in a directory of mode 0700, which is authentication enough.
	hba := append([]string{}, p.opts.HBA...)
	network := "host"
	if p.opts.RequireTLS {
		network = "hostssl"
	}
	hba = append(hba,
		"local all "+SuperUser+" trust",
		"local replication "+SuperUser+" trust",
		"local all all "+p.opts.AuthMethod,
		network+" all all 127.0.0.1/32 "+p.opts.AuthMethod,
		network+" replication all 127.0.0.1/32 "+p.opts.AuthMethod)
	return appendLines(filepath.Join(p.dataDir(), "pg_hba.conf"), os.O_TRUNC, hba)
}

// tlsFiles puts a certificate into the server's directory, readable by it.
func (p *Postgres) tlsFiles() ([]string, error) {
	dir := filepath.Join(p.dir, "tls")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if p.opts.CA == nil {
		ca, err := NewCA(dir)
		if err != nil {
			return nil, err
		}
		p.opts.CA = ca
	}
	cert, key, err := p.opts.CA.Issue("localhost", "127.0.0.1")
	if err != nil {
		return nil, err
	}
	server := map[string]string{"server.crt": cert, "server.key": key, "root.crt": p.opts.CA.File()}
	for name, from := range server {
		if err := copyFile(from, filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return []string{
		"ssl = on",
		"ssl_cert_file = '" + filepath.Join(dir, "server.crt") + "'",
		"ssl_key_file = '" + filepath.Join(dir, "server.key") + "'",
		"ssl_ca_file = '" + filepath.Join(dir, "root.crt") + "'",
	}, nil
}

func appendLines(path string, flag int, lines []string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|flag, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\n" + strings.Join(lines, "\n") + "\n")
	return errors.Join(err, f.Close())
}

// launch starts the server's process on its files and waits until it answers.
func (p *Postgres) launch(ctx context.Context) error {
	log, err := os.OpenFile(p.LogFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	proc, err := command{
		name:   "PostgreSQL",
		args:   []string{p.in.program("postgres"), "-D", p.dataDir()},
		signal: "INT", // fast shutdown
		dir:    p.dir,
		as:     p.as,
		stdout: log,
		stderr: log,
	}.start()
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.proc = proc
	p.mu.Unlock()

	for {
		var one int
		err := p.query(ctx, "SELECT 1", &one)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w (%w)", ctx.Err(), err)
		case <-proc.exited:
			return startError("PostgreSQL", p.port, p.LogFile())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Interrupt stops the server (fast shutdown) and keeps its data for Restart.
func (p *Postgres) Interrupt() error { return p.process().close(true) }

// Restart stops the server, unless Interrupt did, and starts it again on the
// same port with the same data.
func (p *Postgres) Restart(ctx context.Context) error {
	if err := p.Interrupt(); err != nil {
		return err
	}
	return p.launch(ctx)
}

// Stop ends the server by a fast shutdown and removes its files. Further calls
// do nothing.
func (p *Postgres) Stop() error {
	var err error
	if proc := p.process(); proc != nil {
		err = proc.close(false)
	}
	// The process removes them, too, unless it was interrupted or never began.
	return errors.Join(err, os.RemoveAll(p.dir))
}

// Pause freezes the postmaster, as a machine that hangs: the kernel still
// accepts connections and nobody answers them. Sessions already open go on.
func (p *Postgres) Pause() error { return p.process().pause() }

// Resume undoes Pause.
func (p *Postgres) Resume() error { return p.process().cont() }

func (p *Postgres) process() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proc
}
