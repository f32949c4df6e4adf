package keys

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/daead/subtle"
)

// columnKey is an enabled key of a keyset. Exactly one of gcm and siv is set;
// both are Tink's own algorithms, byte for byte, reached below Tink's factories
// because these allocate for each value.
type columnKey struct {
	prefix [prefixSize]byte // 01 and the key id, as in the sealed value
	gcm    cipher.AEAD
	siv    *subtle.AESSIV
}

// Sealer seals and opens the values of one column. It is safe for concurrent
// use.
type Sealer struct {
	mode    byte
	context string
	header  [HeaderSize]byte
	ad      []byte
	padding int
	keys    []columnKey // the first seals; shared, never changed
}

// Seal appends the sealed form of plaintext to dst. The spare capacity of dst
// must not overlap plaintext. It seals with one key (see [Keyring]) and allocates
// nothing for a randomized value if dst has room.
//
// On an error it returns dst as it was.
func (s *Sealer) Seal(dst, plaintext []byte) ([]byte, error) {
	if len(s.keys) == 0 {
		return dst, ErrDestroyed
	}
	key := &s.keys[0]
	if key.siv != nil {
		return s.sealSIV(dst, plaintext, key)
	}
	padded := paddedSize(len(plaintext), s.padding)
	out := slices.Grow(dst, HeaderSize+prefixSize+nonceSize+padded+tagSize)
	out = append(out, s.header[:]...)
	out = append(out, key.prefix[:]...)
	out = out[:len(out)+nonceSize]
	nonce := out[len(out)-nonceSize:]
	if _, err := rand.Read(nonce); err != nil {
		return dst, fmt.Errorf("no randomness for a nonce: %w", err)
	}
	n := len(out)
	out = appendPadded(out, plaintext, s.padding)
	// In place: the ciphertext takes the plaintext's bytes.
	return key.gcm.Seal(out[:n], nonce, out[n:], s.ad), nil
}

func (s *Sealer) sealSIV(dst, plaintext []byte, key *columnKey) ([]byte, error) {
	padded := paddedSize(len(plaintext), s.padding)
	out := slices.Grow(dst, HeaderSize+prefixSize+tagSize+padded)
	out = append(out, s.header[:]...)
	out = append(out, key.prefix[:]...)
	n := len(out)
	out = appendPadded(out, plaintext, s.padding)
	sealed, err := key.siv.EncryptDeterministically(out[n:], s.ad)
	if err != nil {
		clear(out[n:])
		return dst, fmt.Errorf("seal a deterministic value: %w", err)
	}
	return append(out[:n], sealed...), nil
}

// Open appends the value in sealed to dst. The spare capacity of dst must not
// overlap sealed, and needs room for the padding too if nothing is to be
// allocated for a randomized value.
//
// The only error is [ErrOpen], with dst as it was: sealed is not such a value,
// belongs to another column, was changed, or its key is not enabled here.
func (s *Sealer) Open(dst, sealed []byte) ([]byte, error) {
	if len(sealed) < HeaderSize+prefixSize || [HeaderSize]byte(sealed) != s.header {
		return dst, ErrOpen
	}
	key := s.key([prefixSize]byte(sealed[HeaderSize:]))
	body := sealed[HeaderSize+prefixSize:]
	switch {
	case key == nil:
		return dst, ErrOpen
	case key.siv != nil:
		return s.openSIV(dst, body, key)
	case len(body) < nonceSize+tagSize:
		return dst, ErrOpen
	}
	out, err := key.gcm.Open(dst, body[:nonceSize], body[nonceSize:], s.ad)
	if err != nil {
		return dst, ErrOpen
	}
	value, ok := unpad(out[len(dst):])
	if !ok {
		clear(out[len(dst):])
		return dst, ErrOpen
	}
	return out[:len(dst)+len(value)], nil
}

func (s *Sealer) openSIV(dst, body []byte, key *columnKey) ([]byte, error) {
	plaintext, err := key.siv.DecryptDeterministically(body, s.ad)
	if err != nil {
		return dst, ErrOpen
	}
	value, ok := unpad(plaintext)
	if !ok {
		return dst, ErrOpen
	}
	if dst == nil {
		return value, nil // never nil, even if empty: nil may mean NULL to a caller
	}
	return append(dst, value...), nil
}

// key finds the key of a sealed value, nil if it is not here. Keysets hold one
// key, or two while they are rotated.
func (s *Sealer) key(prefix [prefixSize]byte) *columnKey {
	for i := range s.keys {
		if s.keys[i].prefix == prefix {
			return &s.keys[i]
		}
	}
	return nil
}

// SealingKey gives the ID of the key that seals, 0 if there is none any more.
func (s *Sealer) SealingKey() uint32 {
	if len(s.keys) == 0 {
		return 0
	}
	return binary.BigEndian.Uint32(s.keys[0].prefix[1:])
}

// String says nothing of the keys.
func (s *Sealer) String() string { return fmt.Sprintf("sealer %x", s.header) }
