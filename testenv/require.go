package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// SkipVariable, set to 1, makes [Require] skip a test instead of failing it.
const SkipVariable = "PGVEIL_TEST_SKIP_MISSING"

// Part is a real part that a test may need.
type Part string

// The parts, by the name used in messages.
const (
	PartPostgres  Part = "PostgreSQL server"
	PartVault     Part = "Vault"
	PartPgBouncer Part = "PgBouncer"
	PartPsql      Part = "psql"
	PartPgbench   Part = "pgbench"
	PartPsycopg2  Part = "psycopg2"
	PartPsycopg3  Part = "psycopg 3"
	PartPgJDBC    Part = "pgjdbc"
)

// Parts lists every part.
func Parts() []Part {
	return []Part{
		PartPostgres, PartVault, PartPgBouncer, PartPsql, PartPgbench,
		PartPsycopg2, PartPsycopg3, PartPgJDBC,
	}
}

// MissingError says that a part is not on this machine and what to install.
type MissingError struct {
	Part    Part
	Package string // Debian's name, or names, for apt-get install
	Detail  string // what was looked for
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s not found (%s): install Debian's %s", e.Part, e.Detail, e.Package)
}

// Check returns nil if the part is here, or a [*MissingError]. It starts no
// server; for Vault it asks that one can be had, by command or by building.
func (p Part) Check() error {
	switch p {
	case PartPostgres:
		_, err := findPostgres()
		return err
	case PartVault:
		return checkVault()
	case PartPgBouncer:
		_, err := findPgBouncer()
		return err
	case PartPsql, PartPgbench:
		_, err := ClientProgram(string(p))
		return err
	case PartPsycopg2, PartPsycopg3:
		_, err := Python(p)
		return err
	case PartPgJDBC:
		_, _, err := PgJDBC()
		return err
	default:
		return fmt.Errorf("unknown part %q", string(p))
	}
}

// Require fails the test if a part is missing, naming what to install. With
// PGVEIL_TEST_SKIP_MISSING=1 in the environment the test is skipped instead.
func Require(t testing.TB, parts ...Part) {
	t.Helper()
	for _, p := range parts {
		err := p.Check()
		switch {
		case err == nil:
		case os.Getenv(SkipVariable) == "1":
			t.Skip(err)
		default:
			t.Fatalf("%v (or set %s=1 to skip)", err, SkipVariable)
		}
	}
}

// ClientProgram returns the path of a PostgreSQL client program (psql, pgbench,
// pg_dump, …), the one of the newest server on this machine if there is one.
func ClientProgram(name string) (string, error) {
	if in, err := findPostgres(); err == nil {
		if path := in.program(name); executable(path) {
			return path, nil
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	pkg := "postgresql-client"
	if name == "pgbench" {
		pkg = "postgresql"
	}
	return "", &MissingError{Part: Part(name), Package: pkg, Detail: "looked on PATH and beside the server's programs"}
}

// PgJDBC returns the paths of the java command and of pgjdbc's jar. Java 11 and
// later run a single source file without compiling it first.
func PgJDBC() (java, jar string, err error) {
	const packages = "default-jdk-headless and libpostgresql-jdbc-java"
	java, err = exec.LookPath("java")
	if err != nil {
		return "", "", &MissingError{Part: PartPgJDBC, Package: packages, Detail: "no java on PATH"}
	}
	jar = "/usr/share/java/postgresql.jar"
	if path := os.Getenv("PGVEIL_PGJDBC_JAR"); path != "" {
		jar = path
	}
	if _, err := os.Stat(jar); err != nil {
		return "", "", &MissingError{Part: PartPgJDBC, Package: packages, Detail: "no " + jar + "; PGVEIL_PGJDBC_JAR names another"}
	}
	return java, jar, nil
}

// Python returns a Python 3 that has a driver, PartPsycopg2 or PartPsycopg3:
// the one on PATH, or else the system's own, which Debian's packages are for.
func Python(p Part) (string, error) {
	module, pkg := "psycopg2", "python3-psycopg2"
	if p == PartPsycopg3 {
		module, pkg = "psycopg", "python3-psycopg"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	detail := "no python3"
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		python, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, python, "-c", "import "+module).CombinedOutput()
		if err == nil {
			return python, nil
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		detail = python + " says " + lines[len(lines)-1]
	}
	return "", &MissingError{Part: p, Package: pkg, Detail: detail}
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// cacheDir returns pgveil's directory under the user's cache, made if need be.
func cacheDir(elem ...string) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(append([]string{base, "pgveil"}, elem...)...)
	return dir, os.MkdirAll(dir, 0o700)
}
