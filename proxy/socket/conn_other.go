//go:build !unix

package socket

import "net"

// Wrap gives conn itself.
func Wrap(conn net.Conn) net.Conn { return conn }
