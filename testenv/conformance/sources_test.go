package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/testenv"
)

// suites is a tree of PostgreSQL's sources in which the programs of the suites are
// built.
type suites struct {
	root string
	bin  string // the server's own programs, psql among them
}

func (s *suites) path(elem ...string) string {
	return filepath.Join(append([]string{s.root, "src", "test"}, elem...)...)
}

// environ is for programs of the tree: they find its libpq.
func (s *suites) environ() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") && !strings.HasPrefix(kv, "LD_LIBRARY_PATH=") {
			env = append(env, kv)
		}
	}
	return append(env, "PGSSLMODE=disable", "PGGSSENCMODE=disable", "LC_ALL=C", "TZ=UTC",
		"LD_LIBRARY_PATH="+filepath.Join(s.root, "src", "interfaces", "libpq"))
}

// requireSuites gets and builds the suites, or finds them in the user's cache. A
// machine where that cannot be done fails the test and is told what is missing; with
// PGVEIL_TEST_SKIP_MISSING=1 the test is skipped.
func requireSuites(t *testing.T) *suites {
	t.Helper()
	testenv.Require(t, testenv.PartPostgres, testenv.PartPsql)
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	s, err := buildSuites(ctx)
	switch {
	case err == nil:
	case os.Getenv(testenv.SkipVariable) == "1":
		t.Skip(err)
	default:
		t.Fatalf("PostgreSQL's suites cannot be had (%s=1 skips): %v", testenv.SkipVariable, err)
	}
	return s
}

// debianVersion is in the answer of postgres --version.
var debianVersion = regexp.MustCompile(`\(PostgreSQL\) (\d+)\S*(?: \(Debian (\S+)\))?`)

func buildSuites(ctx context.Context) (*suites, error) {
	var missing []error
	for _, need := range [][2]string{
		{"apt-get", "apt"}, {"apt-cache", "apt"}, {"dpkg-source", "dpkg-dev"}, {"tar", "tar"}, {"bzip2", "bzip2"}, {"gcc", "gcc"}, {"make", "make"}, {"perl", "perl"},
	} {
		if _, err := exec.LookPath(need[0]); err != nil {
			missing = append(missing, fmt.Errorf("no %s: install Debian's %s", need[0], need[1]))
		}
	}
	if missing != nil {
		return nil, errors.Join(missing...)
	}
	psql, err := testenv.ClientProgram("psql")
	if err != nil {
		return nil, err
	}
	s := &suites{bin: filepath.Dir(psql)}
	version, err := output(ctx, "", filepath.Join(s.bin, "postgres"), "--version")
	if err != nil {
		return nil, err
	}
	m := debianVersion.FindStringSubmatch(version)
	if m == nil {
		return nil, fmt.Errorf("postgres --version says nothing known: %s", version)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	// What the programs are built with is part of the name.
	sum := sha256.Sum256([]byte(version + strings.Join(configure, " ")))
	final := filepath.Join(base, "pgveil", "conformance", m[1]+"-"+hex.EncodeToString(sum[:6]))
	s.root = filepath.Join(final, "tree")
	if _, err := os.Stat(final); err == nil {
		return s, nil
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o700); err != nil {
		return nil, err
	}
	staged, err := os.MkdirTemp(filepath.Dir(final), "new-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(staged)
	archive, err := apt{dir: filepath.Join(staged, "apt")}.fetch(ctx, staged, "postgresql-"+m[1], m[2])
	if err != nil {
		return nil, err
	}
	if err := build(ctx, staged, archive); err != nil {
		return nil, err
	}
	if err := os.Rename(staged, final); err != nil {
		if _, found := os.Stat(final); found != nil { // else another process was first
			return nil, err
		}
	}
	return s, nil
}

// configure leaves out what would need further libraries: only the programs of the
// suites are built, the server is the machine's own.
var configure = []string{"./configure", "--quiet", "--without-readline", "--without-zlib", "--without-icu"}

// build unpacks the archive to dir/tree and builds there the programs of the suites.
func build(ctx context.Context, dir, archive string) error {
	if _, err := output(ctx, dir, "tar", "xf", archive); err != nil {
		return err
	}
	trees, err := filepath.Glob(filepath.Join(dir, "postgresql-*", "configure"))
	if err != nil || len(trees) != 1 {
		return fmt.Errorf("%s holds no source tree", archive)
	}
	tree := filepath.Join(dir, "tree")
	if err := os.Rename(filepath.Dir(trees[0]), tree); err != nil {
		return err
	}
	jobs := "-j" + strconv.Itoa(runtime.NumCPU())
	for _, step := range [][]string{
		configure,
		{"make", "-s", jobs, "-C", "src/backend", "generated-headers"},
		{"make", "-s", jobs, "-C", "src/test/regress", "all"},
		{"make", "-s", jobs, "-C", "src/test/isolation", "all"},
		{"make", "-s", "-C", "src/test/modules/libpq_pipeline", "libpq_pipeline"},
	} {
		if _, err := output(ctx, tree, step[0], step[1:]...); err != nil {
			return err
		}
	}
	return os.RemoveAll(filepath.Join(dir, "apt"))
}
