package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgveil/pgveil/cmd/pgveil/config"
	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/schema"
)

// liveKeys are the keys of a pgveil that serves. Those of columns are exchanged when their
// keysets change in the store, and withheld when the store has not confirmed them for long.
// What seals and opens takes no lock.
type liveKeys struct {
	store    keys.Store
	log      *slog.Logger
	refresh  time.Duration
	maxStale time.Duration
	told     faultLog // of watch alone

	mu   sync.Mutex // guards what follows, and that a key is exchanged or withheld
	keys map[string]*liveKey
	over bool // watch has ended
}

// liveKey is one of liveKeys.
type liveKey struct {
	name      string
	columns   []liveColumn // none for a key of the audit log, which is never withheld
	version   string       // in the store, "" if it was never compared
	opened    time.Time    // when the store last gave the whole keyset
	confirmed time.Time    // when the store was last asked with success
	fault     error        // of the last time, nil
	expiry    *time.Timer  // withholds it; nil until watch runs
	withheld  bool
	destroyed bool
}

// liveColumn is a column and its live sealer.
type liveColumn struct {
	column *schema.Column
	sealer *keys.LiveSealer
}

// reopenEach is after how many comparisons a keyset is opened anew although it has not
// changed: only that tells that the KEK still decrypts it, and a restart would succeed.
const reopenEach = 6

func newLiveKeys(store keys.Store, rings map[string]*keys.Keyring, c *config.Config, log *slog.Logger) *liveKeys {
	l := &liveKeys{store: store, log: log, refresh: c.KeysRefresh, maxStale: c.KeysMaxStale, told: faultLog{log: log}, keys: make(map[string]*liveKey)}
	for name := range rings {
		l.keys[name] = &liveKey{name: name, confirmed: time.Now()}
	}
	return l
}

// sealers gives the function for proxy.Config that makes the columns' sealers; it is not
// called any more once watch runs.
func (l *liveKeys) sealers(rings map[string]*keys.Keyring) func(*schema.Column) (proxy.Sealer, error) {
	return func(column *schema.Column) (proxy.Sealer, error) {
		s, err := rings[column.Key].Sealer(byte(column.Mode), column.Context, column.Padding)
		if err != nil {
			return nil, err
		}
		live := keys.NewLiveSealer(s)
		key := l.keys[column.Key]
		key.columns = append(key.columns, liveColumn{column, live})
		return live, nil
	}
}

// watch compares the keysets with the store's until ctx ends.
func (l *liveKeys) watch(ctx context.Context) {
	l.startExpiry()
	defer l.stopExpiry()
	tick := time.NewTicker(l.refresh)
	defer tick.Stop()
	for {
		l.round(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// round asks the store for every keyset, several at once for one that is slow: pgveil keys rotate
// counts on all having noticed the new key soon.
func (l *liveKeys) round(ctx context.Context) {
	names := slices.Sorted(maps.Keys(l.keys))
	errs := make([]error, len(names))
	var asking errgroup.Group
	asking.SetLimit(4)
	for i, name := range names {
		asking.Go(func() error {
			errs[i] = l.ask(ctx, l.keys[name])
			return nil
		})
	}
	_ = asking.Wait()
	if ctx.Err() != nil {
		return
	}
	faults := make(map[string]error)
	var everywhere error // what each key would say
	for i, name := range names {
		err := errs[i]
		if err == nil {
			continue
		}
		l.failed(l.keys[name], err)
		if !errors.Is(err, keys.ErrUnreachable) && !errors.Is(err, keys.ErrVaultSealed) {
			faults[name] = err
		} else if everywhere == nil {
			everywhere = err
		}
	}
	l.told.tell(everywhere, faults, l.maxStale)
}

// ask compares one keyset with the store's, and takes it over if it has changed.
func (l *liveKeys) ask(ctx context.Context, key *liveKey) error {
	began := time.Now()
	version, err := l.store.Version(ctx, key.name)
	if err != nil {
		return err
	}
	if version == key.version && began.Sub(key.opened) < reopenEach*l.refresh && l.confirm(key, began) {
		return nil
	}
	ring, err := l.store.Open(ctx, key.name)
	if errors.Is(err, keys.ErrDestroyed) {
		l.revoke(key, began, err)
		key.version, key.opened = version, began
		return nil
	}
	if err != nil {
		return err
	}
	if err := l.exchange(key, ring, began); err != nil {
		return err
	}
	if key.version != "" && key.version != version {
		l.log.Info("key has changed", "key", key.name, "keys", len(ring.Info().Keys), "primary", primaryOf(ring.Info()))
	}
	key.version, key.opened = version, began
	return nil
}

// revoke stops the use of a key that was destroyed, which the store said when it was asked at a
// moment.
func (l *liveKeys) revoke(key *liveKey, asked time.Time, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confirmed(key, asked)
	for _, c := range key.columns {
		if err := c.sealer.Revoke(key.name); err != nil {
			l.log.Error("key cannot be taken away", "key", key.name, "error", err) // it is of the column's type
		}
	}
	if !key.destroyed {
		key.destroyed = true
		l.log.Error("key was destroyed: what it sealed is not opened any more, and nothing is sealed with it", "key", key.name, "error", why)
	}
}
