package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// startExpiry begins to withhold keys that are not confirmed in time.
func (l *liveKeys) startExpiry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range l.keys {
		l.expireLater(key)
	}
}

func (l *liveKeys) expireLater(key *liveKey) {
	if key.expires && key.expiry == nil {
		key.expiry = time.AfterFunc(l.maxStale-time.Since(key.confirmed), func() { l.expire(key) })
	}
}

func (l *liveKeys) stopExpiry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for _, key := range l.keys {
		if key.expiry != nil {
			key.expiry.Stop()
		}
	}
}

// confirm notes that the store, asked at a moment, vouched for the key that is held. It reports
// false for one with which something was amiss: that has to be opened anew.
func (l *liveKeys) confirm(key *liveKey, asked time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if key.fault != nil {
		return false
	}
	l.confirmed(key, asked)
	return true
}

// exchange gives a key's columns the keys of a keyring that the store, asked at a moment, gave.
func (l *liveKeys) exchange(key *liveKey, ring *keys.Keyring, asked time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := key.ring
	if ring.Type() != before.Type() {
		return fmt.Errorf("key %q is of type %s by now, and was of type %s", key.name, ring.Type(), before.Type())
	}
	key.ring = ring
	if err := key.give(); err != nil {
		key.ring = before
		return err
	}
	key.destroyed = false
	l.confirmed(key, asked)
	return nil
}

func (l *liveKeys) confirmed(key *liveKey, asked time.Time) {
	key.confirmed, key.fault = asked, nil
	if key.expiry != nil && !l.over {
		key.expiry.Reset(l.maxStale - time.Since(asked))
	}
	if key.withheld {
		key.withheld = false
		l.log.Info("key serves again", "key", key.name)
	}
}

// failed notes that the store did not.
func (l *liveKeys) failed(key *liveKey, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key.fault = err
}

// expire withholds a key that was not confirmed for too long.
func (l *liveKeys) expire(key *liveKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.maxStale - time.Since(key.confirmed)
	switch {
	case l.over || key.withheld:
		return
	case left > 0: // it was confirmed meanwhile
		key.expiry.Reset(left)
		return
	}
	key.withheld = true
	if key.fault == nil { // the asking has not ended
		key.fault = &keys.StoreError{Key: key.name, Reason: keys.ErrUnreachable}
	}
	for _, c := range key.columns {
		c.sealer.Withhold(key.name, withheldError(key.name, c.column, l.maxStale))
	}
	for _, p := range key.made {
		p.Withhold(withheldProject(key.name, l.maxStale))
	}
	l.log.Error("key is withheld: statements that seal or open with it fail until the store confirms it", "key", key.name,
		"confirmed", key.confirmed.UTC().Format(time.RFC3339), "keys.max_stale", l.maxStale, "error", key.fault)
}

// withheldError is for clients. 58000 is an error outside of the server; drivers and pools keep
// their connections after it.
func withheldError(key string, column *schema.Column, maxStale time.Duration) error {
	return pgerror.New(pgerror.SystemError, "column %s can be neither sealed nor opened at this moment: key %q is withheld", column.QualifiedName(), key).
		WithDetail("Vault has not confirmed the key for more than %v (keys.max_stale).", maxStale).
		WithHint("Try again when whoever runs pgveil has brought Vault back: pgveil's log and /readyz say what is wrong with it. Statements that need no sealed column go on.")
}

// keyHealth is what is amiss with one key.
type keyHealth struct {
	name      string
	reason    string // without addresses and paths
	confirmed time.Time
	withheld  bool
	until     time.Time // it is withheld from then on; zero for one that never is
}

// health lists the keys with which something is amiss, by name.
func (l *liveKeys) health() []keyHealth {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []keyHealth
	for _, name := range slices.Sorted(maps.Keys(l.keys)) {
		key := l.keys[name]
		if key.fault == nil {
			continue
		}
		h := keyHealth{name: name, reason: reasonOf(key.fault), confirmed: key.confirmed, withheld: key.withheld}
		if key.expiry != nil {
			h.until = key.confirmed.Add(l.maxStale)
		}
		list = append(list, h)
	}
	return list
}

// storeReasons are the reasons of a store's errors that are told apart.
var storeReasons = []error{
	keys.ErrUnreachable, keys.ErrVaultSealed, keys.ErrPermission, keys.ErrMissing, keys.ErrCorrupt, keys.ErrWrongKEK,
	keys.ErrInsecure, keys.ErrIntercepted, keys.ErrConfig, keys.ErrRefused, keys.ErrProtocol,
}

// reasonOf gives the reason of a store's error alone.
func reasonOf(err error) string {
	for _, reason := range storeReasons {
		if errors.Is(err, reason) {
			return reason.Error()
		}
	}
	return "the keyset cannot be taken over"
}

// faultLog tells the log of faults of the store: each when it begins or changes, once an hour
// while it lasts, and when it is over.
type faultLog struct {
	log  *slog.Logger
	told map[string]string // reasons by key, "" for the store as a whole
	last time.Time
}

const repeatFaults = time.Hour

// tell is called after each round with what holds for the store as a whole, or with the faults
// of keys. While the former lasts, no key is said to be well again.
func (f *faultLog) tell(everywhere error, faults map[string]error, maxStale time.Duration) {
	if f.told == nil || time.Since(f.last) >= repeatFaults {
		f.told, f.last = make(map[string]string), time.Now()
	}
	if everywhere != nil {
		f.fault("", everywhere, maxStale)
	} else {
		f.recovered("", "keys can be compared with the store's again")
	}
	for name, err := range faults {
		f.fault(name, err, maxStale)
	}
	if everywhere != nil {
		return
	}
	for name := range f.told {
		if faults[name] == nil {
			f.recovered(name, "key can be compared with the store's again", "key", name)
		}
	}
}

func (f *faultLog) fault(name string, err error, maxStale time.Duration) {
	reason := reasonOf(err)
	if f.told[name] == reason {
		return
	}
	f.told[name] = reason
	about := []any{"error", withoutKey(name, err), "keys.max_stale", maxStale}
	if name != "" {
		about = append([]any{"key", name}, about...)
	}
	if errors.Is(err, keys.ErrMissing) {
		about = append(about, "hint", "it was there: bring it back; a new key of that name would open nothing that is sealed")
	}
	f.log.Error("keys cannot be compared with the store's; those that are held serve on for keys.max_stale", about...)
}

func (f *faultLog) recovered(name, message string, about ...any) {
	if _, ok := f.told[name]; ok {
		delete(f.told, name)
		f.log.Info(message, about...)
	}
}

// withoutKey leaves the key out of an error that holds for all, and the advice to create one out
// of the error of a key that was there.
func withoutKey(name string, err error) string {
	text := err.Error()
	var store *keys.StoreError
	if errors.As(err, &store) {
		said := *store
		said.Key = ""
		text = said.Error()
	}
	if advice := "create it with pgveil keys create " + name; name != "" {
		text = strings.TrimSuffix(text, ": "+advice)
	}
	return text
}
