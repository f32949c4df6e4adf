package testenv

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// startPostgres starts a server that ends with the test.
func startPostgres(t *testing.T, opts PostgresOptions) *Postgres {
	t.Helper()
	Require(t, PartPostgres)
	p, err := StartPostgres(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// whoami logs in by a URL and returns the session's role and whether TLS is on.
func whoami(ctx context.Context, dsn string) (role string, tls bool, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", false, err
	}
	err = conn.QueryRow(ctx,
		"SELECT session_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&role, &tls)
	return role, tls, errors.Join(err, conn.Close(ctx))
}

func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

func TestPostgresAuthentication(t *testing.T) {
	for _, method := range []string{AuthSCRAM, AuthMD5, AuthPassword} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			p := startPostgres(t, PostgresOptions{AuthMethod: method})
			ctx := t.Context()
			const role, password = `Dr. "House"`, `pé'\ 9`
			if err := p.CreateRole(ctx, role, password, "CREATEDB"); err != nil {
				t.Fatal(err)
			}
			got, tls, err := whoami(ctx, p.DSN(role, password, "postgres"))
			if err != nil || got != role || tls {
				t.Fatalf("role %q, TLS %v, %v", got, tls, err)
			}
			if _, _, err = whoami(ctx, p.DSN(role, "wrong", "postgres")); sqlState(err) != "28P01" {
				t.Fatalf("a wrong password gives %v, want SQLSTATE 28P01", err)
			}
			if got, _, err = whoami(ctx, p.DSN(p.Superuser(), p.SuperPassword(), "postgres")); err != nil || got != "postgres" {
				t.Fatalf("superuser: role %q, %v", got, err)
			}
			var stored string
			if err := p.query(ctx, "SELECT rolpassword FROM pg_authid WHERE rolcreatedb AND NOT rolsuper", &stored); err != nil {
				t.Fatal(err)
			}
			if isMD5 := strings.HasPrefix(stored, "md5"); isMD5 != (method == AuthMD5) {
				t.Errorf("with %s the server stores %.4s…", method, stored)
			}
		})
	}
}

func TestPostgresTrustAndSettings(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, PostgresOptions{
		AuthMethod: AuthTrust,
		Settings:   map[string]string{"work_mem": "5MB", "application_name": "it's"},
		HBA:        []string{"host all mallory 127.0.0.1/32 reject"},
		Fsync:      true,
	})
	ctx := t.Context()
	if err := errors.Join(p.CreateRole(ctx, "mallory", "x"), p.CreateDatabase(ctx, "lab")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := whoami(ctx, p.DSN("postgres", "anything", "lab")); err != nil {
		t.Error(err)
	}
	if _, _, err := whoami(ctx, p.DSN("mallory", "x", "lab")); sqlState(err) != "28000" {
		t.Errorf("a rejected role gives %v, want SQLSTATE 28000", err)
	}
	var encoding, collation, fsync, mem string
	err := p.query(ctx, `SELECT current_setting('server_encoding'), datcollate, current_setting('fsync'),
		current_setting('work_mem') FROM pg_database WHERE datname = 'lab'`, &encoding, &collation, &fsync, &mem)
	if err != nil || encoding != "UTF8" || collation != "C.UTF-8" || fsync != "on" || mem != "5MB" {
		t.Errorf("encoding %s, collation %s, fsync %s, work_mem %s, %v", encoding, collation, fsync, mem, err)
	}
}

func TestPostgresTLS(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := startPostgres(t, PostgresOptions{RequireTLS: true})
	if _, tls, err := whoami(ctx, p.DSN("postgres", p.SuperPassword(), "postgres")); err != nil || !tls {
		t.Fatalf("TLS %v, %v", tls, err)
	}
	plain := connectionURL(p.Addr(), "postgres", p.SuperPassword(), "postgres", url.Values{"sslmode": {"disable"}})
	if _, _, err := whoami(ctx, plain); sqlState(err) != "28000" {
		t.Errorf("without TLS: %v, want SQLSTATE 28000", err)
	}
	other, err := NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	stranger := connectionURL(p.Addr(), "postgres", p.SuperPassword(), "postgres",
		url.Values{"sslmode": {"verify-full"}, "sslrootcert": {other.File()}})
	if _, _, err := whoami(ctx, stranger); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("another authority's client connects: %v", err)
	}
}

func TestPostgresIsNotRootAndLeavesNothing(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, PostgresOptions{})
	pid := p.process().pid
	if info, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid))); err == nil {
		if uid := info.Sys().(*syscall.Stat_t).Uid; uid == 0 {
			t.Error("the server runs as root")
		}
	}
	if err := errors.Join(p.Stop(), p.Stop()); err != nil {
		t.Fatal(err)
	}
	expectGone(t, pid, p.Dir(), p.Addr())
}

func expectGone(t *testing.T, pid int, dir, addr string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		signalled := syscall.Kill(pid, 0)
		_, stat := os.Stat(dir)
		conn, dial := net.Dial("tcp", addr)
		if dial == nil {
			_ = conn.Close()
		}
		if signalled != nil && errors.Is(stat, os.ErrNotExist) && dial != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d: %v; directory: %v; connection: %v", pid, signalled, stat, dial)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestPostgresRestartAndPause(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, PostgresOptions{})
	ctx := t.Context()
	if err := p.Exec(ctx, "CREATE TABLE kept AS SELECT 42 AS n"); err != nil {
		t.Fatal(err)
	}
	if err := p.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", p.Addr()); err == nil {
		_ = conn.Close()
		t.Fatal("an interrupted server accepts connections")
	}
	if err := p.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := p.query(ctx, "SELECT n FROM kept", &n); err != nil || n != 42 {
		t.Fatalf("after a restart: %d, %v", n, err)
	}

	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if err := p.query(short, "SELECT 1", &n); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused server: %v, want a timeout", err)
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := p.query(ctx, "SELECT 1", &n); err != nil {
		t.Errorf("after resuming: %v", err)
	}
}

func TestPostgresStartErrors(t *testing.T) {
	Require(t, PartPostgres)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	// A directory of its own, which the server's user can enter, as /tmp is
	// shared with other tests.
	tmp, err := os.MkdirTemp("/tmp", "start-errors-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp)
	_, err = StartPostgres(t.Context(), PostgresOptions{Port: busy.Addr().(*net.TCPAddr).Port})
	var inUse *portBusyError
	if !errors.As(err, &inUse) {
		t.Errorf("a port in use gives %v", err)
	}
	_, err = StartPostgres(t.Context(), PostgresOptions{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("a wrong setting gives %v", err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("failed starts leave %v, %v", left, err)
	}
	p := startPostgres(t, PostgresOptions{})
	if filepath.Dir(p.Dir()) != tmp {
		t.Errorf("the server's directory is %s, not in TMPDIR", p.Dir())
	}
}

func TestPostgresStartsFast(t *testing.T) {
	startPostgres(t, PostgresOptions{}) // makes the template
	begin := time.Now()
	startPostgres(t, PostgresOptions{})
	took := time.Since(begin)
	t.Logf("started in %v", took)
	// Half a second on an idle machine; this one may be busy.
	if took > 5*time.Second {
		t.Errorf("a start takes %v", took)
	}
}

// TestKilledParent starts a server in another process, kills that with SIGKILL,
// and expects the server and its files to go.
func TestKilledParent(t *testing.T) {
	const role = "PGVEIL_TESTENV_CHILD"
	if os.Getenv(role) != "" {
		p, err := StartPostgres(t.Context(), PostgresOptions{})
		if err != nil {
			t.Fatal(err)
		}
		line := strings.Join([]string{strconv.Itoa(p.process().pid), p.Dir(), p.Addr()}, " ")
		if err := os.WriteFile(os.Getenv(role), []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	Require(t, PartPostgres)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	note := filepath.Join(t.TempDir(), "note")
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestKilledParent$")
	cmd.Env = append(os.Environ(), role+"="+note)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child was to die of SIGKILL: %v\n%s", err, out)
	}
	line, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(line))
	pid, err := strconv.Atoi(fields[0])
	if err != nil {
		t.Fatal(err)
	}
	expectGone(t, pid, fields[1], fields[2])
}
