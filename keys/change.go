package keys

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/keyset"
)

// change makes another keyset of one. It is called again, with what is there by then, when
// somebody else has changed the keyset meanwhile.
type change func(*keyset.Handle) (*keyset.Handle, error)

// maxChanges bounds how often a change is made again.
const maxChanges = 100

// addKey gives the change that adds a key, which opens and does not seal yet, and sets id
// to its ID.
func addKey(id *uint32) change {
	return func(handle *keyset.Handle) (*keyset.Handle, error) {
		primary, err := handle.Primary()
		if err != nil {
			return nil, err
		}
		t, err := typeOf(primary.Key())
		if err != nil {
			return nil, err
		}
		template, err := t.template()
		if err != nil {
			return nil, err
		}
		manager := keyset.NewManagerFromHandle(handle)
		if *id, err = manager.Add(template); err != nil {
			return nil, err
		}
		return manager.Handle()
	}
}

// promote gives the change that makes a key the primary.
func promote(id uint32) change {
	return func(handle *keyset.Handle) (*keyset.Handle, error) {
		if !slices.ContainsFunc(keyInfos(handle.KeysetInfo()), func(k KeyInfo) bool { return k.ID == id && k.Status == "enabled" }) {
			return nil, &StoreError{Reason: ErrMissing, Detail: fmt.Sprintf("no enabled key of it has the ID %d", id)}
		}
		manager := keyset.NewManagerFromHandle(handle)
		if err := manager.SetPrimary(id); err != nil {
			return nil, err
		}
		return manager.Handle()
	}
}

// unchanged is the change of a rewrap: only what encrypts the keyset is another.
func unchanged(handle *keyset.Handle) (*keyset.Handle, error) { return handle, nil }

// errMeanwhile says that somebody else has changed the keyset.
var errMeanwhile = errors.New("somebody else changes the keyset at this moment")
