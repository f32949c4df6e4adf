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
	keyID   uint32     // of the key that is to seal, 0 for the keyring's own choice
	rings   []*Keyring // the first seals
	sealing *columnKey // nil if it is not there any more
	keys    []openingKey
	erased  []uint32 // IDs of keys that were destroyed
	family  string   // of keysets, one of which seals: see FamilySealer; "" if there is none
	members map[string]*columnKey
	index   map[[prefixSize]byte]int // of keys, the first of each prefix; nil where they are few
}

// openingKey is a key that opens, and the keyring that it is of.
type openingKey struct {
	*columnKey
	ring int
}

// Sealer returns the sealer of a column. Mode is [ModeRandomized] or
// [ModeDeterministic] and must be the keyset's type; context is the column's
// context name; padding is in bytes, 0 for none.
func (k *Keyring) Sealer(mode byte, context string, padding int) (*Sealer, error) {
	return k.SealerWith(0, mode, context, padding)
}

// SealerWith is Sealer with the key of that ID instead of the one that the keyset has seal:
// the key that the CHECK constraint of a deterministic column names. 0 is no such key. The
// error is [ErrNotEnabled] for one that is not there. What is left of a destroyed keyset makes a
// sealer that seals nothing.
func (k *Keyring) SealerWith(id uint32, mode byte, context string, padding int) (*Sealer, error) {
	if err := checkFormat(mode, context, padding); err != nil {
		return nil, fmt.Errorf("key %q: %w", k.info.Name, err)
	}
	s := &Sealer{
		mode:    mode,
		context: context,
		header:  Header(mode, context),
		ad:      associatedData(mode, context),
		padding: padding,
		keyID:   id,
	}
	s, err := s.with([]*Keyring{k})
	if err == nil && s.sealing == nil && k.info.Destroyed.IsZero() {
		err = fmt.Errorf("key %q: %w: no enabled key of it has the ID %d", k.info.Name, ErrNotEnabled, id)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// OpeningAlso gives a sealer that seals with the same key and opens with those of other
// keysets too: of a column whose values are being sealed anew.
func (s *Sealer) OpeningAlso(others ...*Keyring) (*Sealer, error) {
	return s.with(append(slices.Clone(s.rings), others...))
}

// with gives the sealer with other keyrings. The key that is to seal may not be there.
func (s *Sealer) with(rings []*Keyring) (*Sealer, error) {
	want := TypeRandomized
	if s.mode == ModeDeterministic {
		want = TypeDeterministic
	}
	next := *s
	next.rings, next.sealing, next.keys, next.erased, next.index = rings, nil, nil, nil, nil
	next.join()
	for at, ring := range rings {
		if err := ring.require(want, string(want)+" column"); err != nil {
			return nil, err
		}
		next.erased = append(next.erased, ring.info.Erased...)
		for i := range ring.columns {
			key := &ring.columns[i]
			next.keys = append(next.keys, openingKey{key, at})
			if at == 0 && s.family == "" && next.sealing == nil && (s.keyID == 0 || key.id() == s.keyID) {
				next.sealing = key
			}
		}
	}
	next.indexKeys()
	return &next, nil
}

// Seal appends the sealed form of plaintext to dst. The spare capacity of dst
// must not overlap plaintext. It seals with one key (see [Keyring]) and allocates
// nothing for a randomized value if dst has room.
//
// On an error it returns dst as it was.
func (s *Sealer) Seal(dst, plaintext []byte) ([]byte, error) {
	key := s.sealing
	switch {
	case s.family != "":
		return dst, ErrNoValue
	case key == nil && len(s.rings[0].columns) == 0:
		return dst, ErrDestroyed
	case key == nil:
		return dst, ErrNotEnabled
	}
	return s.sealWith(key, dst, plaintext)
}

func (s *Sealer) sealWith(key *columnKey, dst, plaintext []byte) ([]byte, error) {
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
// The errors are [ErrOpen], with dst as it was: sealed is not such a value, belongs to
// another column, was changed, or its key is not enabled here; and [ErrErased]: it names a key
// that was destroyed, and may have been changed.
func (s *Sealer) Open(dst, sealed []byte) ([]byte, error) {
	key := s.next(nil, sealed)
	if key == nil && s.isErased(sealed) {
		return dst, ErrErased
	}
	for ; key != nil; key = s.next(key, sealed) {
		out, err := s.openWith(key.columnKey, dst, sealed[HeaderSize+prefixSize:])
		if err == nil {
			return out, nil
		}
	}
	if s.family != "" && s.isErased(sealed) { // a destroyed key had the ID of one that is there
		return dst, ErrErased
	}
	return dst, ErrOpen
}

func (s *Sealer) openWith(key *columnKey, dst, body []byte) ([]byte, error) {
	if key.siv != nil {
		return s.openSIV(dst, body, key)
	}
	if len(body) < nonceSize+tagSize {
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

// next finds the keys that a sealed value names, one after the other; nil if there are no
// more. Two keysets may have a key of the same ID. Few keys are in use at once: one of a
// keyset, or two while that is rotated.
func (s *Sealer) next(after *openingKey, sealed []byte) *openingKey {
	if len(sealed) < HeaderSize+prefixSize || [HeaderSize]byte(sealed) != s.header {
		return nil
	}
	prefix := [prefixSize]byte(sealed[HeaderSize:])
	first := 0
	if s.index != nil {
		var known bool
		if first, known = s.index[prefix]; !known {
			return nil
		}
	}
	for i := first; i < len(s.keys); i++ {
		switch key := &s.keys[i]; {
		case after == key:
			after = nil
		case after == nil && key.prefix == prefix:
			return key
		}
	}
	return nil
}

// isErased reports whether a value of the column names a destroyed key.
func (s *Sealer) isErased(sealed []byte) bool {
	const least = HeaderSize + prefixSize + tagSize + 1
	if len(s.erased) == 0 || len(sealed) < least || [HeaderSize]byte(sealed) != s.header || sealed[HeaderSize] != tinkVersion {
		return false
	}
	return slices.Contains(s.erased, binary.BigEndian.Uint32(sealed[HeaderSize+1:]))
}

func (k *columnKey) id() uint32 { return binary.BigEndian.Uint32(k.prefix[1:]) }

// SealingKey gives the ID of the key that seals, 0 if there is none any more. Of a family it
// is another number once other keys seal.
func (s *Sealer) SealingKey() uint32 {
	if s.family != "" {
		return s.sealingKeys()
	}
	if s.sealing == nil {
		return 0
	}
	return s.sealing.id()
}

// String says nothing of the keys.
func (s *Sealer) String() string { return fmt.Sprintf("sealer %x", s.header) }
