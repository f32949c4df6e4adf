package keys

import "sync/atomic"

// LiveSealer is a [Sealer] whose keys are exchanged while it is in use, after a rotation,
// and withheld while nobody vouches for them. It is safe for concurrent use.
type LiveSealer struct{ current atomic.Pointer[liveSealer] }

// liveSealer is the state of a LiveSealer; immutable.
type liveSealer struct {
	*Sealer
	withheld error // nil: it may be used
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
		return dst, s.withheld
	}
	return s.Sealer.Seal(dst, plaintext)
}

// Open is [Sealer.Open] with the keys of the moment.
func (l *LiveSealer) Open(dst, sealed []byte) ([]byte, error) {
	s := l.current.Load()
	if s.withheld != nil {
		return dst, s.withheld
	}
	return s.Sealer.Open(dst, sealed)
}

// SealingKey is [Sealer.SealingKey] of the moment.
func (l *LiveSealer) SealingKey() uint32 { return l.current.Load().SealingKey() }

// Withheld gives the error of Withhold while it holds, nil otherwise.
func (l *LiveSealer) Withheld() error { return l.current.Load().withheld }

// Withhold makes Seal and Open fail with an error until the next Exchange. It is not to be
// called while an Exchange runs.
func (l *LiveSealer) Withhold(err error) {
	l.current.Store(&liveSealer{l.current.Load().Sealer, err})
}

// Exchange takes the keys of a keyring, which has to be of the same type, and ends what
// Withhold began. After an error the sealer is as it was.
func (l *LiveSealer) Exchange(k *Keyring) error {
	before := l.current.Load()
	s, err := k.Sealer(before.mode, before.context, before.padding)
	if err != nil {
		return err
	}
	l.current.Store(&liveSealer{Sealer: s})
	return nil
}

// Revoke takes the keys away, after these were destroyed: nothing is sealed or opened any
// more. It is not to be called while an Exchange runs.
func (l *LiveSealer) Revoke() {
	without := *l.current.Load().Sealer
	without.keys = nil
	l.current.Store(&liveSealer{Sealer: &without})
}
