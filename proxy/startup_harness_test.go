package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
	"github.com/pgveil/pgveil/testenv"
)

// loginRelay is the beginning of a connection's life alone: after authentication it
// copies frames both ways.
type loginRelay struct {
	listener net.Listener
	clients  *ClientTLS
	upstream *UpstreamConfig

	mu       sync.Mutex
	startups []*startup
	logins   []*login
	errs     []error
}

// relayLogins starts a loginRelay on 127.0.0.1 or, when dir is not empty, on a Unix
// socket there.
func relayLogins(t *testing.T, clients *ClientTLS, upstream *UpstreamConfig, dir string) *loginRelay {
	t.Helper()
	network, address := "tcp", "127.0.0.1:0"
	if dir != "" {
		network, address = "unix", filepath.Join(dir, ".s.PGSQL.5432")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	r := &loginRelay{listener: l, clients: clients, upstream: upstream}
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				err := r.serve(ctx, conn)
				r.mu.Lock()
				r.errs = append(r.errs, err)
				r.mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		running.Wait()
	})
	return r
}

func (r *loginRelay) port() int { return r.listener.Addr().(*net.TCPAddr).Port }

// last gives the newest startup and login, and the newest error once n connections
// have ended.
func (r *loginRelay) last() (*startup, *login) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var l *login
	if len(r.logins) > 0 {
		l = r.logins[len(r.logins)-1]
	}
	return r.startups[len(r.startups)-1], l
}

func (r *loginRelay) serve(ctx context.Context, conn net.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	s, err := acceptStartup(ctx, conn, r.clients)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.startups = append(r.startups, s)
	r.mu.Unlock()
	if s.cancel != nil {
		return relayCancel(ctx, r.upstream, s.cancel)
	}
	b, err := openServer(ctx, r.upstream, s.params)
	if err != nil {
		if e, ok := pgerror.As(err); ok {
			tellClient(s.conn, e)
		}
		return err
	}
	defer b.conn.Close()
	cr, cw := wire.NewReader(s.conn, 0), wire.NewWriter(s.conn, 0)
	told, err := authenticate(ctx, s, cr, cw, b)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.logins = append(r.logins, told)
	r.mu.Unlock()
	defer context.AfterFunc(ctx, func() {
		conn.Close()
		b.conn.Close()
	})()
	var both sync.WaitGroup
	both.Go(func() {
		pump(cr, b.w)
		b.conn.Close()
	})
	pump(b.r, cw)
	s.conn.Close()
	both.Wait()
	return nil
}

func pump(r *wire.Reader, w *wire.Writer) {
	for {
		if !r.Buffered() && w.Flush() != nil {
			return
		}
		if _, _, err := r.Next(); err != nil {
			return
		}
		if _, err := r.ForwardRun(w); err != nil {
			return
		}
	}
}

// errorWith gives an error of the relay's that contains text, waiting for it.
func (r *loginRelay) errorWith(t *testing.T, text string) error {
	t.Helper()
	for range 100 {
		r.mu.Lock()
		for _, err := range r.errs {
			if err != nil && strings.Contains(err.Error(), text) {
				r.mu.Unlock()
				return err
			}
		}
		r.mu.Unlock()
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("no error with %q among %v", text, r.errs)
	return nil
}

// startPostgres starts a server for the test.
func startPostgres(t *testing.T, opts testenv.PostgresOptions) *testenv.Postgres {
	t.Helper()
	testenv.Require(t, testenv.PartPostgres)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := testenv.StartPostgres(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// newCA makes an authority, and clientTLS a certificate of it for clients to see.
func newCA(t *testing.T) *testenv.CA {
	t.Helper()
	ca, err := testenv.NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func clientTLS(t *testing.T, mode string, ca *testenv.CA) *ClientTLS {
	t.Helper()
	cert, key, err := ca.Issue("localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	c, err := LoadClientTLS(mode, cert, key, ca.File())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// upstreamOf is how to reach a server over TCP.
func upstreamOf(server *testenv.Postgres, sslmode string) *UpstreamConfig {
	u := &UpstreamConfig{Host: "127.0.0.1", Port: server.Port(), SSLMode: sslmode}
	if ca := server.CA(); ca != nil && strings.HasPrefix(sslmode, "verify") {
		u.Roots = ca.Pool()
	}
	return u
}

// socketDir is a short directory for a Unix socket, whose path has little room.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// pair gives both ends of a TCP connection.
func pair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, server
}

// accepted is what acceptStartup made of a connection.
type accepted struct {
	*startup
	err error
}

// accept runs acceptStartup on one end of a connection, of which it gives the
// other. It closes its end after an error, as its callers do.
func accept(t *testing.T, clients *ClientTLS) (net.Conn, <-chan accepted) {
	t.Helper()
	client, server := pair(t)
	_ = client.SetDeadline(time.Now().Add(10 * time.Second))
	result := make(chan accepted, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s, err := acceptStartup(ctx, server, clients)
		if err != nil {
			server.Close()
		}
		result <- accepted{s, err}
	}()
	return client, result
}

// readAll reads until the peer closes; that it does so with a reset is the same.
func readAll(conn net.Conn) string {
	data, err := io.ReadAll(conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return string(data) + "(still open)"
	}
	return string(data)
}
