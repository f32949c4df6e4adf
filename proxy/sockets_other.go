//go:build !unix

package proxy

import (
	"net"

	"github.com/pgveil/pgveil/proxy/wire"
)

func readerOf(conn net.Conn) *wire.Reader { return wire.NewReader(conn, bufferSize) }
