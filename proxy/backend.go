package proxy

import (
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// backend carries the server's messages to the client until either connection
// breaks.
func (c *conn) backend() error {
	for {
		typ, _, err := c.sr.Next()
		if err != nil {
			return err
		}
		if err := c.receive(typ); err != nil {
			return err
		}
		if !c.sr.Buffered() {
			if err := c.cw.Flush(); err != nil {
				return err
			}
		}
	}
}

// receive treats one message of the server.
func (c *conn) receive(typ byte) error {
	var status byte
	if typ == 'Z' {
		body, err := c.sr.Body()
		if err != nil {
			return err
		}
		if status, err = wire.DecodeReadyForQuery(body); err != nil {
			return err
		}
	}
	c.mu.Lock()
	step, err := c.queue.Receive(typ, status)
	var w *work
	own := false
	if step.Entry != nil {
		w, own = step.Entry.Data, step.Entry.Own
		if w != nil {
			w.settle(typ, step.Done)
		}
		if typ == 'E' && own && w.probe != nil && w.probe.inSequence {
			w.probe.finish(errFailed) // so has the client's sequence
			w.probe.err = errFailed
		}
		if w != nil && (step.Done || typ == 'E') {
			w.copies.finish()
		}
		if typ == 'Z' && status == 'I' && !own {
			c.transactionEnded(step.Entry.Order)
		} else if (typ == 'C' || typ == 'Z') && c.lastCommit != 0 && step.Entry.Order >= c.lastCommit {
			c.announceDDL() // of a Query at each of its commands: any may be the COMMIT
			if step.Done {
				c.lastCommit = 0
			}
		}
	}
	c.mu.Unlock()
	if err != nil {
		return pgerror.New(pgerror.ProtocolViolation, "unexpected message from the server").Fatal()
	}
	if typ == 'S' { // a setting has changed, by a function perhaps
		c.changed.Store(true)
	}
	if (own || step.Mute) && typ == 'E' {
		if ended, err := c.sessionEnds(); ended || err != nil {
			return err
		}
	}
	switch {
	case own:
		return c.receiveOwn(w, typ, status)
	case step.Mute && typ == 'G':
		return c.mutedCopyIn(w)
	case step.Mute && typ == 'Z':
		if w != nil {
			w.part.skip()
		}
		return nil
	case step.Mute:
		if w != nil && (typ == 'C' || typ == 's' || typ == 'E') {
			w.withheld()
		}
		return nil // Next skips what was not read
	case typ == 'Z':
		return c.ready(w, status)
	case typ == 'E' || typ == 'N':
		return c.receiveError(w, typ)
	case w == nil:
		return c.pass(nil, typ == 'D')
	}
	return c.answer(w, typ)
}

// transactionEnded notes that the message of this order has ended a transaction. c.mu
// is held.
func (c *conn) transactionEnded(order uint64) {
	c.endedAt.Store(order)
	if c.lastChange != 0 {
		c.changed.Store(true)
		if c.lastChange <= order {
			c.lastChange = 0
		}
	}
	if c.lastDDL != 0 {
		c.announceDDL()
		if c.lastCommit <= order {
			c.lastCommit = 0
		}
		if c.lastNames <= order {
			c.lastNames = 0
		}
		if c.lastDDL <= order {
			c.lastDDL, c.quiet = 0, nil
		}
	}
}

// announceDDL tells all sessions that the catalog may have been changed. c.mu is held.
func (c *conn) announceDDL() {
	if c.lastNames != 0 || c.quiet != c.tracked.current.Load() {
		c.tracked.names.made.Add(1)
	}
	c.tracked.changes.made.Add(1)
}

// sessionEnds forwards an error with which the server ends the session, whatever it
// answers, and reports whether it is one.
func (c *conn) sessionEnds() (bool, error) {
	body, err := c.sr.Body()
	if err != nil {
		return false, err
	}
	fields, err := wire.DecodeErrorResponse(body)
	if err != nil {
		return false, err
	}
	if string(fields.Get(wire.FieldSeverityOriginal)) == "ERROR" {
		return false, nil
	}
	return true, writeUnsealed(c.cw, wire.TypeErrorResponse, fields, fields.Position())
}

// answer treats a message that answers a planned statement.
func (c *conn) answer(w *work, typ byte) error {
	if w.refusal != nil {
		return pgerror.New(pgerror.InternalError, "the server has answered a statement that pgveil refused").Fatal()
	}
	switch typ {
	case '1', '2', '3':
		if w.extended {
			return nil
		}
	case 't':
		if w.extended {
			return nil
		}
		if w.prepared != nil && w.prepared.plan != nil {
			return c.parameterDescription(w.prepared)
		}
	case 'T':
		return c.rowDescription(w)
	case 'D':
		r := w.result()
		switch {
		case r != nil && r.outputs() != nil:
			return c.dataRow(r)
		case r != nil && r.refused() != nil:
			return c.fail(r, r.refused())
		case r != nil && r.free():
			if e := c.countFree(r); e != nil {
				return c.fail(r, e)
			}
		}
	case 'G':
		return c.copyInResponse(w)
	case 'H':
		return c.copyOutResponse(w)
	case 'd':
		if r := w.result(); r != nil && r.stream != nil {
			return c.copyOutData(r)
		} else if r != nil && r.free() {
			if e := c.countFree(r); e != nil {
				return c.fail(r, e)
			}
		}
	case 'c':
		if r := w.result(); r != nil && r.stream != nil {
			return c.copyOutDone(r)
		}
	case 'C', 's', 'I':
		if r := w.result(); r != nil {
			if err := c.countCopied(r); err != nil {
				return err
			}
			r.end("ok")
			w.current++
			if typ == 'C' && r.owner == nil && len(w.results) == 1 && r.outputs() != nil {
				r.plan.NoteRows(r.rows)
			}
		}
	}
	return c.pass(w.result(), false)
}

// result is the statement whose answer is being received.
func (w *work) result() *result {
	if w.current < len(w.results) {
		return w.results[w.current]
	}
	return nil
}

// ready treats ReadyForQuery.
func (c *conn) ready(w *work, status byte) error {
	if w != nil {
		for ; w.current < len(w.results); w.current++ {
			w.results[w.current].end("not run")
		}
	}
	failed := c.failed
	c.failed = false
	if w != nil && !w.part.ready(failed) {
		return nil
	}
	if failed && status == 'T' {
		return c.spoil()
	}
	return wire.WriteReadyForQuery(c.cw, status)
}

// spoil fails the transaction in the server, because the client has been told of an
// error that the server knows nothing of. The ReadyForQuery that is held back
// follows once the server has failed.
func (c *conn) spoil() error {
	fatal := pgerror.New(pgerror.DataCorrupted, "the transaction cannot be failed after an error in a pipeline").Fatal()
	// Whoever sends has flushed and is about to let go, or queues more: to wait for them
	// without looking at the queue could be to wait for a server that waits to be read.
	for !c.send.TryLock() {
		if !c.idle() {
			return fatal
		}
		time.Sleep(20 * time.Microsecond)
	}
	defer c.send.Unlock()
	if !c.idle() { // what follows was sent on the belief that all was well
		return fatal
	}
	c.mu.Lock()
	c.queue.Push(pipeline.Entry[*work]{Kind: pipeline.Parse, Own: true, Data: &work{spoil: true}})
	c.queue.Push(pipeline.Entry[*work]{Kind: pipeline.Sync, Own: true, Data: &work{spoil: true}})
	c.mu.Unlock()
	wire.WriteParse(c.sw, failingName, failingSQL)
	wire.WriteEmpty(c.sw, wire.TypeSync)
	return c.sw.Flush() // its error is the first of all of these
}

// idle reports whether the server owes no answer.
func (c *conn) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.Idle()
}

// invalidCursorName is what the server says of a portal that it does not hold.
const invalidCursorName = "34000"

// withheld enters the outcome of a statement whose rows the client does not get: an
// error before it in the sequence has ended that.
func (w *work) withheld() {
	if r := w.result(); r != nil {
		r.end("withheld")
		w.current++
	}
}

// receiveOwn treats an answer to a message of the proxy's own.
func (c *conn) receiveOwn(w *work, typ, status byte) error {
	switch {
	case w.verify && typ == 'E': // the client's sequence has failed with it
		close(w.prepared.described)
		return c.receiveError(nil, typ)
	case w.confirms != nil:
		return c.confirmPortal(w.confirms, typ)
	case w.verify:
		return c.verify(w.prepared, typ)
	case w.spoil:
		if typ == 'Z' {
			return wire.WriteReadyForQuery(c.cw, status)
		}
		return nil
	}
	p := w.probe
	switch typ {
	case 'D':
		body, err := c.sr.Body()
		if err != nil {
			return err
		}
		row, err := wire.DecodeDataRow(body)
		for err == nil && row.Next() {
			var value []byte
			if !row.Null() {
				value = append([]byte{}, row.Value()...)
			}
			p.values = append(p.values, value)
		}
		return err
	case 'T':
		body, err := c.sr.Body()
		if err != nil {
			return err
		}
		description, err := wire.DecodeRowDescription(body)
		for err == nil && description.Next() {
			f := description.Field()
			p.fields = append(p.fields, pgconn.FieldDescription{TableOID: f.TableOID, TableAttributeNumber: f.Attribute, DataTypeOID: f.TypeOID})
		}
		return err
	case 'E':
		c.changed.Store(true)
		body, err := c.sr.Body()
		if err != nil {
			return err
		}
		fields, err := wire.DecodeErrorResponse(body)
		if err != nil {
			return err
		}
		if !p.inSequence { // its own Sync ends it
			e := pgerror.New(string(fields.Get(wire.FieldCode)), "%s", fields.Get(wire.FieldMessage))
			e.Detail, e.Hint, e.Position = string(fields.Get(wire.FieldDetail)), string(fields.Get(wire.FieldHint)), fields.Position()
			p.err = e
			return nil
		}
		// The client's sequence has failed with it: the error is the client's.
		if err := c.sr.Forward(c.cw); err != nil {
			return err
		}
	case 'Z', '3':
		if w.last {
			c.finish(p, nil)
		}
	}
	return nil
}

func (c *conn) finish(p *probe, err error) {
	c.mu.Lock()
	p.finish(err)
	c.mu.Unlock()
}

// dropped is told of everything that the server will not answer. c.mu is held.
func (c *conn) dropped(e *pipeline.Entry[*work]) {
	w := e.Data
	if w == nil {
		return
	}
	w.naming.settle(skipped)
	w.copies.finish()
	w.part.skip()
	if w.verify {
		close(w.prepared.described)
	}
	if w.probe != nil && (w.probe.inSequence || w.last) {
		w.probe.finish(errSkipped)
	}
	for _, r := range w.results[min(w.current, len(w.results)):] {
		r.end("not run")
		r.settle(skipped)
	}
}

// receiveError forwards an ErrorResponse or NoticeResponse: replaced where pgveil
// had the server fail, with positions that fit the client's own text, and without
// sealed values, which the server may quote.
func (c *conn) receiveError(w *work, typ byte) error {
	body, err := c.sr.Body()
	if err != nil {
		return err
	}
	fields, err := wire.DecodeErrorResponse(body)
	if err != nil {
		return err
	}
	var known *result
	if w != nil {
		known = w.result()
	}
	write := writeUnsealed
	concealed := c.conceals(w, fields)
	switch {
	case concealed:
		write = writeConcealed
	case typ == 'E' && c.withholdsRow(fields, known):
		write = writeWithheld
	}
	if typ == 'N' {
		return write(c.cw, typ, fields, fields.Position())
	}
	c.changed.Store(true)
	code := string(fields.Get(wire.FieldCode))
	if w == nil {
		return write(c.cw, typ, fields, fields.Position())
	}
	w.part.fail()
	own := c.copyFailure(w.result(), fields.Get(wire.FieldMessage))
	if r := w.result(); r != nil && r.refusal != nil && code == undefinedColumn { // failingSQL has run
		own = r.refusal
	}
	if own != nil {
		own, code = w.result().state.said(own), own.Code
	}
	for ; w.current < len(w.results); w.current++ {
		w.results[w.current].end(code)
	}
	if own != nil {
		return wire.WriteErrorResponse(c.cw, own)
	}
	severity := string(fields.Get(wire.FieldSeverityOriginal))
	if w.refusal != nil && severity == "ERROR" {
		switch {
		case w.decides && (code == pgerror.InvalidStatementName || code == invalidCursorName):
		case w.first:
			return wire.WriteErrorResponse(c.cw, w.refusal)
		case code != pgerror.InFailedTransaction:
			return wire.WriteErrorResponse(c.cw, c.inTransaction(w.refusal))
		}
	}
	if !concealed {
		if detail, ok := c.openKey(fields, known); ok {
			return writeScrubbed(c.cw, typ, fields, w.remap.position(fields.Position()), detail)
		}
	}
	return write(c.cw, typ, fields, w.remap.position(fields.Position()))
}

// inTransaction gives the error that a client gets for a refused statement: in a
// transaction that has failed already, the server's own.
func (c *conn) inTransaction(e *pgerror.Error) *pgerror.Error {
	c.mu.Lock()
	status := c.queue.Status()
	c.mu.Unlock()
	if status == 'E' {
		return errInFailedTransaction()
	}
	return e
}

// fail ends the statement that is being received with an error of pgveil's own,
// although the server has not failed; the rest of its answer is not for the client.
func (c *conn) fail(r *result, e *pgerror.Error) error {
	if r != nil {
		r.end(e.Code)
	}
	c.alertFailed(r, e)
	c.mu.Lock()
	c.queue.Fail()
	c.mu.Unlock()
	c.failed = true
	if r != nil {
		e = r.state.said(e)
	}
	if e.Severity == "FATAL" { // the last word of the session
		return e
	}
	return wire.WriteErrorResponse(c.cw, e)
}

// verify treats the answer to the proxy's own Describe of a statement.
func (c *conn) verify(p *prepared, typ byte) error {
	switch typ {
	case 't':
		types, err := c.parameterTypes(p)
		if err != nil {
			return err
		}
		p.answer.types = types
	case 'T':
		body, err := c.sr.Body()
		if err != nil {
			return err
		}
		p.answer.bad = c.confirm(p.plan, 0, body)
		close(p.described)
	case 'n':
		p.answer.bad = c.confirm(p.plan, 0, nil)
		close(p.described)
	}
	return nil
}
