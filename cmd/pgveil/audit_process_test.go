package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/testenv"
)

// veil is a directory from which pgveil serves as a process of its own, with patients.
type veil struct {
	dir, database, port string
	starts              int
	cmd                 *exec.Cmd
	ended               chan struct{} // closed when cmd has ended
}

const (
	veilPatients = 50
	veilSchema   = `
version: 1
keys: {identity: deterministic}
databases:
  %s:
    tables:
      lab.patient:
        columns:
          nir: {type: char(15), encryption: deterministic, access: {biologist: decrypt}}
`
	veilConfig = `
schema: schema.yaml
listen: 127.0.0.1:0
server: {host: 127.0.0.1, port: %d}
login: {password_file: password}
keys: {insecure_local: insecure-keys}
audit: {dir: audit/log, segment_size: 64kB}
`
)

// newVeil makes the database, its keys and patients; pgveil serves. The log goes to
// dir/audit/log.
func newVeil(t *testing.T) *veil {
	t.Helper()
	testenv.Require(t, testenv.PartPostgres)
	server, err := postgresOnce()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	v := &veil{dir: t.TempDir(), database: fmt.Sprintf("db_%d_audit", databases.Add(1))}
	err = errors.Join(server.CreateDatabase(ctx, v.database), server.ExecIn(ctx, v.database,
		`CREATE SCHEMA lab`, `CREATE TABLE lab.patient (id int PRIMARY KEY, nir bytea)`,
		`GRANT USAGE ON SCHEMA lab TO biologist`, `GRANT ALL ON lab.patient TO biologist`),
		os.WriteFile(filepath.Join(v.dir, "pgveil.yaml"), fmt.Appendf(nil, veilConfig, server.Port()), 0o600),
		os.WriteFile(filepath.Join(v.dir, "schema.yaml"), fmt.Appendf(nil, veilSchema, v.database), 0o600),
		os.WriteFile(filepath.Join(v.dir, "password"), []byte(password), 0o600),
		os.Mkdir(filepath.Join(v.dir, "audit"), 0o700))
	if err != nil {
		t.Fatal(err)
	}
	v.run(t, "keys", "create", "--all")
	if err := server.ExecIn(ctx, v.database, v.run(t, "schema", "sql", "--form", "constraints")); err != nil {
		t.Fatal(err)
	}
	v.start(t)
	t.Cleanup(v.kill)
	conn := v.connect(t)
	var insert strings.Builder
	for id := range veilPatients {
		fmt.Fprintf(&insert, ", (%d, '%s')", id, veilNIR(id))
	}
	if _, err := conn.Exec(ctx, "INSERT INTO lab.patient (id, nir) VALUES "+insert.String()[2:]); err != nil {
		t.Fatal(err)
	}
	return v
}

func veilNIR(id int) string { return fmt.Sprintf("2850578%08d", id) }

// command is a pgveil command of the veil's configuration.
func (v *veil) command(args ...string) *exec.Cmd {
	cmd := exec.Command("pgveil", args...)
	cmd.Dir = v.dir
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=10")
	return cmd
}

// run runs a command to its end, which has to be a good one.
func (v *veil) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := v.command(args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pgveil %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}

var readyLine = regexp.MustCompile(`"?msg"?[=:]"?ready\b.*\btcp"?[=:]"?[^ ]*:(\d+)`)

// start starts pgveil serve and waits until it is ready.
func (v *veil) start(t *testing.T) {
	t.Helper()
	v.starts++
	name := filepath.Join(v.dir, fmt.Sprintf("serve-%d.log", v.starts))
	log, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd, ended := v.command("serve"), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	v.cmd, v.ended = cmd, ended
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if m := readyLine.FindSubmatch(text); m != nil {
			v.port = string(m[1])
			return
		}
		select {
		case <-ended:
			t.Fatalf("pgveil serve ended: %s", text)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("pgveil serve is not ready: %s", text)
		}
	}
}

// kill ends pgveil by SIGKILL.
func (v *veil) kill() {
	_ = v.cmd.Process.Kill()
	<-v.ended
}

// connect opens a connection through pgveil, which the end of the test closes.
func (v *veil) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := v.dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (v *veil) dial(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%s user=biologist password=%s dbname=%s sslmode=disable", v.port, password, v.database))
}
