package proxy

import (
	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// What a FETCH or MOVE of the extended protocol reads is known when it is bound: that
// fixes the columns of its rows. The server describes the portal then, so that the
// analysis is confirmed even if the client asks for no description.

// bindFetch treats the Bind of a statement that is a FETCH or MOVE.
func (c *conn) bindFetch(m *wire.BindMessage, p *prepared) error {
	cursor, err := c.portal([]byte(p.named.name))
	if err != nil {
		return err
	}
	bound := &portal{prepared: p, reads: cursor, formats: appendFormats(nil, m.ResultFormats)}
	if !cursor.planned() {
		return c.bindChecked(m, bound, bound.formats)
	}
	if err := checkASCII("portal", m.Portal); err != nil {
		return err
	}
	if bound.state, err = c.mayRead(cursor); err != nil {
		return err
	}
	if p.named.verb == statement.VerbFetch {
		bound.plan = cursor.plan
		bound.asked = serverFormats(cursor.plan.Statements[0].Outputs, bound.formats)
	}
	return c.bindChecked(m, bound, bound.asked)
}

// fetches reports whether a command is a FETCH.
func (n *named) fetches() bool { return n != nil && n.verb == statement.VerbFetch }

// describeFetch treats the Describe of a prepared FETCH.
func (c *conn) describeFetch(p *prepared) error {
	cursor, err := c.portal([]byte(p.named.name))
	if err != nil {
		return err
	}
	if !cursor.planned() {
		return c.forward(pipeline.Describe, nil)
	}
	return c.forward(pipeline.Describe, &work{results: []*result{{plan: cursor.plan, owner: cursor.prepared}}})
}

// bindChecked sends a Bind without sealed parameters and has the server describe what
// it makes.
func (c *conn) bindChecked(m *wire.BindMessage, bound *portal, formats []int16) error {
	c.bound = c.bound[:0]
	for params, i := m.Params, 0; params.Next(); i++ {
		c.bound = append(c.bound, boundParam{value: params.Value(), format: m.ParamFormats.Of(i)})
	}
	c.restless = c.restless || bound.prepared.changes != 0
	c.send.Lock()
	defer c.send.Unlock()
	c.push(pipeline.Entry[*work]{Kind: pipeline.Bind, Data: &work{naming: c.newPortal(string(m.Portal), bound)}})
	if err := writeBind(c.sw, m, c.bound, formats); err != nil {
		return err
	}
	return c.describeOwn(bound, m.Portal)
}

// describeOwn has the server describe a portal for pgveil itself. c.send is held.
func (c *conn) describeOwn(p *portal, name []byte) error {
	c.push(pipeline.Entry[*work]{Kind: pipeline.Describe, Own: true, Data: &work{confirms: p}})
	return wire.WriteDescribe(c.sw, 'P', string(name))
}

// confirmPortal treats the answer to describeOwn.
func (c *conn) confirmPortal(p *portal, typ byte) error {
	var body []byte
	switch typ {
	case 'E': // the client's sequence has failed with it
		return c.receiveError(nil, typ)
	case 'T':
		var err error
		if body, err = c.sr.Body(); err != nil {
			return err
		}
	}
	if p.planned() {
		p.bad = c.confirm(p.plan, 0, body)
	} else {
		p.bad = c.confirmPlain(body)
	}
	return nil
}

// executeFetch readies the answer to the Execute of a bound FETCH or MOVE.
func (c *conn) executeFetch(p *portal) (*result, error) {
	cursor, err := c.portal([]byte(p.prepared.named.name))
	if err != nil {
		return nil, err
	}
	if cursor != p.reads && (cursor.planned() || p.reads.planned()) {
		return nil, pgerror.New(pgerror.FeatureNotSupported, "cursor %q is not what it was when %s was bound", p.prepared.named.name, p.prepared.named.verb).
			WithHint("Bind the statement again.")
	}
	r := p.result()
	if !cursor.planned() {
		r.guard = true
		return r, nil
	}
	if r.state, err = c.mayRead(cursor); err != nil {
		return nil, err
	}
	r.plan, r.owner, r.via = cursor.plan, cursor.prepared, p.prepared
	r.moves = p.prepared.named.verb == statement.VerbMove
	return r, nil
}

// confirmPlain checks a RowDescription of rows that pgveil knows no plan of: none of
// their columns may be sealed.
func (c *conn) confirmPlain(body []byte) *pgerror.Error {
	snapshot := c.tracked.current.Load()
	if snapshot == nil || body == nil {
		return nil
	}
	if err := c.readFields(body); err != nil {
		return err
	}
	if err := snapshot.analyzer.VerifyPlain(c.fields); err != nil {
		e, _ := pgerror.As(err)
		return e
	}
	return nil
}

// executeNamed treats the Execute of a bound command that has to do with names.
func (c *conn) executeNamed(p *portal) error {
	n := p.prepared.named
	r := p.result()
	if n.verb == statement.VerbFetch || n.verb == statement.VerbMove {
		var err error
		r, err = c.executeFetch(p)
		if e, ok := pgerror.As(err); ok && e.Code == pgerror.InFailedTransaction {
			return c.forward(pipeline.Execute, &work{refusal: e, decides: true})
		}
		if err != nil {
			return err
		}
		if err := c.beginAudit(r, nil); err != nil {
			return err
		}
	}
	c.enter(n, r)
	c.noteChange(p.prepared.changes)
	return c.forward(pipeline.Execute, &work{results: []*result{r}})
}

// executeUnknown treats the Execute of a cursor that pgveil has not seen declared: the
// server describes it first.
func (c *conn) executeUnknown(name []byte) error {
	p := &portal{}
	c.send.Lock()
	err := c.describeOwn(p, name)
	c.send.Unlock()
	if err != nil {
		return err
	}
	return c.forward(pipeline.Execute, &work{results: []*result{{portal: p, guard: true}}})
}
