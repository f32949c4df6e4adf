package wire

import (
	"encoding/binary"

	"github.com/jackc/pgproto3/v2"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// Versions and request codes that begin the first packet of a connection, which
// has no type byte.
const (
	Version3       uint32 = 3 << 16
	CancelRequest  uint32 = 1234<<16 | 5678
	SSLRequest     uint32 = 1234<<16 | 5679
	GSSENCRequest  uint32 = 1234<<16 | 5680
	MaxStartupSize        = 10000 // bytes after the length word: MAX_STARTUP_PACKET_LENGTH of pqcomm.h
)

// StartupParam is a parameter of a StartupMessage.
type StartupParam struct{ Name, Value string }

// DecodeStartupCode gives the version or request code of a first packet, of which
// packet is all after the length word, and what follows it.
func DecodeStartupCode(packet []byte) (code uint32, rest []byte, err error) {
	c := cursor{rest: packet}
	code = c.uint32()
	return code, c.rest, c.err
}

// DecodeStartupParams gives the parameters of a StartupMessage in their order. A
// name may come more than once.
func DecodeStartupParams(rest []byte) ([]StartupParam, error) {
	c := cursor{rest: rest}
	var params []StartupParam
	for c.err == nil {
		name := c.string()
		if len(name) == 0 {
			break
		}
		params = append(params, StartupParam{Name: string(name), Value: string(c.string())})
	}
	if c.end() != nil {
		return nil, pgerror.New(pgerror.ProtocolViolation, "invalid startup packet layout: expected terminator as last byte").Fatal()
	}
	return params, nil
}

// AppendStartup appends a StartupMessage of protocol 3.0.
func AppendStartup(dst []byte, params []StartupParam) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, Version3)
	for _, p := range params {
		dst = append(append(dst, p.Name...), 0)
		dst = append(append(dst, p.Value...), 0)
	}
	dst = append(dst, 0)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

// AppendSSLRequest appends an SSLRequest.
func AppendSSLRequest(dst []byte) []byte {
	dst, _ = (&pgproto3.SSLRequest{}).Encode(dst) // it cannot fail
	return dst
}

// DecodeCancelRequest gives the process ID and the key that follow CancelRequest.
func DecodeCancelRequest(rest []byte) (pid uint32, key []byte, err error) {
	return DecodeBackendKeyData(rest)
}

// AppendCancelRequest appends a CancelRequest.
func AppendCancelRequest(dst []byte, pid uint32, key []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(12+len(key)))
	dst = binary.BigEndian.AppendUint32(dst, CancelRequest)
	dst = binary.BigEndian.AppendUint32(dst, pid)
	return append(dst, key...)
}

// WriteNegotiateProtocolVersion tells a client that no protocol newer than 3.0 is
// spoken here and which of its protocol options are unknown. The server puts its
// whole version into the message, not the minor alone as the manual says, and libpq
// reads it so.
func WriteNegotiateProtocolVersion(w *Writer, unknown []string) error {
	w.Message(TypeNegotiateProtocolVersion)
	w.Int32(int32(Version3))
	w.Int32(int32(len(unknown)))
	for _, name := range unknown {
		w.String(name)
	}
	return w.End()
}
