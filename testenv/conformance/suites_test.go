package conformance

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

// suite is one that pg_regress, or a program of its kind, runs.
type suite struct{ name, program, schedule, database, scripts, kind string }

var (
	regression = suite{"regress", "pg_regress", "parallel_schedule", "regression", "sql", "sql"}
	isolation  = suite{"isolation", "pg_isolation_regress", "isolation_schedule", "isolation_regression", "specs", "spec"}
)

// run runs tests of a suite, or its whole schedule if there are none, and leaves in
// dir/results their output and in dir/messages what they were answered. The program's
// own verdict, against the expected files of the sources, does not count. It returns
// the sessions of the run.
func (s *suites) run(t *testing.T, suite suite, on *side, input, dir string, tests []string) []*session {
	t.Helper()
	for _, sub := range []string{"", "results", "messages"} {
		makeOpen(t, filepath.Join(dir, sub))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	args := []string{
		"--use-existing", "--dbname=" + on.database, "--inputdir=" + input, "--outputdir=" + dir,
		"--dlpath=" + input, "--bindir=" + s.bin, "--max-concurrent-tests=20",
	}
	if len(tests) == 0 {
		args = append(args, "--schedule="+filepath.Join(input, suite.schedule))
	}
	tap, tapped := startTap(t, on)
	cmd := exec.CommandContext(ctx, s.path(suite.name, suite.program), append(args, tests...)...)
	cmd.Env, cmd.Dir = append(s.environ(), tapped.environ()...), dir
	started := time.Now()
	said, err := cmd.CombinedOutput()
	t.Logf("%s %s: %.0f s", suite.program, on.name, time.Since(started).Seconds())
	if exit := (*exec.ExitError)(nil); err != nil && (!asExit(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("%s %s: %v\n%s", suite.program, on.name, err, said)
	}
	sessions := tap.stop()
	count := make(map[string]int)
	for _, session := range sessions {
		name := strings.ReplaceAll(session.application, "/", "_")
		if name == "" {
			continue
		}
		count[name]++
		var r reader
		write(t, filepath.Join(dir, "messages", fmt.Sprintf("%s.%03d", name, count[name])), r.transcript(session))
	}
	return sessions
}

func write(t *testing.T, path string, lines []string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// workDir is a directory that the server, another user perhaps, can read and write.
func workDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pgveil-conformance-")
	if err != nil {
		t.Fatal(err)
	}
	makeOpen(t, dir)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what was compared is in %s", dir)
			return
		}
		os.RemoveAll(dir)
	})
	return dir
}

func makeOpen(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
}

// input copies a suite's files to where the server can read them.
func (s *suites) input(t *testing.T, dir, name string) string {
	t.Helper()
	to := filepath.Join(dir, name)
	if out, err := exec.Command("cp", "-r", "--", s.path(name), to).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return to
}
