package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgveil/pgveil/cmd/pgveil/config"
	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// badStore is a real store of which requests fail, or hang, as the test says.
type badStore struct {
	keys.Store
	mu            sync.Mutex
	version, open func(name string) error
	hang          chan struct{}
}

func (s *badStore) set(version, open func(string) error, hang chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version, s.open, s.hang = version, open, hang
}

func (s *badStore) get() (version, open func(string) error, hang chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version, s.open, s.hang
}

func (s *badStore) Version(ctx context.Context, name string) (string, error) {
	version, _, hang := s.get()
	if hang != nil {
		<-hang
	}
	if version != nil {
		if err := version(name); err != nil {
			return "", err
		}
	}
	return s.Store.Version(ctx, name)
}

func (s *badStore) Open(ctx context.Context, name string) (*keys.Keyring, error) {
	if _, open, _ := s.get(); open != nil {
		if err := open(name); err != nil {
			return nil, err
		}
	}
	return s.Store.Open(ctx, name)
}

// always fails every key with a reason, and only one key with only.
func always(reason error) func(string) error {
	return func(name string) error { return &keys.StoreError{Key: name, Place: "vault", Reason: reason} }
}

func only(key string, reason error) func(string) error {
	return func(name string) error {
		if name != key {
			return nil
		}
		return always(reason)(name)
	}
}

// watched is a liveKeys that watches in a synctest bubble.
type watched struct {
	*liveKeys
	store   *badStore
	sealers map[string]proxy.Sealer
	log     *bytes.Buffer // to be read after synctest.Wait
	stop    func()
}

// startWatching watches the keys name and result, of columns, and audit-mac.
func startWatching(t *testing.T) *watched {
	t.Helper()
	local, err := keys.CreateInsecureLocal(filepath.Join(t.TempDir(), "insecure-keys"))
	if err != nil {
		t.Fatal(err)
	}
	rings := make(map[string]*keys.Keyring)
	for name, kind := range map[string]keys.KeyType{"name": keys.TypeRandomized, "result": keys.TypeRandomized, "audit-mac": keys.TypeMAC} {
		if _, err := local.Create(t.Context(), name, kind); err != nil {
			t.Fatal(err)
		}
		if rings[name], err = local.Open(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	w := &watched{store: &badStore{Store: local}, sealers: make(map[string]proxy.Sealer), log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	w.liveKeys = newLiveKeys(w.store, rings, &config.Config{KeysRefresh: 10 * time.Second, KeysMaxStale: 24 * time.Hour}, log)
	for _, key := range []string{"name", "result"} {
		column := &schema.Column{Schema: "lab", Table: "patient", Name: key, Key: key, Mode: schema.Randomized, Context: "column:lab.patient." + key}
		if w.sealers[key], err = w.sealer(column); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.watch(ctx)
	}()
	w.stop = func() { cancel(); <-ended; local.Close() }
	return w
}

// after lets time pass.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// serves checks that a key seals and opens, or that both are refused as they are to be.
func (w *watched) serves(t *testing.T, key string, want bool) {
	t.Helper()
	s := w.sealers[key]
	sealed, err := s.Seal(nil, []byte("positif"))
	if want {
		if err != nil {
			t.Errorf("key %s: %v", key, err)
			return
		}
		if plain, err := s.Open(nil, sealed); err != nil || string(plain) != "positif" {
			t.Errorf("key %s: %q, %v", key, plain, err)
		}
		if err := s.(proxy.Withholder).Withheld(); err != nil {
			t.Errorf("key %s: %v", key, err)
		}
		return
	}
	_, openErr := s.Open(nil, nil)
	for _, err := range []error{err, openErr, s.(proxy.Withholder).Withheld()} {
		e, ok := pgerror.As(err)
		if !ok || e.Code != "58000" || !strings.Contains(e.Message, "lab.patient."+key) || e.Detail == "" || e.Hint == "" {
			t.Errorf("key %s: %+v", key, err)
		}
	}
	if len(sealed) > 0 {
		t.Errorf("key %s sealed all the same", key)
	}
}

func (w *watched) logged(t *testing.T, text string, times int) {
	t.Helper()
	if n := strings.Count(w.log.String(), text); n != times {
		t.Errorf("the log says %q %d times, want %d:\n%s", text, n, times, w.log)
	}
}

// TestVaultAway: what is held serves on for a day, with a word an hour in the log, then it is
// withheld, and it serves again as soon as Vault is back.
func TestVaultAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWatching(t)
		defer w.stop()
		after(time.Minute)
		if list := w.health(); len(list) != 0 || w.log.Len() > 0 {
			t.Errorf("at first: %v\n%s", list, w.log)
		}
		w.store.set(always(keys.ErrUnreachable), nil, nil)
		after(23*time.Hour + 50*time.Minute)
		w.serves(t, "name", true)
		w.serves(t, "result", true)
		w.logged(t, "keys cannot be compared with the store's", 24)
		list := w.health()
		if len(list) != 3 || list[1].name != "name" || list[1].withheld || list[1].until.IsZero() || list[1].reason != "Vault is unreachable" || !list[0].until.IsZero() {
			t.Errorf("health: %+v", list)
		}
		after(10*time.Minute + 10*time.Second)
		w.serves(t, "name", false)
		w.serves(t, "result", false)
		w.logged(t, "key is withheld", 2)
		if list := w.health(); len(list) != 3 || !list[1].withheld || list[0].withheld {
			t.Errorf("health: %+v", list)
		}
		after(48 * time.Hour)
		w.logged(t, "key is withheld", 2)
		w.store.set(nil, nil, nil)
		after(10 * time.Second)
		w.serves(t, "name", true)
		w.serves(t, "result", true)
		w.logged(t, "key serves again", 2)
		w.logged(t, "keys can be compared with the store's again", 1)
		w.logged(t, "key has changed", 0)
		if list := w.health(); len(list) != 0 {
			t.Errorf("health: %+v", list)
		}
		// And the limit counts anew.
		w.store.set(always(keys.ErrVaultSealed), nil, nil)
		after(23 * time.Hour)
		w.serves(t, "name", true)
		after(2 * time.Hour)
		w.serves(t, "name", false)
	})
}

// TestVaultHangs: the limit holds even while a request has no end.
func TestVaultHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWatching(t)
		defer w.stop()
		after(time.Minute)
		hang := make(chan struct{})
		w.store.set(nil, nil, hang)
		after(24*time.Hour - 20*time.Second)
		w.serves(t, "name", true)
		after(30 * time.Second)
		w.serves(t, "name", false)
		w.store.set(nil, nil, nil)
		close(hang)
		after(20 * time.Second)
		w.serves(t, "name", true)
	})
}

// TestOneKeyIsBad: the fault of one key is its own; it is told once when it begins, once when it
// changes, and once when it is over.
func TestOneKeyIsBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWatching(t)
		defer w.stop()
		after(time.Minute)
		w.store.set(only("name", keys.ErrMissing), nil, nil)
		after(5 * time.Minute)
		w.logged(t, "level=ERROR", 1)
		w.logged(t, `hint="it was there`, 1)
		w.store.set(only("name", keys.ErrPermission), nil, nil)
		after(5 * time.Minute)
		w.logged(t, "level=ERROR", 2)
		// While Vault is away it is not said that the key is well.
		w.store.set(always(keys.ErrUnreachable), nil, nil)
		after(5 * time.Minute)
		w.logged(t, "level=ERROR", 3)
		w.logged(t, "level=INFO", 0)
		w.store.set(only("name", keys.ErrPermission), nil, nil)
		after(24 * time.Hour)
		w.serves(t, "name", false)
		w.serves(t, "result", true)
		w.store.set(nil, nil, nil)
		after(10 * time.Second)
		w.serves(t, "name", true)
		w.logged(t, `msg="key can be compared with the store's again" key=name`, 1)
		w.logged(t, `key=result`, 0)
	})
}

// TestKEKIsBad: that a keyset which has not changed would no longer open is noticed too.
func TestKEKIsBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWatching(t)
		defer w.stop()
		after(time.Minute)
		w.store.set(nil, only("audit-mac", keys.ErrWrongKEK), nil)
		after(90 * time.Second)
		w.logged(t, "key=audit-mac", 1)
		if list := w.health(); len(list) != 1 || list[0].name != "audit-mac" || !list[0].until.IsZero() {
			t.Errorf("health: %+v", list)
		}
		w.store.set(nil, nil, nil)
		after(10 * time.Second)
		w.logged(t, "key=audit-mac", 2)
	})
}

// TestKeyIsExchanged: a key that changes while another is bad is taken over.
func TestKeyIsExchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWatching(t)
		defer w.stop()
		after(time.Minute)
		w.store.set(only("name", errors.New("odd")), nil, nil)
		if _, err := w.store.AddKey(t.Context(), "result"); err != nil {
			t.Fatal(err)
		}
		after(20 * time.Second)
		w.logged(t, `msg="key has changed" key=result keys=2`, 1)
		w.serves(t, "result", true)
	})
}

// TestKeyIsDestroyed: a key that was destroyed is told once, and is no fault of the store.
func TestKeyIsDestroyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWatching(t)
		defer w.stop()
		after(time.Minute)
		w.store.set(nil, only("name", keys.ErrDestroyed), nil)
		after(48 * time.Hour)
		w.logged(t, "key was destroyed: what", 1)
		w.logged(t, "level=ERROR", 1)
		if _, err := w.sealers["name"].Seal(nil, []byte("positif")); !errors.Is(err, keys.ErrDestroyed) {
			t.Errorf("a destroyed key seals: %v", err)
		}
		if list := w.health(); len(list) != 0 {
			t.Errorf("health: %+v", list)
		}
		w.serves(t, "result", true)
	})
}

// TestColumnComesLate: a column whose CHECK constraint names another key, while pgveil serves,
// has a sealer at once, and what befalls its keyset befalls it.
func TestColumnComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWatching(t)
		defer w.stop()
		after(time.Minute)
		column := &schema.Column{Schema: "lab", Table: "patient", Name: "name", Key: "name", Mode: schema.Randomized, Context: "column:lab.patient.name"}
		id, err := w.store.AddKey(t.Context(), "name")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.sealer(column.WithKey(id)); !errors.Is(err, keys.ErrNotEnabled) || w.holds("name", id) {
			t.Errorf("before the key has come: %v", err)
		}
		after(10 * time.Second)
		if w.sealers["name"], err = w.sealer(column.WithKey(id)); err != nil || !w.holds("name", id) || w.holds("result", id) || w.holds("nobody", id) {
			t.Fatal(err)
		}
		w.serves(t, "name", true)
		if got := w.sealers["name"].(*keys.LiveSealer).SealingKey(); got != id {
			t.Errorf("%d seals, not %d", got, id)
		}
		w.store.set(always(keys.ErrUnreachable), nil, nil)
		after(25 * time.Hour)
		w.serves(t, "name", false)
		if w.sealers["name"], err = w.sealer(column.WithKey(id)); err != nil {
			t.Fatal(err)
		}
		w.serves(t, "name", false)
		w.store.set(nil, nil, nil)
		after(10 * time.Second)
		w.serves(t, "name", true)
		version, err := w.store.Version(t.Context(), "name")
		if err == nil {
			err = w.store.Retire(t.Context(), "name", id, version)
		}
		if err != nil {
			t.Fatal(err)
		}
		after(10 * time.Second)
		if _, err := w.sealers["name"].Seal(nil, nil); !errors.Is(err, keys.ErrNotEnabled) {
			t.Errorf("a retired key seals: %v", err)
		}
		w.logged(t, "key has changed", 2)
	})
}

// TestOpenServed: what is left of a destroyed keyset serves a column, and nothing else.
func TestOpenServed(t *testing.T) {
	local, err := keys.CreateInsecureLocal(filepath.Join(t.TempDir(), "insecure-keys"))
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	for name, kind := range map[string]keys.KeyType{"medical": keys.TypeRandomized, "audit-mac": keys.TypeMAC} {
		if _, err := local.Create(t.Context(), name, kind); err != nil {
			t.Fatal(err)
		}
		if err := local.Destroy(t.Context(), name, ""); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	rings, err := openServed(t.Context(), local, []neededKey{{"medical", keys.TypeRandomized}}, log)
	if err != nil || rings["medical"] == nil || rings["medical"].Info().Destroyed.IsZero() {
		t.Errorf("%v, %v", rings, err)
	}
	for _, needed := range []neededKey{{"medical", keys.TypeDeterministic}, {"audit-mac", keys.TypeMAC}} {
		if rings, err := openServed(t.Context(), local, []neededKey{needed}, log); err == nil {
			t.Errorf("%+v: %v", needed, rings)
		}
	}
	if _, err := openKeys(t.Context(), local, []neededKey{{"medical", keys.TypeRandomized}}); !errors.Is(err, keys.ErrDestroyed) {
		t.Errorf("beside serve: %v", err)
	}
}
