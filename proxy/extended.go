package proxy

import (
	"bytes"
	"math"

	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// parse treats a Parse message.
func (c *conn) parse(body []byte) error {
	m, err := wire.DecodeParse(body)
	if err != nil {
		return err
	}
	return c.sendParse(&m, body, nil)
}

// sendParse sends a Parse: the message at hand, with its body, or one of pgveil's own, which
// again takes the answer to.
func (c *conn) sendParse(m *wire.ParseMessage, body []byte, again *probe) error {
	name := string(m.Name)
	text, plan, s, err := c.plan(m.SQL)
	commands := text.Commands()
	if err != nil {
		return err
	}
	p := &prepared{plan: plan, state: s, watched: s != nil && s.snapshot.analyzer.Reaches(text), alone: text.StandsAlone()}
	if snapshot := c.tracked.current.Load(); snapshot != nil {
		p.escape = snapshot.escape(text)
	}
	for i := range commands {
		p.changes |= commands[i].Changes
		p.commits = p.commits || commands[i].Verb == statement.VerbCommit
	}
	if p.watched {
		p.ambiguous = s.snapshot.analyzer.PathDependent(text)
	}
	w := &work{prepared: p, probe: again}
	if !plan.Tagged() {
		p.plan = nil
	}
	p.text, p.whole = string(text.SQL()), p.plan
	switch {
	case p.plan != nil:
		p.seen = s.snapshot
	case len(commands) > 0 && !endsTransaction(text):
		p.seen = c.tracked.current.Load()
	}
	if p.seen != nil {
		p.source = bytes.Clone(body)
		switch {
		case s != nil:
			p.encoding, p.spelt = s.encoding, true
		case c.state != nil && !c.changed.Load():
			p.encoding, p.spelt = c.state.encoding, true
		default:
			p.spelt = statement.IsASCII(m.SQL)
		}
	}
	edits := &c.rewriter.edits
	edits.Reset()
	edits.Bound = true
	c.rewriter.searched.take()
	if plan != nil {
		if err := plan.Edits(text, edits); err != nil {
			return positioned(err, text.SQL())
		}
	}
	if n := edits.MaxParam; n > 0 && p.plan != nil && plan.Statements[0].Copy != nil {
		return pgerror.New("42P02", "there is no parameter $%d", n)
	} else if n == 0 && p.plan != nil && commands[0].Verb == statement.VerbCopy && len(edits.Params) > 0 { // COPY takes none
		return pgerror.New(pgerror.FeatureNotSupported, "now() and its like are no values for a sealed column in a COPY of the extended query protocol").
			WithHint("Send it as a simple Query, or send the value.").At(edits.Params[0].Start + 1)
	}
	inner, err := c.parseLayouts(text, p, appendOIDs(nil, m.OIDs))
	if sql := withoutValues(text, p.named, err); sql != "" {
		p.named.given, w.naming = false, c.newStatement(name, p)
		c.send.Lock()
		defer c.send.Unlock()
		c.push(pipeline.Entry[*work]{Kind: pipeline.Parse, Data: w})
		return wire.WriteParse(c.sw, m.Name, sql)
	}
	if err != nil {
		return positioned(err, text.SQL())
	}
	if p.plan == nil && (p.named == nil || p.named.sealed == nil || len(edits.Splices) == 0) {
		if plan != nil || again != nil {
			return c.parseOverlaid(m, text, w)
		}
		w.naming = c.newStatement(name, p)
		return c.forward(pipeline.Parse, w)
	}
	if err := checkASCII("prepared statement", m.Name); err != nil {
		return err
	}
	if n := len(p.layout.server); n > math.MaxUint16 {
		return pgerror.New(pgerror.ProgramLimitExceeded, "the statement needs %d parameters where the protocol has room for %d", n, math.MaxUint16).
			WithHint("Use each parameter for one column only.")
	}
	p.redacted, p.mark = string(text.AppendRedacted(nil)), text.Fingerprint()
	if s == nil {
		s = c.state
	}
	p.literals = append(p.literals, c.sealedLiterals(edits, 0, len(text.SQL()), s.roles)...)
	sent, remap, err := c.rewrite(text, s, inner)
	if err != nil {
		return positioned(err, text.SQL())
	}
	p.searched = c.rewriter.searched.take()
	if p.plan != nil {
		if err := c.confirmCopies(plan, nil, s, sent, remap); err != nil {
			return err
		}
	}
	w.remap = remap
	c.send.Lock()
	defer c.send.Unlock()
	if err := c.closeFirst(name, again); err != nil {
		return err
	}
	w.naming = c.newStatement(name, p)
	c.push(pipeline.Entry[*work]{Kind: pipeline.Parse, Own: again != nil, Data: w})
	if err := wire.WriteParse(c.sw, name, sent, p.layout.oids(nil)...); err != nil {
		return err
	}
	if p.plan == nil || plan.Statements[0].Outputs == nil && !p.layout.deduced {
		return nil
	}
	// The server's own description must confirm the analysis, whether the client
	// asks for it or not.
	p.described = make(chan struct{})
	c.push(pipeline.Entry[*work]{Kind: pipeline.Describe, Own: true, Data: &work{prepared: p, verify: true}})
	return wire.WriteDescribe(c.sw, 'S', name)
}

// bind treats a Bind message: the parameters for tagged columns are sealed, sealed
// results are asked for in binary format.
func (c *conn) bind(body []byte) error {
	m, err := wire.DecodeBind(body)
	if err != nil {
		return err
	}
	v, err := c.prepared.get(c, string(m.Statement))
	if err != nil {
		return err
	}
	if v == nil {
		if c.pooled() {
			return precedes{error: preparedElsewhere(m.Statement)}
		}
		if m.Params.Len() > 0 {
			err := c.exists(string(m.Statement))
			if hasFailed(err) { // the server looks for the name first
				return precedes{error: noStatement(m.Statement)}
			}
			if err != nil {
				return err
			}
		}
		return c.bindUntouched(&m, sqlPrepared)
	}
	p := v.value
	if p == nil || p.refused || c.notAccepted(&v.naming) {
		return precedes{error: noStatement(m.Statement)}
	}
	if p.named.runs() {
		if err := c.literalsChanged(p); err != nil {
			return err
		}
		return c.bindRun(&m, p)
	}
	if p, err = c.upToDate(v); err != nil {
		return err
	}
	if err := c.mayEscapeBy(p); err != nil {
		return err
	}
	if !p.watched {
		return c.bindUntouched(&m, p)
	}
	if p.plan != nil && m.Params.Len() != p.layout.client {
		return precedes{error: pgerror.New(pgerror.ProtocolViolation, "bind message supplies %d parameters, but prepared statement \"%s\" requires %d",
			m.Params.Len(), m.Statement, p.layout.client)}
	}
	s, err := c.fresh()
	if err != nil {
		return err
	}
	if p.plan == nil {
		return c.bindUntouched(&m, p)
	}
	if s.problem != nil {
		return s.problem
	}
	if !p.plan.TellsTo(s.roles) { // the role has changed since
		if p, err = c.prepareAgain(v); err != nil {
			return err
		}
	}
	planned := &p.plan.Statements[0]
	if refusal := c.mayTouch(planned, s); refusal != nil {
		return refusal
	}
	if err := checkASCII("portal", m.Portal); err != nil {
		return err
	}
	formats := appendFormats(nil, m.ResultFormats)
	if err := checkFormats(planned, formats); err != nil {
		return err
	}
	types := p.layout.types
	if p.layout.deduced {
		if types, err = c.awaitTypes(p); err != nil {
			return err
		}
	}
	if err := c.sealParams(&m, p.layout, types, s); err != nil {
		return err
	}
	bound := &portal{prepared: p, plan: p.plan, state: s, formats: formats, searched: c.rewriter.searched.take()}
	bound.asked = serverFormats(planned, bound.formats)
	c.send.Lock()
	defer c.send.Unlock()
	c.push(pipeline.Entry[*work]{Kind: pipeline.Bind, Data: &work{naming: c.newPortal(string(m.Portal), bound)}})
	if err := writeBind(c.sw, &m, c.bound, bound.asked); err != nil || p.described != nil || planned.Outputs == nil {
		return err
	}
	return c.describeOwn(bound, m.Portal)
}

// sqlPrepared stands for a statement that pgveil has not seen: PREPARE, which names
// nothing tagged, has made it.
var sqlPrepared = &prepared{changes: statement.ChangesSession}

// bindUntouched forwards a Bind. An unnamed portal is remembered only if running it
// may change the session or end its transaction, or the name has had another meaning.
func (c *conn) bindUntouched(m *wire.BindMessage, p *prepared) error {
	c.portals.forget(c, string(m.Portal), c.endedAt.Load())
	c.restless = c.restless || p.changes != 0 // SQL may FETCH from it
	if len(m.Portal) == 0 && p.changes == 0 && !p.commits && p.named == nil && c.portals[""] == nil {
		return c.forward(pipeline.Bind, nil)
	}
	bound := &portal{prepared: p, guard: p == sqlPrepared}
	if err := c.forward(pipeline.Bind, &work{naming: c.newPortal(string(m.Portal), bound)}); err != nil || !bound.guard {
		return err
	}
	c.send.Lock()
	defer c.send.Unlock()
	return c.describeOwn(bound, m.Portal)
}

// newStatement enters a prepared statement that is about to be sent.
func (c *conn) newStatement(name string, p *prepared) *naming {
	v := c.prepared.set(c, name, p)
	v.replaces = name == ""
	return &v.naming
}

func (c *conn) newPortal(name string, p *portal) *naming {
	c.portals.forget(c, name, c.endedAt.Load())
	if len(c.portals) >= c.manyPortals {
		for name := range c.portals {
			c.portals.forget(c, name, c.endedAt.Load())
		}
		c.manyPortals = 2*len(c.portals) + 128
	}
	return &c.portals.set(c, name, p).naming
}

// portal gives what the server takes a portal's name for, nil if pgveil has not
// seen it.
func (c *conn) portal(name []byte) (*portal, error) {
	c.portals.forget(c, string(name), c.endedAt.Load())
	v, err := c.portals.get(c, string(name))
	if v == nil || c.notAccepted(&v.naming) {
		return nil, err
	}
	return v.value, err
}

func (c *conn) notAccepted(n *naming) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return n.outcome > taken
}

// wrongCount is a number of parameters that a prepared statement surely does not
// have, 0 if that is not known.
func (c *conn) wrongCount(name string) int {
	v := c.prepared[name]
	if v == nil || v.value == nil || v.value.layout == nil || c.notAccepted(&v.naming) {
		return 0
	}
	return (len(v.value.layout.server) + 1) % (maxParams + 1)
}

// maxParams is how many parameters a statement can have: the protocol counts them
// in 16 bits.
const maxParams = 65535

func (c *conn) describe(body []byte) error {
	m, err := wire.DecodeDescribe(body)
	if err != nil {
		return err
	}
	if m.Kind == 'S' {
		v, err := c.prepared.get(c, string(m.Name))
		if err != nil {
			return err
		}
		if v != nil && v.value != nil && v.value.named.runs() {
			return c.describeRun(v.value)
		}
		if v != nil && v.value != nil && v.value.refused {
			return precedes{error: noStatement(m.Name)}
		}
		if v == nil || v.value == nil || c.notAccepted(&v.naming) {
			return c.forward(pipeline.Describe, nil)
		}
		p, err := c.upToDate(v)
		if hasFailed(err) { // the server says so itself, of one that gives rows
			p, err = v.value, nil
		}
		if err != nil {
			return err
		}
		if p.planned() {
			return c.forward(pipeline.Describe, &work{prepared: p})
		}
		return c.forward(pipeline.Describe, nil)
	}
	p, err := c.portal(m.Name)
	if err != nil {
		return err
	}
	if p.planned() {
		return c.forward(pipeline.Describe, &work{results: []*result{p.result()}})
	}
	return c.forward(pipeline.Describe, nil)
}

func (p *portal) result() *result {
	return &result{plan: p.plan, state: p.state, formats: p.formats, asked: p.asked, owner: p.prepared, portal: p}
}

func (c *conn) execute(body []byte) error {
	m, err := wire.DecodeExecute(body)
	if err != nil {
		return err
	}
	p, err := c.portal(m.Portal)
	if err != nil {
		return err
	}
	if p == nil && len(m.Portal) > 0 { // a cursor of SQL
		c.noteChange(statement.ChangesSession)
		return c.executeUnknown(m.Portal)
	}
	if p == nil {
		return c.forward(pipeline.Execute, nil)
	}
	if n := p.prepared.named; n != nil && (n.verb != statement.VerbDeclare || p.plan == nil) {
		return c.executeNamed(p)
	}
	if err := c.mayEscapeBy(p.prepared); hasFailed(err) {
		return c.forwardFailed(err)
	} else if err != nil {
		return err
	}
	if p.plan == nil {
		c.noteChange(p.prepared.changes)
		if p.prepared.commits {
			c.noteCommit()
		}
		if p.guard {
			return c.forward(pipeline.Execute, &work{results: []*result{{portal: p, guard: true}}})
		}
		return c.forward(pipeline.Execute, nil)
	}
	s, err := c.fresh()
	if hasFailed(err) {
		return c.forwardFailed(err)
	}
	if err != nil {
		return err
	}
	r := p.result()
	r.state = s
	if refusal := c.mayTouch(&p.plan.Statements[0], s); refusal != nil {
		return refusal
	}
	if refusal := p.mayGoOn(s); refusal != nil {
		return refusal
	}
	if s.problem != nil && s.problem.Code == pgerror.InsufficientPrivilege { // it breaks the glass, and may not
		return s.problem
	}
	if r.copied() != nil { // the server looks at settings and tables only now
		switch {
		case s.problem != nil:
			return s.problem
		case s.snapshot != p.prepared.state.snapshot:
			return errChangedSince()
		}
	}
	if err := c.beginAudit(r, nil); err != nil {
		return err
	}
	if p.prepared.named != nil {
		c.enter(p.prepared.named, r)
	}
	if p.cursor {
		c.send.Lock()
		err := c.describeOwn(p, m.Portal)
		c.send.Unlock()
		if err != nil {
			return err
		}
	}
	c.noteChange(p.prepared.changes)
	w := &work{results: []*result{r}}
	w.copies = newCopies(w.results)
	return c.sendCopies(w, func() error {
		c.push(pipeline.Entry[*work]{Kind: pipeline.Execute, Data: w})
		return c.cr.Forward(c.sw)
	})
}

func (c *conn) close(body []byte) error {
	m, err := wire.DecodeClose(body)
	if err != nil {
		return err
	}
	name := string(m.Name)
	var n *naming
	switch {
	case m.Kind == 'S' && c.prepared[name] != nil:
		n = &c.prepared.set(c, name, nil).naming
	case m.Kind == 'P' && c.portals[name] != nil:
		n = &c.portals.set(c, name, nil).naming
	default:
		return c.forward(pipeline.Close, nil)
	}
	return c.forward(pipeline.Close, &work{naming: n})
}

// forwardFailed has the server say whether there is such a portal, which it looks for
// before it says this error of the transaction.
func (c *conn) forwardFailed(err error) error {
	e, _ := pgerror.As(err)
	return c.forward(pipeline.Execute, &work{refusal: e, decides: true})
}
