package proxy

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// backend is a connection to the server to which the StartupMessage was sent.
type backend struct {
	conn   net.Conn
	r      *wire.Reader
	w      *wire.Writer
	tls    *tls.ConnectionState // nil in clear
	server *UpstreamConfig
	target string // what the server has to be, if that was asked for
	// own is how pgveil logs in itself; nil: what the server asks is the client's to answer.
	own *ownLogin
	// local is true when the connection does not leave the machine.
	local bool
}

// openServer connects to the server, sends the StartupMessage, and waits for the
// first answer without consuming it. As libpq does for allow and prefer, it tries
// the other way of connecting when the server answers with an error, since
// pg_hba.conf may want TLS, or not want it. The errors are those of dialServer.
func openServer(ctx context.Context, u *UpstreamConfig, params []wire.StartupParam) (*backend, error) {
	conn, err := dialServer(ctx, u)
	if err != nil {
		return nil, err
	}
	first, refused, err := begin(ctx, u, conn, params)
	if err != nil || !refused || u.local() {
		return first, err
	}
	var second net.Conn
	switch {
	case u.mode() == SSLAllow:
		second, err = dialTLS(ctx, u)
	case u.mode() == SSLPrefer && first.tls != nil:
		second, err = dialPlain(ctx, u)
	default:
		return first, nil
	}
	if err != nil {
		return first, nil
	}
	other, refused, err := begin(ctx, u, second, params)
	if err != nil {
		return first, nil
	}
	if refused {
		_ = other.conn.Close()
		return first, nil
	}
	_ = first.conn.Close()
	return other, nil
}

// begin sends the StartupMessage and reports whether the server answers with an
// error. It closes conn when it fails.
func begin(ctx context.Context, u *UpstreamConfig, conn net.Conn, params []wire.StartupParam) (*backend, bool, error) {
	release := boundBy(ctx, conn)
	defer release()
	b := &backend{server: u, conn: conn, r: wire.NewReader(conn, bufferSize), w: wire.NewWriter(conn, 0), local: u.local()}
	b.r.SetLimits(wire.BackendLimits)
	if secured, ok := conn.(*tls.Conn); ok {
		state := secured.ConnectionState()
		b.tls = &state
	}
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		b.local = true
	}
	_, err := conn.Write(wire.AppendStartup(nil, params))
	var first byte
	if err == nil {
		first, err = b.r.Peek()
	}
	if err != nil {
		_ = conn.Close()
		_, address := u.Address()
		return nil, false, pgerror.New(pgerror.ConnectionFailure, "the server at %s closed the connection at its start", address).Fatal()
	}
	return b, first == wire.TypeErrorResponse, nil
}
