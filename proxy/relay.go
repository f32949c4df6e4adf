package proxy

import (
	"net"
	"time"

	"github.com/pgveil/pgveil/proxy/wire"
)

// relay carries a session with a database that the schema file doesn't describe:
// every frame passes undecoded.
func (c *conn) relay(client, upstream net.Conn) error {
	go func() {
		_ = forwardAll(c.cr, c.sw)
		closeWrite(upstream)
	}()
	err := forwardAll(c.sr, c.cw)
	if last := c.fatal.Load(); last != nil && !c.sr.Partial() {
		_ = wire.WriteErrorResponse(c.cw, last)
		err = last
	}
	_ = client.SetWriteDeadline(time.Now().Add(farewell))
	_ = c.cw.Flush()
	client.Close()
	return err
}

func forwardAll(from *wire.Reader, to *wire.Writer) error {
	for {
		if _, _, err := from.Next(); err != nil {
			return err
		}
		if err := from.Forward(to); err != nil {
			return err
		}
		if !from.Buffered() {
			if err := to.Flush(); err != nil {
				return err
			}
		}
	}
}
