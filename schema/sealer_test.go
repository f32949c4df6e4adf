package schema

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pgveil/pgveil/keys"
)

// TestColumnSealer: a column is sealed with the key that its CHECK constraint names; while it
// is sealed anew under the same header, both keysets open.
func TestColumnSealer(t *testing.T) {
	f, err := Parse("f", []byte(`version: 1
keys: {d: deterministic, e: deterministic}
profiles: {staff: {public: decrypt}}
databases:
  shop:
    tables:
      public.client:
        columns:
          name: {type: text, encryption: deterministic, key: d, domain: a, access: staff, was: {encryption: deterministic, domain: a, key: e}}
`))
	if err != nil {
		t.Fatal(err)
	}
	var c *Column
	for _, db := range f.Databases {
		c = db.Columns[0]
	}
	store, err := keys.CreateInsecureLocal(filepath.Join(t.TempDir(), "insecure-keys"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	rings := make(map[string]*keys.Keyring)
	var first, second uint32
	for _, name := range []string{"d", "e"} {
		info, err := store.Create(t.Context(), name, keys.TypeDeterministic)
		if err != nil {
			t.Fatal(err)
		}
		first = info.Keys[0].ID
		if second, err = store.AddKey(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if rings[name], err = store.Open(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	was := c.Was
	var values [][]byte
	for _, form := range []*Column{c, was, was.WithKey(first), was.WithKey(second)} {
		s, err := form.Sealer(rings)
		if err != nil {
			t.Fatal(err)
		}
		if form.KeyID != 0 && s.SealingKey() != form.KeyID {
			t.Errorf("%d seals, and the constraint names %d", s.SealingKey(), form.KeyID)
		}
		value, err := s.Seal(nil, []byte("value"))
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	for _, form := range []*Column{c, was, was.WithKey(second)} {
		s, err := form.Sealer(rings)
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range values {
			if got, err := s.Open(nil, value); err != nil || string(got) != "value" {
				t.Errorf("%q, %v", got, err)
			}
		}
	}
	if _, err := c.WithKey(first).Sealer(rings); !errors.Is(err, keys.ErrNotEnabled) {
		t.Errorf("a key of the other keyset: %v", err)
	}
	if _, err := c.Sealer(map[string]*keys.Keyring{"d": rings["d"]}); err == nil {
		t.Error("without the keyset that it was sealed with")
	}
	if got := was.WithKey(first).Keysets(); !slices.Equal(got, []string{"e", "d"}) {
		t.Errorf("keysets %v", got)
	}
}
