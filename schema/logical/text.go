package logical

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// checkUTF8 gives the server's error for text that is not valid UTF-8 or holds a NUL,
// which no text of PostgreSQL can.
func checkUTF8(text []byte) error {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if c == 0 {
				return invalidEncoding(text[i:])
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return invalidEncoding(text[i:])
		}
		i += size
	}
	return nil
}

// invalidEncoding shows the bytes of the broken character, at most as many as its first byte announces.
func invalidEncoding(at []byte) error {
	var hex strings.Builder
	for i := range min(mbLen(at[0]), len(at)) {
		if i > 0 {
			hex.WriteByte(' ')
		}
		fmt.Fprintf(&hex, "0x%02x", at[i])
	}
	return pgerror.New(codeCharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": %s", hex.String())
}

// mbLen is the length of a UTF-8 character by its first byte, as pg_utf_mblen counts.
func mbLen(first byte) int {
	switch {
	case first&0xe0 == 0xc0:
		return 2
	case first&0xf0 == 0xe0:
		return 3
	case first&0xf8 == 0xf0:
		return 4
	}
	return 1
}

// isSpace is C's isspace for the characters that are blank in every locale.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// trimSpace takes isspace's characters off both ends.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// trimBlanks takes trailing blanks off, as char(n) does before comparing.
func trimBlanks(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// isTextFamily says whether k is text, varchar or char(n).
func isTextFamily(k Kind) bool { return k == Text || k == Varchar || k == Bpchar }

// fitText applies the length of varchar(n) or char(n) to the text dst[start:]: only
// blanks may be cut off by an assignment. Lengths are in characters.
func (t Type) fitText(dst []byte, start int) ([]byte, error) {
	if limit := t.maxChars(); limit >= 0 && len(dst)-start > limit {
		text := dst[start:]
		end := 0
		for range limit {
			if end >= len(text) {
				break
			}
			end += mbLen(text[end])
		}
		if end < len(text) {
			if len(trimBlanks(text[end:])) > 0 {
				return dst[:start], pgerror.New(pgerror.StringTruncation, "value too long for type %s", t)
			}
			dst = dst[:start+end]
		}
	}
	if t.Kind == Bpchar {
		dst = dst[:start+len(trimBlanks(dst[start:]))]
	}
	return dst, nil
}

// appendPadded appends text with blanks up to the n characters of char(n).
func (t Type) appendPadded(dst, text []byte) []byte {
	dst = append(dst, text...)
	for n := t.maxChars() - utf8.RuneCount(text); n > 0; n-- {
		dst = append(dst, ' ')
	}
	return dst
}
