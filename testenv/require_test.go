package testenv

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a testing.TB that notes how a test would have ended.
type recorder struct {
	testing.TB
	failed, skipped string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(_ string, args ...any) { r.failed = args[0].(error).Error() }

func (r *recorder) Skip(args ...any) { r.skipped = args[0].(error).Error() }

func TestRequire(t *testing.T) {
	// A directory without PostgreSQL's client programs, nor any other.
	t.Setenv("PATH", t.TempDir())
	t.Setenv("PGVEIL_PGJDBC_JAR", "/nonexistent.jar")
	t.Setenv(SkipVariable, "")
	var r recorder
	Require(&r, PartPgJDBC)
	if !strings.Contains(r.failed, "libpostgresql-jdbc-java") || r.skipped != "" {
		t.Errorf("failed %q, skipped %q", r.failed, r.skipped)
	}
	t.Setenv(SkipVariable, "1")
	r = recorder{}
	Require(&r, PartPgJDBC)
	if r.failed != "" || !strings.Contains(r.skipped, "libpostgresql-jdbc-java") {
		t.Errorf("failed %q, skipped %q", r.failed, r.skipped)
	}
}

func TestMissingPartsNameTheirPackages(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := ClientProgram("no-such-program"); err == nil || !strings.Contains(err.Error(), "postgresql-client") {
		t.Errorf("client program: %v", err)
	}
	t.Setenv(VaultVariable, "/nonexistent/vault")
	var missing *MissingError
	if err := PartVault.Check(); !errors.As(err, &missing) || missing.Part != PartVault {
		t.Errorf("Vault: %v", err)
	}
	if _, err := StartVault(t.Context(), VaultOptions{}); !errors.As(err, &missing) {
		t.Errorf("StartVault: %v", err)
	}
	if err := Part("Oracle").Check(); err == nil {
		t.Error("an unknown part is there")
	}
}

// TestFindPostgresVersions gives inspect programs of other versions.
func TestFindPostgresVersions(t *testing.T) {
	for answer, major := range map[string]int{
		"postgres (PostgreSQL) 13.22":                          13,
		"postgres (PostgreSQL) 17.2 (Debian 17.2-1.pgdg120+1)": 17,
		"postgres (PostgreSQL) 16beta1":                        16,
		"postgres (PostgreSQL) 12.9":                           0,
		"postgres (PostgreSQL) 18.0":                           0,
		"postgres (EnterpriseDB) 15":                           0,
	} {
		dir := t.TempDir()
		for _, name := range []string{"postgres", "initdb", "pg_dump"} {
			script := "#!/bin/sh\necho '" + answer + "'\n"
			if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		in, err := inspect(dir)
		if in.major != major || (err == nil) != (major > 0) {
			t.Errorf("%s: version %d, %v; want %d", answer, in.major, err, major)
		}
	}
	if _, err := inspect(t.TempDir()); err == nil {
		t.Error("an empty directory has a server")
	}
}

func TestDriversAreWhereTheySay(t *testing.T) {
	Require(t, PartPsql, PartPgbench, PartPsycopg2, PartPsycopg3, PartPgJDBC)
	psql, err := ClientProgram("psql")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(psql, "--version").Output(); err != nil || !strings.HasPrefix(string(out), "psql (PostgreSQL)") {
		t.Errorf("%s: %s, %v", psql, out, err)
	}
	python, err := Python(PartPsycopg3)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", "import psycopg; print(psycopg.__version__.split('.')[0])").Output()
	if err != nil || strings.TrimSpace(string(out)) != "3" {
		t.Errorf("%s: psycopg %s, %v", python, out, err)
	}
}
