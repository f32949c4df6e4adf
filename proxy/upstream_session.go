package proxy

import (
	"context"
	"sync"

	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// open connects a client's session to a server; see openServer. Errors are FATAL
// *pgerror.Error values.
func (s *Server) open(ctx context.Context, params []wire.StartupParam) (*backend, error) {
	u := s.config.Upstreams
	var b *backend
	err := u.Connect(ctx, func(ctx context.Context, server *UpstreamConfig) (err error) {
		if b, err = openServer(ctx, server, params); err != nil || len(u.Servers) == 1 {
			return err
		}
		if refusal := b.notNow(); refusal != nil {
			_ = b.conn.Close()
			return refusal
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.target = u.Target
	s.movedTo(b.server)
	return b, nil
}

// notNow gives the error of a server that starts or goes down, which does not take
// sessions: libpq, too, goes to the next for it and for no other.
func (b *backend) notNow() *pgerror.Error {
	typ, body, err := b.r.PeekBody()
	if err != nil {
		return pgerror.New(pgerror.ConnectionFailure, "the server closed the connection at its start").Fatal()
	}
	if typ != wire.TypeErrorResponse {
		return nil
	}
	fields, err := wire.DecodeErrorResponse(body)
	if err != nil || string(fields.Get(wire.FieldCode)) != pgerror.CannotConnectNow {
		return nil
	}
	return pgerror.New(pgerror.CannotConnectNow, "%s", fields.Get(wire.FieldMessage)).Fatal()
}

// movedTo notes where sessions go. What is known of the catalog was read elsewhere if
// that has changed, and is compared before the next statement is planned by it.
func (s *Server) movedTo(server *UpstreamConfig) {
	before := s.last.Swap(server)
	if before == nil || before == server {
		return
	}
	_, address := server.Address()
	s.config.Log.Warn("sessions go to another server", "server", address)
	for _, t := range s.tracked {
		t.moved.Store(true)
		t.invalidate()
	}
}

// wrongTarget is what a client is told whose session, as the server reports it, is not
// what was wanted, because the server has changed meanwhile or the role's settings differ.
func (b *backend) wrongTarget(parameters map[string]string) *pgerror.Error {
	state, ok := reported(parameters)
	if !ok || b.target == TargetPreferStandby {
		return nil
	}
	unfit := state.fits(b.target)
	if unfit == nil {
		return nil
	}
	_, address := b.server.Address()
	return pgerror.New(pgerror.CannotConnectNow, "the server at %s does not take this session: %s", address, unfit).Fatal().
		WithHint("Connect again. pgveil's server.target_session_attrs is %s.", b.target)
}

// cancelKeys says which server has a session, where there are several.
type cancelKeys struct{ servers sync.Map }

type cancelID struct {
	pid    uint32
	secret string
}

func (k *cancelKey) id() cancelID { return cancelID{k.pid, string(k.secret)} }

// enter returns what takes the entry out again.
func (c *cancelKeys) enter(key *cancelKey, server *UpstreamConfig) (leave func()) {
	if key == nil {
		return func() {}
	}
	c.servers.Store(key.id(), server)
	return func() { c.servers.CompareAndDelete(key.id(), server) }
}

// cancel relays a CancelRequest to the server that has the session, or else to all: it
// may be one of another pgveil's, and a server ignores a key that it has not given.
func (s *Server) cancel(ctx context.Context, key *cancelKey) error {
	if server, ok := s.keys.servers.Load(key.id()); ok {
		return relayCancel(ctx, server.(*UpstreamConfig), key)
	}
	servers := s.config.Upstreams.Servers
	errs := make(chan error, len(servers))
	for _, server := range servers {
		go func() { errs <- relayCancel(ctx, server, key) }()
	}
	var last error
	for range servers {
		if err := <-errs; err != nil {
			last = err
		}
	}
	return last
}
