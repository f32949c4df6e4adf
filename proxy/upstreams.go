package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// The values of target_session_attrs. Source: PostgreSQL manual, libpq, "Parameter Key
// Words".
const (
	TargetAny           = "any"
	TargetReadWrite     = "read-write"
	TargetReadOnly      = "read-only"
	TargetPrimary       = "primary"
	TargetStandby       = "standby"
	TargetPreferStandby = "prefer-standby"
)

// Upstreams are the servers that sessions may go to, a primary and its standbys: each
// session goes to the first that takes it and is what Target asks for, as libpq has it
// with several hosts.
type Upstreams struct {
	Servers []*UpstreamConfig // in the order in which they are tried; at least one
	Target  string            // one of the values of target_session_attrs; any when empty
	// State asks a server what it is, with pgveil's own login: a client's session cannot
	// be tried at several servers, since its authentication is relayed. It is needed
	// unless Target is any.
	State func(ctx context.Context, server *UpstreamConfig) (ServerState, error)
	// Pooler says what connection pooler stands before the servers: PoolerNone, also
	// when empty, PoolerSession, one that keeps a server process for each session, or
	// PoolerTransaction, one that does for each transaction.
	Pooler string

	mu    sync.Mutex
	known map[*UpstreamConfig]*knownState
}

// ServerState is what target_session_attrs looks at.
type ServerState struct {
	Standby  bool // it is in recovery
	ReadOnly bool // default_transaction_read_only is on
}

// knownState is what was last heard of a server.
type knownState struct {
	mu     sync.Mutex // held while it is asked
	state  ServerState
	asked  time.Time
	failed time.Time // when it last could not be reached
}

const (
	stateAge = time.Second     // how long what a server said of itself counts
	downFor  = 5 * time.Second // how long one that failed is tried after the others
)

// NewUpstreams makes the servers of a list of names, addresses and directories, with
// commas between them, each with a port of its own behind a colon or else this one. The
// rest is as for NewUpstream.
func NewUpstreams(hosts string, port int, sslmode, sslrootcert, sslcert, sslkey string) (*Upstreams, error) {
	u := &Upstreams{}
	for _, host := range strings.Split(hosts, ",") {
		host, own, err := splitHost(strings.TrimSpace(host))
		if err != nil {
			return nil, err
		}
		if own == 0 {
			own = port
		}
		server, err := NewUpstream(host, own, sslmode, sslrootcert, sslcert, sslkey)
		if err != nil {
			return nil, err
		}
		u.Servers = append(u.Servers, server)
	}
	return u, nil
}

// splitHost takes host:port apart; the port is 0 if there is none.
func splitHost(s string) (host string, port int, err error) {
	switch {
	case s == "":
		return "", 0, errors.New("a host of the list is empty")
	case strings.HasPrefix(s, "/"), strings.Count(s, ":") > 1 && !strings.HasPrefix(s, "["), !strings.Contains(s, ":"):
		return s, 0, nil
	case strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]"):
		return s[1 : len(s)-1], 0, nil
	}
	host, digits, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return "", 0, fmt.Errorf("%q is not a host, or host:port", s)
	}
	if port, err = strconv.Atoi(digits); err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("%q is not a port", digits)
	}
	return host, port, nil
}

// Connect calls connect with one server after the other, the context bounded by the
// server's ConnectTimeout if there are others, until one takes the connection. An error
// that is not of the server but of who connects ends the search; else it is an error,
// 08001, that tells of all of them.
func (u *Upstreams) Connect(ctx context.Context, connect func(ctx context.Context, server *UpstreamConfig) error) error {
	if len(u.Servers) == 1 && u.any() {
		return connect(ctx, u.Servers[0])
	}
	targets := []string{u.Target}
	if u.Target == TargetPreferStandby {
		targets = []string{TargetStandby, TargetAny}
	}
	var failures []string
	for _, target := range targets {
		for _, server := range u.ordered() {
			err := u.try(ctx, server, target, connect)
			if err == nil || !elsewhere(err) {
				return err
			}
			_, address := server.Address()
			failures = append(failures, address+": "+reason(err))
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return pgerror.New(pgerror.CannotConnect, "pgveil finds no server for this session (target_session_attrs is %s)", u.target()).Fatal().
		WithDetail("%s.", strings.Join(failures, "; "))
}

func (u *Upstreams) any() bool { return u.target() == TargetAny }

func (u *Upstreams) target() string {
	if u.Target == "" {
		return TargetAny
	}
	return u.Target
}

func (u *Upstreams) try(ctx context.Context, server *UpstreamConfig, target string, connect func(context.Context, *UpstreamConfig) error) error {
	if server.ConnectTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, server.ConnectTimeout)
		defer cancel()
	}
	known := u.of(server)
	err := u.check(ctx, known, server, target)
	var unfit errUnfit
	if errors.As(err, &unfit) { // it answers all the same
		return err
	}
	if err == nil {
		err = connect(ctx, server)
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	switch {
	case err == nil:
		known.failed = time.Time{}
	case elsewhere(err):
		known.failed, known.asked = time.Now(), time.Time{}
	}
	return err
}

func (u *Upstreams) of(server *UpstreamConfig) *knownState {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known == nil {
		u.known = make(map[*UpstreamConfig]*knownState)
	}
	if u.known[server] == nil {
		u.known[server] = &knownState{}
	}
	return u.known[server]
}

// ordered gives the servers, those behind the others that have failed just now.
func (u *Upstreams) ordered() []*UpstreamConfig {
	down := func(server *UpstreamConfig) int {
		known := u.of(server)
		if !known.mu.TryLock() { // it is being asked, and takes its time perhaps
			return 0
		}
		defer known.mu.Unlock()
		if time.Since(known.failed) < downFor {
			return 1
		}
		return 0
	}
	servers := slices.Clone(u.Servers)
	slices.SortStableFunc(servers, func(a, b *UpstreamConfig) int { return down(a) - down(b) })
	return servers
}

// check asks the server, unless it was asked just now, whether it is what is wanted.
func (u *Upstreams) check(ctx context.Context, known *knownState, server *UpstreamConfig, target string) error {
	if target == "" || target == TargetAny {
		return nil
	}
	if u.State == nil {
		return stateError{errors.New("there is no login to ask with")}
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	if time.Since(known.asked) >= stateAge {
		state, err := u.State(ctx, server)
		if err != nil {
			return stateError{err}
		}
		known.state, known.asked = state, time.Now()
	}
	return known.state.fits(target)
}

// forget has the server asked again before the next session goes to it.
func (u *Upstreams) forget(server *UpstreamConfig) {
	known := u.of(server)
	known.mu.Lock()
	defer known.mu.Unlock()
	known.asked = time.Time{}
}

// fits gives nil or an errUnfit.
func (s ServerState) fits(target string) error {
	switch target {
	case TargetPrimary, TargetReadWrite:
		if s.Standby {
			return errUnfit("it is a standby")
		}
		if target == TargetReadWrite && s.ReadOnly {
			return errUnfit("it is read-only")
		}
	case TargetStandby:
		if !s.Standby {
			return errUnfit("it is no standby")
		}
	case TargetReadOnly:
		if !s.Standby && !s.ReadOnly {
			return errUnfit("it is not read-only")
		}
	}
	return nil
}

// reported is what a session's own ParameterStatus says, if anything: servers since
// PostgreSQL 14 report both.
func reported(parameters map[string]string) (ServerState, bool) {
	standby, ok := parameters["in_hot_standby"]
	return ServerState{Standby: standby == "on", ReadOnly: parameters["default_transaction_read_only"] == "on"}, ok
}

// errUnfit says why a server is not what is wanted.
type errUnfit string

func (e errUnfit) Error() string { return string(e) }

// stateError is the error of asking a server with pgveil's own login.
type stateError struct{ error }

func (e stateError) Unwrap() error { return e.error }

// elsewhere reports that an error is the server's, not of who connects, so that another
// may take the connection.
func elsewhere(err error) bool {
	var asked stateError
	var answered *pgconn.PgError
	if errors.As(err, &asked) {
		return true
	}
	if errors.As(err, &answered) {
		return answered.Code == pgerror.CannotConnectNow
	}
	if e, ok := pgerror.As(err); ok {
		return e.Code == pgerror.CannotConnect || e.Code == pgerror.ConnectionFailure || e.Code == pgerror.CannotConnectNow
	}
	return true
}

// reason words an error in a list of several. What pgveil's own login was told is for
// pgveil's log.
func reason(err error) string {
	var asked stateError
	if errors.As(err, &asked) {
		return "it does not say what it is"
	}
	if e, ok := pgerror.As(err); ok {
		if e.Detail != "" {
			return strings.TrimSuffix(e.Detail, ".")
		}
		return e.Message
	}
	return err.Error()
}
