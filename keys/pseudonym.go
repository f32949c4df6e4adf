package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"unicode/utf8"

	"github.com/tink-crypto/tink-go/v2/daead/subtle"
)

// PseudonymFormat says what pseudonyms look like.
type PseudonymFormat uint8

// The formats. A value of a text type is its UTF-8, a uuid its 16 bytes, a date and a timestamp as in
// the canonical encoding.
const (
	PseudonymText     PseudonymFormat = iota + 1 // any text as a text of letters and digits, - and _
	PseudonymUUID                                // a uuid as a uuid
	PseudonymTextUUID                            // a text of at most 15 bytes as the text of a uuid
	PseudonymNIR                                 // a NIR as a text that looks like one and is nobody's
	PseudonymDate                                // a date, some days off
	PseudonymInstant                             // a timestamp, some days off
)

// The errors of pseudonyms.
var (
	// ErrNoPseudonym says that a value can have no pseudonym of the format.
	ErrNoPseudonym = errors.New("the value has no pseudonym of this format")
	// ErrNotPseudonym says that a text is no pseudonym of the project and epoch. It does not tell
	// what else it may be.
	ErrNotPseudonym = errors.New("not a pseudonym of the project")
)

// PseudonymSpec says which pseudonyms a [Pseudonymizer] makes. Project, epoch, domain and format go
// into their keys, so that a value has another pseudonym if any of them differs.
type PseudonymSpec struct {
	Project string
	Epoch   int
	Domain  string // what the values are of: the context of a column, or of the subjects of dates
	Format  PseudonymFormat
	// Days bounds the offset of dates, either way.
	Days int
	// Room bounds pseudonyms of the format text, in characters, 0 for no bound: a value whose
	// pseudonym is longer has none.
	Room int
}

// LongestValue gives how many bytes a value may have for its pseudonym of the format text to have at
// most so many characters; negative if no value does.
func LongestValue(room int) int {
	bytes := base64.RawURLEncoding.DecodedLen(room) - aes.BlockSize
	return bytes - bytes%pseudonymPadding - 1
}

// Pseudonymizer makes pseudonyms of values, and takes them back. It is safe for concurrent use.
type Pseudonymizer struct {
	spec     PseudonymSpec
	siv      *subtle.AESSIV // of texts
	ad       []byte
	block    cipher.Block // of uuids, and of offsets
	fpe      *ff1
	withheld atomic.Pointer[error]
}

// pseudonymPadding is the unit, in bytes, to which texts are padded, whatever the padding of their
// column: it must not change a pseudonym.
const pseudonymPadding = 32

// Pseudonymizer derives the key of a project's pseudonyms from the keyset, which is of type
// [TypePseudonym].
func (k *Keyring) Pseudonymizer(spec PseudonymSpec) (*Pseudonymizer, error) {
	if err := k.require(TypePseudonym, "project"); err != nil {
		return nil, err
	}
	if k.prf == nil {
		return nil, fmt.Errorf("key %q: %w", k.info.Name, ErrDestroyed)
	}
	info := []byte("pgveil pseudonym 1")
	for _, part := range []string{spec.Project, spec.Domain} {
		info = binary.BigEndian.AppendUint32(info, uint32(len(part)))
		info = append(info, part...)
	}
	info = binary.BigEndian.AppendUint64(info, uint64(spec.Epoch))
	format := spec.Format
	if format == PseudonymInstant {
		format = PseudonymDate // by as many days
	}
	info = append(info, byte(format))
	key, err := k.prf.ComputePrimaryPRF(info, 64)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", k.info.Name, err)
	}
	p := &Pseudonymizer{spec: spec, ad: info}
	if spec.Format == PseudonymText {
		p.siv, err = subtle.NewAESSIV(key)
	} else {
		p.block, err = aes.NewCipher(key[:32])
	}
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", k.info.Name, err)
	}
	if spec.Format == PseudonymNIR {
		p.fpe = newFF1(p.block, 10, nirDigits, nil)
	}
	return p, nil
}

// Withhold has all that follows fail with an error, until it is nil.
func (p *Pseudonymizer) Withhold(err error) {
	if err == nil {
		p.withheld.Store(nil)
		return
	}
	p.withheld.Store(&err)
}

// Withheld gives the error of Withhold, or nil.
func (p *Pseudonymizer) Withheld() error {
	if err := p.withheld.Load(); err != nil {
		return *err
	}
	return nil
}

// Append appends the pseudonym of a value. The error is [ErrNoPseudonym] for a value that
// can have none of the format, with dst as it was. Dates are for Shift. It allocates
// for texts alone.
func (p *Pseudonymizer) Append(dst, value []byte, s *Scratch) ([]byte, error) {
	if err := p.Withheld(); err != nil {
		return dst, err
	}
	switch p.spec.Format {
	case PseudonymText:
		s.input = slices.Grow(s.input[:0], paddedSize(len(value), pseudonymPadding))
		sealed, err := p.siv.EncryptDeterministically(appendPadded(s.input, value, pseudonymPadding), p.ad)
		if err != nil {
			return dst, fmt.Errorf("make a pseudonym: %w", err)
		}
		if p.spec.Room > 0 && base64.RawURLEncoding.EncodedLen(len(sealed)) > p.spec.Room {
			return dst, ErrNoPseudonym
		}
		return base64.RawURLEncoding.AppendEncode(dst, sealed), nil
	case PseudonymUUID:
		if len(value) != aes.BlockSize {
			return dst, ErrNoPseudonym
		}
		copy(s.block[0][:], value)
		p.block.Encrypt(s.block[1][:], s.block[0][:])
		return append(dst, s.block[1][:]...), nil
	case PseudonymTextUUID:
		if len(value) >= aes.BlockSize {
			return dst, ErrNoPseudonym
		}
		s.block[0] = [aes.BlockSize]byte{byte(len(value))}
		copy(s.block[0][1:], value)
		p.block.Encrypt(s.block[1][:], s.block[0][:])
		return appendUUID(dst, s.block[1]), nil
	case PseudonymNIR:
		rank, ok := rankNIR(value)
		if !ok {
			return dst, ErrNoPseudonym
		}
		for rank = p.fpe.encrypt(rank, s); rank >= fakeCount; {
			rank = p.fpe.encrypt(rank, s)
		}
		return appendFake(dst, rank, len(value) > nirDigits), nil
	}
	return dst, ErrNoPseudonym
}

// Reverse appends the value of a pseudonym. The error is [ErrNotPseudonym] for anything else,
// with dst as it was. Pseudonyms of the formats uuid and NIR carry no proof: one that was made up is that
// of a value that nobody has.
func (p *Pseudonymizer) Reverse(dst, pseudonym []byte, s *Scratch) ([]byte, error) {
	if err := p.Withheld(); err != nil {
		return dst, err
	}
	switch p.spec.Format {
	case PseudonymText:
		sealed, err := base64.RawURLEncoding.Strict().DecodeString(string(pseudonym))
		if err != nil {
			return dst, ErrNotPseudonym
		}
		padded, err := p.siv.DecryptDeterministically(sealed, p.ad)
		if err != nil {
			return dst, ErrNotPseudonym
		}
		if value, ok := unpad(padded); ok {
			return append(dst, value...), nil
		}
	case PseudonymUUID:
		if len(pseudonym) == aes.BlockSize {
			copy(s.block[0][:], pseudonym)
			p.block.Decrypt(s.block[1][:], s.block[0][:])
			return append(dst, s.block[1][:]...), nil
		}
	case PseudonymTextUUID:
		if !readUUID(&s.block[0], pseudonym) {
			return dst, ErrNotPseudonym
		}
		p.block.Decrypt(s.block[1][:], s.block[0][:])
		n, value := int(s.block[1][0]), s.block[1][1:]
		if n < aes.BlockSize && !slices.ContainsFunc(value[n:], func(b byte) bool { return b != 0 }) && isText(value[:n]) {
			return append(dst, value[:n]...), nil
		}
	case PseudonymNIR:
		rank, ok := rankFake(pseudonym)
		if !ok {
			return dst, ErrNotPseudonym
		}
		for rank = p.fpe.decrypt(rank, s); rank >= fakeCount; {
			rank = p.fpe.decrypt(rank, s)
		}
		if rank < nirCount {
			return appendNIR(dst, rank, len(pseudonym) > nirDigits), nil
		}
	}
	return dst, ErrNotPseudonym
}

// isText reports whether PostgreSQL would take the bytes for a text.
func isText(b []byte) bool { return utf8.Valid(b) && !slices.Contains(b, 0) }

func appendUUID(dst []byte, u [16]byte) []byte {
	for i, cut := range [...]int{4, 6, 8, 10, 16} {
		if i > 0 {
			dst = append(dst, '-')
		}
		from := [...]int{0, 4, 6, 8, 10}[i]
		dst = hex.AppendEncode(dst, u[from:cut])
	}
	return dst
}

// readUUID reads what appendUUID writes, and nothing else.
func readUUID(u *[16]byte, text []byte) bool {
	const length = 36
	if len(text) != length {
		return false
	}
	n := 0
	for i, c := range text {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
			continue
		}
		digit := c - '0'
		if 'a' <= c && c <= 'f' {
			digit = c - 'a' + 10
		} else if c < '0' || c > '9' {
			return false
		}
		if n%2 == 0 {
			u[n/2] = digit << 4
		} else {
			u[n/2] |= digit
		}
		n++
	}
	return true
}
