package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pgveil/pgveil/testenv"
)

// What the regulator found in laboratories and pharmacies, a script each: the real pgveil, a real PostgreSQL and a real
// Vault, and a laboratory's tables.

func TestFindingHealthDataInClear(t *testing.T) { runFinding(t, "health_data_in_clear") }

func TestFindingPasswordInAFile(t *testing.T) { runFinding(t, "password_in_a_file") }

func TestFindingWeakAuthenticationSharedAccounts(t *testing.T) {
	runFinding(t, "weak_authentication_shared_accounts")
}

func TestFindingLoggingLacunaire(t *testing.T) { runFinding(t, "logging_lacunaire") }

func TestFindingSuspiciousConnections(t *testing.T) { runFinding(t, "suspicious_connections") }

func TestFindingMoreDataThanTheTaskRequired(t *testing.T) {
	runFinding(t, "more_data_than_the_task_required")
}

func TestFindingMigrationAndErasure(t *testing.T) { runFinding(t, "migration_and_erasure") }

func runFinding(t *testing.T, name string) {
	t.Helper()
	testenv.Require(t, testenv.PartPostgres, testenv.PartPsql, testenv.PartVault)
	runScripts(t, testscript.Params{Files: []string{filepath.Join("testdata/script/findings", name+".txt")}})
}

// laboratory: a database with patients and results in the clear, as legacy software has it, a Vault with keys to be made and
// the passwords of the roles, and certificates. Clients ask for TLS and channel binding. It takes the files of
// testdata/script/findings/laboratory, unless the script has its own.
func laboratory(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: laboratory")
	}
	postgres(ts, false, nil)
	vault(ts, false, nil)
	certificates(ts, false, nil)
	server, err := vaultOnce()
	ts.Check(err)
	_, err = server.Client().KVv2(testenv.KVMount).Put(context.Background(), testenv.KVPrefix+"/"+ts.Name()+"/roles/secretary", map[string]any{"password": password})
	ts.Check(err)
	superuser(ts, false, []string{
		`GRANT CREATE ON DATABASE ` + ts.Getenv("DATABASE") + ` TO biologist`,
		`CREATE SCHEMA lab AUTHORIZATION biologist`, `GRANT USAGE ON SCHEMA lab TO secretary`,
		`CREATE TABLE lab.patient (id int PRIMARY KEY, nir char(15) UNIQUE, name text)`,
		`CREATE TABLE lab.result (id int PRIMARY KEY, nir char(15), outcome text)`,
		`ALTER TABLE lab.patient OWNER TO biologist`, `ALTER TABLE lab.result OWNER TO biologist`,
		`GRANT ALL ON ALL TABLES IN SCHEMA lab TO secretary`,
		`INSERT INTO lab.patient VALUES (1, '185057800608436', 'Quasimodo'), (2, '285057800608436', 'Esmeralda'), (3, '278037512345642', 'Frollo')`,
		`INSERT INTO lab.result SELECT id, nir, 'positif au VIH' FROM lab.patient`,
	})
	for _, name := range []string{"pgveil.yaml", "schema.yaml", "access.yaml"} {
		if _, err := os.Stat(ts.MkAbs(name)); err == nil {
			expand(ts, false, []string{name})
			continue
		}
		text, err := os.ReadFile(filepath.Join(findings, "laboratory", name))
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(os.Expand(string(text), ts.Getenv)), 0o600))
	}
	for name, value := range map[string]string{
		"PGSSLROOTCERT": "ca.crt", "PGSSLMODE": "verify-full", "PGCHANNELBINDING": "require", "PGHOST": "localhost", "PGDATABASE": ts.Getenv("DATABASE"),
		"BESIDE": "host=127.0.0.1 port=" + ts.Getenv("SERVER_PORT") + " user=biologist sslmode=prefer channel_binding=prefer",
	} {
		ts.Setenv(name, value)
	}
	ts.Check(ts.Exec("pgveil", "keys", "create", "--all", "--keys-vault-approle-role-id", ts.Getenv("ADMIN_ROLE_ID"), "--keys-vault-approle-secret-id-file", "admin-secret-id"))
	// Sealed by the owner of the tables; the password is Vault's.
	ts.Check(ts.Exec("pgveil", "schema", "apply", "--settle", "0s", "--login-user", "biologist", "--login-password-vault", ts.Getenv("ROLES_PATH")+"/biologist#password"))
}

// findings is where the scripts' own files are: tests run in their package's directory.
var findings = func() string {
	dir, err := filepath.Abs("testdata/script/findings")
	if err != nil {
		panic(err)
	}
	return dir
}()
