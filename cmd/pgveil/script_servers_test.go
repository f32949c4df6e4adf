package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/testenv"
)

// password is that of every role.
const password = "a-test-password"

// The servers that the scripts share, each started by the first that asks for it.
var (
	postgresOnce = sync.OnceValues(startPostgres)
	vaultOnce    = sync.OnceValues(startVault)

	databases atomic.Int64 // that were made, for their names

	stopping struct {
		sync.Mutex
		functions []func() error
	}
)

func stopLater(f func() error) {
	stopping.Lock()
	defer stopping.Unlock()
	stopping.functions = append(stopping.functions, f)
}

func stopServers() error {
	stopping.Lock()
	defer stopping.Unlock()
	var errs []error
	for _, f := range stopping.functions {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

func startPostgres() (*testenv.Postgres, error) {
	ctx := context.Background()
	server, err := testenv.StartPostgres(ctx, testenv.PostgresOptions{TLS: true})
	if err != nil {
		return nil, err
	}
	stopLater(server.Stop)
	for _, role := range []string{"pgveil", "biologist", "secretary"} {
		if err := server.CreateRole(ctx, role, password); err != nil {
			return nil, err
		}
	}
	return server, nil
}

// runningVault is a Vault prepared for pgveil.
type runningVault struct {
	*testenv.Vault
	setup testenv.VaultSetup
}

func startVault() (*runningVault, error) {
	ctx := context.Background()
	server, err := testenv.StartVault(ctx, testenv.VaultOptions{TLS: true})
	if err != nil {
		return nil, err
	}
	stopLater(server.Stop)
	setup, err := server.SetupPgveil(ctx)
	return &runningVault{server, setup}, err
}

// postgres: gives the script a database of its own. It sets SERVER_PORT, DATABASE,
// SERVER_CA and PGPASSWORD, and writes the password of every role to the file
// password.
func postgres(ts *testscript.TestScript, _ bool, _ []string) {
	server, err := postgresOnce()
	ts.Check(err)
	name := fmt.Sprintf("db_%d_", databases.Add(1)) + strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, ts.Name())
	ts.Check(server.CreateDatabase(context.Background(), name))
	ts.Setenv("DATABASE", name)
	ts.Setenv("SERVER_PORT", fmt.Sprint(server.Port()))
	ts.Setenv("SERVER_CA", server.CA().File())
	ts.Setenv("PGPASSWORD", password)
	ts.Check(os.WriteFile(ts.MkAbs("password"), []byte(password+"\n"), 0o600))
}

// superuser SQL…: runs SQL in the script's database, or what is in a file for @FILE.
func superuser(ts *testscript.TestScript, _ bool, args []string) {
	server, err := postgresOnce()
	ts.Check(err)
	for i, arg := range args {
		if name, ok := strings.CutPrefix(arg, "@"); ok {
			args[i] = ts.ReadFile(name)
		}
	}
	ts.Check(server.ExecIn(context.Background(), ts.Getenv("DATABASE"), args...))
}

// vault: sets VAULT_URL, VAULT_CA, KEYS_PREFIX (the script's own), ROLE_ID and
// ADMIN_ROLE_ID, and writes the files secret-id and admin-secret-id. The password of
// the role pgveil is in the secret $LOGIN_SECRET, that of biologist below $ROLES_PATH.
func vault(ts *testscript.TestScript, _ bool, _ []string) {
	server, err := vaultOnce()
	ts.Check(err)
	useVault(ts, server)
}

func useVault(ts *testscript.TestScript, server *runningVault) {
	prefix := testenv.KVPrefix + "/" + ts.Name()
	ts.Setenv("VAULT_URL", server.Address())
	ts.Setenv("VAULT_CA", server.CA().File())
	ts.Setenv("KEYS_PREFIX", prefix+"/keys")
	ts.Setenv("ROLE_ID", server.setup.Reader.RoleID)
	ts.Setenv("ADMIN_ROLE_ID", server.setup.Admin.RoleID)
	ts.Check(os.WriteFile(ts.MkAbs("secret-id"), []byte(server.setup.Reader.SecretID), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("admin-secret-id"), []byte(server.setup.Admin.SecretID), 0o600))
	ts.Setenv("LOGIN_SECRET", prefix+"/login#password")
	ts.Setenv("ROLES_PATH", prefix+"/roles")
	for _, path := range []string{"/login", "/roles/biologist"} {
		_, err := server.Client().KVv2(testenv.KVMount).Put(context.Background(), prefix+path, map[string]any{"password": password})
		ts.Check(err)
	}
}

// certificates: writes ca.crt, server.crt and server.key, for localhost.
func certificates(ts *testscript.TestScript, _ bool, _ []string) {
	ca, err := testenv.NewCA(ts.MkAbs("."))
	ts.Check(err)
	cert, key, err := ca.Issue("localhost", "127.0.0.1")
	ts.Check(err)
	ts.Check(os.Rename(cert, ts.MkAbs("server.crt")))
	ts.Check(os.Rename(key, ts.MkAbs("server.key")))
}

// auditlog DIR STORE N: writes an audit log of N intents with their outcomes, with
// the keys audit-mac and audit-signature of an insecure local store.
func auditLog(ts *testscript.TestScript, neg bool, args []string) {
	var n int
	if neg || len(args) != 3 {
		ts.Fatalf("usage: auditlog dir store n")
	}
	_, err := fmt.Sscan(args[2], &n)
	ts.Check(err)
	ctx := context.Background()
	store, err := keys.OpenInsecureLocal(ts.MkAbs(args[1]))
	ts.Check(err)
	defer store.Close()
	rings, err := openKeys(ctx, store, []neededKey{{"audit-mac", keys.TypeMAC}, {"audit-signature", keys.TypeSignature}})
	ts.Check(err)
	mac, err := rings["audit-mac"].MAC()
	ts.Check(err)
	signer, err := rings["audit-signature"].Signer()
	ts.Check(err)
	log, err := audit.Open(audit.Options{Dir: ts.MkAbs(args[0]), MAC: mac, Signer: signer, Program: "test"})
	ts.Check(err)
	for i := range n {
		intent := log.Begin(&audit.Record{Session: fmt.Sprintf("session %d", i), Role: "biologist", Database: "laboratory", Statement: "SELECT nir FROM lab.patient WHERE id = ?"})
		ts.Check(intent.Wait())
		intent.End(audit.Outcome{Rows: 1, Opened: 1, Duration: time.Millisecond})
	}
	ts.Check(log.Close())
}
