package proxy

import (
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// encoding is a client_encoding of one byte a character that has ASCII as its first
// half. Texts are turned into UTF-8 before they are looked at, and back before they
// are sent, as the server itself does. The nil encoding is UTF-8.
// Source: PostgreSQL manual, "Character Set Support".
type encoding struct {
	name  string
	runes [128]rune // of the bytes from 0x80; utf8.RuneError: none
	bytes map[rune]byte
}

// encodings are those that every supported server converts, by the server's names.
var encodings = func() map[string]*encoding {
	all := make(map[string]*encoding)
	for name, from := range map[string]*charmap.Charmap{
		"LATIN1": charmap.ISO8859_1, "LATIN2": charmap.ISO8859_2, "LATIN5": charmap.ISO8859_9, "LATIN9": charmap.ISO8859_15,
		"WIN1250": charmap.Windows1250, "WIN1252": charmap.Windows1252,
	} {
		e := &encoding{name: name, bytes: make(map[rune]byte)}
		for i := range e.runes {
			b := byte(0x80 + i)
			r := from.DecodeByte(b)
			switch {
			case name[0] == 'L' && b < 0xa0: // the control characters of ISO 8859
				r = rune(b)
			case r >= 0x80 && r < 0xa0: // a hole of the code page
				r = utf8.RuneError
			}
			e.runes[i] = r
			if r != utf8.RuneError {
				e.bytes[r] = b
			}
		}
		all[name] = e
	}
	return all
}()

// untranslatable is the server's SQLSTATE for a character that the other encoding has not.
const untranslatable = "22P05"

// decode gives a client's text in UTF-8: the text itself where nothing is to be done,
// else a copy.
func (e *encoding) decode(text []byte) ([]byte, error) {
	if e == nil || statement.IsASCII(text) {
		return text, nil
	}
	return e.appendDecoded(make([]byte, 0, len(text)+len(text)/4), text)
}

// appendDecoded appends a client's text in UTF-8.
func (e *encoding) appendDecoded(dst, text []byte) ([]byte, error) {
	for _, b := range text {
		if b < 0x80 {
			dst = append(dst, b)
			continue
		}
		r := e.runes[b-0x80]
		if r == utf8.RuneError {
			return dst, pgerror.New(untranslatable, `character with byte sequence 0x%02x in encoding "%s" has no equivalent in encoding "UTF8"`, b, e.name)
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, nil
}

// decodeText gives a client's text in UTF-8, as far as the session is known. While it is
// not, the text stays as it came, and counts as doubtful.
func (c *conn) decodeText(raw []byte) ([]byte, error) {
	if c.state == nil || c.state.encoding == nil || statement.IsASCII(raw) {
		return raw, nil
	}
	if c.changed.Load() {
		if _, err := c.fresh(); err != nil {
			return nil, err
		}
	}
	return c.state.encoding.decode(raw)
}

// encode turns the UTF-8 text dst[start:] into the client's encoding, in place.
func (e *encoding) encode(dst []byte, start int) ([]byte, error) {
	if e == nil || statement.IsASCII(dst[start:]) {
		return dst, nil
	}
	to := start
	for at := start; at < len(dst); {
		r, size := utf8.DecodeRune(dst[at:])
		b := byte(r)
		if r >= 0x80 {
			var ok bool
			if b, ok = e.bytes[r]; !ok {
				return dst[:start], pgerror.New(untranslatable, `character with byte sequence %s in encoding "UTF8" has no equivalent in encoding "%s"`, byteSequence(dst[at:at+size]), e.name)
			}
		}
		dst[to] = b
		to++
		at += size
	}
	return dst[:to], nil
}

// said gives an error with its texts in the client's encoding; a character that it has not
// is a question mark. The nil state is UTF-8.
func (s *state) said(e *pgerror.Error) *pgerror.Error {
	if s == nil || s.encoding == nil || e == nil {
		return e
	}
	said := *e
	for _, text := range []*string{&said.Message, &said.Detail, &said.Hint, &said.Where, &said.Schema, &said.Table, &said.Column} {
		*text = s.encoding.lossy(*text)
	}
	return &said
}

func (e *encoding) lossy(text string) string {
	if statement.IsASCII([]byte(text)) {
		return text
	}
	out := make([]byte, 0, len(text))
	for _, r := range text {
		b, ok := byte(r), r < 0x80
		if !ok {
			b, ok = e.bytes[r]
		}
		if !ok {
			b = '?'
		}
		out = append(out, b)
	}
	return string(out)
}

// byteSequence shows bytes as the server's errors do.
func byteSequence(b []byte) string {
	const digits = "0123456789abcdef"
	var s []byte
	for i, c := range b {
		if i > 0 {
			s = append(s, ' ')
		}
		s = append(s, '0', 'x', digits[c>>4], digits[c&15])
	}
	return string(s)
}

// decodeParam gives the value of a parameter in UTF-8 if it is text. oid is its type, or 0.
func (e *encoding) decodeParam(value []byte, format int16, t *target, oid uint32) ([]byte, error) {
	switch {
	case e == nil || statement.IsASCII(value):
		return value, nil
	case format == 0:
		return e.decode(value)
	case t.array:
		return nil, pgerror.New(pgerror.FeatureNotSupported, "an array in binary format cannot be a value for a sealed column under client_encoding %s", e.name).
			WithHint("Send it as text, or SET client_encoding TO 'UTF8'.")
	case isString(oid) || isJSON(oid) || oid == 0 && isTextual(t.column.Type.Kind):
		return e.decode(value)
	}
	return value, nil
}

// encodeValue turns an opened value, dst[start:], into the client's encoding if it is text.
func (e *encoding) encodeValue(dst []byte, start int, col *column) ([]byte, *pgerror.Error) {
	if e == nil || col.format != 0 && !isTextual(col.output.Type.Kind) {
		return dst, nil
	}
	dst, err := e.encode(dst, start)
	if err != nil {
		if said, ok := pgerror.As(err); ok {
			return dst, nameColumn(said, col.output.Column)
		}
		return dst, notSealed(col.output.Column)
	}
	return dst, nil
}

// isTextual reports whether the binary form of a type has text in it.
func isTextual(k logical.Kind) bool {
	switch k {
	case logical.Text, logical.Varchar, logical.Bpchar, logical.JSONB:
		return true
	}
	return false
}

func isJSON(oid uint32) bool { return oid == 114 || oid == 3802 }
