package keys

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"
)

// AddKey implements [Store].
func (s *VaultStore) AddKey(ctx context.Context, name string) (id uint32, err error) {
	return id, s.change(ctx, name, addKey(&id))
}

// Promote implements [Store].
func (s *VaultStore) Promote(ctx context.Context, name string, id uint32) error {
	return s.change(ctx, name, promote(id))
}

// Rewrap implements [Store]. A keyset that the newest version of the KEK encrypts already
// is written again all the same: which version that is only an officer of the KEK may see.
func (s *VaultStore) Rewrap(ctx context.Context, name string) (Info, error) {
	if err := s.change(ctx, name, unchanged); err != nil {
		return Info{}, err
	}
	_, info, err := s.read(ctx, name)
	return info, err
}

// Version implements [Store].
func (s *VaultStore) Version(ctx context.Context, name string) (string, error) {
	version, err := s.version(ctx, name)
	return strconv.Itoa(version), err
}

// version gives the number of the newest version of a keyset in KV.
func (s *VaultStore) version(ctx context.Context, name string) (int, error) {
	path := s.dataPath(s.keyPath(name))
	secret, err := s.get(ctx, s.keyPath(name))
	switch {
	case err != nil:
		return 0, s.fail(name, path, "read", err)
	case secret.VersionMetadata == nil:
		return 0, s.fail(name, path, "read", &StoreError{Reason: ErrCorrupt, Detail: "Vault does not say which version it is"})
	}
	return secret.VersionMetadata.Version, nil
}

// change reads a keyset, changes it and writes it in the place of the version that it
// read, and begins again if that is no longer the newest.
func (s *VaultStore) change(ctx context.Context, name string, to change) error {
	for try := range maxChanges {
		err := s.changeOnce(ctx, name, to)
		if !errors.Is(err, errMeanwhile) {
			return err
		}
		// Others do the same: whoever is not first waits a little.
		select {
		case <-time.After(time.Duration(rand.IntN(10*(min(try, 20)+1))) * time.Millisecond):
		case <-ctx.Done():
			return s.fail(name, s.dataPath(s.keyPath(name)), "", ctx.Err())
		}
	}
	return s.fail(name, s.dataPath(s.keyPath(name)), "", &StoreError{Reason: errMeanwhile, Detail: "try again"})
}

func (s *VaultStore) changeOnce(ctx context.Context, name string, to change) error {
	if err := CheckName(name); err != nil {
		return &StoreError{Place: s.config.Address, Reason: ErrMissing, Detail: err.Error()}
	}
	version, err := s.version(ctx, name)
	if err != nil {
		return err
	}
	r, _, err := s.read(ctx, name) // this version or a newer one, which the write then finds
	if err != nil {
		return err
	}
	err = s.do(ctx, func() error {
		handle, err := s.kek.open(ctx, name, r)
		if err != nil {
			return err
		}
		if handle, err = to(handle); err != nil {
			return err
		}
		r, err = s.kek.seal(ctx, name, handle)
		return err
	})
	if err != nil {
		return s.fail(name, s.kek.path, "update", err)
	}
	if _, err = s.write(ctx, name, r, version); errors.Is(err, errMeanwhile) {
		return err
	} else if err != nil {
		return s.fail(name, s.dataPath(s.keyPath(name)), "update", err)
	}
	return nil
}
