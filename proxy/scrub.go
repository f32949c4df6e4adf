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
	header := keys.Header(1, "")
	escaped = fmt.Appendf(nil, `\%03o`, header[0])
	if c := header[1]; c < 0x20 || c > 0x7e {
		escaped = fmt.Appendf(escaped, `\%03o`, c)
	} else {
		escaped = append(escaped, c)
	}
	return append([]byte(`\x`), hex.AppendEncode(nil, header[:2])...), escaped
}()

// writeUnsealed writes an error or notice of the server with this position and
// without the sealed values that it may quote, such as the key of a unique
// constraint: ciphertext is not shown as data.
func writeUnsealed(w *wire.Writer, typ byte, fields wire.ErrorFields, position int) error {
	w.Message(typ)
	for fields.Next() {
		code, value := fields.Field()
		w.Byte(code)
		if code == wire.FieldPosition {
			w.String(strconv.Itoa(position))
			continue
		}
		w.CString(hideSealed(value))
	}
	w.Byte(0)
	return w.End()
}

// hideSealed takes sealed values out of a text. In escape form nothing tells where
// one ends, so that all of the rest goes with it.
func hideSealed(text []byte) []byte {
	if at := bytes.Index(text, sealedEscape); at >= 0 {
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
