package keylife

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// The parts that are killed.
const (
	killProxy    = "proxy"
	killJob      = "job"
	killVault    = "Vault"
	killPostgres = "PostgreSQL"
)

// recent is a moment that several goroutines set and ask.
type recent struct {
	mu sync.Mutex
	at time.Time
}

func (r *recent) set() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = time.Now()
}

// recently: what is killed may be noticed, or be back for all, some seconds later.
func (r *recent) recently() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.at.IsZero() && time.Since(r.at) < 10*time.Second
}

// killer kills a number of parts, each at a random moment, and starts it again.
type killer struct {
	*life
	rng   *rand.Rand
	queue []string // what is left of the present round of all parts
}

// next is a random part; over four kills each part comes.
func (k *killer) next() string {
	if len(k.queue) == 0 {
		k.queue = []string{killProxy, killJob, killVault, killPostgres}
		k.rng.Shuffle(len(k.queue), func(i, j int) { k.queue[i], k.queue[j] = k.queue[j], k.queue[i] })
	}
	part := k.queue[0]
	k.queue = k.queue[1:]
	return part
}

// run kills n parts.
func (k *killer) run(ctx context.Context, n int) error {
	for range n {
		select {
		case <-time.After(time.Duration(k.rng.IntN(1500)) * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := k.one(ctx, k.next()); err != nil {
			return err
		}
	}
	return nil
}

func (k *killer) one(ctx context.Context, part string) error {
	down := time.Duration(k.rng.IntN(500)) * time.Millisecond
	which := k.proxies[k.rng.IntN(len(k.proxies))]
	immediate := k.rng.IntN(2) == 0
	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	k.killed.set()
	defer k.killed.set()
	if part == killProxy || part == killPostgres {
		k.cutOff.set()
		defer k.cutOff.set()
	}
	k.kills.Add(1)
	begun, what := time.Now(), part
	var err error
	switch part {
	case killJob:
		if what = k.job.kill(); what == "" { // none runs at this moment
			k.kills.Add(-1)
			return k.one(ctx, killProxy)
		}
	case killProxy:
		what = which.name
		which.kill()
		time.Sleep(down)
		err = which.start(ctx)
	case killVault:
		if err = k.vault.Kill(); err == nil {
			time.Sleep(down)
			err = k.vault.Restart(ctx)
		}
	case killPostgres:
		what = fmt.Sprintf("%s (immediate shutdown: %v)", part, immediate)
		if err = k.postgres.Kill(immediate); err == nil {
			time.Sleep(down)
			err = k.postgres.Revive(ctx)
		}
	}
	k.byPart[part]++
	k.logf("%s killed in %q, back after %v", what, k.figures.now(), time.Since(begun).Round(time.Millisecond))
	return err
}
