package keys

import (
	"crypto/sha256"
	"errors"
	"fmt"
)

// The modes of sealing, as they stand in the format and in schema.Mode.
const (
	ModeRandomized    byte = 1 // equal values are sealed differently
	ModeDeterministic byte = 2 // equal values of a context are sealed the same
)

// HeaderSize is the number of bytes that all sealed values of a column share.
const HeaderSize = 7

// MaxPadding is the largest padding of a column, in bytes.
const MaxPadding = 1 << 16

const (
	magic0  = 0xFE
	magic1  = 0x9D
	version = 1

	prefixSize = 5  // Tink's: tinkVersion and the ID of the key
	nonceSize  = 12 // AES-GCM's, as in Tink
	tagSize    = 16 // of AES-GCM and AES-SIV

	tinkVersion = 1

	// endOfValue ends the value inside the plaintext, before the padding. It is
	// there without padding too, so that a value opens to the same bytes
	// whatever padding the schema file asks for by then.
	endOfValue = 0x80
)

// ErrOpen is the one error of [Sealer.Open]: it does not say why, so that it
// tells nobody which part of a forged value was right.
var ErrOpen = errors.New("decryption failed")

// Header returns the first seven bytes of every value sealed in that mode for
// that context, such as "column:lab.patient.nir" or "domain:nir". A CHECK
// constraint compares them.
func Header(mode byte, context string) [HeaderSize]byte {
	tag := sha256.Sum256([]byte(context))
	return [HeaderSize]byte{magic0, magic1, version<<4 | mode&0x0F, tag[0], tag[1], tag[2], tag[3]}
}

// associatedData returns what a sealed value is bound to.
func associatedData(mode byte, context string) []byte {
	header := Header(mode, context)
	return append(header[:], context...)
}

// checkFormat refuses what no column may have.
func checkFormat(mode byte, context string, padding int) error {
	if mode != ModeRandomized && mode != ModeDeterministic {
		return fmt.Errorf("unknown mode %d of sealing", mode)
	}
	if context == "" {
		return errors.New("the context name is empty")
	}
	if padding < 0 || padding > MaxPadding {
		return fmt.Errorf("padding of %d bytes is not within 0 to %d", padding, MaxPadding)
	}
	return nil
}

// paddedSize is the length of a plaintext that holds a value of n bytes.
func paddedSize(n, padding int) int {
	n++ // endOfValue
	if padding > 1 {
		n += (padding - n%padding) % padding
	}
	return n
}

// appendPadded appends the plaintext that holds value. There is room for it in
// dst.
func appendPadded(dst, value []byte, padding int) []byte {
	dst = append(dst, value...)
	zeros := len(dst) + 1
	dst = append(dst, endOfValue)
	dst = dst[:len(dst)+paddedSize(len(value), padding)-len(value)-1]
	clear(dst[zeros:])
	return dst
}

// unpad returns the value that plaintext holds. It runs on authenticated bytes
// only, so its timing tells nothing that the sealed length does not.
func unpad(plaintext []byte) ([]byte, bool) {
	for n := len(plaintext) - 1; n >= 0; n-- {
		switch plaintext[n] {
		case 0:
		case endOfValue:
			return plaintext[:n], true
		default:
			return nil, false
		}
	}
	return nil, false
}
