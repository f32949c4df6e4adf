package conformance

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// difference is one that cannot be avoided.
type difference struct {
	name  string         // its heading in docs/conformance.md
	files *regexp.Regexp // which files may have it
	shows *regexp.Regexp // a line of each hunk through pgveil, or of the direct run if it has none
	rare  bool           // a whole run need not show it
	seen  bool
}

// checkSeen fails for a known difference that a whole run did not show: it has been
// mended, or the list is wrong.
func checkSeen(t *testing.T, known []*difference) {
	t.Helper()
	for _, d := range known {
		if !d.seen && !d.rare {
			t.Errorf("the known difference %q does not occur: take it from the list and from docs/conformance.md", d.name)
		}
	}
}

func asExit(err error, exit **exec.ExitError) bool { return errors.As(err, exit) }

// compare compares all files of two directories, line by line. Hunks that a known
// difference explains are counted there, every other one is an error.
func compare(t *testing.T, direct, through string, known []*difference) {
	t.Helper()
	names := make(map[string]bool)
	for _, dir := range []string{direct, through} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names[e.Name()] = true
		}
	}
	files, same := 0, 0
	for name := range names {
		files++
		out, err := exec.Command("diff", "-a", "-U2", filepath.Join(direct, name), filepath.Join(through, name)).Output()
		exit := (*exec.ExitError)(nil)
		switch {
		case err == nil:
			same++
			continue
		case !asExit(err, &exit) || exit.ExitCode() > 1:
			t.Errorf("%s: only one of the runs has it, or it cannot be read: %v", name, err)
			continue
		}
		for _, hunk := range hunks(string(out)) {
			i := slices.IndexFunc(known, func(d *difference) bool { return d.explains(name, hunk) })
			if i >= 0 {
				known[i].seen = true
				continue
			}
			t.Errorf("%s differs:\n%s", name, shorten(hunk))
		}
	}
	t.Logf("%s: %d of %d files are the same", filepath.Base(filepath.Dir(through))+"/"+filepath.Base(through), same, files)
}

// hunks cuts a unified diff.
func hunks(diff string) []string {
	parts := strings.Split("\n"+diff, "\n@@ ")
	return parts[1:]
}

func (d *difference) explains(file, hunk string) bool {
	if !d.files.MatchString(file) {
		return false
	}
	added := false
	for _, sign := range []string{"+", "-"} {
		for _, line := range strings.Split(hunk, "\n") {
			if strings.HasPrefix(line, sign) {
				added = true
				if d.shows.MatchString(line[1:]) {
					return true
				}
			}
		}
		if added {
			return false
		}
	}
	return false
}

func shorten(hunk string) string {
	lines := strings.Split(hunk, "\n")
	if len(lines) > 30 {
		lines = append(lines[:30], "…")
	}
	for i, line := range lines {
		if len(line) > 600 {
			lines[i] = line[:600] + "…"
		}
	}
	return strings.Join(lines, "\n")
}
