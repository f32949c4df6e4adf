package keys_test

import (
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/testenv"
)

// changing gives both stores.
func changing(t *testing.T) map[string]keys.Store {
	t.Helper()
	vault, setup := ownVault(t, testenv.VaultOptions{})
	local, err := keys.CreateInsecureLocal(filepath.Join(t.TempDir(), "insecure-keys"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { local.Close() })
	return map[string]keys.Store{"Vault": openVault(t, withAppRole(t, config(t, vault), setup.Admin)), "local": local}
}

// TestRotate: a new key opens before it seals; what was sealed before opens ever after.
func TestRotate(t *testing.T) {
	for where, store := range changing(t) {
		t.Run(where, func(t *testing.T) {
			ctx := t.Context()
			name := "rotated"
			create(t, store, name, keys.TypeRandomized)
			sealer := func() *keys.Sealer {
				t.Helper()
				ring, err := store.Open(ctx, name)
				if err != nil {
					t.Fatal(err)
				}
				s, err := ring.Sealer(keys.ModeRandomized, "column:lab.patient.email", 32)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			id := func(sealed []byte) [4]byte { return [4]byte(sealed[keys.HeaderSize+1:]) }
			running := keys.NewLiveSealer(sealer())
			first := mustSeal(t, sealer(), []byte("first"))
			version, err := store.Version(ctx, name)
			if err != nil {
				t.Fatal(err)
			}
			added, err := store.AddKey(ctx, name)
			if err != nil {
				t.Fatal(err)
			}
			if now, err := store.Version(ctx, name); err != nil || now == version {
				t.Errorf("the version is %s after %s: %v", now, version, err)
			}
			if staged := mustSeal(t, sealer(), []byte("staged")); id(staged) != id(first) {
				t.Error("a key seals that is not the primary")
			}
			ring, err := store.Open(ctx, name)
			if err == nil {
				err = running.Exchange(ring)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := store.Promote(ctx, name, added); err != nil {
				t.Fatal(err)
			}
			second := mustSeal(t, sealer(), []byte("second"))
			if id(second) == id(first) {
				t.Error("the primary does not seal")
			}
			// The one that was running since before the promotion, and one that starts now.
			for _, s := range []interface {
				Open(dst, sealed []byte) ([]byte, error)
			}{running, sealer()} {
				for sealed, want := range map[string]string{string(first): "first", string(second): "second"} {
					if got, err := s.Open(nil, []byte(sealed)); err != nil || string(got) != want {
						t.Errorf("%q, %v", got, err)
					}
				}
			}
			if err := store.Promote(ctx, name, added+1); !errors.Is(err, keys.ErrMissing) {
				t.Errorf("Promote of no key: %v", err)
			}
			if _, err := store.AddKey(ctx, "nobody"); !errors.Is(err, keys.ErrMissing) {
				t.Errorf("AddKey to nothing: %v", err)
			}
			create(t, store, "other", keys.TypeDeterministic)
			other, err := store.Open(ctx, "other")
			if err != nil {
				t.Fatal(err)
			}
			if running.Exchange(other) == nil {
				t.Error("a sealer took keys of another type")
			}
			if got, err := running.Open(nil, first); err != nil || string(got) != "first" {
				t.Errorf("after a wrong exchange: %q, %v", got, err)
			}
		})
	}
}

// TestRotateDeterministic: values that are compared go on being sealed with one key.
func TestRotateDeterministic(t *testing.T) {
	for where, store := range changing(t) {
		t.Run(where, func(t *testing.T) {
			create(t, store, "compared", keys.TypeDeterministic)
			seal := func() string {
				t.Helper()
				ring, err := store.Open(t.Context(), "compared")
				if err != nil {
					t.Fatal(err)
				}
				s, err := ring.Sealer(keys.ModeDeterministic, "domain:nir", 0)
				if err != nil {
					t.Fatal(err)
				}
				return string(mustSeal(t, s, []byte("185057800608436")))
			}
			before := seal()
			id, err := store.AddKey(t.Context(), "compared")
			if err == nil {
				err = store.Promote(t.Context(), "compared", id)
			}
			if err != nil {
				t.Fatal(err)
			}
			if seal() != before {
				t.Error("the same value is sealed otherwise")
			}
		})
	}
}

// TestCreateRace: of officers who make one keyset of a family at once one does, the others are told, and
// his is the one that stays.
func TestCreateRace(t *testing.T) {
	for where, store := range changing(t) {
		t.Run(where, func(t *testing.T) {
			const name = "results.by.42"
			var made sync.Map
			var officers sync.WaitGroup
			for i := range 8 {
				officers.Go(func() {
					info, err := store.Create(t.Context(), name, keys.TypeRandomized)
					if err == nil {
						made.Store(i, info.Keys[0].ID)
					} else if !errors.Is(err, keys.ErrExists) {
						t.Error(err)
					}
				})
			}
			officers.Wait()
			ring, err := store.Open(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			winners := 0
			made.Range(func(_, id any) bool {
				if winners++; len(ring.Info().Keys) != 1 || ring.Info().Keys[0].ID != id.(uint32) {
					t.Errorf("%v was made, and %+v is there", id, ring.Info().Keys)
				}
				return true
			})
			if winners != 1 {
				t.Errorf("%d have made it", winners)
			}
		})
	}
}

// TestRotateRace: of keys that are added at once none is lost.
func TestRotateRace(t *testing.T) {
	for where, store := range changing(t) {
		t.Run(where, func(t *testing.T) {
			create(t, store, "raced", keys.TypeRandomized)
			ids := make([]uint32, 20)
			var officers sync.WaitGroup
			for i := range ids {
				officers.Go(func() {
					var err error
					if ids[i], err = store.AddKey(t.Context(), "raced"); err == nil {
						err = store.Promote(t.Context(), "raced", ids[i])
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			officers.Wait()
			ring, err := store.Open(t.Context(), "raced")
			if err != nil {
				t.Fatal(err)
			}
			there := ring.Info().Keys
			for _, id := range ids {
				if !slices.ContainsFunc(there, func(k keys.KeyInfo) bool { return k.ID == id }) {
					t.Errorf("key %d is lost", id)
				}
			}
			if len(there) != len(ids)+1 || !slices.ContainsFunc(there, func(k keys.KeyInfo) bool { return k.Primary && slices.Contains(ids, k.ID) }) {
				t.Errorf("%d keys: %v", len(there), there)
			}
		})
	}
}

// TestRewrap: the KEK is rotated, the keyset is encrypted anew, and its keys are the same.
func TestRewrap(t *testing.T) {
	vault, setup := ownVault(t, testenv.VaultOptions{})
	store := openVault(t, withAppRole(t, config(t, vault), setup.Admin))
	before := create(t, store, "wrapped", keys.TypeRandomized)
	write(t, vault, "transit/keys/pgveil/rotate", nil)
	after, err := store.Rewrap(t.Context(), "wrapped")
	if err != nil {
		t.Fatal(err)
	}
	if after.KEKVersion != before.KEKVersion+1 || len(after.Keys) != 1 || after.Keys[0] != before.Keys[0] {
		t.Errorf("%+v, before %+v", after, before)
	}
	if _, err := store.Open(t.Context(), "wrapped"); err != nil {
		t.Error(err)
	}
}
