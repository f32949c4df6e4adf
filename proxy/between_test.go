package proxy_test

import (
	"io"
	"net"
	"testing"

	"github.com/pgveil/pgveil/testenv"
)

// between relays connections to the server, for stack.Options.Between. answers passes
// what the server says; the connection ends with it.
func between(t *testing.T, answers func(client io.Writer, server io.Reader)) func(server *testenv.Postgres) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return func(server *testenv.Postgres) int {
		go func() {
			for {
				client, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer client.Close()
					conn, err := net.Dial("tcp", server.Addr())
					if err != nil {
						return
					}
					defer conn.Close()
					go func() {
						_, _ = io.Copy(conn, client)
						conn.Close()
					}()
					answers(client, conn)
				}()
			}
		}()
		return l.Addr().(*net.TCPAddr).Port
	}
}
