package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/pgveil/pgveil/cmd/pgveil/config"
)

// listen opens the TCP port and, if one is configured, the Unix socket, which is
// named as PostgreSQL's: .s.PGSQL. and the port.
func listen(ctx context.Context, c *config.Config) ([]net.Listener, error) {
	network := "tcp"
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && net.ParseIP(host).To4() != nil {
		network = "tcp4" // with tcp, 0.0.0.0 would be the addresses of IPv6, too
	}
	tcp, err := new(net.ListenConfig).Listen(ctx, network, c.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", c.Listen, rootCause(err))
	}
	if c.Socket == "" {
		return []net.Listener{tcp}, nil
	}
	path := filepath.Join(c.Socket, fmt.Sprintf(".s.PGSQL.%d", tcp.Addr().(*net.TCPAddr).Port))
	unix, err := listenUnix(ctx, path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot listen on %s: %w", path, rootCause(err)), tcp.Close())
	}
	return []net.Listener{tcp, unix}, nil
}

// listenUnix replaces a socket that nobody listens on any more. As with
// PostgreSQL, any user of the machine may connect who can reach the directory.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
			conn.Close()
			return nil, errors.New("another process listens there")
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// rootCause leaves out what the net package says about the operation.
func rootCause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
