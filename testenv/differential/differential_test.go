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
	seed := setting(t, "PGVEIL_SEED", defaultSeed)
	statements := int(setting(t, "PGVEIL_STATEMENTS", defaultStatements))
	interval := int(setting(t, "PGVEIL_INTERVAL", defaultInterval))
	e, veiled := start(t, seed)
	e.fill()
	filling := e.report.mismatches
	e.report = newReport()
	e.report.mismatches = filling
	for i := range statements {
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
	if path := os.Getenv("PGVEIL_DIFFERENTIAL_DOC"); path != "" && !t.Failed() {
		if err := os.WriteFile(path, []byte(e.report.document(seed)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// start starts pgveil before one server and the twin in another, so that what the
// twin stores in the clear is not found where it must not be.
func start(t *testing.T, seed uint64) (*engine, *stack.Stack) {
	t.Helper()
	ctx := context.Background()
	s := stack.Start(t, stack.Options{Postgres: testenv.PostgresOptions{LogStatements: true}, Schema: schemaFile(), Tables: ddl(true)})
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
	source := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }
	e := &engine{generator: newGenerator(source(1)), ctx: ctx, report: newReport(), chooser: source(2)}
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
