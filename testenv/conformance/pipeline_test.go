package conformance

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgveil/pgveil/testenv"
)

// untraced are the tests whose trace depends on how fast the server is, as PostgreSQL's
// own run of them has it (src/test/modules/libpq_pipeline/t).
var untraced = []string{"pipelined_insert", "uniqviol"}

// TestPipeline runs every test of libpq_pipeline directly and through pgveil: each must
// pass, with the same trace of libpq's and the same messages.
func TestPipeline(t *testing.T) {
	if only, _ := selected(t); only != nil {
		t.Skip("a choice of other tests")
	}
	s := requireSuites(t)
	program := s.path("modules", "libpq_pipeline", "libpq_pipeline")
	listed, err := s.command(context.Background(), program, "tests").Output()
	if err != nil {
		t.Fatal(err)
	}
	tests := strings.Fields(string(listed))
	if len(tests) < 11 {
		t.Fatalf("libpq_pipeline has only the tests %q", tests)
	}
	dir := workDir(t)
	direct, through := startDirect(t, "pipeline"), startThrough(t, "pipeline")
	for _, on := range []*side{direct, through} {
		out := filepath.Join(dir, on.dir)
		makeOpen(t, filepath.Join(out, "traces"))
		makeOpen(t, filepath.Join(out, "messages"))
		for _, test := range tests {
			tap, tapped := startTap(t, on)
			args := []string{"-r", "700"}
			if !slices.Contains(untraced, test) {
				args = append(args, "-t", filepath.Join(out, "traces", test))
			}
			conninfo := fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=%s", tapped.port, testenv.SuperUser, on.database)
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			if said, err := s.command(ctx, program, append(args, test, conninfo)...).CombinedOutput(); err != nil {
				t.Errorf("%s %s: %v\n%s", test, on.name, err, said)
			}
			cancel()
			sessions := tap.stop()
			if slices.Contains(untraced, test) { // nor does their client send the same each time
				continue
			}
			var lines []string
			for _, session := range sessions {
				var r reader
				lines = append(lines, r.transcript(session)...)
			}
			write(t, filepath.Join(out, "messages", test), lines)
		}
	}
	for _, what := range []string{"traces", "messages"} {
		compare(t, filepath.Join(dir, direct.dir, what), filepath.Join(dir, through.dir, what), nil)
	}
	checkPlanted(t, through)
}

// command is a program of the suites.
func (s *suites) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = s.environ()
	return cmd
}
