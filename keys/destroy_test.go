package keys_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/testenv"
)

func version(t *testing.T, store keys.Store, name string) string {
	t.Helper()
	v, err := store.Version(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// rotated makes a keyset of two keys, of which the second seals, and gives their IDs.
func rotated(t *testing.T, store keys.Store, name string) (first, second uint32) {
	t.Helper()
	first = create(t, store, name, keys.TypeRandomized).Keys[0].ID
	second, err := store.AddKey(t.Context(), name)
	if err == nil {
		err = store.Promote(t.Context(), name, second)
	}
	if err != nil {
		t.Fatal(err)
	}
	return first, second
}

// TestRetire: a retired key opens nothing until it is restored; the one that seals stays.
func TestRetire(t *testing.T) {
	for where, store := range changing(t) {
		t.Run(where, func(t *testing.T) {
			const name = "retired"
			ctx := t.Context()
			create(t, store, name, keys.TypeRandomized)
			sealer := func() *keys.Sealer {
				t.Helper()
				s, err := openKey(t, store, name).Sealer(keys.ModeRandomized, "column:lab.patient.email", 0)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			first := openKey(t, store, name).Info().Keys[0]
			if !first.Primary || !first.Seals || first.Retired() {
				t.Fatalf("%+v", first)
			}
			value := mustSeal(t, sealer(), []byte("first"))
			if err := store.Retire(ctx, name, first.ID, version(t, store, name)); !errors.Is(err, keys.ErrSeals) {
				t.Errorf("Retire of the primary: %v", err)
			}
			before := version(t, store, name)
			second, err := store.AddKey(ctx, name)
			if err == nil {
				err = store.Promote(ctx, name, second)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := store.Retire(ctx, name, first.ID, before); !errors.Is(err, keys.ErrChanged) {
				t.Errorf("Retire after a change: %v", err)
			}
			if got, err := sealer().Open(nil, value); err != nil || string(got) != "first" {
				t.Fatalf("%q, %v", got, err)
			}
			if err := store.Retire(ctx, name, first.ID+second, version(t, store, name)); !errors.Is(err, keys.ErrMissing) {
				t.Errorf("Retire of no key: %v", err)
			}
			if err := store.Retire(ctx, name, first.ID, version(t, store, name)); err != nil {
				t.Fatal(err)
			}
			if info := openKey(t, store, name).Info(); !info.Keys[0].Retired() || info.Keys[1].Retired() {
				t.Errorf("%+v", info)
			}
			if _, err := sealer().Open(nil, value); !errors.Is(err, keys.ErrOpen) {
				t.Errorf("a retired key opens: %v", err)
			}
			if err := store.Promote(ctx, name, first.ID); !errors.Is(err, keys.ErrMissing) {
				t.Errorf("Promote of a retired key: %v", err)
			}
			if err := store.Restore(ctx, name, first.ID); err != nil {
				t.Fatal(err)
			}
			if got, err := sealer().Open(nil, value); err != nil || string(got) != "first" {
				t.Errorf("restored: %q, %v", got, err)
			}
		})
	}
}

// TestRetireDeterministic: the key that seals where no constraint names one is not the
// primary there, until it is retired.
func TestRetireDeterministic(t *testing.T) {
	for where, store := range changing(t) {
		t.Run(where, func(t *testing.T) {
			const name = "compared"
			first := create(t, store, name, keys.TypeDeterministic).Keys[0].ID
			second, err := store.AddKey(t.Context(), name)
			if err == nil {
				err = store.Promote(t.Context(), name, second)
			}
			if err != nil {
				t.Fatal(err)
			}
			infos := openKey(t, store, name).Info().Keys
			if !infos[0].Seals || infos[0].Primary || infos[1].Seals || !infos[1].Primary {
				t.Errorf("%+v", infos)
			}
			if err := store.Retire(t.Context(), name, second, version(t, store, name)); !errors.Is(err, keys.ErrSeals) {
				t.Errorf("the primary: %v", err)
			}
			if err := store.Retire(t.Context(), name, first, version(t, store, name)); err != nil {
				t.Fatal(err)
			}
			if infos = openKey(t, store, name).Info().Keys; infos[0].Seals || !infos[1].Seals {
				t.Errorf("after the first was retired: %+v", infos)
			}
		})
	}
}

// TestRemove: only a retired key goes, and nothing of it stays.
func TestRemove(t *testing.T) {
	for where, store := range changing(t) {
		t.Run(where, func(t *testing.T) {
			const name = "removed"
			ctx := t.Context()
			first, second := rotated(t, store, name)
			if err := store.Remove(ctx, name, first, version(t, store, name)); !errors.Is(err, keys.ErrNotRetired) {
				t.Errorf("Remove of an enabled key: %v", err)
			}
			if err := store.Retire(ctx, name, first, version(t, store, name)); err != nil {
				t.Fatal(err)
			}
			if err := store.Remove(ctx, name, first, "no version"); !errors.Is(err, keys.ErrChanged) {
				t.Errorf("Remove of another version: %v", err)
			}
			if err := store.Remove(ctx, name, first, version(t, store, name)); err != nil {
				t.Fatal(err)
			}
			info := openKey(t, store, name).Info()
			if len(info.Keys) != 1 || info.Keys[0].ID != second || !info.Keys[0].Primary {
				t.Errorf("%+v", info)
			}
			if err := store.Restore(ctx, name, first); !errors.Is(err, keys.ErrMissing) {
				t.Errorf("Restore of a removed key: %v", err)
			}
		})
	}
}

// TestDestroy: of a destroyed key the name is left.
func TestDestroy(t *testing.T) {
	for where, store := range changing(t) {
		t.Run(where, func(t *testing.T) {
			const name = "erased"
			ctx := t.Context()
			rotated(t, store, name)
			create(t, store, "other", keys.TypeMAC)
			ring := openKey(t, store, name)
			s, err := ring.Sealer(keys.ModeRandomized, "column:lab.patient.email", 0)
			if err != nil {
				t.Fatal(err)
			}
			live := keys.NewLiveSealer(s)
			create(t, store, "living", keys.TypeRandomized)
			living, err := openKey(t, store, "living").Sealer(keys.ModeRandomized, "column:lab.patient.email", 0)
			if err != nil {
				t.Fatal(err)
			}
			other := mustSeal(t, living, []byte("value"))
			value := mustSeal(t, s, []byte("value"))
			before := version(t, store, name)
			if err := store.Destroy(ctx, name, "no version"); !errors.Is(err, keys.ErrChanged) {
				t.Errorf("Destroy of another version: %v", err)
			}
			if err := store.Destroy(ctx, name, before); err != nil {
				t.Fatal(err)
			}
			_, err = store.Open(ctx, name)
			wantError(t, err, keys.ErrDestroyed, "nothing opens what it sealed")
			if after := version(t, store, name); after == before {
				t.Error("whoever compares versions does not learn of it")
			}
			for what, err := range map[string]error{
				"Promote": store.Promote(ctx, name, 1),
				"Restore": store.Restore(ctx, name, 1),
				"Create":  func() error { _, err := store.Create(ctx, name, keys.TypeRandomized); return err }(),
			} {
				if !errors.Is(err, keys.ErrDestroyed) && !errors.Is(err, keys.ErrExists) {
					t.Errorf("%s: %v", what, err)
				}
			}
			infos, err := store.List(ctx)
			if err != nil || len(infos) != 3 || infos[0].Name != name || infos[0].Destroyed.IsZero() || len(infos[0].Erased) != 2 || !infos[1].Destroyed.IsZero() {
				t.Errorf("%+v, %v", infos, err)
			}
			_, err = store.Open(ctx, name)
			left := keys.Erased(err)
			if left == nil || left.Name() != name || left.Type() != keys.TypeRandomized || left.Info().Destroyed.IsZero() || len(left.Info().Erased) != 2 {
				t.Fatalf("what is left: %+v", left)
			}
			for i, after := range []*keys.Keyring{ring.Destroyed(time.Now()), left} {
				if err := live.Exchange(after); err != nil {
					t.Error(err)
				}
				fresh, err := after.Sealer(keys.ModeRandomized, "column:lab.patient.email", 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range []interface {
					Open(dst, sealed []byte) ([]byte, error)
					Seal(dst, plaintext []byte) ([]byte, error)
				}{live, fresh} {
					if got, err := s.Open([]byte("x"), value); !errors.Is(err, keys.ErrErased) || string(got) != "x" {
						t.Errorf("%d: a destroyed key opens: %q, %v", i, got, err)
					}
					if _, err := s.Seal(nil, []byte("value")); !errors.Is(err, keys.ErrDestroyed) {
						t.Errorf("%d: a destroyed key seals: %v", i, err)
					}
					// What no destroyed key has sealed is no erased value.
					for _, damaged := range [][]byte{value[:20], append([]byte{0}, value[1:]...), other, changed(value, keys.HeaderSize), changed(value, keys.HeaderSize+2)} {
						if _, err := s.Open(nil, damaged); !errors.Is(err, keys.ErrOpen) {
							t.Errorf("%d: %x: %v", i, damaged, err)
						}
					}
				}
			}
		})
	}
}

// changed gives a value of which one byte is another.
func changed(value []byte, at int) []byte {
	value = slices.Clone(value)
	value[at] ^= 0xff
	return value
}

// TestDestroyVersions: Vault gives no older version back, not even to root.
func TestDestroyVersions(t *testing.T) {
	vault, setup := ownVault(t, testenv.VaultOptions{})
	c := withAppRole(t, config(t, vault), setup.Admin)
	store := openVault(t, c)
	kv, path := vault.Client().KVv2(testenv.KVMount), c.KVPath+"/gone"
	first, _ := rotated(t, store, "gone")
	sealer, err := openKey(t, store, "gone").Sealer(keys.ModeRandomized, "column:lab.patient.email", 0)
	if err != nil {
		t.Fatal(err)
	}
	old := mustSeal(t, sealer, []byte("value"))
	binary.BigEndian.PutUint32(old[keys.HeaderSize+1:], first) // as if it had sealed it
	if err := store.Retire(t.Context(), "gone", first, version(t, store, "gone")); err != nil {
		t.Fatal(err)
	}
	left := func() (versions []int) {
		t.Helper()
		metadata, err := kv.GetMetadata(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		for v := 1; v <= metadata.CurrentVersion; v++ {
			secret, err := kv.GetVersion(t.Context(), path, v)
			if err == nil && secret.Data != nil {
				versions = append(versions, v)
			} else if err != nil && !errors.Is(err, api.ErrSecretNotFound) {
				t.Fatal(err)
			}
		}
		return versions
	}
	if got := left(); len(got) != 4 {
		t.Fatalf("versions %v", got)
	}
	if err := store.Remove(t.Context(), "gone", first, version(t, store, "gone")); err != nil {
		t.Fatal(err)
	}
	if got := left(); len(got) != 1 || got[0] != 5 {
		t.Errorf("after Remove, versions %v are left", got)
	}
	// Which key that was is kept, whatever becomes of the keyset.
	if _, err := store.Rewrap(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	if got := openKey(t, store, "gone").Info().Erased; !slices.Equal(got, []uint32{first}) {
		t.Errorf("erased %d, not %d", got, first)
	}
	s, err := openKey(t, store, "gone").Sealer(keys.ModeRandomized, "column:lab.patient.email", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(nil, old); !errors.Is(err, keys.ErrErased) {
		t.Errorf("a value of the removed key: %v", err)
	}
	mustSeal(t, s, []byte("value"))
	if err := store.Destroy(t.Context(), "gone", version(t, store, "gone")); err != nil {
		t.Fatal(err)
	}
	if got := left(); len(got) != 1 || got[0] != 7 {
		t.Errorf("after Destroy, versions %v are left", got)
	}
	secret, err := kv.Get(t.Context(), path)
	if err != nil || len(secret.Data) != 3 || secret.Data["type"] != "randomized" || secret.Data["destroyed"] == nil {
		t.Errorf("%v, %v", secret, err)
	}
}

// TestAdded: Vault says of each key since when it is there and retired, whatever happened to
// its keyset.
func TestAdded(t *testing.T) {
	vault, setup := sharedVault(t)
	store := openVault(t, withAppRole(t, config(t, vault), setup.Admin))
	first, second := rotated(t, store, "old")
	added := func() map[uint32]string {
		t.Helper()
		at := make(map[uint32]string)
		for _, k := range openKey(t, store, "old").Info().Keys {
			if k.Added.IsZero() {
				t.Errorf("of key %d it is not known", k.ID)
			}
			at[k.ID] = k.Added.String()
		}
		return at
	}
	before := added()
	if _, err := store.Rewrap(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	if after := added(); len(after) != 2 || after[first] != before[first] || after[second] != before[second] {
		t.Errorf("%v, before %v", after, before)
	}
	retired := func() time.Time { t.Helper(); return openKey(t, store, "old").Info().Keys[0].RetiredAt }
	if at := retired(); !at.IsZero() {
		t.Errorf("retired at %v", at)
	}
	if err := store.Retire(t.Context(), "old", first, version(t, store, "old")); err != nil {
		t.Fatal(err)
	}
	at := retired()
	if at.IsZero() || time.Since(at) > time.Hour {
		t.Errorf("retired at %v", at)
	}
	if _, err := store.Rewrap(t.Context(), "old"); err != nil || !retired().Equal(at) {
		t.Errorf("retired at %v, and after a rewrap at %v: %v", at, retired(), err)
	}
	infos, err := store.List(t.Context())
	if err != nil || len(infos) != 1 || infos[0].Keys[0].Added.String() != before[first] {
		t.Errorf("%+v, %v", infos, err)
	}
	if err := store.Restore(t.Context(), "old", first); err != nil || !retired().IsZero() {
		t.Errorf("restored, and retired at %v: %v", retired(), err)
	}
}

// TestDestroyLocalFile: the file of a destroyed key holds none.
func TestDestroyLocalFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "insecure-keys")
	store, err := keys.CreateInsecureLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	create(t, store, "gone", keys.TypeRandomized)
	if err := store.Destroy(t.Context(), "gone", version(t, store, "gone")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "gone.json"))
	if err != nil || strings.Contains(string(data), "key") {
		t.Errorf("%s, %v", data, err)
	}
	// A note that does not say which keys there were erases no value.
	if err := os.WriteFile(filepath.Join(dir, "gone.json"), []byte(`{"destroyed":"2026-01-02T03:04:05Z"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), "gone"); !errors.Is(err, keys.ErrDestroyed) || keys.Erased(err) != nil {
		t.Errorf("without the IDs: %v, %v", keys.Erased(err), err)
	}
}

// TestIdentity: Vault says who holds a token, if the token may ask.
func TestIdentity(t *testing.T) {
	vault, setup := sharedVault(t)
	c := config(t, vault)
	role, err := openVault(t, withAppRole(t, c, setup.Admin)).Identity(t.Context())
	if err != nil || role.Name != "approle" || role.Accessor == "" || role.Entity == "" || role.Role != "pgveil-admin" {
		t.Errorf("%+v, %v", role, err)
	}
	named := newToken(t, vault, api.TokenCreateRequest{DisplayName: "duval"})
	id, err := openVault(t, withToken(c, named)).Identity(t.Context())
	if err != nil || id.Name != "token-duval" || id.Accessor == "" || id.Role != "" || strings.Contains(id.Accessor, named) {
		t.Errorf("%+v, %v", id, err)
	}
	mute := newToken(t, vault, api.TokenCreateRequest{NoDefaultPolicy: true})
	if id, err := openVault(t, withToken(c, mute)).Identity(t.Context()); err != nil || id != (keys.Identity{}) {
		t.Errorf("%+v, %v", id, err)
	}
}
