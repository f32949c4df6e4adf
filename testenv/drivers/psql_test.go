package drivers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/testenv"
)

// Not compared: what names the connection or a process; the CONTEXT of an error, which
// shows a part of the value; where an operator does not exist.
var psqlNot = regexp.MustCompile(`(?m)^(You are now connected .*|CONTEXT:  .*)\n|(?:with PID )\d+|(?s)(operator does not exist: [^\n]*\n)LINE [^^]*\^`)

func runPsql(t *testing.T, p *pair) {
	psql, err := testenv.ClientProgram("psql")
	if err != nil {
		t.Fatal(err)
	}
	script := readFile(t, "testdata/driver.psql")
	if psqlMajor(t, psql) >= 16 {
		script += readFile(t, "testdata/bind.psql")
	}
	p.both(t, func(ctx context.Context, s side) ([]line, error) {
		return psqlSteps(ctx, s, psql, script)
	})
}

// readFile reads a file of testdata. Programs are read, too, before other processes
// run them: go test runs a test again only if a file has changed that it has read.
func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func psqlMajor(t *testing.T, psql string) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), psql, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`\) (\d+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("psql --version says %q", out)
	}
	major, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return major
}

// psqlSteps runs a script whose steps begin with a line "-- @ name" and gives what
// psql says of each, on both of its outputs, with the SQLSTATE of its last query.
func psqlSteps(ctx context.Context, s side, psql, script string) ([]line, error) {
	const state = "\\echo SQLSTATE :SQLSTATE\n"
	var input strings.Builder
	for text := range strings.Lines(script) {
		if name, ok := strings.CutPrefix(text, "-- @ "); ok {
			name = strings.TrimSpace(name)
			text = fmt.Sprintf("%s\\echo '@ %s'\n\\warn '@ %s'\n", state, name, name)
		}
		input.WriteString(text)
	}
	input.WriteString(state)
	cmd := exec.CommandContext(ctx, psql, "-X", "-f", "-")
	cmd.Env = s.environ()
	cmd.Stdin = strings.NewReader(input.String())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, stderr.Bytes())
	}
	said, warned := cutSteps(stdout.String()), cutSteps(stderr.String())
	if len(said) != len(warned) {
		return nil, fmt.Errorf("psql printed %d steps and %d", len(said), len(warned))
	}
	var lines []line
	for i := range said {
		name, printed, _ := strings.Cut(said[i], "\n")
		_, errors, _ := strings.Cut(warned[i], "\n")
		printed, errors = psqlNot.ReplaceAllString(printed, "$2"), psqlNot.ReplaceAllString(errors+"\n", "$2")
		out := map[string]any{"stdout": printed, "stderr": errors}
		if _, code, _ := strings.Cut(printed, "SQLSTATE "); strings.TrimSpace(code) != "00000" {
			out["error"] = map[string]any{"sqlstate": strings.TrimSpace(code)}
		}
		lines = append(lines, line{Step: name, Out: out})
	}
	return lines, nil
}

// cutSteps cuts what was printed at the names of the steps; what stands before the
// first is a step without a name.
func cutSteps(printed string) []string {
	return strings.Split("\n"+printed, "\n@ ")
}
