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

	undefinedColumn = "42703" // what the server makes of failingSQL
)

// frontend carries the client's messages to the server until the client ends the
// session or either connection breaks.
func (c *conn) frontend() error {
	for {
		typ, _, err := c.cr.Next()
		if err != nil {
			return err
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
	if c.copying != nil {
		if treated, err := c.whileCopying(typ); treated || err != nil {
			return err
		}
	}
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
	if err := c.enterTransaction(); err != nil {
		return err
	}
	err = treat(body)
	if errors.Is(err, errFailed) && (kind == pipeline.Query || kind == pipeline.FunctionCall) {
		return c.ownSync()
	}
	if errors.Is(err, errSkipped) || errors.Is(err, errFailed) {
		return nil
	}
	if refusal, ok := pgerror.As(err); ok && refusal.Severity == "" {
		var early precedes
		return c.refuse(kind, body, &work{refusal: refusal, first: errors.As(err, &early)})
	}
	return err
}

// precedes is an error that a client gets in a failed transaction, too.
type precedes struct{ error *pgerror.Error }

func (e precedes) Error() string { return e.error.Error() }
func (e precedes) Unwrap() error { return e.error }

// mutedOrSkipped reports that the client has been told of an error which the server
// knows nothing of: until the Sync nothing may reach the server.
func (c *conn) mutedOrSkipped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue.Idle() && c.queue.Status() == 'I' {
		c.oldest = c.tracked.current.Load()
	}
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
	defer c.mu.Unlock()
	c.queue.Push(e)
	c.did.count(e.Kind, e.Data)
	c.bounds(e.Kind)
	c.unguard(e.Kind)
	order := c.queue.Order()
	if e.Data != nil {
		e.Data.placed(order)
	}
	if c.noted&statement.ChangesSession != 0 {
		c.lastChange = order
	}
	if c.noted&statement.ChangesCatalog != 0 {
		c.lastDDL = order
		if c.noted&statement.ChangesWatched != 0 {
			c.lastNames = order
		} else if c.quiet == nil {
			c.quiet = c.tracked.current.Load()
		}
	}
	if c.commits && c.lastDDL != 0 {
		c.lastCommit = order
	}
	c.noted, c.commits = 0, false
	if e.Kind == pipeline.Query {
		c.sequence++ // what follows is not skipped if it fails
	}
}

// unanswered forwards a message that the server does not answer.
func (c *conn) unanswered(typ byte) error {
	c.send.Lock()
	defer c.send.Unlock()
	if typ == 'c' || typ == 'f' {
		c.mu.Lock()
		c.queue.CopyEnd()
		c.mu.Unlock()
	}
	if err := c.cr.Forward(c.sw); err != nil {
		return err
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
	c.bounds(pipeline.Sync)
	c.unguard(pipeline.Sync)
	if c.lastChange != 0 {
		c.changed.Store(true) // again at the end of an implicit transaction
	}
	c.mu.Unlock()
	c.sequence++
	return c.cr.Forward(c.sw)
}

// ownSync has the server answer ReadyForQuery, as it does after an error in a message
// that needs no Sync.
func (c *conn) ownSync() error {
	c.send.Lock()
	defer c.send.Unlock()
	c.push(pipeline.Entry[*work]{Kind: pipeline.Sync})
	return wire.WriteEmpty(c.sw, wire.TypeSync)
}

// refuse sends, instead of the message at hand, one of the same kind that fails,
// and has the server's error replaced.
func (c *conn) refuse(kind pipeline.Kind, body []byte, with *work) error {
	c.auditRefusal(with.refusal)
	with.refusal = c.state.said(with.refusal)
	c.noted, c.commits = 0, false
	name, params := []byte(nil), 0
	switch kind {
	case pipeline.Parse:
		// Under its own name, of which the server then makes what it would have.
		if m, err := wire.DecodeParse(body); err == nil {
			name = m.Name
			v := c.prepared.set(c, string(name), &prepared{refused: true})
			v.replaces = len(name) == 0
			with.naming = &v.naming
		}
	case pipeline.Bind:
		if m, err := wire.DecodeBind(body); err == nil {
			name = m.Statement
			params = c.wrongCount(string(name))
			with.decides = params > 0
		}
	}
	c.send.Lock()
	defer c.send.Unlock()
	c.push(pipeline.Entry[*work]{Kind: kind, Data: with})
	w := c.sw
	switch kind {
	case pipeline.Query:
		return wire.WriteQuery(w, failingSQL)
	case pipeline.Parse:
		return wire.WriteParse(w, name, failingSQL)
	case pipeline.Bind:
		if params == 0 {
			return wire.WriteBind(w, failingName, failingName)
		}
		wire.StartBind(w, failingName, name)
		w.Int16(0)
		w.Int16(params)
		for range params {
			w.Null()
		}
		w.Int16(0)
		return w.End()
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
