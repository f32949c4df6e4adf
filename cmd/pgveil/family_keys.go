package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
)

// families gives the names of the schema file's keys by value.
func families(file *schema.File) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(file.Keys)) {
		if file.Keys[name].ByValue {
			list = append(list, name)
		}
	}
	return list
}

// memberKeys gives the keysets of families that there are. Without a family nothing is asked: to
// list keysets needs a right of its own.
func memberKeys(ctx context.Context, store keys.Store, families []string) ([]neededKey, error) {
	if len(families) == 0 {
		return nil, nil
	}
	names, err := store.Names(ctx)
	if err != nil {
		return nil, err
	}
	var members []neededKey
	for _, name := range names {
		if family, _, ok := keys.SplitMember(name); ok && slices.Contains(families, family) {
			members = append(members, neededKey{name, keys.TypeRandomized})
		}
	}
	return members, nil
}

// servedKeys gives the keys that a pgveil that serves needs: those of the schema file and of the
// audit log, and the members of families that there are.
func (c *call) servedKeys(ctx context.Context, store keys.Store, file *schema.File) ([]neededKey, error) {
	members, err := memberKeys(ctx, store, families(file))
	return append(neededKeys(c.config, file), members...), err
}

// liveFamilies are the keys by value of a pgveil that serves. New ones are looked for with each
// round, and when a value needs one that is not known.
type liveFamilies struct {
	names   []string     // of the families; guarded by liveKeys.mu, as is columns
	columns []liveColumn // of families

	looking chan struct{}     // holds one while nobody looks
	looked  time.Time         // when somebody last began to; guarded by looking
	faults  map[string]string // of members that could not be opened, by name; guarded by looking
}

// lookEach is how often members are looked for at most because values need them, lookLong how
// long that may take.
const (
	lookEach = time.Second
	lookLong = 3 * time.Second
)

func newLiveFamilies() *liveFamilies {
	f := &liveFamilies{looking: make(chan struct{}, 1), faults: make(map[string]string)}
	f.looking <- struct{}{}
	return f
}

// expect takes over which families another schema file has.
func (l *liveKeys) expect(file *schema.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.families.names = families(file)
}

// discover opens the members of families that are new in the store. Whoever calls it has taken
// what looking holds.
func (l *liveKeys) discover(ctx context.Context) error {
	l.mu.Lock()
	names := l.families.names
	l.mu.Unlock()
	members, err := memberKeys(ctx, l.store, names)
	if err != nil {
		return err
	}
	known := l.known()
	for _, member := range members {
		if known[member.name] != nil {
			continue
		}
		rings, err := openServed(ctx, l.store, []neededKey{member}, l.log)
		if err != nil {
			if reason := reasonOf(err); l.families.faults[member.name] != reason {
				l.families.faults[member.name] = reason
				l.log.Error("new key cannot be opened", "key", member.name, "error", err)
			}
			continue
		}
		delete(l.families.faults, member.name)
		l.join(member.name, rings[member.name])
	}
	return nil
}

// join takes a new member of a family over.
func (l *liveKeys) join(name string, ring *keys.Keyring) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := newLiveKey(name, ring)
	for _, c := range l.families.columns {
		if c.column.OpensWith(name) {
			key.columns = append(key.columns, c)
		}
	}
	if err := key.give(); err != nil {
		l.log.Error("new key cannot be taken over", "key", name, "error", err) // it is of the columns' type
		return
	}
	l.keys = maps.Clone(l.keys)
	l.keys[name] = key
	if !l.over {
		l.expireLater(key)
	}
	l.log.Info("key is new", "key", name)
}

// look looks for new members, unless somebody has begun to since it was called. It gives up after
// a while: whoever needs a key then goes without.
func (l *liveKeys) look() {
	asked := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), lookLong)
	defer cancel()
	select {
	case <-l.families.looking:
		defer func() { l.families.looking <- struct{}{} }()
	case <-ctx.Done():
		return
	}
	if l.families.looked.After(asked) {
		return
	}
	if wait := lookEach - time.Since(l.families.looked); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
	l.families.looked = time.Now()
	if err := l.discover(ctx); err != nil {
		l.log.Warn("new keys cannot be looked for", "error", err)
	}
}

// lookRegularly is look for each round.
func (l *liveKeys) lookRegularly(ctx context.Context) error {
	select {
	case <-l.families.looking:
		defer func() { l.families.looking <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	l.families.looked = time.Now()
	return l.discover(ctx)
}

// familySealer is the sealer of a column with keys by value. It looks for a key that is not
// known before it says so.
type familySealer struct {
	*keys.LiveSealer
	keys *liveKeys
}

// SealFor implements proxy.FamilySealer.
func (f familySealer) SealFor(dst []byte, keyset string, plaintext []byte) ([]byte, error) {
	out, err := f.LiveSealer.SealFor(dst, keyset, plaintext)
	if errors.Is(err, keys.ErrMissing) {
		f.keys.look()
		return f.LiveSealer.SealFor(dst, keyset, plaintext)
	}
	return out, err
}

// Open implements proxy.Sealer.
func (f familySealer) Open(dst, sealed []byte) ([]byte, error) {
	out, err := f.LiveSealer.Open(dst, sealed)
	if err != nil && f.Unknown(sealed) {
		f.keys.look()
		return f.LiveSealer.Open(dst, sealed)
	}
	return out, err
}

// takenIDs gives the IDs of the keys that open values beside those of a keyset: of the members of
// its family.
func takenIDs(ctx context.Context, store keys.Store, name string) ([]uint32, error) {
	family, _, ok := keys.SplitMember(name)
	if !ok {
		return nil, nil
	}
	infos, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	var taken []uint32
	for _, info := range infos {
		if f, _, ok := keys.SplitMember(info.Name); ok && f == family {
			taken = append(append(taken, ids(info)...), info.Erased...)
		}
	}
	return taken, nil
}

func isMember(name string) bool {
	_, _, ok := keys.SplitMember(name)
	return ok
}

// wantedMembers reads which keys by value keys create is to make. Where there is a schema file it
// has to name them.
func (c *call) wantedMembers() ([]neededKey, error) {
	var known []string
	if c.config.Schema != "" {
		file, err := c.readSchema()
		if err != nil {
			return nil, err
		}
		known = families(file)
	}
	var wanted []neededKey
	for _, name := range c.args {
		family, _, ok := keys.SplitMember(name)
		switch {
		case !ok:
			return nil, usageErrorf(keysCreateCommand(), "%s is no key of one value: make it apart, with --type", name)
		case c.config.Schema != "" && !slices.Contains(known, family):
			return nil, usageErrorf(keysCreateCommand(), "the schema file has no key by value %q", family)
		}
		wanted = append(wanted, neededKey{name, keys.TypeRandomized})
	}
	return wanted, nil
}
