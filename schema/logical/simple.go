package logical

import (
	"bytes"
	"encoding/binary"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// boolWords are the spellings of booleans; any unique prefix of one is accepted too.
// Source: PostgreSQL manual, "Boolean Type".
var boolWords = []struct {
	word string
	min  int // shortest prefix that is unique
	is   byte
}{
	{"true", 1, 1},
	{"false", 1, 0},
	{"yes", 1, 1},
	{"no", 1, 0},
	{"on", 2, 1},
	{"off", 2, 0},
	{"1", 1, 1},
	{"0", 1, 0},
}

func readBool(dst, value []byte, format int16) ([]byte, error) {
	if format != 0 {
		if len(value) == 0 {
			return dst, pgerror.New(pgerror.ProtocolViolation, "no data left in message")
		}
		if err := wantLength(value, 1); err != nil {
			return dst, err
		}
		if value[0] != 0 {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	}
	text := trimSpace(value)
	for i := range boolWords {
		w := &boolWords[i]
		if len(text) >= w.min && len(text) <= len(w.word) && equalFoldASCII(text, w.word[:len(text)]) {
			return append(dst, w.is), nil
		}
	}
	if err := checkUTF8(value); err != nil {
		return dst, err
	}
	return dst, invalidSyntax("boolean", value)
}

// equalFoldASCII compares with a lower-case word as pg_strcasecmp does for ASCII.
func equalFoldASCII(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func canonicalBool(canonical []byte) (bool, error) {
	if len(canonical) != 1 || canonical[0] > 1 {
		return false, corrupt(Bool)
	}
	return canonical[0] == 1, nil
}

func writeBool(dst, canonical []byte, format int16) ([]byte, error) {
	v, err := canonicalBool(canonical)
	switch {
	case err != nil:
		return dst, err
	case format != 0:
		return append(dst, canonical...), nil
	case v:
		return append(dst, 't'), nil
	}
	return append(dst, 'f'), nil
}

// readUUID reads the forms of the manual's "UUID Type": 32 hex digits, a hyphen allowed after
// each four, braces around it allowed.
func readUUID(dst, value []byte, format int16) ([]byte, error) {
	if format != 0 {
		if err := wantLength(value, 16); err != nil {
			return dst, err
		}
		return append(dst, value...), nil
	}
	start := len(dst)
	text := value
	braces := len(text) > 0 && text[0] == '{'
	if braces {
		text = text[1:]
	}
	for i := range 16 {
		if len(text) < 2 || hexValues[text[0]] == 0xff || hexValues[text[1]] == 0xff {
			return dst[:start], badUUID(value)
		}
		dst = append(dst, hexValues[text[0]]<<4|hexValues[text[1]])
		text = text[2:]
		if i%2 == 1 && i < 15 && len(text) > 0 && text[0] == '-' {
			text = text[1:]
		}
	}
	if braces {
		if !bytes.Equal(text, []byte{'}'}) {
			return dst[:start], badUUID(value)
		}
	} else if len(text) > 0 {
		return dst[:start], badUUID(value)
	}
	return dst, nil
}

func badUUID(value []byte) error {
	if err := checkUTF8(value); err != nil {
		return err
	}
	return invalidSyntax("uuid", value)
}

func writeUUID(dst, canonical []byte, format int16) ([]byte, error) {
	if len(canonical) != 16 {
		return dst, corrupt(UUID)
	}
	if format != 0 {
		return append(dst, canonical...), nil
	}
	for i, c := range canonical {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = binary.LittleEndian.AppendUint16(dst, hexPairs[c])
	}
	return dst, nil
}
