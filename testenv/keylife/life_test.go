package keylife

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// What figures are of.
const (
	kindWrite = "transactions"
	kindRead  = "reads"
)

// life is a database with its clients, from the first plaintext to the last key.
type life struct {
	*servers
	t       *testing.T
	seed    uint64
	begun   time.Time
	ledger  *ledger
	figures *figures
	job     job
	killer  *killer
	killed  recent // anything: commands may fail
	cutOff  recent // what clients are connected to, or pgveil is: connections may end
	kills   atomic.Int64
	byPart  map[string]int

	rate    int // rows per second of schema apply
	most    int // patients of a writer
	atLeast int // transactions and reads in each phase

	// gate is closed between phases: clients go through it for each transaction.
	gate    sync.RWMutex
	writers []*writer
	clients sync.WaitGroup
	fault   chan error // the first of a client
	closed  atomic.Bool
}

func (l *life) logf(format string, args ...any) {
	l.t.Logf("%6.2f s: "+format, append([]any{time.Since(l.begun).Seconds()}, args...)...)
}

// populate starts the clients: five that write and four that read.
func (l *life) populate(ctx context.Context) {
	l.fault = make(chan error, 1)
	number := 0
	newClient := func(name string, mode pgx.QueryExecMode) client {
		number++
		return client{life: l, name: fmt.Sprintf("keylife-%s-%d", name, number), mode: mode, rng: rand.New(rand.NewPCG(l.seed, uint64(number)))}
	}
	run := func(f func(context.Context) error) {
		l.clients.Go(func() {
			if err := f(ctx); err != nil {
				select {
				case l.fault <- fmt.Errorf("in %q: %w", l.figures.now(), err):
				default:
				}
			}
		})
	}
	for i, w := range []*writer{
		{how: stepwise, client: newClient("writer", pgx.QueryExecModeCacheStatement)},
		{how: stepwise, client: newClient("writer", pgx.QueryExecModeSimpleProtocol)},
		{how: prepared, client: newClient("writer", pgx.QueryExecModeCacheStatement)},
		{how: pipeline, client: newClient("writer", pgx.QueryExecModeExec)},
		{how: copying, client: newClient("writer", pgx.QueryExecModeCacheDescribe)},
	} {
		w.first = (i + 1) * 1_000_000
		w.next, w.result, w.most = w.first, int64(w.first), l.most
		l.writers = append(l.writers, w)
	}
	for _, w := range l.writers {
		run(w.run)
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec} {
		r := &reader{client: newClient("reader", mode), writers: l.writers}
		run(r.run)
	}
}

// phase does something to the keys while the clients work and n parts are killed, and then
// compares everything that is stored. stored says how columns have to be by then.
func (l *life) phase(ctx context.Context, name string, n int, stored stored, do func(context.Context) error) {
	l.t.Helper()
	l.figures.begin(name)
	begun := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error, 2)
	go func() { results <- do(ctx) }()
	go func() { results <- l.killer.run(ctx, n) }()
	for range 2 {
		select {
		case err := <-results:
			if err != nil {
				l.t.Fatalf("%s: %v%s", name, err, l.clientsFault())
			}
		case err := <-l.fault:
			l.t.Fatal(err)
		}
	}
	for end := time.Now().Add(statementBound); l.figures.count(kindWrite) < l.atLeast || l.figures.count(kindRead) < l.atLeast; {
		select {
		case err := <-l.fault:
			l.t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(end) {
			l.t.Fatalf("%s: %d transactions and %d reads have ended after %v", name, l.figures.count(kindWrite), l.figures.count(kindRead), statementBound)
		}
	}
	l.gate.Lock()
	defer l.gate.Unlock()
	took := time.Since(begun)
	if err := l.verify(ctx, stored); err != nil {
		l.t.Fatalf("after %s: %v%s", name, err, l.clientsFault())
	}
	l.logf("%s: %v, %d patients", name, took.Round(time.Millisecond), len(l.ledger.all()))
}

// clientsFault is what a client has met besides.
func (l *life) clientsFault() string {
	select {
	case err := <-l.fault:
		return fmt.Sprintf("\na client: %v", err)
	case <-time.After(100 * time.Millisecond):
		return ""
	}
}

// verify compares all that is stored with the ledger, through each proxy, and looks at the
// stored bytes. No client is in a transaction.
func (l *life) verify(ctx context.Context, stored stored) error {
	want := l.ledger.all()
	for _, p := range l.proxies {
		if err := p.alive(); err != nil {
			return err
		}
		c := &client{life: l, name: "keylife-verifier", mode: pgx.QueryExecModeCacheStatement, rng: rand.New(rand.NewPCG(l.seed, 0))}
		if err := l.compare(ctx, c, want); err != nil {
			return fmt.Errorf("through %s: %w", p.name, err)
		}
	}
	return l.checkStored(ctx, stored)
}

func (l *life) compare(ctx context.Context, c *client, want map[int]*state) error {
	defer c.drop()
	var found map[int]*state
	for {
		if err := c.connect(ctx); err != nil {
			return err
		}
		err := c.do(ctx, "reading everything", func(ctx context.Context) (err error) {
			found, err = c.read(ctx, "true")
			return err
		})
		if err == nil {
			break
		}
		if !errors.Is(err, errAgain) && !errors.Is(err, errLost) {
			return err
		}
	}
	var errs []error
	for id, s := range want {
		if !s.equal(found[id]) {
			errs = append(errs, fmt.Errorf("patient %d: stored is %v, written was %v", id, found[id], s))
		}
		delete(found, id)
	}
	for id := range found {
		errs = append(errs, fmt.Errorf("patient %d is stored, and was deleted or never written", id))
	}
	return errors.Join(errs[:min(len(errs), 5)]...)
}
