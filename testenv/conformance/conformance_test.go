package conformance

import (
	"path/filepath"
	"testing"
)

// The tests of the subset: what a proxy has its hands in, and what needs no others.
var (
	someRegression = []string{
		"test_setup", "boolean", "strings", "numeric", "timestamptz", "copy", "copy2", "insert", "transactions", "portals",
		"prepare", "plancache", "temp", "domain", "guc", "errors", "psql", "json",
	}
	someIsolation = []string{"simple-write-skew", "insert-conflict-do-nothing", "deadlock-simple", "alter-table-1", "async-notify", "temp-schema-cleanup"}
)

// TestRegression runs src/test/regress directly and through pgveil, compares what psql
// prints and every message, and then sends the statements of the direct run to two more
// servers in the extended protocol.
func TestRegression(t *testing.T) {
	selected(t)
	s := requireSuites(t)
	tests := s.tests(t, regression, someRegression)
	dir := workDir(t)
	recorded := s.both(t, regression, dir, tests)
	direct, through := startDirect(t, regression.database), startThrough(t, regression.database)
	replay(t, recorded, direct, through, filepath.Join(dir, "replay"))
	compare(t, filepath.Join(dir, "replay", "direct"), filepath.Join(dir, "replay", "through"), knownDifferences)
	checkPlanted(t, through)
	if tests == nil {
		checkSeen(t, knownDifferences)
	}
}

// TestIsolation does so with src/test/isolation, without the extended protocol: its
// sessions wait for each other.
func TestIsolation(t *testing.T) {
	selected(t)
	s := requireSuites(t)
	s.both(t, isolation, workDir(t), s.tests(t, isolation, someIsolation))
}

// both runs a suite on both sides and compares the runs. It returns the sessions of
// the direct run.
func (s *suites) both(t *testing.T, suite suite, dir string, tests []string) []*session {
	t.Helper()
	input := s.input(t, dir, suite.name)
	recorded := s.run(t, suite, startDirect(t, suite.database), input, filepath.Join(dir, "direct"), tests)
	through := startThrough(t, suite.database)
	s.run(t, suite, through, input, filepath.Join(dir, "through"), tests)
	for _, what := range []string{"results", "messages"} {
		compare(t, filepath.Join(dir, "direct", what), filepath.Join(dir, "through", what), knownDifferences)
	}
	checkPlanted(t, through)
	return recorded
}
