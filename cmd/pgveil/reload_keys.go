package main

import (
	"context"
	"errors"
	"fmt"
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
	families *liveFamilies

	mu   sync.Mutex          // guards what follows, and that a key is exchanged or withheld
	keys map[string]*liveKey // the map itself is exchanged, not changed
	over bool                // watch has ended
}

// liveKey is one of liveKeys.
type liveKey struct {
	name      string
	expires   bool // not of the audit log, whose keys are never withheld
	ring      *keys.Keyring
	columns   []liveColumn
	made      []*keys.Pseudonymizer // of a project's keyset
	version   string                // in the store, "" if it was never compared
	opened    time.Time             // when the store last gave the whole keyset
	confirmed time.Time             // when the store was last asked with success
	fault     error                 // of the last time, nil
	expiry    *time.Timer           // withholds it; nil until watch runs
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
	l := &liveKeys{families: newLiveFamilies(), store: store, log: log, refresh: c.KeysRefresh, maxStale: c.KeysMaxStale, told: faultLog{log: log}, keys: make(map[string]*liveKey)}
	for name, ring := range rings {
		l.keys[name] = newLiveKey(name, ring)
	}
	return l
}

func newLiveKey(name string, ring *keys.Keyring) *liveKey {
	expires := ring.Type() != keys.TypeMAC && ring.Type() != keys.TypeSignature
	return &liveKey{name: name, expires: expires, ring: ring, confirmed: time.Now(), destroyed: !ring.Info().Destroyed.IsZero()}
}

// known gives the keys; the map is not to be changed.
func (l *liveKeys) known() map[string]*liveKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys
}

func (l *liveKeys) types() map[string]keys.KeyType {
	l.mu.Lock()
	defer l.mu.Unlock()
	types := make(map[string]keys.KeyType)
	for name, key := range l.keys {
		types[name] = key.ring.Type()
	}
	return types
}

// add opens those of the keys that are not known yet.
func (l *liveKeys) add(ctx context.Context, needed []neededKey) error {
	var missing []neededKey
	known := l.types()
	for _, n := range needed {
		switch is := known[n.name]; is {
		case "":
			missing = append(missing, n)
		case n.kind:
		default:
			return fmt.Errorf("key %q is of type %s, and one of type %s is needed", n.name, is, n.kind)
		}
	}
	rings, err := openServed(ctx, l.store, missing, l.log)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = maps.Clone(l.keys)
	for name, ring := range rings {
		l.keys[name] = newLiveKey(name, ring)
		if !l.over {
			l.expireLater(l.keys[name])
		}
	}
	return nil
}

// sealer is for proxy.Config: it makes the sealer of a column, at the start or later, when a
// CHECK constraint names another key.
func (l *liveKeys) sealer(column *schema.Column) (proxy.Sealer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rings := make(map[string]*keys.Keyring)
	for name, key := range l.keys {
		if column.OpensWith(name) {
			rings[name] = key.ring
		}
	}
	s, err := column.Sealer(rings)
	if err != nil {
		return nil, err
	}
	live := keys.NewLiveSealer(s)
	for name := range rings {
		key := l.keys[name]
		key.columns = append(key.columns, liveColumn{column, live})
		if key.withheld {
			live.Withhold(name, withheldError(name, column, l.maxStale))
		}
	}
	if column.KeyBy != nil {
		l.families.columns = append(l.families.columns, liveColumn{column, live})
		return familySealer{live, l}, nil
	}
	return live, nil
}

// holds is for [schema.Database].
func (l *liveKeys) holds(keyset string, id uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := l.keys[keyset]
	return key != nil && key.ring.Holds(id)
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
	lookErr := l.lookRegularly(ctx)
	known := l.known()
	names := slices.Sorted(maps.Keys(known))
	errs := make([]error, len(names))
	var asking errgroup.Group
	asking.SetLimit(4)
	for i, name := range names {
		asking.Go(func() error {
			errs[i] = l.ask(ctx, known[name])
			return nil
		})
	}
	_ = asking.Wait()
	if ctx.Err() != nil {
		return
	}
	faults := make(map[string]error)
	var everywhere error // what each key would say
	if lookErr != nil && !errors.Is(lookErr, keys.ErrUnreachable) && !errors.Is(lookErr, keys.ErrVaultSealed) {
		faults["keys by value"] = lookErr
	}
	for i, name := range names {
		err := errs[i]
		if err == nil {
			continue
		}
		l.failed(known[name], err)
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
	left := keys.Erased(why)
	if left == nil || left.Type() != key.ring.Type() { // it was destroyed by an older pgveil
		left = key.ring.Destroyed(asked)
	}
	key.ring = left
	if err := key.give(); err != nil {
		l.log.Error("key cannot be taken away", "key", key.name, "error", err) // it is of the columns' type
	}
	if !key.destroyed {
		key.destroyed = true
		l.log.Error("key was destroyed: what it sealed reads as erased, and nothing is sealed with it", "key", key.name, "error", why)
	}
}

// give gives the columns the keys of the keyring, and ends that pseudonyms are withheld, unless
// the keyring was destroyed.
func (k *liveKey) give() error {
	for _, p := range k.made {
		if k.ring.Info().Destroyed.IsZero() {
			p.Withhold(nil)
		} else {
			p.Withhold(destroyedProject(k.name))
		}
	}
	for _, c := range k.columns {
		if err := c.sealer.Exchange(k.ring); err != nil {
			return err
		}
	}
	return nil
}
