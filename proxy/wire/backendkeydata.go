package wire

import "github.com/pgveil/pgveil/schema/pgerror"

// DecodeBackendKeyData gives the process ID and the secret key that cancel this
// session's queries. The key is 4 bytes in protocol 3.0, up to 256 later.
func DecodeBackendKeyData(body []byte) (pid uint32, key []byte, err error) {
	c := cursor{rest: body}
	pid, key = c.uint32(), c.rest
	if c.err == nil && (len(key) < 4 || len(key) > 256) {
		c.fail(pgerror.New(pgerror.ProtocolViolation, "invalid length of cancel request key"))
	}
	return pid, key, c.err
}
