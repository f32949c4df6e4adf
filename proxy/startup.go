package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"

	"github.com/pgveil/pgveil/proxy/access"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// nameSize is one more than the longest name in bytes: NAMEDATALEN.
const nameSize = 64

// startup is what a client said in its first packets.
type startup struct {
	// conn is the connection to go on with: within TLS if the client asked for it.
	conn net.Conn
	// cancel is set when the client only wants to cancel a query; the rest but conn
	// is then empty.
	cancel *cancelKey
	// params are the parameters for the server, in the client's order, options of
	// the protocol left out.
	params         []wire.StartupParam
	user, database string
	// tls is nil when the connection is in clear, local is true for a Unix socket.
	tls   *tls.ConnectionState
	local bool
	// certificate is the one that the client has seen, in DER.
	certificate []byte
	// rules are those by which it was admitted, and has to authenticate.
	rules *access.Rules
}

// protected says whether a password in clear may cross the connection.
func (s *startup) protected() bool { return s.tls != nil || s.local }

// identity is the subject of the client's verified certificate, "" without one.
func (s *startup) identity() string {
	if s.tls == nil || len(s.tls.VerifiedChains) == 0 {
		return ""
	}
	return s.tls.VerifiedChains[0][0].Subject.String()
}

// acceptStartup reads a client's first packets, up to its StartupMessage or
// CancelRequest. On an error the client has been told, if the server would tell it;
// the caller closes conn. ctx bounds it all.
func acceptStartup(ctx context.Context, conn net.Conn, clients *ClientTLS) (*startup, error) {
	release := boundBy(ctx, conn)
	defer release()
	p := &packets{conn: conn}
	s := &startup{}
	_, s.local = conn.LocalAddr().(*net.UnixAddr)
	err := s.accept(ctx, p, clients)
	if err != nil {
		if e, ok := pgerror.As(err); ok {
			tellClient(p.conn, e)
		}
		return nil, err
	}
	s.conn = p.rest()
	return s, nil
}

func (s *startup) accept(ctx context.Context, p *packets, clients *ClientTLS) error {
	first, err := p.peek()
	if err != nil {
		return err
	}
	// The type of a TLS handshake record; no packet is long enough to begin so.
	if first == 0x16 {
		if err := s.direct(ctx, p, clients); err != nil {
			return err
		}
	}
	var sslDone, gssDone bool
	for {
		packet, err := p.next()
		if err != nil {
			return err
		}
		code, rest, err := wire.DecodeStartupCode(packet)
		if err != nil {
			return err
		}
		switch {
		case code == wire.CancelRequest:
			pid, key, err := wire.DecodeCancelRequest(rest)
			if err != nil {
				return errors.New("invalid length of cancel request packet")
			}
			s.cancel = &cancelKey{pid: pid, secret: key}
			return nil
		case code == wire.SSLRequest && !sslDone:
			offered := clients.offered() && !s.local && s.tls == nil
			if err := p.answer(offered, "SSL"); err != nil {
				return err
			}
			if offered {
				if err := s.secure(ctx, p, p.conn, clients); err != nil {
					return err
				}
			}
			sslDone, gssDone = true, offered
		case code == wire.GSSENCRequest && !gssDone:
			if err := p.answer(false, "GSSAPI encryption"); err != nil {
				return err
			}
			gssDone = true
		default:
			return s.message(p, clients, code, rest)
		}
	}
}

// secure goes on within TLS over conn.
func (s *startup) secure(ctx context.Context, p *packets, conn net.Conn, clients *ClientTLS) error {
	secured, err := clients.handshake(ctx, conn)
	if err != nil {
		return err
	}
	state := secured.ConnectionState()
	s.tls, s.certificate = &state, clients.Certificate.Certificate[0]
	*p = packets{conn: secured}
	return nil
}

// direct begins TLS at once, as clients may since PostgreSQL 17. ALPN is
// obligatory there: it keeps other protocols' clients from being led here.
func (s *startup) direct(ctx context.Context, p *packets, clients *ClientTLS) error {
	if !clients.offered() || s.local {
		return errors.New("direct TLS connection while TLS is not offered")
	}
	if err := s.secure(ctx, p, p.rest(), clients); err != nil {
		return err
	}
	if s.tls.NegotiatedProtocol != alpn {
		return errors.New("direct TLS connection without ALPN")
	}
	return nil
}

// message takes a StartupMessage of this version.
func (s *startup) message(p *packets, clients *ClientTLS, version uint32, rest []byte) error {
	if version>>16 != wire.Version3>>16 {
		e := pgerror.New(pgerror.FeatureNotSupported, "unsupported frontend protocol %d.%d: server supports 3.0 to 3.0",
			version>>16, version&0xffff).Fatal()
		if version>>16 < 3 {
			return oldProtocolError(p.conn, e)
		}
		return e
	}
	params, err := wire.DecodeStartupParams(rest)
	if err != nil {
		return err
	}
	var unknown []string
	for _, param := range params {
		if strings.HasPrefix(param.Name, "_pq_.") {
			unknown = append(unknown, param.Name)
			continue
		}
		s.params = append(s.params, param)
	}
	if version != wire.Version3 || unknown != nil {
		w := wire.NewWriter(p.conn, 0)
		_ = wire.WriteNegotiateProtocolVersion(w, unknown)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if s.tls == nil && !s.local && clients.Mode == ClientTLSRequire {
		return pgerror.New(pgerror.InvalidAuthorization, "pgveil accepts connections over TLS only").Fatal().
			WithHint("Connect with sslmode=require or stronger.")
	}
	return s.checkParams()
}

// checkParams finds the user and the database as the server does: the last of a
// name counts, long names are cut. The server must see the same names as pgveil, so
// that a database cannot be reached under a name that the schema file does not hold.
func (s *startup) checkParams() error {
	for i := range s.params {
		param := &s.params[i]
		switch param.Name {
		case "user":
			param.Value = cutName(param.Value)
			s.user = param.Value
		case "database":
			param.Value = cutName(param.Value)
			s.database = param.Value
		case "replication":
			if err := refuseReplication(param.Value); err != nil {
				return err
			}
		}
	}
	if s.user == "" {
		return pgerror.New(pgerror.InvalidAuthorization, "no PostgreSQL user name specified in startup packet").Fatal()
	}
	if s.database == "" {
		s.database = s.user
	}
	return nil
}

func cutName(name string) string { return name[:min(len(name), nameSize-1)] }

// refuseReplication refuses a replication connection: its stream would carry sealed
// values past every verdict. Values that the server reads as false pass.
func refuseReplication(value string) error {
	const invalidParameter = "22023"
	lower := strings.ToLower(value)
	is := func(word string, least int) bool {
		return len(lower) >= least && strings.HasPrefix(word, lower)
	}
	switch {
	case is("false", 1), is("no", 1), is("off", 2), lower == "0":
		return nil
	case value == "database", is("true", 1), is("yes", 1), is("on", 2), lower == "1":
		return pgerror.New(pgerror.FeatureNotSupported, "replication connections are not supported by pgveil").Fatal().
			WithHint("Connect to the PostgreSQL server itself for replication and base backups.")
	}
	return pgerror.New(invalidParameter, "invalid value for parameter \"replication\": \"%s\"", value).Fatal().
		WithHint("Valid values are: \"false\", 0, \"true\", 1, \"database\".")
}
