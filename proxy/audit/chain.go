package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
)

// MAC authenticates the chain, as tink.MAC does.
type MAC interface {
	ComputeMAC(data []byte) ([]byte, error)
	VerifyMAC(mac, data []byte) error
}

// Signer signs checkpoints, as tink.Signer does.
type Signer interface {
	Sign(data []byte) ([]byte, error)
}

// Verifier verifies the signature of a checkpoint, as tink.Verifier does.
type Verifier interface {
	Verify(signature, data []byte) error
}

// A line is its record without the closing brace, then its MAC:
//
//	{"seq":7,…,"mac":"AbC…"}
//
// The MAC covers the MAC of the line before, then every byte up to macStart.
const (
	macStart = `,"mac":"`
	macEnd   = `"}`
)

// appendMAC closes the record that begins at start in dst. It appends the MAC over
// before and the record, and the line's end, and returns the MAC too.
func appendMAC(dst []byte, start int, key MAC, before []byte) (line, mac []byte, err error) {
	return appendMACWith(new([]byte), dst, start, key, before)
}

// appendMACWith is appendMAC with a buffer of its own, which it may make longer.
func appendMACWith(buf *[]byte, dst []byte, start int, key MAC, before []byte) (line, mac []byte, err error) {
	*buf = append(append((*buf)[:0], before...), dst[start:]...)
	mac, err = key.ComputeMAC(*buf)
	if err != nil {
		return dst, nil, err
	}
	dst = append(dst, macStart...)
	dst = base64.RawStdEncoding.AppendEncode(dst, mac)
	dst = append(dst, macEnd...)
	return append(dst, '\n'), mac, nil
}

var errNoMAC = errors.New("no MAC at its end")

// splitMAC takes a line, without its newline, apart. body is part of line. Only the
// one encoding of a MAC that appendMAC gives is taken.
func splitMAC(line []byte) (body, mac []byte, err error) {
	rest, ok := bytes.CutSuffix(line, []byte(macEnd))
	at := bytes.LastIndex(rest, []byte(macStart))
	if !ok || at < 0 {
		return nil, nil, errNoMAC
	}
	encoded := rest[at+len(macStart):]
	mac, err = base64.RawStdEncoding.Strict().AppendDecode(nil, encoded)
	if err != nil || len(mac) == 0 || base64.RawStdEncoding.EncodedLen(len(mac)) != len(encoded) {
		return nil, nil, errNoMAC
	}
	return rest[:at], mac, nil
}

// follows tells whether mac is that of body after a line whose MAC is before.
func follows(key MAC, before, body, mac []byte) bool {
	data := make([]byte, 0, len(before)+len(body))
	data = append(append(data, before...), body...)
	return key.VerifyMAC(mac, data) == nil
}
