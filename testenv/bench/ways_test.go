package bench

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// The ways to the server.
const (
	direct    = "direct"
	relay     = "relay"
	pgbouncer = "pgbouncer"
	veil      = "pgveil"
	inMemory  = "pgveil, audit log in memory" // on a file system without a disk
	recording = "recording relay"             // makes a record of each message durable
	other     = "pgveil, another build"       // of -other
)

// ways are all of them, to one server.
type ways struct {
	*stack.Stack
	addr    map[string]string
	program string
	dir     string // pgveil's files
}

// start starts everything, all of it processes but the relays.
func start(b *testing.B) *ways {
	b.Helper()
	testenv.Require(b, testenv.PartPgbench, testenv.PartPgBouncer)
	ctx := context.Background()
	s := stack.Start(b, stack.Options{Postgres: serverOptions})
	w := &ways{Stack: s, addr: map[string]string{direct: s.Postgres.Addr()}, program: program(b), dir: files(b, s)}
	w.addr[veil] = serve(b, w.program, w.dir).addr
	if *otherProgram != "" {
		w.addr[other] = serve(b, *otherProgram, w.dir, "--audit-dir", filepath.Join(b.TempDir(), "audit")).addr
	}
	if memory, err := os.MkdirTemp("/dev/shm", "pgveil-bench-"); err == nil {
		b.Cleanup(func() { _ = os.RemoveAll(memory) })
		w.addr[inMemory] = serve(b, w.program, w.dir, "--audit-dir", filepath.Join(memory, "audit")).addr
	}
	bare, err := testenv.StartRelay(s.Postgres.Addr())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = bare.Stop() })
	w.addr[relay] = bare.Addr()
	recorder, err := testenv.StartRecordingRelay(s.Postgres.Addr(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = recorder.Stop() })
	w.addr[recording] = recorder.Addr()
	bouncer, err := testenv.StartPgBouncer(ctx, testenv.PgBouncerOptions{
		Server: s.Postgres, CertFile: filepath.Join(w.dir, "tls.crt"), KeyFile: filepath.Join(w.dir, "tls.key"),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = bouncer.Stop() })
	w.addr[pgbouncer] = bouncer.Addr()
	return w
}

// environment is that of libpq's programs.
func (w *ways) environment(way, sslmode string) []string {
	host, port, _ := net.SplitHostPort(w.addr[way])
	return append(os.Environ(), "PGHOST="+host, "PGPORT="+port, "PGUSER=biologist", "PGPASSWORD="+stack.Password, "PGDATABASE="+stack.Database, "PGSSLMODE="+sslmode)
}

var tps = regexp.MustCompile(`tps = ([0-9.]+) \(without`)

// pgbench runs it once and gives the transactions per second.
func (w *ways) pgbench(b *testing.B, way, sslmode, dir string, args ...string) float64 {
	b.Helper()
	program, err := testenv.ClientProgram("pgbench")
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = dir, w.environment(way, sslmode)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("pgbench %v, %s: %v\n%s", args, way, err, out)
	}
	if slices.Contains(args, "-i") {
		return 0
	}
	m := tps.FindSubmatch(out)
	if m == nil {
		b.Fatalf("pgbench printed no tps:\n%s", out)
	}
	rate, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}
