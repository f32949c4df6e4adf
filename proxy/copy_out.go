package proxy

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/proxy/copydata"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

func containsReason(message []byte) bool { return bytes.Contains(message, []byte(copyFailReason)) }

// copied is the plan's COPY with sealed columns, nil if the statement is none.
func (r *result) copied() *statement.CopyPlan {
	if r.plan == nil {
		return nil
	}
	return r.plan.Statements[r.index].Copy
}

// copyOutResponse treats CopyOutResponse: the server is about to send the data.
func (c *conn) copyOutResponse(w *work) error {
	r := w.result()
	if r == nil || r.copied() == nil {
		return c.sr.Forward(c.cw)
	}
	body, err := c.sr.Body()
	if err != nil {
		return err
	}
	copied := r.copied()
	if e := c.disagrees(confirmCopy(copied, false, body)); e != nil {
		return c.fail(r, e)
	}
	binary := copied.Options.Format == copydata.Binary
	r.columns = make([]column, len(copied.Columns))
	r.spends = c.spends(r, copied.Outputs)
	for i, tagged := range copied.Tagged {
		if tagged == nil {
			continue
		}
		if shape := copied.Outputs[i].JSON; shape != nil {
			r.columns[i] = column{json: c.openedJSON(r, shape, r.copyState()), binary: binary}
			continue
		}
		r.columns[i] = c.openedColumn(r, &copied.Outputs[i])
		if binary {
			r.columns[i].binary, r.columns[i].format = true, 1
		}
	}
	r.subjects.told = slices.ContainsFunc(r.columns, func(col column) bool { return col.tellsSubject() })
	r.stream, err = c.newCopyStream(r, copydata.Config{Change: c.openCopied(r)})
	if e, ok := pgerror.As(err); ok {
		return c.fail(r, e)
	}
	return c.sr.Forward(c.cw)
}

// openCopied opens the values of one COPY.
func (c *conn) openCopied(r *result) copydata.Change {
	state := r.copyState()
	return func(dst []byte, column int, value []byte) ([]byte, bool, error) {
		c.opensFor(r)
		defer func() { r.erased += c.erased }()
		col := &r.columns[column]
		r.spends.field(column)
		r.spends.see(column, value, col.binary)
		if col.json != nil {
			dst, e := col.json.open(dst, value, col.binary)
			if e != nil {
				return dst, false, e
			}
			r.opened += col.json.opened
			r.spends.opened(column, col.json.opened)
			return dst, col.json.null, nil
		}
		if col.hidden() {
			c.noteUnseen(col, value)
			return dst, true, nil
		}
		dst, n, e := c.open(dst, col, value, state)
		switch {
		case e != nil:
			return dst, false, e
		case n == hiddenValue:
			return dst, true, nil
		}
		r.opened += n
		r.spends.opened(column, n)
		return dst, false, nil
	}
}

// copyOutData opens the values of a CopyData message. The first leaves only after its
// audit record is durable.
func (c *conn) copyOutData(r *result) error {
	body, err := c.sr.Body()
	if err != nil {
		return err
	}
	if e := r.waitAudit(); e != nil {
		return c.fail(r, e)
	}
	r.recordTags(audit.MaxTags)
	return c.copyOut(r, func(dst []byte) ([]byte, error) { return r.stream.Write(dst, body) })
}

// copyOutDone treats the end of the data.
func (c *conn) copyOutDone(r *result) error {
	failed := c.failed
	if err := c.copyOut(r, r.stream.Close); err != nil || c.failed != failed {
		return err
	}
	return c.sr.Forward(c.cw)
}

// copyOut sends the client what rewrite appends, if it is anything.
func (c *conn) copyOut(r *result, rewrite func([]byte) ([]byte, error)) error {
	w := c.cw
	w.Message(wire.TypeCopyData)
	tail := w.Tail()
	start := len(tail)
	tail, err := rewrite(tail)
	if e := r.subjects.stops(); err == nil && e != nil {
		err = e
	}
	if err == nil {
		if e := c.settle(r.spends); e != nil {
			err = e
		}
	}
	if err == nil && c.tracked.seals.Load().found(tail[start:]) {
		c.unopened()
		err = errUnopened
	}
	w.SetTail(tail)
	if err != nil || len(tail) == start {
		w.Abandon()
	}
	if e, ok := pgerror.As(err); ok {
		return c.fail(r, e)
	}
	if err != nil || len(tail) == start {
		return err
	}
	return w.End()
}

// confirmCopies has the server describe the queries whose rows the COPYs of a text
// give, which it does not do when it runs them. sent is the text that is about to be
// sent.
func (c *conn) confirmCopies(plan *statement.Plan, results []*result, s *state, sent []byte, m *remap) error {
	for i := range plan.Statements {
		if results != nil && results[i].refusal != nil { // from here on nothing is sent
			return nil
		}
		copied := plan.Statements[i].Copy
		if copied == nil || !copied.Query {
			continue
		}
		sent, err := s.encoding.decode(sent)
		if err != nil {
			return err
		}
		text := new(statement.Lexer).Lex(sent)
		start, end, ok := text.CopiedQuery(&text.Commands()[i])
		if !ok {
			return pgerror.New(pgerror.InternalError, "the plan does not fit the statement")
		}
		// Everything around it is blanked, so that the position of an error is the same.
		query := append(bytes.Repeat([]byte(" "), utf8.RuneCount(sent[:start])), sent[start:end]...)
		if query, err = s.encoding.encode(query, 0); err != nil {
			return err
		}
		p, err := c.describeInSession(string(query))
		if early, ok := err.(precedes); ok {
			at := *early.error
			at.Position = m.position(at.Position)
			return precedes{error: &at}
		}
		if err != nil {
			return err
		}
		fields := make([]statement.Field, len(p.fields))
		for j, f := range p.fields {
			fields[j] = statement.Field{TableOID: f.TableOID, Attribute: f.TableAttributeNumber, TypeOID: f.DataTypeOID}
		}
		if e := c.disagrees(plan.VerifyCopy(i, fields)); e != nil {
			return e
		}
	}
	return nil
}

// countCopied takes the number of rows of a COPY from its CommandComplete.
func (c *conn) countCopied(r *result) error {
	if r.copied() == nil {
		return nil
	}
	body, err := c.sr.Body()
	if err != nil {
		return err
	}
	tag, err := wire.DecodeCommandComplete(body)
	r.rows = wire.TagRows(tag)
	c.did.rows.Add(uint64(r.rows))
	if r.free() {
		r.opened += r.rows
	}
	return err
}
