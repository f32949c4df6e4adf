package schema

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pgveil/pgveil/keys"
)

// Keysets names the keysets whose keys open values of the column, and first the one that
// seals: besides its own, while the file says what it was, the one of values that look alike.
//
// Of keys by value it gives none: see [Column.OpensWith].
func (c *Column) Keysets() []string {
	var list []string
	if c.KeyBy == nil {
		list = append(list, c.Key)
	}
	for _, form := range c.InFile().Forms() {
		if form.Header() == c.Header() && form.KeyBy == nil && !slices.Contains(list, form.Key) {
			list = append(list, form.Key)
		}
	}
	return list
}

// Sealer makes what seals and opens values of the column, with the key that its CHECK
// constraint names if it names one. The error is [keys.ErrNotEnabled] if that one is not in
// the keyset. Of keys by value it takes what there is in rings.
func (c *Column) Sealer(rings map[string]*keys.Keyring) (*keys.Sealer, error) {
	var opening []*keys.Keyring
	if c.KeyBy != nil {
		for _, name := range slices.Sorted(maps.Keys(rings)) {
			if c.OpensWith(name) {
				opening = append(opening, rings[name])
			}
		}
		s, err := keys.FamilySealer(c.Key, byte(c.Mode), c.Context, c.Padding, opening...)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.QualifiedName(), err)
		}
		return s, nil
	}
	for _, name := range c.Keysets() {
		ring := rings[name]
		if ring == nil {
			return nil, fmt.Errorf("column %s: key %q is not there", c.QualifiedName(), name)
		}
		opening = append(opening, ring)
	}
	s, err := opening[0].SealerWith(c.KeyID, byte(c.Mode), c.Context, c.Padding)
	if err == nil && len(opening) > 1 {
		s, err = s.OpeningAlso(opening[1:]...)
	}
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", c.QualifiedName(), err)
	}
	return s, nil
}
