package proxy

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// state is what a session is at one moment: who acts, where names lead, how values
// are written; immutable.
type state struct {
	snapshot *snapshot
	user     string   // current_user
	session  string   // session_user
	roles    []string // whose rights count, user first
	env      statement.Env
	settings logical.Settings
	// backslashes says that standard_conforming_strings is off.
	backslashes bool
	encoding    *encoding // of the client's texts and values
	// converts says that the server turns its texts into an encoding that may lack characters of theirs.
	converts bool
	// endUser is whom the application claims to act for, "" if it does not say.
	endUser string
	// glass is what lets the session read more than its verdicts allow; nil for nothing. The last
	// of roles are then its own.
	glass   *glass
	problem *pgerror.Error // why nothing tagged can be handled under these settings
}

// own gives the roles without what the session counts as by break-glass.
func (s *state) own() []string {
	if s.glass == nil {
		return s.roles
	}
	return s.roles[: len(s.roles)-len(s.glass.roles) : len(s.roles)-len(s.glass.roles)]
}

// probeSQL asks the session for its state. Every name in it is qualified and it
// uses no operator but one of pg_catalog: the client's search_path may lead
// anywhere.
const probeSQL = `SELECT current_user, session_user, pg_catalog.array_to_json(pg_catalog.current_schemas(true)),` +
	` (SELECT pg_catalog.json_agg(c.relname) FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()),` +
	` pg_catalog.current_setting('client_encoding'), pg_catalog.current_setting('standard_conforming_strings'),` +
	` pg_catalog.current_setting('DateStyle'), pg_catalog.current_setting('IntervalStyle'), pg_catalog.current_setting('TimeZone'),` +
	` pg_catalog.current_setting('bytea_output'), pg_catalog.current_setting('server_encoding'),` +
	` pg_catalog.current_setting('extra_float_digits'), pg_catalog.current_setting('server_version_num'), pg_catalog.pg_backend_pid(),` +
	` pg_catalog.current_setting('pgveil.end_user', true), pg_catalog.current_setting('application_name'),` +
	` pg_catalog.current_setting('pgveil.break_glass', true)`

const probeColumns = 17

// probeName names the probe's statement and portal; a client's own unnamed ones
// stay as they are.
const probeName = "pgveil probe"

var (
	errSkipped = errors.New("the server skips to the next Sync")
	errFailed  = errors.New("the client has had the server's error")
	errClosed  = errors.New("the connection is closed")
)

// probe is one question to the session. done is closed when it's answered.
type probe struct {
	describe   bool // the query is described, not run
	inSequence bool // sent between a client's messages, without a Sync of its own
	fields     []pgconn.FieldDescription
	values     [][]byte // of all rows, in text format; nil is NULL
	err        error
	done       chan struct{}
	finished   bool
}

// text gives one value; NULL is the empty text.
func (p *probe) text(i int) string { return string(p.values[i]) }

func (p *probe) finish(err error) {
	if p.finished {
		return
	}
	p.finished = true
	if p.err == nil {
		p.err = err
	}
	close(p.done)
}

// fresh gives the session's present state, asking the server only when something
// sent since the last time may have changed it. errSkipped means that the server
// has already failed the client's sequence: the message at hand is to be dropped.
func (c *conn) fresh() (*state, error) {
	snapshot, err := c.snapshot()
	if err != nil {
		return nil, err
	}
	if !c.changed.Load() && c.state != nil && c.state.snapshot == snapshot && !c.state.glass.over() {
		return c.state, nil
	}
	c.changed.Store(false)
	s, err := c.ask(snapshot)
	if err != nil {
		c.changed.Store(true)
		return nil, err
	}
	c.state = s
	c.seen.Store(s)
	return s, nil
}

func (c *conn) ask(snapshot *snapshot) (*state, error) {
	p, err := c.askSession(probeSQL)
	if err != nil {
		return nil, err
	}
	if len(p.values) != probeColumns {
		return nil, pgerror.New(pgerror.InternalError, "the server did not tell the session's state")
	}
	s, err := newState(snapshot, c.params.user, p)
	if err != nil {
		return nil, err
	}
	process, err := strconv.ParseUint(p.text(13), 10, 32)
	if err != nil {
		return nil, pgerror.New(pgerror.InternalError, "the server's process cannot be read")
	}
	s.endUser = c.config.endUser(p.text(14), p.text(15))
	c.breakGlass(s, p.text(16))
	if problem := c.settled(uint32(process)); problem != nil {
		s.problem = problem
	}
	return s, nil
}

// askSession runs a query of pgveil's own in the session, in its place in the pipeline.
func (c *conn) askSession(sql string) (*probe, error) {
	p := &probe{done: make(chan struct{})}
	return c.await(p, c.sendProbe(p, sql))
}

// describeInSession has the session describe the rows of a query, without running it.
func (c *conn) describeInSession(sql string) (*probe, error) {
	p := &probe{describe: true, done: make(chan struct{})}
	return c.await(p, c.sendProbe(p, sql))
}

// await waits for the answer to a probe that was sent, or not for this error.
func (c *conn) await(p *probe, err error) (*probe, error) {
	if err != nil {
		return nil, err
	}
	select {
	case <-p.done:
	case <-c.ctx.Done():
		return nil, errClosed
	}
	c.mu.Lock() // with its error the server has skipped the rest of the probe
	defer c.mu.Unlock()
	if e, ok := pgerror.As(p.err); ok && e.Code != pgerror.InFailedTransaction {
		return nil, precedes{error: e} // it is why the transaction has failed
	}
	if p.err != nil {
		return nil, p.err
	}
	return p, nil
}

func (c *conn) sendProbe(p *probe, sql string) error {
	c.send.Lock()
	defer c.send.Unlock()
	c.mu.Lock()
	p.inSequence = p.inSequence || c.queue.InSequence() || c.pooled() // which keeps the process for what follows
	// Closed first: a probe that was cancelled may have left it.
	kinds := []pipeline.Kind{pipeline.Close, pipeline.Parse, pipeline.Bind, pipeline.Describe, pipeline.Execute, pipeline.Close, pipeline.Close}
	if p.describe {
		kinds = []pipeline.Kind{pipeline.Close, pipeline.Parse, pipeline.Describe, pipeline.Close}
	}
	if !p.inSequence {
		kinds = append(kinds, pipeline.Sync)
	}
	for i, kind := range kinds {
		c.queue.Push(pipeline.Entry[*work]{Kind: kind, Own: true, Data: &work{probe: p, last: i == len(kinds)-1}})
	}
	c.mu.Unlock()
	w := c.sw
	wire.WriteClose(w, 'S', probeName)
	wire.WriteParse(w, probeName, sql)
	if p.describe {
		wire.WriteDescribe(w, 'S', probeName)
	} else {
		wire.WriteBind(w, probeName, probeName)
		wire.WriteDescribe(w, 'P', probeName)
		wire.WriteExecute(w, probeName, 0)
		wire.WriteClose(w, 'P', probeName)
	}
	wire.WriteClose(w, 'S', probeName)
	if p.inSequence {
		wire.WriteEmpty(w, wire.TypeFlush)
	} else {
		wire.WriteEmpty(w, wire.TypeSync)
	}
	return w.Flush() // its error is the first of all of these
}

// decode turns the values of the answer, which are in the session's client encoding, into UTF-8.
func (p *probe) decode(e *encoding) (err error) {
	for i := range p.values {
		if p.values[i], err = e.decode(p.values[i]); err != nil {
			return err
		}
	}
	return nil
}

// encodingOf gives the encoding of a session by its client_encoding and server_encoding. Not ok
// is one that pgveil does not know.
func encodingOf(client, server string) (e *encoding, ok bool) {
	if server == "UTF8" || server == client {
		e = encodings[client]
	}
	return e, e != nil || client == "UTF8" || client == "SQL_ASCII" && server == "UTF8"
}

func newState(snapshot *snapshot, login string, p *probe) (*state, error) {
	encoding, known := encodingOf(p.text(4), p.text(10))
	if err := p.decode(encoding); err != nil {
		return nil, err
	}
	s := &state{snapshot: snapshot, user: p.text(0), session: p.text(1), encoding: encoding, converts: encoding != nil && p.text(4) != p.text(10)}
	s.roles = snapshot.members.of(login, s.user)
	if err := json.Unmarshal(p.values[2], &s.env.SearchPath); err != nil {
		return nil, pgerror.New(pgerror.InternalError, "the server's search_path cannot be read")
	}
	if p.values[3] != nil {
		var temporary []string
		if err := json.Unmarshal(p.values[3], &temporary); err != nil {
			return nil, pgerror.New(pgerror.InternalError, "the session's temporary tables cannot be read")
		}
		for _, name := range temporary {
			if snapshot.catalog.Watched(name) || statement.Overlaid(name) {
				s.env.TempNames = append(s.env.TempNames, name)
			}
		}
	}
	s.settings = logical.Settings{DateStyle: p.text(6), IntervalStyle: p.text(7), TimeZone: p.text(8), ByteaEscape: p.text(9) == "escape"}
	digits, err := strconv.Atoi(p.text(11))
	if err != nil {
		return nil, pgerror.New(pgerror.InternalError, "the server's extra_float_digits cannot be read")
	}
	version, err := strconv.Atoi(p.text(12))
	if err != nil {
		return nil, pgerror.New(pgerror.InternalError, "the server's version cannot be read")
	}
	s.backslashes = p.text(5) != "on"
	s.settings.FloatDigits, s.settings.ServerVersion = digits-1, version/10000
	// nil for a name that Go does not know: types that need it then refuse.
	s.settings.Location = logical.LoadLocation(p.text(8))
	if !known {
		s.problem = pgerror.New(pgerror.FeatureNotSupported, "tagged columns cannot be used with client_encoding %s", p.text(4)).
			WithHint("SET client_encoding TO 'UTF8'.")
	}
	return s, nil
}
