package keys_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/pgveil/pgveil/keys"
)

// localStore gives an empty store.
func localStore(t *testing.T) keys.Store {
	t.Helper()
	store, err := keys.CreateInsecureLocal(filepath.Join(t.TempDir(), "insecure-keys"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// addKey makes another key the primary and gives its ID.
func addKey(t *testing.T, store keys.Store, name string) uint32 {
	t.Helper()
	id, err := store.AddKey(t.Context(), name)
	if err == nil {
		err = store.Promote(t.Context(), name, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func sealerWith(t *testing.T, ring *keys.Keyring, id uint32) *keys.Sealer {
	t.Helper()
	s, err := ring.SealerWith(id, keys.ModeDeterministic, "domain:nir", 32)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSealerWith: a column that names its key is sealed with that, and opened with each.
func TestSealerWith(t *testing.T) {
	store := localStore(t)
	first := create(t, store, "nir", keys.TypeDeterministic).Keys[0].ID
	second := addKey(t, store, "nir")
	ring := openKey(t, store, "nir")
	nir := []byte("185057800608436")
	sealed := make(map[uint32]string)
	for _, id := range []uint32{first, second} {
		s := sealerWith(t, ring, id)
		value := mustSeal(t, s, nir)
		if got := uint32(value[8])<<24 | uint32(value[9])<<16 | uint32(value[10])<<8 | uint32(value[11]); got != id || s.SealingKey() != id {
			t.Errorf("%d seals as %d, and says %d", id, got, s.SealingKey())
		}
		sealed[id] = string(value)
	}
	if named, own := sealed[first], string(mustSeal(t, sealerWith(t, ring, 0), nir)); named != own {
		t.Error("where no key is named, another than the oldest seals")
	}
	for _, id := range []uint32{first, second, 0} {
		for by, value := range sealed {
			if got, err := sealerWith(t, ring, id).Open(nil, []byte(value)); err != nil || string(got) != string(nir) {
				t.Errorf("what %d has sealed: %q, %v", by, got, err)
			}
		}
	}
	if _, err := ring.SealerWith(first^second, keys.ModeDeterministic, "domain:nir", 32); !errors.Is(err, keys.ErrNotEnabled) {
		t.Errorf("a key that is not there: %v", err)
	}

	old, live := keys.NewLiveSealer(sealerWith(t, ring, first)), keys.NewLiveSealer(sealerWith(t, ring, second))
	exchange := func() {
		t.Helper()
		for _, l := range []*keys.LiveSealer{old, live} {
			if err := l.Exchange(openKey(t, store, "nir")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := store.Retire(t.Context(), "nir", first, version(t, store, "nir")); err != nil {
		t.Fatal(err)
	}
	exchange()
	if _, err := openKey(t, store, "nir").SealerWith(first, keys.ModeDeterministic, "domain:nir", 32); !errors.Is(err, keys.ErrNotEnabled) {
		t.Errorf("a key that is retired: %v", err)
	}
	if got, err := old.Seal([]byte("x"), nir); !errors.Is(err, keys.ErrNotEnabled) || string(got) != "x" || old.SealingKey() != 0 {
		t.Errorf("a retired key seals: %q, %v, %d", got, err, old.SealingKey())
	}
	for _, l := range []*keys.LiveSealer{old, live} {
		if _, err := l.Open(nil, []byte(sealed[first])); !errors.Is(err, keys.ErrOpen) {
			t.Errorf("a retired key opens: %v", err)
		}
		if got, err := l.Open(nil, []byte(sealed[second])); err != nil || string(got) != string(nir) {
			t.Errorf("the key that is left: %q, %v", got, err)
		}
	}
	if got, err := live.Seal(nil, nir); err != nil || string(got) != sealed[second] {
		t.Errorf("the key that is left seals otherwise: %v", err)
	}
	if err := store.Restore(t.Context(), "nir", first); err != nil {
		t.Fatal(err)
	}
	exchange()
	if got, err := old.Seal(nil, nir); err != nil || string(got) != sealed[first] {
		t.Errorf("a restored key: %v", err)
	}
}

// TestOpeningAlso: while a column is sealed anew with another keyset, both open, one seals,
// and what befalls one does not befall the other.
func TestOpeningAlso(t *testing.T) {
	store := localStore(t)
	for _, name := range []string{"new", "old", "other"} {
		create(t, store, name, keys.TypeRandomized)
	}
	create(t, store, "compared", keys.TypeDeterministic)
	sealer := func(name string) *keys.Sealer {
		t.Helper()
		s, err := openKey(t, store, name).Sealer(keys.ModeRandomized, "column:lab.patient.email", 32)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	fresh, old := mustSeal(t, sealer("new"), []byte("fresh")), mustSeal(t, sealer("old"), []byte("old"))
	both, err := sealer("new").OpeningAlso(openKey(t, store, "old"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := both.OpeningAlso(openKey(t, store, "compared")); err == nil {
		t.Error("a sealer took keys of another type")
	}
	live := keys.NewLiveSealer(both)
	want := func(sealed []byte, value string, refusal error) {
		t.Helper()
		if got, err := live.Open([]byte("x"), sealed); string(got) != "x"+value || !errors.Is(err, refusal) {
			t.Errorf("%q, %v", got, err)
		}
	}
	want(fresh, "fresh", nil)
	want(old, "old", nil)
	want(mustSeal(t, sealer("other"), []byte("other")), "", keys.ErrOpen)
	own := uint32(fresh[8])<<24 | uint32(fresh[9])<<16 | uint32(fresh[10])<<8 | uint32(fresh[11])
	if live.SealingKey() != own {
		t.Errorf("%d seals, not %d", live.SealingKey(), own)
	}

	away := errors.New("Vault is away")
	live.Withhold("old", away)
	want(fresh, "fresh", nil)
	want(old, "", away)
	if _, err := live.Seal(nil, nil); err != nil {
		t.Error(err)
	}
	if err := live.Withheld(); err != nil {
		t.Errorf("withheld as a whole: %v", err)
	}
	live.Withhold("new", away)
	want(fresh, "", away)
	if _, err := live.Seal(nil, nil); !errors.Is(err, away) || !errors.Is(live.Withheld(), away) {
		t.Errorf("a withheld key seals: %v", err)
	}
	exchange := func(name string) error { return live.Exchange(openKey(t, store, name)) }
	if err := exchange("new"); err != nil {
		t.Fatal(err)
	}
	want(fresh, "fresh", nil)
	want(old, "", away)
	if err := errors.Join(exchange("old"), live.Withheld()); err != nil {
		t.Fatal(err)
	}
	want(old, "old", nil)
	if exchange("other") == nil {
		t.Error("a sealer took a keyset that is not its column's")
	}

	// The keyset that seals is destroyed: the other one does not take its place.
	if err := live.Exchange(openKey(t, store, "new").Destroyed(time.Now())); err != nil {
		t.Fatal(err)
	}
	want(fresh, "", keys.ErrErased)
	want(old, "old", nil)
	if _, err := live.Seal(nil, nil); !errors.Is(err, keys.ErrDestroyed) || live.SealingKey() != 0 {
		t.Errorf("a destroyed key seals: %v", err)
	}
}
