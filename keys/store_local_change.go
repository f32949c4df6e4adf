package keys

import (
	"context"
	"encoding/json"
	"fmt"
	"syscall"
)

// AddKey implements [Store].
func (s *LocalStore) AddKey(_ context.Context, name string, taken ...uint32) (id uint32, err error) {
	return id, s.change(name, "", addKey(&id, taken))
}

// Promote implements [Store].
func (s *LocalStore) Promote(_ context.Context, name string, id uint32) error {
	return s.change(name, "", promote(id))
}

// Rewrap implements [Store]: there is no KEK, and nothing is done.
func (s *LocalStore) Rewrap(ctx context.Context, name string) (Info, error) {
	keyring, err := s.Open(ctx, name)
	if err != nil {
		return Info{}, err
	}
	return keyring.Info(), nil
}

// Version implements [Store].
func (s *LocalStore) Version(_ context.Context, name string) (string, error) {
	if err := CheckName(name); err != nil {
		return "", &StoreError{Place: s.dir, Reason: ErrMissing, Detail: err.Error()}
	}
	info, err := s.root.Stat(name + localSuffix)
	if err != nil {
		return "", localError(name, s.path(name), err)
	}
	// Times are coarse; the file that takes another's place is another file.
	inode := uint64(0)
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = stat.Ino
	}
	return fmt.Sprintf("%d of %d", inode, info.ModTime().UnixNano()), nil
}

// Retire implements [Store].
func (s *LocalStore) Retire(_ context.Context, name string, id uint32, version string) error {
	return s.change(name, version, disable(id))
}

// Restore implements [Store].
func (s *LocalStore) Restore(_ context.Context, name string, id uint32) error {
	return s.change(name, "", enable(id))
}

// Remove implements [Store]. No older version is kept; what the disk holds of the file that
// was there is not overwritten. Unlike Vault it does not keep which keys were removed.
func (s *LocalStore) Remove(_ context.Context, name string, id uint32, version string) error {
	return s.change(name, version, remove(id))
}

// Destroy implements [Store], with the same limit as Remove.
func (s *LocalStore) Destroy(_ context.Context, name, version string) error {
	return s.exclusive(name, version, func() error {
		handle, _, err := s.read(name)
		if err != nil {
			return err
		}
		ring, err := NewKeyring(name, handle)
		if err != nil {
			return err
		}
		data, err := json.Marshal(tombstoneOf(ring.info))
		if err != nil {
			return err
		}
		return s.writeFile(name, data, s.root.Rename)
	})
}

func destroyedFile(data []byte) (t tombstone, ok bool) {
	return t, json.Unmarshal(data, &t) == nil && !t.Destroyed.IsZero()
}

// change changes a keyset while no other process does.
func (s *LocalStore) change(name, version string, to change) error {
	return s.exclusive(name, version, func() error {
		handle, _, err := s.read(name)
		if err != nil {
			return err
		}
		if handle, err = to(handle); err != nil {
			return err
		}
		return s.write(name, handle, s.root.Rename)
	})
}

// exclusive calls f while no other process changes a keyset, which has to be of that
// version, unless it is "".
func (s *LocalStore) exclusive(name, version string, f func() error) error {
	err := s.locked(func() error {
		now, err := s.Version(context.Background(), name)
		switch {
		case err != nil:
			return err
		case version != "" && now != version:
			return &StoreError{Reason: ErrChanged, Detail: "look at it, and try again"}
		}
		return f()
	})
	if err != nil {
		return localError(name, s.path(name), err)
	}
	return nil
}

// locked calls f while it holds the lock of the directory.
func (s *LocalStore) locked(f func() error) error {
	d, err := s.root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close() // which releases the lock
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	return f()
}
