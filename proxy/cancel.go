package proxy

import (
	"context"
	"io"

	"github.com/pgveil/pgveil/proxy/wire"
)

// cancelKey is what a client proves its right to cancel with: the server's own
// process ID and secret, since BackendKeyData is relayed as it is.
type cancelKey struct {
	pid    uint32
	secret []byte
}

// relayCancel sends a CancelRequest to the server, on a connection of its own with
// the same sslmode, and returns when the server has closed it: by then the signal
// has been sent, and so the client, whose connection the caller closes next, can
// rely on it as it would with the server itself.
func relayCancel(ctx context.Context, u *UpstreamConfig, key *cancelKey) error {
	conn, err := dialServer(ctx, u)
	if err != nil {
		return err
	}
	defer conn.Close()
	release := boundBy(ctx, conn)
	defer release()
	if _, err := conn.Write(wire.AppendCancelRequest(nil, key.pid, key.secret)); err != nil {
		return err
	}
	_, err = io.CopyN(io.Discard, conn, 1)
	if err == io.EOF {
		return nil
	}
	return err
}
