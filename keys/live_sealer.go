package keys

import "sync/atomic"

// LiveSealer is a [Sealer] whose keys are exchanged while it is in use, after a rotation.
// It is safe for concurrent use.
type LiveSealer struct{ current atomic.Pointer[Sealer] }

// NewLiveSealer begins with the keys of a sealer.
func NewLiveSealer(s *Sealer) *LiveSealer {
	l := &LiveSealer{}
	l.current.Store(s)
	return l
}

// Seal is [Sealer.Seal] with the keys of the moment.
func (l *LiveSealer) Seal(dst, plaintext []byte) ([]byte, error) {
	return l.current.Load().Seal(dst, plaintext)
}

// Open is [Sealer.Open] with the keys of the moment.
func (l *LiveSealer) Open(dst, sealed []byte) ([]byte, error) {
	return l.current.Load().Open(dst, sealed)
}

// Exchange takes the keys of a keyring, which has to be of the same type. After an error
// the sealer is as it was.
func (l *LiveSealer) Exchange(k *Keyring) error {
	before := l.current.Load()
	s, err := k.Sealer(before.mode, before.context, before.padding)
	if err != nil {
		return err
	}
	l.current.Store(s)
	return nil
}

// Revoke takes the keys away, after these were destroyed: nothing is sealed or opened any
// more.
func (l *LiveSealer) Revoke() {
	without := *l.current.Load()
	without.keys = nil
	l.current.Store(&without)
}
