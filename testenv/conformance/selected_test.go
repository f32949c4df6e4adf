package conformance

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Variable chooses what is run: all, subset (at most five minutes), the names of single
// tests with commas between them or, when unset, nothing of PostgreSQL's.
const Variable = "PGVEIL_CONFORMANCE"

// selected skips a test that was not asked for. It returns the names of single tests,
// if such are asked for, and whether all is.
func selected(t *testing.T) (only []string, all bool) {
	t.Helper()
	switch value := os.Getenv(Variable); value {
	case "all", "subset":
		return nil, value == "all"
	case "":
		t.Skipf("make test-conformance runs PostgreSQL's suites (%s=all or subset)", Variable)
		return nil, false
	default:
		return strings.Split(value, ","), false
	}
}

// tests gives the tests of a suite to run: nil for all of its schedule. With single
// ones, what they need must be among them: most regression tests need test_setup.
func (s *suites) tests(t *testing.T, suite suite, subset []string) []string {
	t.Helper()
	only, all := selected(t)
	switch {
	case all:
		return nil
	case only == nil:
		return subset
	}
	only = slices.DeleteFunc(only, func(name string) bool {
		_, err := os.Stat(s.path(suite.name, suite.scripts, name+"."+suite.kind))
		return err != nil
	})
	if len(only) == 0 {
		t.Skipf("%s names none of its tests", Variable)
	}
	return only
}
