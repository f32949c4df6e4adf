package proxy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgveil/pgveil/proxy/access"
	"github.com/pgveil/pgveil/proxy/socket"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// Server accepts clients and carries their sessions.
type Server struct {
	config  Config
	tracked map[string]*tracked
	last    atomic.Pointer[UpstreamConfig] // where the newest session is
	keys    cancelKeys
	// terminator authenticates clients; nil relays the server's authentication.
	terminator *terminator
	access     atomic.Pointer[access.Rules]
	shared     sharedRoles
	networks   networks
	door       doorCounters
	ended      counters // of sessions that have

	down   context.Context // ends with Shutdown
	goDown context.CancelFunc

	mu       sync.Mutex
	closing  bool
	sessions map[*session]struct{}
	running  sync.WaitGroup
}

// session is a client's connection, and what Shutdown needs of it.
type session struct {
	server           *Server
	address          string // of the client
	client, upstream net.Conn
	conn             *conn // nil until authentication is over
	undo             []func()
	err              error // why it has ended
}

// New makes a Server. It fails when a tagged column has no key.
func New(config Config) (*Server, error) {
	config.setDefaults()
	s := &Server{config: config, tracked: make(map[string]*tracked), sessions: make(map[*session]struct{})}
	s.terminator = newTerminator(&s.config)
	s.access.Store(config.Access)
	s.down, s.goDown = context.WithCancel(context.Background())
	for name, database := range config.Databases {
		t, err := newTracked(&s.config, database)
		if err != nil {
			return nil, err
		}
		s.tracked[name] = t
	}
	return s, nil
}

// Check reads the catalog of every described database once, so that a wrong login
// or a missing database is found at start.
func (s *Server) Check(ctx context.Context) error {
	for name, t := range s.tracked {
		if err := t.refresh(ctx, time.Now()); err != nil {
			return fmt.Errorf("catalog of database %q: %w", name, err)
		}
	}
	return nil
}

// Serve accepts clients on l until ctx ends or l is closed. It may be called for
// several listeners.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	for _, t := range s.tracked {
		go t.watch(watching)
	}
	go func() {
		<-watching.Done()
		l.Close()
	}()
	for {
		client, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			s.config.Log.Error("accept failed", "error", err)
			time.Sleep(10 * time.Millisecond) // as when file descriptors run out
			continue
		}
		s.running.Add(1)
		go func() {
			defer s.running.Done()
			s.handle(client)
		}()
	}
}

// Shutdown tells every session that the server goes down, as PostgreSQL's fast
// shutdown does, and waits for them to end or for ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	s.goDown() // whoever has not logged in yet
	for each := range s.sessions {
		if each.conn != nil {
			each.conn.end(pgerror.New(pgerror.AdminShutdown, "terminating connection due to administrator command").Fatal(), each.client, each.upstream)
		} else {
			each.client.Close()
		}
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.running.Wait()
		close(ended)
	}()
	defer s.releaseBudgets(ctx)
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter registers a session; false when the server is full or going down.
func (s *Server) enter(each *session) *pgerror.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return pgerror.New(pgerror.CannotConnectNow, "the database system is shutting down").Fatal()
	}
	if s.config.MaxConnections > 0 && len(s.sessions) >= s.config.MaxConnections {
		return pgerror.New("53300", "sorry, too many clients already").
			WithHint("pgveil's limits.max_connections is %d.", s.config.MaxConnections).Fatal()
	}
	s.sessions[each] = struct{}{}
	return nil
}

func (s *Server) leave(each *session) {
	s.mu.Lock()
	s.retire(each.conn)
	delete(s.sessions, each)
	s.mu.Unlock()
}

// handle carries one client from its first byte to its last. Beginning a session and carrying it
// are calls of their own, so that one that waits stands on as little of a stack as possible.
func (s *Server) handle(client net.Conn) {
	s.door.accepted.Add(1)
	each := &session{server: s, client: socket.Wrap(client), address: client.RemoteAddr().String()}
	defer each.end()
	if each.err = guarded(s.config.Log, each.address, each.begin); each.err == nil && each.conn != nil {
		each.err = each.conn.carry(each.client, each.upstream)
	}
}

// guarded turns a panic of one session into an error, so that it ends no other. Only
// the stack is logged: the value may hold what a client sent.
func guarded(log *slog.Logger, client string, f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = crashed(log, client)
		}
	}()
	return f()
}

func crashed(log *slog.Logger, client string) error {
	log.Error("session crashed", "client", client, "stack", string(debug.Stack()))
	return pgerror.New(pgerror.InternalError, "internal error of pgveil").Fatal()
}

// end undoes what begin has done. It is deferred itself, as it recovers from a panic.
func (each *session) end() {
	if recover() != nil {
		each.err = crashed(each.server.config.Log, each.address)
	}
	for i := len(each.undo) - 1; i >= 0; i-- {
		each.undo[i]()
	}
	each.server.leave(each)
	each.client.Close()
	if each.err != nil && !errors.Is(each.err, io.EOF) {
		each.server.config.Log.Info("session ended", "client", each.address, "error", each.err)
	}
}

// begin takes a client from its first byte to where it is authenticated.
func (each *session) begin() error {
	s := each.server
	ctx, cancel := context.WithCancelCause(context.Background())
	each.undo = append(each.undo, func() { cancel(nil) })
	starting, started := context.WithTimeout(ctx, s.config.StartupTimeout)
	defer started() // a deadline that has not passed by then means nothing any more
	defer context.AfterFunc(s.down, started)()

	first, err := acceptStartup(starting, each.client, s.config.Clients)
	if err != nil {
		return err
	}
	if first.cancel != nil {
		return s.cancel(starting, first.cancel)
	}
	client := first.conn
	cw := wire.NewWriter(client, bufferSize)
	reject := func(e *pgerror.Error) error {
		_ = wire.WriteErrorResponse(cw, e)
		_ = cw.Flush()
		return e
	}
	if refusal := s.admit(first); refusal != nil {
		s.door.rule.Add(1)
		s.alertRejected(first, refusal)
		return reject(refusal)
	}
	if refusal := s.enter(each); refusal != nil {
		s.door.full.Add(1)
		return reject(refusal)
	}
	cr := wire.NewReader(client, bufferSize)
	var own *ownLogin
	if s.terminator != nil {
		if own, err = s.terminator.authenticate(starting, first, cr, cw); err != nil {
			s.rejected(first, err)
			return err
		}
	}
	b, told, err := s.logIn(starting, first, own, cr, cw)
	if err != nil {
		s.rejected(first, err)
		return err
	}
	upstream := b.conn
	each.undo = append(each.undo, func() { upstream.Close() })
	if len(s.config.Upstreams.Servers) > 1 {
		each.undo = append(each.undo, s.keys.enter(told.key, b.server))
	}
	for _, r := range []*wire.Reader{cr, b.r} {
		r.SetMaxBody(s.config.MaxMessage)
		r.SetWiped(false) // what follows holds no password
	}
	cw.SetWiped(false)
	b.w.SetWiped(false)
	c := &conn{
		config: &s.config, tracked: s.tracked[first.database], id: rand.Text(), ctx: ctx, cancel: cancel,
		cr: cr, cw: cw, sr: b.r, sw: b.w,
		params: parameters{
			user: first.user, database: first.database, application: told.parameters["application_name"],
			address: each.address, certificate: first.identity(),
		},
	}
	c.rewriter.searched.key, c.rewriter.searched.found = s.config.Subjects, c.searchCanary
	if told.key != nil {
		c.params.pid = told.key.pid
	}
	_ = client.SetDeadline(time.Time{})
	_ = upstream.SetDeadline(time.Time{})
	s.mu.Lock()
	each.client, each.upstream, each.conn = client, upstream, c
	closing := s.closing
	s.mu.Unlock()
	if closing {
		return reject(pgerror.New(pgerror.AdminShutdown, "terminating connection due to administrator command").Fatal())
	}
	each.undo = append(each.undo, s.watchShared(c, client))
	s.watchNetwork(c, client)
	return nil
}
