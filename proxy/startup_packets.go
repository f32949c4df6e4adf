package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// errorTime bounds how long a last message to a client may take.
const errorTime = 2 * time.Second

// packets reads the first packets of a connection, which have no type byte.
type packets struct {
	conn net.Conn
	buf  [4 + wire.MaxStartupSize]byte
	r, w int
}

func (p *packets) fill(need int) error {
	if p.r+need > len(p.buf) {
		p.w = copy(p.buf[:], p.buf[p.r:p.w])
		p.r = 0
	}
	for p.w-p.r < need {
		n, err := p.conn.Read(p.buf[p.w:])
		p.w += n
		if err != nil && p.w-p.r < need {
			if err == io.EOF && p.w > p.r {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// peek gives the first byte.
func (p *packets) peek() (byte, error) {
	if err := p.fill(1); err != nil {
		return 0, err
	}
	return p.buf[p.r], nil
}

// next gives the next packet without its length word; valid until the next call.
func (p *packets) next() ([]byte, error) {
	if err := p.fill(4); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(p.buf[p.r:])) - 4
	if n < 4 || n > wire.MaxStartupSize {
		// The server does not answer either: this may be any protocol.
		return nil, errors.New("invalid length of startup packet")
	}
	if err := p.fill(4 + int(n)); err != nil {
		return nil, err
	}
	packet := p.buf[p.r+4 : p.r+4+int(n)]
	p.r += 4 + int(n)
	return packet, nil
}

// answer says S or N to a request for encryption. What already came after the
// request came in clear and may have been put there by somebody in between, to be
// taken for the client's words once encryption holds (CVE-2021-23214).
func (p *packets) answer(yes bool, what string) error {
	reply := []byte{'N'}
	if yes {
		reply[0] = 'S'
	}
	if _, err := p.conn.Write(reply); err != nil {
		return err
	}
	if p.w > p.r {
		return pgerror.New(pgerror.ProtocolViolation, "received unencrypted data after %s request", what).Fatal().
			WithDetail("This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.")
	}
	return nil
}

// rest is the connection with what has been read beyond the last packet.
func (p *packets) rest() net.Conn {
	if p.r == p.w {
		return p.conn
	}
	return &resumedConn{Conn: p.conn, read: append([]byte(nil), p.buf[p.r:p.w]...)}
}

// resumedConn is a connection of which something was read ahead.
type resumedConn struct {
	net.Conn
	read []byte
}

func (c *resumedConn) Read(p []byte) (int, error) {
	if len(c.read) > 0 {
		n := copy(p, c.read)
		c.read = c.read[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// boundBy makes the connections' reads fail when ctx ends, writes a little later so
// that the client can be told. release, to be called once, ends that; the deadlines
// of a ctx that has ended by then stay.
func boundBy(ctx context.Context, conns ...net.Conn) (release func()) {
	set := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(set)
		now := time.Now()
		for _, c := range conns {
			_ = c.SetReadDeadline(now)
			_ = c.SetWriteDeadline(now.Add(errorTime))
		}
	})
	return func() {
		if !stop() {
			<-set
		}
	}
}

// tellClient sends a last message. That it may not arrive changes nothing.
func tellClient(conn net.Conn, e *pgerror.Error) {
	_ = conn.SetWriteDeadline(time.Now().Add(errorTime))
	w := wire.NewWriter(conn, 0)
	_ = wire.WriteErrorResponse(w, e)
	_ = w.Flush()
}

// oldProtocolError tells a client of protocol 2.0 or older in its own protocol: E
// and a C string. The server does the same.
func oldProtocolError(conn net.Conn, e *pgerror.Error) error {
	_ = conn.SetWriteDeadline(time.Now().Add(errorTime))
	_, _ = conn.Write([]byte("E" + e.Severity + ":  " + e.Message + "\n\x00"))
	return errors.New(e.Message)
}
