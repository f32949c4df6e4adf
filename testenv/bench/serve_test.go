package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// served is a pgveil that runs as a process of its own.
type served struct {
	addr  string
	pid   int
	ready time.Duration // from its start
	stop  func()
}

// dsn is how the biologist connects.
func (p *served) dsn(s *stack.Stack) string {
	host, port, _ := net.SplitHostPort(p.addr)
	return fmt.Sprintf("host=%s port=%s user=biologist password='%s' dbname=%s sslmode=disable", host, port, stack.Password, s.Database)
}

// program builds pgveil.
func program(b *testing.B) string {
	b.Helper()
	built := filepath.Join(b.TempDir(), "pgveil")
	if out, err := exec.Command("go", "build", "-o", built, "github.com/pgveil/pgveil/cmd/pgveil").CombinedOutput(); err != nil {
		b.Fatalf("build pgveil: %v\n%s", err, out)
	}
	return built
}

// files makes what pgveil needs to serve before the server of s: a directory with local keys of
// its own.
func files(b *testing.B, s *stack.Stack) (dir string) {
	b.Helper()
	ctx := context.Background()
	dir = b.TempDir()
	store, err := keys.CreateInsecureLocal(filepath.Join(dir, "insecure-keys"))
	if err != nil {
		b.Fatal(err)
	}
	for name, ring := range s.Keys {
		if _, err := store.Create(ctx, name, ring.Type()); err != nil {
			b.Fatal(err)
		}
	}
	for name, kind := range map[string]keys.KeyType{"audit-mac": keys.TypeMAC, "audit-signature": keys.TypeSignature} {
		if _, err := store.Create(ctx, name, kind); err != nil {
			b.Fatal(err)
		}
	}
	store.Close()
	config := fmt.Sprintf(`schema: schema.yaml
server: {host: 127.0.0.1, port: %d}
login: {user: pgveil, password_file: password}
keys: {insecure_local: insecure-keys}
audit: {dir: audit}
tls: {mode: allow, cert: tls.crt, key: tls.key}
limits: {max_connections: 20000}
`, s.Postgres.Port())
	ca, err := testenv.NewCA(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	cert, key, err := ca.Issue("localhost", "127.0.0.1")
	if err != nil {
		b.Fatal(err)
	}
	for name, from := range map[string]string{"tls.crt": cert, "tls.key": key} {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	for name, text := range map[string]string{"pgveil.yaml": config, "schema.yaml": stack.Schema, "password": stack.Password} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// serve starts pgveil with these files.
func serve(b *testing.B, program, dir string, flags ...string) *served {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	log := filepath.Join(b.TempDir(), "log")
	out, err := os.Create(log)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(program, append([]string{"serve", "--listen", addr}, flags...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	p := &served{addr: addr, pid: cmd.Process.Pid, stop: sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})}
	b.Cleanup(p.stop)
	for {
		text, err := os.ReadFile(log)
		switch {
		case err != nil:
			b.Fatal(err)
		case bytes.Contains(text, []byte("msg=ready")):
			p.ready = time.Since(began)
			return p
		case time.Since(began) > time.Minute:
			b.Fatalf("pgveil is not ready:\n%s", text)
		}
		time.Sleep(time.Millisecond)
	}
}

// resident is the process's resident memory, in bytes (VmRSS of proc(5)), or the most it
// ever was (VmHWM).
func resident(b *testing.B, pid int, field string) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip("memory is read from /proc: ", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return n << 10
		}
	}
	b.Fatalf("no %s", field)
	return 0
}
