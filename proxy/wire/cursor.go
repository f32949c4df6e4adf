package wire

import (
	"bytes"
	"encoding/binary"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// Malformed messages are called what pqformat.c calls them.
func errShort() error {
	return pgerror.New(pgerror.ProtocolViolation, "insufficient data left in message")
}

func errString() error {
	return pgerror.New(pgerror.ProtocolViolation, "invalid string in message")
}

func errFormat() error {
	return pgerror.New(pgerror.ProtocolViolation, "invalid message format")
}

// cursor takes the parts of a body in order. After its first error every part is
// zero.
type cursor struct {
	rest []byte
	err  error
}

func (c *cursor) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.rest = nil
}

func (c *cursor) bytes(n int) []byte {
	if n < 0 || n > len(c.rest) {
		c.fail(errShort())
		return nil
	}
	p := c.rest[:n:n]
	c.rest = c.rest[n:]
	return p
}

func (c *cursor) byte() byte {
	if p := c.bytes(1); p != nil {
		return p[0]
	}
	return 0
}

// int16 takes a count or a format: 16 bits, unsigned as in pq_getmsgint.
func (c *cursor) int16() int {
	if p := c.bytes(2); p != nil {
		return int(binary.BigEndian.Uint16(p))
	}
	return 0
}

func (c *cursor) uint32() uint32 {
	if p := c.bytes(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (c *cursor) string() []byte {
	n := bytes.IndexByte(c.rest, 0)
	if n < 0 {
		c.fail(errString())
		return nil
	}
	p := c.rest[:n:n]
	c.rest = c.rest[n+1:]
	return p
}

// end checks that nothing is left, and gives the first error.
func (c *cursor) end() error {
	if c.err == nil && len(c.rest) > 0 {
		c.err = errFormat()
	}
	return c.err
}

// values takes n values, each with its length, -1 for NULL.
func (c *cursor) values(n int) Values {
	all := c.rest
	for range n {
		if size := int32(c.uint32()); size != -1 {
			c.bytes(int(size))
		}
		if c.err != nil {
			return Values{}
		}
	}
	return Values{rest: all[:len(all)-len(c.rest)], left: n}
}
