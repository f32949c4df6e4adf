package keys

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
)

// LiveSealer is a [Sealer] whose keys are exchanged while it is in use, after a rotation,
// and withheld while nobody vouches for them. It is safe for concurrent use.
type LiveSealer struct{ current atomic.Pointer[liveSealer] }

// liveSealer is the state of a LiveSealer; immutable.
type liveSealer struct {
	*Sealer
	withheld map[string]error // by keyset: those that may not be used
}

// NewLiveSealer begins with the keys of a sealer.
func NewLiveSealer(s *Sealer) *LiveSealer {
	l := &LiveSealer{}
	l.current.Store(&liveSealer{Sealer: s})
	return l
}

// Seal is [Sealer.Seal] with the keys of the moment.
func (l *LiveSealer) Seal(dst, plaintext []byte) ([]byte, error) {
	s := l.current.Load()
	if s.withheld != nil {
		if err := s.withheld[s.rings[0].Name()]; err != nil {
			return dst, err
		}
	}
	return s.Sealer.Seal(dst, plaintext)
}

// Open is [Sealer.Open] with the keys of the moment.
func (l *LiveSealer) Open(dst, sealed []byte) ([]byte, error) {
	s := l.current.Load()
	if s.withheld != nil {
		if err := s.refusal(sealed); err != nil {
			return dst, err
		}
	}
	return s.Sealer.Open(dst, sealed)
}

// refusal gives the error of a value that a withheld keyset may be needed for.
func (s *liveSealer) refusal(sealed []byte) error {
	key := s.next(nil, sealed)
	if key == nil { // perhaps it is newer than what is held
		for _, ring := range s.rings {
			if err := s.withheld[ring.Name()]; err != nil {
				return err
			}
		}
	}
	for ; key != nil; key = s.next(key, sealed) {
		if err := s.withheld[s.rings[key.ring].Name()]; err != nil {
			return err
		}
	}
	return nil
}

// SealingKey is [Sealer.SealingKey] of the moment.
func (l *LiveSealer) SealingKey() uint32 { return l.current.Load().SealingKey() }

// Withheld gives the error of Withhold while that holds for every keyset, nil otherwise.
func (l *LiveSealer) Withheld() (err error) {
	s := l.current.Load()
	for _, ring := range slices.Backward(s.rings) {
		if err = s.withheld[ring.Name()]; err == nil {
			return nil
		}
	}
	return err
}

// Withhold makes Seal and Open fail with an error, where they need a keyset, until the next
// Exchange of that. It is not to be called while an Exchange runs.
func (l *LiveSealer) Withhold(keyset string, err error) {
	s := l.current.Load()
	withheld := maps.Clone(s.withheld)
	if withheld == nil {
		withheld = make(map[string]error)
	}
	withheld[keyset] = err
	l.current.Store(&liveSealer{s.Sealer, withheld})
}

// Exchange takes the keys of a keyring, which has to be of the same type, in place of those
// of its name, and ends what Withhold began. A key that was to seal and is not there any more
// is [ErrNotEnabled] to Seal, and [ErrDestroyed] if none is there at all. After an error the sealer is as it was.
func (l *LiveSealer) Exchange(k *Keyring) error {
	before := l.current.Load()
	at := slices.IndexFunc(before.rings, func(ring *Keyring) bool { return ring.Name() == k.Name() })
	rings := slices.Clone(before.rings)
	switch {
	case at >= 0:
		rings[at] = k
	case before.isMember(k.Name()):
		rings = append(rings, k)
	default:
		return fmt.Errorf("key %q: the column has other keys", k.Name())
	}
	s, err := before.with(rings)
	if err != nil {
		return err
	}
	next := &liveSealer{Sealer: s}
	for keyset, err := range before.withheld {
		if keyset != k.Name() {
			if next.withheld == nil {
				next.withheld = make(map[string]error)
			}
			next.withheld[keyset] = err
		}
	}
	l.current.Store(next)
	return nil
}
