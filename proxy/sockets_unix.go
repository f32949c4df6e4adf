//go:build unix

package proxy

import (
	"net"
	"syscall"

	"github.com/pgveil/pgveil/proxy/wire"
)

// readerOf reads from conn. While it waits for a connection that is a socket and nothing but one,
// it holds no buffer; what lies around a socket, such as TLS, reads otherwise.
func readerOf(conn net.Conn) *wire.Reader {
	r := wire.NewReader(conn, bufferSize)
	var socket syscall.Conn
	switch conn := conn.(type) {
	case *net.TCPConn:
		socket = conn
	case *net.UnixConn:
		socket = conn
	default:
		return r
	}
	if raw, err := socket.SyscallConn(); err == nil {
		r.SetRaw(raw)
	}
	return r
}
