package keylife

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/testenv"
)

const (
	password = "a-test-password"
	database = "laboratory"

	// startBound bounds the start of anything.
	startBound = time.Minute
)

// schemaText is the schema file all the time: the columns begin in the clear.
const schemaText = `
version: 1
keys: {identity: deterministic, medical: randomized}
databases:
  laboratory:
    tables:
      lab.patient:
        access: {app: decrypt, lab_owner: decrypt}
        columns:
          nir: {type: text, encryption: deterministic, domain: nir, was: {encryption: none}}
          name: {type: text, encryption: randomized, was: {encryption: none}}
      lab.result:
        access: {app: decrypt, lab_owner: decrypt}
        columns:
          patient_nir: {type: text, encryption: deterministic, domain: nir, was: {encryption: none}}
          outcome: {type: varchar(80), encryption: randomized, was: {encryption: none}}
`

// tables is the application's DDL. The foreign key is over a sealed column.
const tables = `
CREATE SCHEMA lab AUTHORIZATION lab_owner;
GRANT USAGE ON SCHEMA lab TO app;
SET ROLE lab_owner;
CREATE TABLE lab.patient (id int PRIMARY KEY, nir text NOT NULL UNIQUE, name text);
CREATE TABLE lab.result (id bigint PRIMARY KEY, patient_nir text NOT NULL REFERENCES lab.patient (nir) ON UPDATE CASCADE, outcome varchar(80));
CREATE INDEX ON lab.result (patient_nir);
GRANT SELECT, INSERT, UPDATE, DELETE ON lab.patient, lab.result TO app;
RESET ROLE;
GRANT CREATE ON DATABASE laboratory TO lab_owner`

// program builds the command once; with PGVEIL_KEYLIFE_RACE=1 with the race detector, whose
// findings make proxies end with another status than 0.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "pgveil-keylife-")
	if err != nil {
		return "", err
	}
	built := filepath.Join(dir, "pgveil")
	args := []string{"build", "-o", built}
	if os.Getenv("PGVEIL_KEYLIFE_RACE") == "1" {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "github.com/pgveil/pgveil/cmd/pgveil")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build pgveil: %w\n%s", err, out)
	}
	return built, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if built, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(built))
	}
	os.Exit(status)
}

// servers are the real parts and what pgveil needs to reach them.
type servers struct {
	postgres *testenv.Postgres
	vault    *testenv.Vault
	program  string
	dir      string // pgveil's files
	env      []string
	officer  []string // variables for the key officer's commands
	file     *schema.Database
	proxies  [2]*pgveil
	t        *testing.T
}

// pgveil is a proxy that serves, or is to.
type pgveil struct {
	*servers
	name string
	port int

	mu     sync.Mutex
	starts int
	cmd    *exec.Cmd
	ended  chan struct{}
}

func startServers(t *testing.T) *servers {
	t.Helper()
	testenv.Require(t, testenv.PartPostgres, testenv.PartVault)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // Vault may have to be built
	defer cancel()
	s := &servers{t: t, dir: t.TempDir()}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	s.program, err = program()
	must(err)
	file, err := schema.Parse("schema.yaml", []byte(schemaText))
	must(err)
	s.file = file.Databases[database]
	s.postgres, err = testenv.StartPostgres(ctx, testenv.PostgresOptions{DiscardWAL: true, Settings: map[string]string{"max_connections": "60", "log_lock_waits": "on"}})
	must(err)
	t.Cleanup(func() { s.postgres.Stop() })
	for _, role := range []string{"pgveil", "app", "lab_owner"} {
		must(s.postgres.CreateRole(ctx, role, password))
	}
	must(s.postgres.CreateDatabase(ctx, database))
	must(s.postgres.ExecIn(ctx, database, tables))

	s.vault, err = testenv.StartVault(ctx, testenv.VaultOptions{Persistent: true})
	must(err)
	t.Cleanup(func() { s.vault.Stop() })
	setup, err := s.vault.SetupPgveil(ctx)
	must(err)
	config := fmt.Sprintf(`
schema: schema.yaml
server: {host: 127.0.0.1, port: %d, sslmode: disable}
login: {password_file: password, refresh: %v}
keys:
  refresh: %v
  vault:
    address: %s
    prefix: %s/keys
    approle: {role_id: %s, secret_id_file: secret-id}
audit: {dir: audit, commands: audit-commands}
`, s.postgres.Port(), catalogRefresh, keysRefresh, s.vault.Address(), testenv.KVPrefix, setup.Reader.RoleID)
	for name, text := range map[string]string{
		"pgveil.yaml": config, "schema.yaml": schemaText, "password": password,
		"secret-id": setup.Reader.SecretID, "officer-secret-id": setup.Admin.SecretID,
	} {
		must(os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
	}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PGVEIL_") && !strings.HasPrefix(kv, "VAULT_") && !strings.HasPrefix(kv, "PG") {
			s.env = append(s.env, kv)
		}
	}
	s.officer = []string{
		"PGVEIL_KEYS_VAULT_APPROLE_ROLE_ID=" + setup.Admin.RoleID,
		"PGVEIL_KEYS_VAULT_APPROLE_SECRET_ID_FILE=officer-secret-id",
		"PGVEIL_LOGIN_USER=lab_owner",
	}
	return s
}

// serve starts both proxies.
func (s *servers) serve(ctx context.Context) error {
	for i := range s.proxies {
		port, err := freePort()
		if err != nil {
			return err
		}
		p := &pgveil{servers: s, name: fmt.Sprintf("proxy%d", i+1), port: port}
		s.proxies[i] = p
		s.t.Cleanup(p.kill)
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// start starts the proxy and waits until it is ready, and tries again when it ends instead,
// as a service manager does.
func (p *pgveil) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	for {
		said, err := p.startOnce(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not start: %w\n%s", p.name, err, said)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (p *pgveil) startOnce(ctx context.Context) (said string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starts++
	path := p.logFile(p.starts)
	log, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer log.Close()
	cmd := exec.Command(p.program, "serve", "--listen", fmt.Sprintf("127.0.0.1:%d", p.port), "--audit-dir", "audit-"+p.name)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.dir, p.env, log, log
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	p.cmd, p.ended = cmd, ended
	for {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if strings.Contains(string(text), "msg=ready") {
			return "", nil
		}
		select {
		case <-ended:
			return string(text), errors.New("it ended")
		case <-ctx.Done():
			_ = cmd.Process.Kill()
			<-ended
			return string(text), ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (p *pgveil) logFile(start int) string {
	return filepath.Join(p.dir, fmt.Sprintf("%s-%d.log", p.name, start))
}

// kill ends the proxy by SIGKILL.
func (p *pgveil) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// terminate ends the proxy by SIGTERM; no client is connected.
func (p *pgveil) terminate() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(startBound):
		return fmt.Errorf("%s does not end by SIGTERM", p.name)
	}
	if !p.cmd.ProcessState.Success() { // 66: a race
		return fmt.Errorf("%s: %v\n%s", p.name, p.cmd.ProcessState, lastLines(p.logFile(p.starts), "", 80))
	}
	return nil
}

// alive reports an error if the proxy has ended by itself.
func (p *pgveil) alive() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
		text, _ := os.ReadFile(p.logFile(p.starts))
		return fmt.Errorf("%s ended by itself\n%s", p.name, text)
	default:
		return nil
	}
}
