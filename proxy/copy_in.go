package proxy

import (
	"slices"
	"sync"

	"github.com/pgveil/pgveil/proxy/copydata"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// copyFailReason is what the server is told when pgveil ends a COPY; its error is
// then replaced by pgveil's own.
const copyFailReason = "pgveil has refused the data; the client was told why"

// copies tells the frontend goroutine what becomes of the COPYs FROM STDIN of one
// message, at least one of them of a tagged table. The frontend sends nothing behind
// that message before it knows what the server will do with it: no data can reach
// the server as it is that belongs to a tagged table.
type copies struct {
	events chan copyEvent // room for all of them; closed once the message is answered
	once   sync.Once
}

// copyEvent says that the server waits for data.
type copyEvent struct {
	result *result
	muted  bool           // the client has been told of an error: there will be none
	bad    *pgerror.Error // the server does not do what was planned
}

// newCopies gives nil if none of the statements is such a COPY.
func newCopies(results []*result) *copies {
	for _, r := range results {
		if copied := r.copied(); copied != nil && copied.In {
			return &copies{events: make(chan copyEvent, len(results))}
		}
	}
	return nil
}

// finish says that no further data is read. The nil copies does nothing.
func (k *copies) finish() {
	if k != nil {
		k.once.Do(func() { close(k.events) })
	}
}

// copyIn is the frontend's side of a COPY FROM STDIN.
type copyIn struct {
	work   *work
	result *result         // nil once the data of the client is for nobody
	stream copydata.Stream // nil: of a table that is not tagged
	seen   int             // how many of them the message has had
}

// sendCopies sends a message, and waits for what the server makes of it where it may
// read the data of a tagged table.
func (c *conn) sendCopies(w *work, send func() error) error {
	err := func() error {
		c.send.Lock()
		defer c.send.Unlock()
		return send()
	}()
	if err != nil || w.copies == nil {
		return err
	}
	return c.awaitCopy(&copyIn{work: w})
}

// awaitCopy waits until the server reads data for the message that was sent last, or
// has answered it. The caller does not hold c.send.
func (c *conn) awaitCopy(in *copyIn) error {
	c.copying = in
	in.result, in.stream = nil, nil
	if err := c.flushServer(); err != nil {
		return err
	}
	var event copyEvent
	select {
	case event = <-in.work.copies.events:
	case <-c.ctx.Done():
		return errClosed
	}
	if event.result == nil || event.muted {
		return nil
	}
	in.seen = slices.Index(in.work.results, event.result) + 1
	in.result = event.result
	copied := event.result.copied()
	switch {
	case event.bad != nil:
		return c.failCopy(event.bad)
	case copied == nil || !copied.In:
		return nil
	}
	stream, err := c.newCopyStream(in.result, c.sealing(in.result))
	if e, ok := pgerror.As(err); ok {
		return c.failCopy(e)
	}
	in.stream = stream
	return nil
}

// sealing has the values of one COPY sealed.
func (c *conn) sealing(r *result) copydata.Config {
	config := copydata.Config{In: true}
	byValue := c.newCopiedKeys(r.copied(), r.state)
	if config.Change = c.sealCopied(r, byValue); byValue != nil {
		config.Note = byValue.note
	}
	return config
}

// sealCopied seals the values of one COPY. byValue finds the keys of those that have keys by value.
func (c *conn) sealCopied(r *result, byValue *copiedKeys) copydata.Change {
	copied := r.copied()
	sealers := make([]Sealer, len(copied.Tagged))
	for i, tagged := range copied.Tagged {
		if tagged != nil {
			sealers[i] = c.sealerFor(tagged, logical.Assign, false, r.state)
		}
	}
	format := int16(0)
	if copied.Options.Format == copydata.Binary {
		format = 1
	}
	w := &c.rewriter
	return func(dst []byte, column int, value []byte) ([]byte, bool, error) {
		tagged := copied.Tagged[column]
		var err error
		if format == 1 && r.state.encoding != nil && isTextual(tagged.Type.Kind) {
			if value, err = r.state.encoding.decode(value); err != nil {
				return dst, false, err
			}
		}
		w.canonical, err = tagged.Type.Canonical(w.canonical[:0], value, 0, format, logical.Assign, &r.state.settings)
		if err != nil {
			return dst, false, sealError(logical.NameCopied(err), tagged)
		}
		sealer := sealers[column]
		if tagged.KeyBy != nil && byValue != nil {
			if sealer, err = byValue.sealerOf(column); err != nil {
				return dst, false, sealError(err, tagged)
			}
		}
		if format == 1 {
			dst, err = sealer.Seal(dst, w.canonical)
		} else if w.sealed, err = sealer.Seal(w.sealed[:0], w.canonical); err == nil {
			dst = logical.AppendByteaHex(dst, w.sealed)
		}
		if err != nil {
			return dst, false, sealError(err, tagged)
		}
		return dst, false, nil
	}
}

// whileCopying treats a message that the client sends while, or after, a COPY reads
// its data. It reports false if the message is to be treated like any other.
func (c *conn) whileCopying(typ byte) (bool, error) {
	in := c.copying
	if in.result != nil {
		select {
		case _, open := <-in.work.copies.events:
			if !open { // with an error
				in.result, in.stream = nil, nil
			}
		default:
		}
	}
	switch typ {
	case 'd':
		switch {
		case in.result == nil: // of a COPY that is over
			return true, nil
		case in.stream == nil:
			return false, nil
		}
		return true, c.copyData(in)
	case 'c', 'f':
		if in.result == nil {
			return true, nil
		}
		return true, c.copyEnd(in, typ)
	case 'S', 'H', 'X':
		return false, nil
	}
	if in.result == nil {
		c.copying = nil
		return false, nil
	}
	return true, c.failCopy(pgerror.New(pgerror.ProtocolViolation, "unexpected message type 0x%02X during COPY from stdin", typ))
}

// copyData seals the data of a CopyData message, in the parts in which it arrives.
func (c *conn) copyData(in *copyIn) error {
	for {
		chunk, err := c.cr.Chunk()
		if err != nil || chunk == nil {
			return err
		}
		if e, err := c.writeCopyData(func(dst []byte) ([]byte, error) { return in.stream.Write(dst, chunk) }); err != nil {
			return err
		} else if e != nil {
			return c.failCopy(e)
		}
	}
}

// writeCopyData sends what rewrite appends, if it is anything, and gives its error
// apart from that of the connection. What came before the error is sent.
func (c *conn) writeCopyData(rewrite func([]byte) ([]byte, error)) (*pgerror.Error, error) {
	c.send.Lock()
	defer c.send.Unlock()
	w := c.sw
	w.Message(wire.TypeCopyData)
	tail := w.Tail()
	start := len(tail)
	tail, err := rewrite(tail)
	w.SetTail(tail)
	var ended error
	if len(tail) > start {
		ended = w.End()
	} else {
		w.Abandon()
	}
	e, ok := pgerror.As(err)
	if err != nil && !ok {
		return nil, err
	}
	return e, ended
}

// copyEnd treats CopyDone and CopyFail.
func (c *conn) copyEnd(in *copyIn, typ byte) error {
	if typ == 'c' && in.stream != nil {
		if e, err := c.writeCopyData(in.stream.Close); err != nil {
			return err
		} else if e != nil {
			return c.failCopy(e)
		}
	}
	if err := c.unanswered(typ); err != nil {
		return err
	}
	if typ == 'c' && in.seen < len(in.work.results) {
		return c.awaitCopy(in)
	}
	in.result, in.stream = nil, nil
	return nil
}

// failCopy has the COPY that reads data fail in the server with an error of pgveil's.
func (c *conn) failCopy(e *pgerror.Error) error {
	in := c.copying
	r := in.result
	in.result, in.stream = nil, nil
	c.mu.Lock()
	r.failure = e
	c.mu.Unlock()
	return c.sendCopyFail()
}

func (c *conn) sendCopyFail() error {
	c.send.Lock()
	defer c.send.Unlock()
	c.mu.Lock()
	c.queue.CopyEnd()
	c.mu.Unlock()
	if err := wire.WriteCopyFail(c.sw, copyFailReason); err != nil {
		return err
	}
	return c.sw.Flush()
}

// copyInResponse treats CopyInResponse: the server waits for data.
func (c *conn) copyInResponse(w *work) error {
	r := w.result()
	if w.copies == nil || r == nil {
		return c.sr.Forward(c.cw)
	}
	event := copyEvent{result: r}
	if copied := r.copied(); copied != nil {
		body, err := c.sr.Body()
		if err != nil {
			return err
		}
		event.bad = c.disagrees(confirmCopy(copied, true, body))
	}
	w.copies.events <- event
	if event.bad != nil {
		return nil
	}
	return c.sr.Forward(c.cw)
}

// mutedCopyIn ends a COPY whose data will not come, because the client has been told
// of an error before it.
func (c *conn) mutedCopyIn(w *work) error {
	if w == nil || w.copies == nil {
		return c.sendCopyFail()
	}
	event := copyEvent{result: w.result(), muted: true}
	if err := c.sendCopyFail(); err != nil {
		return err
	}
	w.copies.events <- event // only now: a Sync ahead of CopyFail would be lost
	return nil
}

// confirmCopy checks the server's answer to a COPY against the plan.
func confirmCopy(copied *statement.CopyPlan, in bool, body []byte) error {
	response, err := wire.DecodeCopyResponse(body)
	if err != nil {
		return pgerror.New(pgerror.ProtocolViolation, "malformed answer to COPY from the server")
	}
	if copied.In != in || response.Columns != len(copied.Columns) || response.Binary != (copied.Options.Format == copydata.Binary) {
		return pgerror.New(pgerror.InternalError, "the server copies other columns than pgveil has found in the statement").
			WithHint("A table or view was changed meanwhile. Nothing was copied; run the statement again.")
	}
	return nil
}

// copyFailure gives pgveil's own error if it has ended the COPY that fails.
func (c *conn) copyFailure(r *result, message []byte) *pgerror.Error {
	if r == nil || !containsReason(message) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return r.failure
}
