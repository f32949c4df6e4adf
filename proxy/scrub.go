package proxy

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy/wire"
)

// How every sealed value begins when the server quotes it as text, with
// bytea_output hex and escape.
var sealedHex, sealedEscape = func() (hexed, escaped []byte) {
	header := keys.Header(1, "") // neither byte is printable
	return append([]byte(`\x`), hex.AppendEncode(nil, header[:2])...), fmt.Appendf(nil, `\%03o\%03o`, header[0], header[1])
}()

// writeUnsealed writes an error or notice of the server with this position and
// without the sealed values that it may quote, such as the key of a unique
// constraint: ciphertext is not shown as data.
func writeUnsealed(w *wire.Writer, typ byte, fields wire.ErrorFields, position int) error {
	return writeScrubbed(w, typ, fields, position, nil)
}

// writeWithheld is writeUnsealed of an error whose DETAIL is a row that is not shown.
func writeWithheld(w *wire.Writer, typ byte, fields wire.ErrorFields, position int) error {
	return writeScrubbed(w, typ, fields, position, []byte(withheldRow))
}

// writeScrubbed is writeUnsealed with another DETAIL, unless that is nil.
func writeScrubbed(w *wire.Writer, typ byte, fields wire.ErrorFields, position int, detail []byte) error {
	w.Message(typ)
	for fields.Next() {
		code, value := fields.Field()
		w.Byte(code)
		switch {
		case code == wire.FieldPosition:
			w.String(strconv.Itoa(position))
		case code == wire.FieldDetail && detail != nil:
			w.CString(detail)
		default:
			w.CString(hideSealed(value))
		}
	}
	w.Byte(0)
	return w.End()
}

// hideSealed takes sealed values out of a text. In escape form nothing tells where
// one ends, so that all of the rest goes with it.
func hideSealed(text []byte) []byte {
	if at := indexEscaped(text); at >= 0 {
		return append(hideSealed(text[:at:at]), "(sealed)"...)
	}
	if !bytes.Contains(text, sealedHex) {
		return text
	}
	var out []byte
	for {
		at := bytes.Index(text, sealedHex)
		if at < 0 {
			return append(out, text...)
		}
		// In JSON and in COPY data the backslash is doubled.
		out = append(append(out, bytes.TrimSuffix(text[:at], sealedHex[:1])...), "(sealed)"...)
		text = text[at+len(sealedHex):]
		for len(text) > 0 && isHex(text[0]) {
			text = text[1:]
		}
	}
}

// indexEscaped finds a sealed value in escape form, in whose place in a text of a row, an array or
// JSON each backslash is two, or more; -1 is none.
func indexEscaped(text []byte) int {
	for from := 0; ; {
		at := bytes.Index(text[from:], sealedEscape[1:4])
		if at < 0 {
			return -1
		}
		at += from
		from = at + 3
		start, rest := len(bytes.TrimRight(text[:at], `\`)), bytes.TrimLeft(text[from:], `\`)
		if start < at && len(rest) < len(text[from:]) && bytes.HasPrefix(rest, sealedEscape[5:]) {
			return start
		}
	}
}

func isHex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f'
}

// hideInPlan takes sealed values out of a query plan, in which they stand as quoted
// constants, so that the end of one in escape form can be told. In JSON and YAML every
// backslash is doubled.
func hideInPlan(text []byte) []byte {
	for _, mark := range [][]byte{bytes.ReplaceAll(sealedEscape, []byte(`\`), []byte(`\\`)), sealedEscape} {
		for {
			at := bytes.Index(text, mark)
			if at < 0 {
				break
			}
			end := at
			for end < len(text) && (text[end] != '\'' || end+1 < len(text) && text[end+1] == '\'') {
				if text[end] == '\'' {
					end++
				}
				end++
			}
			text = append(append(text[:at:at], "(sealed)"...), text[end:]...)
		}
	}
	return hideSealed(text)
}
