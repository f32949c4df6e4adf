package proxy

import (
	"errors"

	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// errTerminated ends a connection whose client has said Terminate.
var errTerminated = errors.New("the client has terminated the session")

// failingSQL is what the server gets instead of a refused statement: it fails there
// as any statement does, so that the transaction ends up as it should, and the
// server's log says why.
const (
	failingSQL  = `SELECT "pgveil refused a statement; the client was told why"`
	failingName = "pgveil refused a statement; the client was told why"
)

// frontend carries the client's messages to the server until the client ends the
// session or either connection breaks.
func (c *conn) frontend() error {
	for {
		typ, _, err := c.cr.Next()
		if err != nil {
			return err
		}
		if c.portalsGone.Swap(false) {
			clear(c.portals)
		}
		if err := c.message(typ); err != nil {
			return err
		}
		if !c.cr.Buffered() {
			if err := c.flushServer(); err != nil {
				return err
			}
		}
	}
}

func (c *conn) flushServer() error {
	c.send.Lock()
	defer c.send.Unlock()
	return c.sw.Flush()
}

// message treats one message of the client. What can't be planned is refused;
// errors returned here end the connection.
func (c *conn) message(typ byte) error {
	var kind pipeline.Kind
	var treat func([]byte) error
	switch typ {
	case 'Q':
		kind, treat = pipeline.Query, c.query
	case 'P':
		kind, treat = pipeline.Parse, c.parse
	case 'B':
		kind, treat = pipeline.Bind, c.bind
	case 'D':
		kind, treat = pipeline.Describe, c.describe
	case 'E':
		kind, treat = pipeline.Execute, c.execute
	case 'C':
		kind, treat = pipeline.Close, c.close
	case 'F':
		kind, treat = pipeline.FunctionCall, c.functionCall
	case 'S':
		return c.sync()
	case 'H', 'd', 'c', 'f':
		return c.unanswered(typ)
	case 'X':
		if err := c.unanswered(typ); err != nil {
			return err
		}
		if err := c.flushServer(); err != nil {
			return err
		}
		return errTerminated
	default:
		return pgerror.New(pgerror.ProtocolViolation, "invalid frontend message type %d", typ).Fatal()
	}
	if c.mutedOrSkipped() {
		return nil // Next skips what was not read
	}
	body, err := c.cr.Body()
	if err != nil {
		return err
	}
	err = treat(body)
	if errors.Is(err, errSkipped) {
		return nil
	}
	if refusal, ok := pgerror.As(err); ok && refusal.Severity == "" {
		return c.refuse(kind, refusal)
	}
	return err
}

// mutedOrSkipped reports that the client has been told of an error which the server
// knows nothing of: until the Sync nothing may reach the server.
func (c *conn) mutedOrSkipped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.Muted()
}

// forward sends the message at hand as it came.
func (c *conn) forward(kind pipeline.Kind, w *work) error {
	c.send.Lock()
	defer c.send.Unlock()
	c.push(pipeline.Entry[*work]{Kind: kind, Data: w})
	return c.cr.Forward(c.sw)
}

// push queues what is about to be written. The caller holds c.send, so that the
// order in the queue is the order on the wire.
func (c *conn) push(e pipeline.Entry[*work]) {
	c.mu.Lock()
	c.queue.Push(e)
	c.mu.Unlock()
}

// unanswered forwards a message that the server does not answer.
func (c *conn) unanswered(typ byte) error {
	c.send.Lock()
	defer c.send.Unlock()
	if err := c.cr.Forward(c.sw); err != nil {
		return err
	}
	if typ == 'c' || typ == 'f' {
		c.mu.Lock()
		c.queue.CopyEnd()
		c.mu.Unlock()
	}
	if typ == 'H' {
		return c.sw.Flush()
	}
	return nil
}

// sync forwards a Sync; where the client was told of an error in the sequence that
// it ends, the server is made to fail first.
func (c *conn) sync() error {
	c.send.Lock()
	defer c.send.Unlock()
	c.mu.Lock()
	if c.queue.Muted() {
		c.queue.Push(pipeline.Entry[*work]{Kind: pipeline.Parse, Own: true, Data: &work{spoil: true}})
		wire.WriteParse(c.sw, failingName, failingSQL)
	}
	c.queue.Push(pipeline.Entry[*work]{Kind: pipeline.Sync})
	c.mu.Unlock()
	return c.cr.Forward(c.sw)
}

// refuse sends, instead of the message at hand, one of the same kind that fails,
// and has the server's error replaced.
func (c *conn) refuse(kind pipeline.Kind, e *pgerror.Error) error {
	c.auditRefusal(e)
	c.send.Lock()
	defer c.send.Unlock()
	c.push(pipeline.Entry[*work]{Kind: kind, Data: &work{refusal: e}})
	w := c.sw
	switch kind {
	case pipeline.Query:
		return wire.WriteQuery(w, failingSQL)
	case pipeline.Parse:
		return wire.WriteParse(w, failingName, failingSQL)
	case pipeline.Bind:
		return wire.WriteBind(w, failingName, failingName)
	case pipeline.Execute:
		return wire.WriteExecute(w, failingName, 0)
	case pipeline.FunctionCall: // of no function, without arguments
		w.Message(wire.TypeFunctionCall)
		w.OID(0)
		w.Int16(0)
		w.Int16(0)
		w.Int16(0)
		return w.End()
	default:
		return wire.WriteDescribe(w, 'S', failingName)
	}
}

// query treats a simple Query, which may hold several statements.
func (c *conn) query(body []byte) error {
	sql, err := wire.DecodeQuery(body)
	if err != nil {
		return err
	}
	text := c.lexer.Lex(sql)
	commands := text.Commands()
	plan, s, err := c.plan(text, commands)
	if err != nil {
		return err
	}
	if plan == nil {
		c.noteChanges(commands)
		return c.forward(pipeline.Query, nil)
	}
	if err := plan.Edits(text, &c.rewriter.edits); err != nil {
		return err
	}
	if n := c.rewriter.edits.MaxParam; n > 0 {
		return pgerror.New("42P02", "there is no parameter $%d", n)
	}
	sent, remap, err := c.rewrite(plan, text, s, nil)
	if err != nil {
		return positioned(err, sql)
	}
	w := &work{remap: remap}
	for i := range plan.Statements {
		r := &result{plan: plan, index: i, state: s}
		if err := c.beginAudit(r, text); err != nil {
			return err
		}
		w.results = append(w.results, r)
	}
	c.noteChanges(commands)
	c.send.Lock()
	defer c.send.Unlock()
	c.push(pipeline.Entry[*work]{Kind: pipeline.Query, Data: w})
	return wire.WriteQuery(c.sw, sent)
}

// plan analyses a text. The nil plan means that it may pass untouched.
func (c *conn) plan(text *statement.Text, commands []statement.Command) (*statement.Plan, *state, error) {
	snapshot, err := c.tracked.snapshot(c.ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := c.checkNames(text, commands); err != nil {
		return nil, nil, err
	}
	if !snapshot.analyzer.Relevant(text) {
		return nil, nil, nil
	}
	s, err := c.fresh()
	if err != nil {
		return nil, nil, err
	}
	plan, err := s.snapshot.analyzer.Plan(text, &s.env)
	if changesMidway(commands) && (plan != nil || err != nil || s.snapshot.analyzer.Ambiguous(text)) {
		return nil, nil, pgerror.New(pgerror.FeatureNotSupported,
			"a statement that changes the session cannot stand before one that uses a tagged table in the same message").
			WithHint("Send the statements one by one.")
	}
	if err != nil {
		return nil, nil, positioned(err, text.SQL())
	}
	if plan == nil {
		return nil, s, nil
	}
	if s.problem != nil {
		return nil, nil, s.problem
	}
	for i := range plan.Statements {
		if refusal := checkAccess(plan.Statements[i].Touches, s.roles); refusal != nil {
			return nil, nil, refusal
		}
	}
	return plan, s, nil
}

// changesMidway reports that a statement may change, for a later one of the same
// message, what its names mean or whose rights count.
func changesMidway(commands []statement.Command) bool {
	for i := range commands[:max(len(commands)-1, 0)] {
		if commands[i].Changes&statement.ChangesSession != 0 {
			return true
		}
	}
	return false
}

// checkNames refuses SQL that reaches, by its name, a prepared statement or portal
// of the extended protocol whose rows pgveil would have to open.
func (c *conn) checkNames(text *statement.Text, commands []statement.Command) error {
	for i := range commands {
		command := &commands[i]
		switch command.Verb {
		case statement.VerbExecute:
			if p := c.prepared[command.Name]; p != nil && p.plan != nil {
				return pgerror.New(pgerror.FeatureNotSupported, "EXECUTE cannot run prepared statement %q: it uses a tagged table", command.Name).
					WithHint("Run it through the extended query protocol, or send the statement itself.")
			}
		case statement.VerbExplain: // EXPLAIN EXECUTE
			if text.Mentions(func(word []byte) bool { p := c.prepared[string(word)]; return p != nil && p.plan != nil }) {
				return pgerror.New(pgerror.FeatureNotSupported, "EXPLAIN cannot run a prepared statement that uses a tagged table").
					WithHint("EXPLAIN the statement directly at the server.")
			}
		case statement.VerbFetch, statement.VerbMove:
			if p := c.portals[command.Name]; p != nil && p.prepared.plan != nil {
				return pgerror.New(pgerror.FeatureNotSupported, "portal %q cannot be read by SQL: it uses a tagged table", command.Name).
					WithHint("Read it through the extended query protocol.")
			}
		}
	}
	return nil
}

// noteChanges remembers what the statements about to be sent may change.
func (c *conn) noteChanges(commands []statement.Command) {
	for i := range commands {
		c.noteChange(commands[i].Changes)
	}
}

func (c *conn) noteChange(changes statement.Changes) {
	if changes&statement.ChangesSession != 0 {
		c.changed.Store(true)
		c.changedInTransaction.Store(true)
	}
	if changes&statement.ChangesCatalog != 0 {
		c.changed.Store(true)
		c.ddl.Store(true)
	}
}

// functionCall lets functions of pg_catalog pass, which large objects need. Their
// OIDs are below 12000 (FirstUnpinnedObjectId of access/transam.h); others may run
// anything.
func (c *conn) functionCall(body []byte) error {
	m, err := wire.DecodeFunctionCall(body)
	if err != nil {
		return err
	}
	if m.OID >= 12000 {
		return pgerror.New(pgerror.FeatureNotSupported, "a fast-path call of function %d is not allowed: only functions of pg_catalog are", m.OID).
			WithHint("Call it by SELECT.")
	}
	return c.forward(pipeline.FunctionCall, nil)
}
