package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/schema"
)

// liveKeys are the keys of the columns, exchanged while pgveil serves when their keysets
// change in the store. What seals and opens takes no lock.
type liveKeys struct {
	store    keys.Store
	log      *slog.Logger
	rings    map[string]*keys.Keyring
	sealers  map[string][]*keys.LiveSealer
	versions map[string]string
}

func newLiveKeys(store keys.Store, rings map[string]*keys.Keyring, log *slog.Logger) *liveKeys {
	return &liveKeys{store: store, log: log, rings: rings, sealers: make(map[string][]*keys.LiveSealer), versions: make(map[string]string)}
}

// sealer is for proxy.Config; it is not called any more once watch runs.
func (l *liveKeys) sealer(column *schema.Column) (proxy.Sealer, error) {
	s, err := l.rings[column.Key].Sealer(byte(column.Mode), column.Context, column.Padding)
	if err != nil {
		return nil, err
	}
	live := keys.NewLiveSealer(s)
	l.sealers[column.Key] = append(l.sealers[column.Key], live)
	return live, nil
}

// watch compares the keysets with the store's until ctx ends. While the store cannot be
// asked, what is held serves on.
func (l *liveKeys) watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	failed := false
	for {
		err := l.compare(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failed:
			l.log.Error("keys cannot be compared with the store's; those that are held serve on", "error", err)
		case err == nil && failed:
			l.log.Info("keys can be compared with the store's again")
		}
		failed = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// compare takes every keyset over that has changed since it was last compared.
func (l *liveKeys) compare(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(l.sealers)) {
		version, err := l.store.Version(ctx, name)
		if err != nil {
			return err
		}
		if version == l.versions[name] {
			continue
		}
		ring, err := l.store.Open(ctx, name)
		if errors.Is(err, keys.ErrDestroyed) {
			l.revoke(name, err)
			l.versions[name] = version
			continue
		}
		if err != nil {
			return err
		}
		for _, s := range l.sealers[name] {
			if err := s.Exchange(ring); err != nil {
				return err
			}
		}
		if l.versions[name] != "" {
			l.log.Info("key has changed", "key", name, "keys", len(ring.Info().Keys), "primary", primaryOf(ring.Info()))
		}
		l.versions[name] = version
	}
	return nil
}

// revoke stops the use of a key that was destroyed.
func (l *liveKeys) revoke(name string, why error) {
	for _, s := range l.sealers[name] {
		s.Revoke()
	}
	l.log.Error("key was destroyed: what it sealed is not opened any more, and nothing is sealed with it", "key", name, "error", why)
}
