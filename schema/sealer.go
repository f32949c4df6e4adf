package schema

import (
	"fmt"
	"slices"

	"github.com/pgveil/pgveil/keys"
)

// Keysets names the keysets whose keys open values of the column, and first the one that
// seals: besides its own, while the file says what it was, the one of values that look alike.
func (c *Column) Keysets() []string {
	list := []string{c.Key}
	for _, form := range c.InFile().Forms() {
		if form.Header() == c.Header() && !slices.Contains(list, form.Key) {
			list = append(list, form.Key)
		}
	}
	return list
}

// Sealer makes what seals and opens values of the column, with the key that its CHECK
// constraint names if it names one. The error is [keys.ErrNotEnabled] if that one is not in
// the keyset.
func (c *Column) Sealer(rings map[string]*keys.Keyring) (*keys.Sealer, error) {
	var opening []*keys.Keyring
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
