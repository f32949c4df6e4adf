package keys

import (
	"context"
	"errors"
	"fmt"
)

// fieldDestroyed tells what takes the place of a destroyed keyset.
const fieldDestroyed = "destroyed"

// Retire implements [Store].
func (s *VaultStore) Retire(ctx context.Context, name string, id uint32, version string) error {
	_, err := s.change(ctx, name, version, disable(id))
	return err
}

// Restore implements [Store].
func (s *VaultStore) Restore(ctx context.Context, name string, id uint32) error {
	_, err := s.change(ctx, name, "", enable(id))
	return err
}

// Remove implements [Store].
func (s *VaultStore) Remove(ctx context.Context, name string, id uint32, version string) error {
	// What was there before this version goes first: whoever may not destroy has then
	// changed nothing.
	now, err := s.expect(ctx, name, version)
	if err == nil {
		err = s.destroyUpTo(ctx, name, now-1)
	}
	if err == nil {
		now, err = s.change(ctx, name, version, remove(id))
	}
	if err != nil {
		return err
	}
	return s.destroyUpTo(ctx, name, now-1)
}

// Destroy implements [Store]. A record of when it was done and of which keys becomes the newest version, so
// that no key is made under the name by mistake, and a pgveil that serves learns of it.
func (s *VaultStore) Destroy(ctx context.Context, name, version string) error {
	now, err := s.expect(ctx, name, version)
	if err == nil {
		err = s.destroyUpTo(ctx, name, now-1)
	}
	if err != nil {
		return err
	}
	_, info, err := s.read(ctx, name) // this version or a newer one, which the write then finds
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return err
	}
	now, err = s.replace(ctx, name, tombstoneOf(info).fields(), now)
	switch {
	case errors.Is(err, errMeanwhile):
		return s.changed(name)
	case err != nil:
		return err
	}
	return s.destroyUpTo(ctx, name, now-1)
}

// destroyUpTo destroys the versions 1 to last of a keyset in KV: Vault keeps that they were
// there, and nothing of what they held.
func (s *VaultStore) destroyUpTo(ctx context.Context, name string, last int) error {
	if last < 1 {
		return nil
	}
	versions := make([]int, last)
	for i := range versions {
		versions[i] = i + 1
	}
	err := s.do(ctx, func() error {
		return s.session.client.KVv2(s.config.KVMount).Destroy(ctx, s.keyPath(name), versions)
	})
	if err == nil {
		return nil
	}
	e := s.fail(name, s.config.KVMount+"/destroy/"+s.keyPath(name), "update", err).(*StoreError)
	if e.Detail != "" {
		e.Detail += "; "
	}
	e.Detail += fmt.Sprintf("versions 1 to %d of it are not destroyed", last)
	return e
}
