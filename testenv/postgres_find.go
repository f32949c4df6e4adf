package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// The PostgreSQL major versions that pgveil supports.
const (
	oldestPostgres = 13
	newestPostgres = 17
)

// installation is one set of PostgreSQL programs.
type installation struct {
	bin     string // directory
	major   int
	version string // as postgres --version says it, such as "15.18"
}

func (in installation) program(name string) string { return filepath.Join(in.bin, name) }

// findPostgres returns the newest supported PostgreSQL server on this machine.
// PGVEIL_PG_BINDIR names the directory to use instead.
var findPostgres = sync.OnceValues(func() (installation, error) {
	if dir := os.Getenv("PGVEIL_PG_BINDIR"); dir != "" {
		in, err := inspect(dir)
		if err != nil {
			return installation{}, fmt.Errorf("PGVEIL_PG_BINDIR: %w", err)
		}
		return in, nil
	}
	var best installation
	for _, dir := range postgresDirs() {
		in, err := inspect(dir)
		if err == nil && in.major > best.major {
			best = in
		}
	}
	if best.major == 0 {
		return installation{}, &MissingError{
			Part:    PartPostgres,
			Package: "postgresql",
			Detail: fmt.Sprintf("no version %d to %d in /usr/lib/postgresql/*/bin, by pg_config or on PATH",
				oldestPostgres, newestPostgres),
		}
	}
	return best, nil
})

func postgresDirs() []string {
	var dirs []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin"} {
		found, _ := filepath.Glob(pattern)
		dirs = append(dirs, found...)
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	return dirs
}

// versionText is in the answer to postgres --version, for example
// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
var versionText = regexp.MustCompile(`\(PostgreSQL\) ((\d+)\S*)`)

// inspect checks that dir has a supported server and the programs that go
// with it.
func inspect(dir string) (installation, error) {
	for _, name := range []string{"postgres", "initdb", "pg_dump"} {
		if !executable(filepath.Join(dir, name)) {
			return installation{}, fmt.Errorf("no program %s in %s", name, dir)
		}
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return installation{}, fmt.Errorf("%s/postgres --version: %w", dir, err)
	}
	m := versionText.FindSubmatch(out)
	if m == nil {
		return installation{}, fmt.Errorf("%s/postgres --version says nothing known", dir)
	}
	major, err := strconv.Atoi(string(m[2]))
	if err != nil || major < oldestPostgres || major > newestPostgres {
		return installation{}, fmt.Errorf("%s has PostgreSQL %s, not %d to %d", dir, m[1], oldestPostgres, newestPostgres)
	}
	return installation{bin: dir, major: major, version: string(m[1])}, nil
}
