package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// oracleSides starts two servers with a pgveil each and the same keys, whose databases differ in
// the tagged values of one patient alone. Since both have taken the same steps, the numbers of
// objects, rows and transactions are the same, too.
func oracleSides(t *testing.T) (sides [2]*stack.Stack) {
	t.Helper()
	for i := range sides {
		opts := stack.Options{
			Schema: oracleSchema(), Tables: oracleTables, Refresh: time.Hour,
			Postgres: testenv.PostgresOptions{LogStatements: true, Settings: map[string]string{"autovacuum": "off", "jit": "off"}},
		}
		if i > 0 {
			opts.Sealer = func(column *schema.Column, _ proxy.Sealer) proxy.Sealer {
				sealer, err := sides[0].Sealer(column)
				if err != nil {
					t.Error(err)
				}
				return sealer
			}
		}
		s := stack.Start(t, opts)
		sides[i] = s
		reader := s.Connect(t, "reader")
		for _, sql := range oracleFill(i) {
			if got := show(t, reader, sql); got != "" {
				t.Fatalf("%s: %s", sql, got)
			}
		}
		if err := s.Postgres.ExecIn(context.Background(), stack.Database, `CREATE STATISTICS lab.both ON city, age FROM lab.patient`); err != nil {
			t.Fatal(err)
		}
	}
	return sides
}

// oracleOutcome is what one run of a test on both databases shows.
type oracleOutcome struct {
	test     oracleTest
	way      int
	arrived  [2][]byte
	reached  [2]string
	refusals bool
}

// askOracle runs all tests of a role on both databases, in the simple and the extended protocol.
func askOracle(t *testing.T, sides [2]*stack.Stack, role string, tests []oracleTest, each func(oracleOutcome)) {
	t.Helper()
	clients := [2]*oracleClient{dialOracle(t, sides[0], role), dialOracle(t, sides[1], role)}
	for i, test := range tests {
		for _, way := range []int{oracleSimple, oracleText + i%2} {
			o := oracleOutcome{test: test, way: way}
			var errs [2]error
			var both sync.WaitGroup
			for i, c := range clients {
				both.Go(func() { o.arrived[i], o.reached[i], errs[i] = c.run(test, way) })
			}
			both.Wait()
			for i, err := range errs {
				if err != nil {
					t.Fatalf("%s: %s, %s, database %d: %v\n%s", role, test.name, oracleWays[way], i, err, readable(o.arrived[i]))
				}
			}
			o.refusals = refusedAlone(o.arrived[0])
			each(o)
		}
	}
}

var namesTagged = regexp.MustCompile(`lab\.|last_name`)

// oneOf takes the tests of every so manieth line, beginning at one of them.
func oneOf(tests []oracleTest, parts, first int) (some []oracleTest) {
	for _, test := range tests {
		if test.line%parts == first%parts {
			some = append(some, test)
		}
	}
	return some
}

// TestNoOracle: what a role without decrypt gets of a database, byte by byte, does not depend on a tagged value,
// nor does what reaches the server for it, but for the sealed values themselves.
func TestNoOracle(t *testing.T) {
	sides := oracleSides(t)
	for n, role := range strings.Fields(oracleRoles) {
		t.Run(role, func(t *testing.T) {
			for _, s := range sides { // without the space that the last role's changes have left
				for _, sql := range []string{`VACUUM FULL`, `ANALYZE`} {
					if err := s.Postgres.ExecIn(context.Background(), stack.Database, sql); err != nil {
						t.Fatal(err)
					}
				}
			}
			tests := readOracleTests(t, role)
			if len(tests) < 300 && role != "keeper" {
				t.Fatalf("%d tests", len(tests))
			}
			parts := 1
			if role == "reader" { // enough for a control
				parts = 2
			}
			if raced && role != "keeper" { // each line still has a role that runs it
				parts = 4
			}
			tests = oneOf(tests, parts, n)
			ran, refused, differ := 0, 0, 0
			told := make(map[string]bool)
			askOracle(t, sides, role, tests, func(o oracleOutcome) {
				ran++
				if o.refusals {
					refused++
				}
				same := bytes.Equal(o.arrived[0], o.arrived[1])
				if !same {
					differ++
				}
				if role == "reader" || told[o.test.name] {
					return
				}
				what := fmt.Sprintf("%s, %s", o.test.name, oracleWays[o.way])
				if !same {
					told[o.test.name] = true
					t.Errorf("%s: arrived\n%s  and\n%s", what, readable(o.arrived[0]), readable(o.arrived[1]))
				}
				if o.reached[0] != o.reached[1] {
					told[o.test.name] = true
					t.Errorf("%s: the server got\n%s  and\n%s", what, o.reached[0], o.reached[1])
				}
				sent := len(o.test.steps) == 1 && !strings.Contains(o.test.name, "lab.leak") // whose result is looked at when it comes
				if sent && o.refusals && namesTagged.MatchString(o.reached[0]) {
					told[o.test.name] = true
					t.Errorf("%s: refused, but the server got\n%s", what, o.reached[0])
				}
			})
			t.Logf("%d tests, %d runs, of which %d were refused and %d differ", len(tests), ran, refused, differ)
			// The control: who may read sees the difference, by the same statements.
			if role == "reader" && differ < ran/10 {
				t.Errorf("only %d of %d answers to a role that may read differ", differ, ran)
			}
		})
	}
}
