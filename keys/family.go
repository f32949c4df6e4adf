package keys

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
)

// A family is the keysets of a column whose values have a key by the value of another column
// of their row. Each is named after the family and that value, as [MemberName] says.

// ErrNoValue is the error of Seal of a family: which key seals is for the row to say.
var ErrNoValue = errors.New("which key seals is not known without the value that the keys are by")

// memberInfix stands in a keyset's name between the family's and the value.
const memberInfix = ".by."

// MemberName gives the name of the keyset for a value: letters, digits, '_' and '-' as they
// are, any other byte as '.' and two digits. The error says that there can be none.
func MemberName(family, value string) (string, error) {
	var b strings.Builder
	b.WriteString(family + memberInfix)
	for i := range len(value) {
		switch c := value[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
			b.WriteByte(c)
		default:
			b.WriteString("." + string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15]))
		}
	}
	name := b.String()
	if value == "" || CheckName(name) != nil {
		return "", errors.New("a keyset can have no such name: the value is empty, or too long")
	}
	return name, nil
}

// SplitMember takes the name of a member apart. ok is false for any other name.
func SplitMember(name string) (family, value string, ok bool) {
	family, coded, ok := strings.Cut(name, memberInfix)
	if !ok || family == "" {
		return "", "", false
	}
	var b strings.Builder
	for i := 0; i < len(coded); i++ {
		if coded[i] != '.' {
			b.WriteByte(coded[i])
			continue
		}
		const digits = "0123456789abcdef"
		if i+2 >= len(coded) {
			return "", "", false
		}
		high, low := strings.IndexByte(digits, coded[i+1]), strings.IndexByte(digits, coded[i+2])
		if high < 0 || low < 0 {
			return "", "", false
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	// There is one name for each value.
	if again, err := MemberName(family, b.String()); err != nil || again != name {
		return "", "", false
	}
	return family, b.String(), true
}

// FamilySealer is [Keyring.Sealer] of the keysets of a family, as many as there are: SealFor
// seals, and all open. Keyrings of other names open, too.
func FamilySealer(family string, mode byte, context string, padding int, rings ...*Keyring) (*Sealer, error) {
	if err := checkFormat(mode, context, padding); err != nil {
		return nil, err
	}
	s := &Sealer{mode: mode, context: context, header: Header(mode, context), ad: associatedData(mode, context), padding: padding, family: family}
	return s.with(rings)
}

func (s *Sealer) isMember(keyset string) bool {
	family, _, ok := SplitMember(keyset)
	return ok && s.family != "" && family == s.family
}

// join notes which key of each member seals, nil for one that was destroyed.
func (s *Sealer) join() {
	if s.members = nil; s.family == "" {
		return
	}
	s.members = make(map[string]*columnKey)
	for _, ring := range s.rings {
		switch {
		case !s.isMember(ring.Name()):
		case len(ring.columns) > 0:
			s.members[ring.Name()] = &ring.columns[0]
		default:
			s.members[ring.Name()] = nil
		}
	}
}

// manyKeys is how many keys are looked through one by one.
const manyKeys = 8

func (s *Sealer) indexKeys() {
	if len(s.keys) <= manyKeys {
		return
	}
	s.index = make(map[[prefixSize]byte]int, len(s.keys))
	for i := range slices.Backward(s.keys) {
		s.index[s.keys[i].prefix] = i
	}
}

// SealFor is Seal with the key of a member of the family. The errors are [ErrMissing] and
// [ErrDestroyed].
func (s *Sealer) SealFor(dst []byte, keyset string, plaintext []byte) ([]byte, error) {
	key, ok := s.members[keyset]
	switch {
	case !ok:
		return dst, &StoreError{Key: keyset, Reason: ErrMissing}
	case key == nil:
		return dst, &StoreError{Key: keyset, Reason: ErrDestroyed}
	}
	return s.sealWith(key, dst, plaintext)
}

// Members gives the names of the keysets of the family that seal, sorted.
func (s *Sealer) Members() []string {
	var list []string
	for name, key := range s.members {
		if key != nil {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// MemberKey gives the ID of the key with which a member seals, 0 for none.
func (s *Sealer) MemberKey(keyset string) uint32 {
	if key := s.members[keyset]; key != nil {
		return key.id()
	}
	return 0
}

// Unknown reports whether a value is one of the column's whose key is none of those that are
// or were here, as far as its first bytes tell.
func (s *Sealer) Unknown(sealed []byte) bool {
	const least = HeaderSize + prefixSize + tagSize + 1
	return len(sealed) >= least && [HeaderSize]byte(sealed) == s.header && sealed[HeaderSize] == tinkVersion && s.next(nil, sealed) == nil && !s.isErased(sealed)
}

func (s *Sealer) sealingKeys() uint32 {
	h := fnv.New32a()
	for _, name := range slices.Sorted(maps.Keys(s.members)) {
		_, _ = h.Write(binary.BigEndian.AppendUint32([]byte(name), s.MemberKey(name)))
	}
	return h.Sum32()
}

// SealFor is [Sealer.SealFor] with the keys of the moment.
func (l *LiveSealer) SealFor(dst []byte, keyset string, plaintext []byte) ([]byte, error) {
	s := l.current.Load()
	if err := s.withheld[keyset]; err != nil {
		return dst, err
	}
	return s.Sealer.SealFor(dst, keyset, plaintext)
}

// Members is [Sealer.Members] of the moment.
func (l *LiveSealer) Members() []string { return l.current.Load().Members() }

// Unknown is [Sealer.Unknown] at the moment.
func (l *LiveSealer) Unknown(sealed []byte) bool { return l.current.Load().Unknown(sealed) }
