package keys

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"
)

// AddKey implements [Store].
func (s *VaultStore) AddKey(ctx context.Context, name string, taken ...uint32) (id uint32, err error) {
	_, err = s.change(ctx, name, "", addKey(&id, taken))
	return id, err
}

// Promote implements [Store].
func (s *VaultStore) Promote(ctx context.Context, name string, id uint32) error {
	_, err := s.change(ctx, name, "", promote(id))
	return err
}

// Rewrap implements [Store]. A keyset that the newest version of the KEK encrypts already
// is written again all the same: which version that is only an officer of the KEK may see.
func (s *VaultStore) Rewrap(ctx context.Context, name string) (Info, error) {
	if _, err := s.change(ctx, name, "", unchanged); err != nil {
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
// read, and begins again if that is no longer the newest. It gives the version that it
// wrote. Unless want is "", the keyset has to be of that version.
func (s *VaultStore) change(ctx context.Context, name, want string, to change) (int, error) {
	for try := range maxChanges {
		version, err := s.changeOnce(ctx, name, want, to)
		switch {
		case !errors.Is(err, errMeanwhile):
			return version, err
		case want != "":
			return 0, s.changed(name)
		}
		// Others do the same: whoever is not first waits a little.
		select {
		case <-time.After(time.Duration(rand.IntN(10*(min(try, 20)+1))) * time.Millisecond):
		case <-ctx.Done():
			return 0, s.fail(name, s.dataPath(s.keyPath(name)), "", ctx.Err())
		}
	}
	return 0, s.fail(name, s.dataPath(s.keyPath(name)), "", &StoreError{Reason: errMeanwhile, Detail: "try again"})
}

func (s *VaultStore) changeOnce(ctx context.Context, name, want string, to change) (int, error) {
	version, err := s.expect(ctx, name, want)
	if err != nil {
		return 0, err
	}
	r, _, err := s.read(ctx, name) // this version or a newer one, which the write then finds
	if err != nil {
		return 0, err
	}
	err = s.do(ctx, func() error {
		handle, err := s.kek.open(ctx, name, r)
		if err != nil {
			return err
		}
		if handle, err = to(handle); err != nil {
			return err
		}
		r, err = s.kek.seal(ctx, name, &r, handle)
		return err
	})
	if err != nil {
		return 0, s.fail(name, s.kek.path, "update", err)
	}
	return s.replace(ctx, name, r.fields(), version)
}

// expect gives the newest version of a keyset, which has to be the one that is wanted,
// unless that is "".
func (s *VaultStore) expect(ctx context.Context, name, want string) (int, error) {
	if err := CheckName(name); err != nil {
		return 0, &StoreError{Place: s.config.Address, Reason: ErrMissing, Detail: err.Error()}
	}
	version, err := s.version(ctx, name)
	if err == nil && want != "" && strconv.Itoa(version) != want {
		err = s.changed(name)
	}
	return version, err
}

// replace writes a record in the place of this version, and gives the version that it has
// become. The error is errMeanwhile if there is another version.
func (s *VaultStore) replace(ctx context.Context, name string, fields map[string]any, version int) (int, error) {
	_, err := s.write(ctx, name, fields, version)
	switch {
	case errors.Is(err, errMeanwhile):
		return 0, err
	case err != nil:
		return 0, s.fail(name, s.dataPath(s.keyPath(name)), "update", err)
	}
	return version + 1, nil
}

func (s *VaultStore) changed(name string) error {
	return s.fail(name, s.dataPath(s.keyPath(name)), "", &StoreError{Reason: ErrChanged, Detail: "look at it, and try again"})
}
