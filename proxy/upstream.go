package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pgveil/pgveil/proxy/socket"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// The values of sslmode. Source: PostgreSQL manual, libpq, "SSL Support".
const (
	SSLDisable    = "disable"
	SSLAllow      = "allow"
	SSLPrefer     = "prefer"
	SSLRequire    = "require"
	SSLVerifyCA   = "verify-ca"
	SSLVerifyFull = "verify-full"
)

// UpstreamConfig says where the PostgreSQL server is and how to reach it.
type UpstreamConfig struct {
	// Host is a name, an address, or the directory of a Unix socket when it begins
	// with a slash. sslmode means nothing for a Unix socket, as in libpq.
	Host string
	Port int // 5432 when 0
	// SSLMode is as libpq means it, prefer when empty.
	SSLMode string
	// Roots verifies the server's certificate. With it, require acts like verify-ca.
	Roots *x509.CertPool
	// Certificates holds pgveil's own certificate for the server, if any.
	Certificates []tls.Certificate
	// ConnectTimeout bounds the making of a connection, without TLS and
	// authentication; 0 leaves it to the system.
	ConnectTimeout time.Duration
	// UserTimeout is how long the server may leave what was sent to it, or a probe on a
	// connection at rest, unanswered by its network stack; 2 minutes when 0.
	// Source: RFC 5482, tcp(7).
	UserTimeout time.Duration
}

// NewUpstream makes a configuration, reading files in PEM: sslrootcert ("system" for
// the machine's own authorities), sslcert and sslkey; "" for none.
func NewUpstream(host string, port int, sslmode, sslrootcert, sslcert, sslkey string) (*UpstreamConfig, error) {
	u := &UpstreamConfig{Host: host, Port: port, SSLMode: sslmode}
	var err error
	switch sslrootcert {
	case "":
	case "system":
		if u.Roots, err = x509.SystemCertPool(); err != nil {
			return nil, err
		}
		if u.mode() != SSLVerifyFull {
			return nil, errors.New(`sslrootcert "system" needs sslmode "verify-full"`)
		}
	default:
		if u.Roots, err = loadPool(sslrootcert); err != nil {
			return nil, err
		}
	}
	if sslcert != "" || sslkey != "" {
		cert, err := loadCertificate(sslcert, sslkey)
		if err != nil {
			return nil, err
		}
		u.Certificates = []tls.Certificate{cert}
	}
	switch u.mode() {
	case SSLDisable, SSLAllow, SSLPrefer, SSLRequire:
	case SSLVerifyCA, SSLVerifyFull:
		if u.Roots == nil {
			return nil, fmt.Errorf("sslmode %s needs sslrootcert", sslmode)
		}
	default:
		return nil, fmt.Errorf("unknown sslmode %q: it is disable, allow, prefer, require, verify-ca or verify-full", sslmode)
	}
	return u, nil
}

func (u *UpstreamConfig) mode() string {
	if u.SSLMode == "" {
		return SSLPrefer
	}
	return u.SSLMode
}

func (u *UpstreamConfig) local() bool { return strings.HasPrefix(u.Host, "/") }

// Address gives the network and address to dial.
func (u *UpstreamConfig) Address() (network, address string) {
	port := "5432"
	if u.Port != 0 {
		port = strconv.Itoa(u.Port)
	}
	if u.local() {
		return "unix", filepath.Join(u.Host, ".s.PGSQL."+port)
	}
	return "tcp", net.JoinHostPort(u.Host, port)
}

// dialServer connects to the server, with TLS as sslmode says: in clear for allow,
// with TLS or else in clear for prefer. The connection is a *tls.Conn if it is
// encrypted. Errors are FATAL *pgerror.Error values, 08001 when the server cannot be
// reached and 08006 when TLS with it fails.
func dialServer(ctx context.Context, u *UpstreamConfig) (net.Conn, error) {
	mode := u.mode()
	if u.local() || mode == SSLDisable || mode == SSLAllow {
		return dialPlain(ctx, u)
	}
	conn, err := dialTLS(ctx, u)
	if err != nil && mode == SSLPrefer && ctx.Err() == nil {
		if e, ok := pgerror.As(err); ok && e.Code == pgerror.ConnectionFailure {
			return dialPlain(ctx, u)
		}
	}
	return conn, err
}

func dialPlain(ctx context.Context, u *UpstreamConfig) (net.Conn, error) {
	dialer := u.dialer()
	network, address := u.Address()
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Err != nil {
			err = op.Err
		}
		return nil, pgerror.New(pgerror.CannotConnect, "pgveil cannot connect to the server at %s", address).Fatal().
			WithDetail("%s.", err)
	}
	return socket.Wrap(conn), nil // Go sets TCP_NODELAY itself
}

// dialTLS connects with TLS. For prefer a server that offers none is accepted in
// clear.
func dialTLS(ctx context.Context, u *UpstreamConfig) (net.Conn, error) {
	conn, err := dialPlain(ctx, u)
	if err != nil {
		return nil, err
	}
	secured, err := requestTLS(ctx, u, conn)
	if err != nil {
		_ = conn.Close()
		_, address := u.Address()
		return nil, pgerror.New(pgerror.ConnectionFailure, "pgveil cannot make a TLS connection to the server at %s", address).Fatal().
			WithDetail("%s.", err)
	}
	return secured, nil
}

func requestTLS(ctx context.Context, u *UpstreamConfig, conn net.Conn) (net.Conn, error) {
	release := boundBy(ctx, conn)
	defer release()
	if _, err := conn.Write(wire.AppendSSLRequest(nil)); err != nil {
		return nil, err
	}
	var answer [64]byte
	n, err := conn.Read(answer[:])
	if err != nil {
		return nil, err
	}
	switch {
	case answer[0] == 'E':
		// The message is not shown: the server has not proved who it is.
		return nil, errors.New("the server answered the SSLRequest with an error")
	case n > 1:
		// As for clients: it might be taken for the server's words within TLS.
		return nil, errors.New("received unencrypted data after SSL response")
	case answer[0] == 'N' && u.mode() == SSLPrefer:
		return conn, nil
	case answer[0] == 'N':
		return nil, fmt.Errorf("the server does not offer TLS, but sslmode is %s", u.mode())
	case answer[0] != 'S':
		return nil, errors.New("received an invalid response to SSL negotiation")
	}
	secured := tls.Client(conn, u.tlsConfig())
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secured, nil
}
