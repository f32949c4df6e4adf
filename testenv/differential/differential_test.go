package differential

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/testenv"
	"github.com/pgveil/pgveil/testenv/stack"
)

// The length and the seed of a run that is told nothing else.
const (
	defaultStatements = 1000
	defaultSeed       = 1
)

// defaultInterval is how often the contents of the tables are compared, in statements.
const defaultInterval = 250

func setting(t *testing.T, name string, otherwise uint64) uint64 {
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestDifferential runs random statements through pgveil and, on the twin,
// directly, and searches the server for what must not be there.
func TestDifferential(t *testing.T) {
	e := differ(t, false)
	if path := os.Getenv("PGVEIL_DIFFERENTIAL_DOC"); path != "" && !t.Failed() {
		if err := os.WriteFile(path, []byte(e.report.document(setting(t, "PGVEIL_SEED", defaultSeed))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDifferentialBesideJobs does the same while all keys are rotated and everything is sealed
// anew, again and again.
func TestDifferentialBesideJobs(t *testing.T) { differ(t, true) }

func differ(t *testing.T, besideJobs bool) *engine {
	t.Helper()
	seed := setting(t, "PGVEIL_SEED", defaultSeed)
	statements := int(setting(t, "PGVEIL_STATEMENTS", defaultStatements))
	interval := int(setting(t, "PGVEIL_INTERVAL", defaultInterval))
	e, veiled := start(t, seed, besideJobs)
	e.fill()
	filling := e.report.mismatches
	e.report = newReport()
	e.report.mismatches = filling
	// At least one job has to end meanwhile.
	for i := 0; i < statements || besideJobs && e.jobs.Load() == 0 && i < 100*statements; i++ {
		e.step(i)
		if len(e.report.mismatches) > 25 {
			break
		}
		if i%interval == interval-1 {
			e.same(i)
			e.bound()
		}
	}
	e.settle()
	e.same(statements)
	var kinds []string
	for kind := range e.report.mismatches {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		t.Errorf("seed %d: %s", seed, e.report.mismatches[kind])
	}
	t.Log(e.report.summary())
	for _, w := range counted(e.report.words) {
		t.Log("other words: ", w)
	}
	veiled.Postgres.NoPlaintext(t, stack.Database, slices.Collect(maps.Keys(e.planted))...)
	return e
}

// start starts pgveil before one server and the twin in another, so that what the
// twin stores in the clear is not found where it must not be.
func start(t *testing.T, seed uint64, besideJobs bool) (*engine, *stack.Stack) {
	t.Helper()
	ctx := context.Background()
	source := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }
	r := &rekeyer{live: make(map[string][]*keys.LiveSealer)}
	s := stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}, Schema: schemaFile(), Tables: ddl(true), Sealer: r.sealer, Refresh: refresh})
	e := &engine{generator: newGenerator(source(1)), ctx: ctx, report: newReport(), chooser: source(2), jobs: &r.jobs, beside: besideJobs}
	if besideJobs {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.run(ctx, t, s)
		}()
		t.Cleanup(func() {
			cancel()
			<-ended
			t.Logf("%d jobs beside the statements", r.jobs.Load())
		})
	}
	twin, err := testenv.StartPostgres(ctx, testenv.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { twin.Stop() })
	for _, setup := range []func() error{
		func() error { return twin.CreateRole(ctx, "biologist", stack.Password) },
		func() error { return twin.CreateDatabase(ctx, stack.Database) },
		func() error { return twin.ExecIn(ctx, stack.Database, ddl(false)...) },
	} {
		if err := setup(); err != nil {
			t.Fatal(err)
		}
	}
	for _, open := range []struct {
		side **side
		port int
	}{{&e.veil, s.Port}, {&e.twin, twin.Port()}} {
		dsn := fmt.Sprintf("host=127.0.0.1 port=%d user=biologist password=%s dbname=%s sslmode=disable", open.port, stack.Password, stack.Database)
		if *open.side, err = openSide(ctx, dsn); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*open.side).conn.Close(ctx) })
		e.must(*open.side, "SET search_path TO lab, public; SET TimeZone TO 'Europe/Paris'")
	}
	return e, s
}
