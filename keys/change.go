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
// to its ID, which is none of those taken.
func addKey(id *uint32, taken []uint32) change {
	return func(handle *keyset.Handle) (*keyset.Handle, error) {
		primary, err := handle.Primary()
		if err != nil {
			return nil, err
		}
		t, err := typeOf(primary.Key())
		if err != nil {
			return nil, err
		}
		if t == TypePseudonym { // another primary would silently change every pseudonym
			return nil, &StoreError{Reason: ErrOneKey}
		}
		template, err := t.template()
		if err != nil {
			return nil, err
		}
		for {
			manager := keyset.NewManagerFromHandle(handle)
			if *id, err = manager.Add(template); err != nil {
				return nil, err
			}
			if !slices.Contains(taken, *id) {
				return manager.Handle()
			}
		}
	}
}

// promote gives the change that makes a key the primary.
func promote(id uint32) change {
	return func(handle *keyset.Handle) (*keyset.Handle, error) {
		if k, err := findKey(handle, id); err != nil || k.Status != statusEnabled {
			return nil, &StoreError{Reason: ErrMissing, Detail: fmt.Sprintf("no enabled key of it has the ID %d", id)}
		}
		manager := keyset.NewManagerFromHandle(handle)
		if err := manager.SetPrimary(id); err != nil {
			return nil, err
		}
		return manager.Handle()
	}
}

// disable gives the change that retires a key: no value is opened with it any more, and
// enable undoes it. Whether columns still need it, of a deterministic keyset also to seal, is
// for the caller to know.
func disable(id uint32) change {
	return func(handle *keyset.Handle) (*keyset.Handle, error) {
		k, err := findKey(handle, id)
		switch {
		case err != nil:
			return nil, err
		case k.Primary:
			return nil, &StoreError{Reason: ErrSeals, Detail: fmt.Sprintf("values are sealed with %d; keys rotate makes another key the primary", id)}
		}
		manager := keyset.NewManagerFromHandle(handle)
		if err := manager.Disable(id); err != nil {
			return nil, err
		}
		return manager.Handle()
	}
}

// enable gives the change that makes a retired key open values again.
func enable(id uint32) change {
	return func(handle *keyset.Handle) (*keyset.Handle, error) {
		if _, err := findKey(handle, id); err != nil {
			return nil, err
		}
		manager := keyset.NewManagerFromHandle(handle)
		if err := manager.Enable(id); err != nil {
			return nil, err
		}
		return manager.Handle()
	}
}

// remove gives the change that takes a retired key out of a keyset.
func remove(id uint32) change {
	return func(handle *keyset.Handle) (*keyset.Handle, error) {
		k, err := findKey(handle, id)
		switch {
		case err != nil:
			return nil, err
		case k.Status != statusDisabled:
			return nil, &StoreError{Reason: ErrNotRetired, Detail: fmt.Sprintf("%d is %s; pgveil keys retire comes first", id, k.Status)}
		}
		manager := keyset.NewManagerFromHandle(handle)
		if err := manager.Delete(id); err != nil {
			return nil, err
		}
		return manager.Handle()
	}
}

// findKey describes a key of a keyset.
func findKey(handle *keyset.Handle, id uint32) (KeyInfo, error) {
	for _, k := range keyInfos(handle.KeysetInfo()) {
		if k.ID == id {
			return k, nil
		}
	}
	return KeyInfo{}, &StoreError{Reason: ErrMissing, Detail: fmt.Sprintf("no key of it has the ID %d", id)}
}

// unchanged is the change of a rewrap: only what encrypts the keyset is another.
func unchanged(handle *keyset.Handle) (*keyset.Handle, error) { return handle, nil }

// errMeanwhile says that somebody else has changed the keyset.
var errMeanwhile = errors.New("somebody else changes the keyset at this moment")
