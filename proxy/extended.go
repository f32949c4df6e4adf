package proxy

import (
	"slices"

	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// parse treats a Parse message.
func (c *conn) parse(body []byte) error {
	m, err := wire.DecodeParse(body)
	if err != nil {
		return err
	}
	name := string(m.Name)
	text := c.lexer.Lex(m.SQL)
	commands := text.Commands()
	plan, s, err := c.plan(text, commands)
	if err != nil {
		c.prepared[name] = &prepared{}
		c.prepared[name].answer.failed = true
		return err
	}
	p := &prepared{plan: plan, state: s, watched: s != nil}
	for i := range commands {
		p.changes |= commands[i].Changes
	}
	if s != nil {
		p.ambiguous = s.snapshot.analyzer.Ambiguous(text)
	}
	c.prepared[name] = p
	w := &work{prepared: p}
	if plan == nil {
		return c.forward(pipeline.Parse, w)
	}
	if err := plan.Edits(text, &c.rewriter.edits); err != nil {
		return err
	}
	p.layout = newLayout(&c.rewriter.edits, appendOIDs(nil, m.OIDs))
	p.redacted, p.mark = string(text.AppendRedacted(nil)), text.Fingerprint()
	sent, remap, err := c.rewrite(plan, text, s, p.layout)
	if err != nil {
		p.answer.failed = true
		return positioned(err, m.SQL)
	}
	w.remap = remap
	c.send.Lock()
	defer c.send.Unlock()
	c.push(pipeline.Entry[*work]{Kind: pipeline.Parse, Data: w})
	if err := wire.WriteParse(c.sw, name, sent, p.layout.oids(nil)...); err != nil {
		return err
	}
	if plan.Statements[0].Outputs == nil {
		return nil
	}
	// The server's own description must confirm the analysis, whether the client
	// asks for it or not.
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
	p := c.prepared[string(m.Statement)]
	if p == nil {
		return c.bindUntouched(&m, p)
	}
	if c.hasFailed(p) {
		if len(m.Statement) == 0 {
			return pgerror.New(pgerror.InvalidStatementName, "unnamed prepared statement does not exist")
		}
		return pgerror.New(pgerror.InvalidStatementName, "prepared statement \"%s\" does not exist", m.Statement)
	}
	if !p.watched {
		return c.bindUntouched(&m, p)
	}
	s, err := c.fresh()
	if err != nil {
		return err
	}
	if p.ambiguous && !slices.Equal(s.env.SearchPath, p.state.env.SearchPath) {
		return pgerror.New(pgerror.FeatureNotSupported, "search_path has changed since the statement was prepared, and it names a table that exists in several schemas").
			WithHint("Prepare it again, or qualify the table's name with its schema.")
	}
	if p.plan == nil {
		return c.bindUntouched(&m, p)
	}
	if s.problem != nil {
		return s.problem
	}
	planned := &p.plan.Statements[0]
	if refusal := checkAccess(planned.Touches, s.roles); refusal != nil {
		return refusal
	}
	if m.Params.Len() != p.layout.client {
		return pgerror.New(pgerror.ProtocolViolation, "bind message supplies %d parameters, but prepared statement \"%s\" requires %d",
			m.Params.Len(), m.Statement, p.layout.client)
	}
	if err := c.sealParams(&m, p.layout, s); err != nil {
		return err
	}
	bound := &portal{prepared: p, state: s, formats: appendFormats(nil, m.ResultFormats)}
	c.send.Lock()
	defer c.send.Unlock()
	c.push(pipeline.Entry[*work]{Kind: pipeline.Bind})
	c.portals[string(m.Portal)] = bound
	return writeBind(c.sw, &m, c.bound, serverFormats(planned.Outputs, bound.formats))
}

// bindUntouched forwards a Bind. The portal is remembered only if running it may
// change the session.
func (c *conn) bindUntouched(m *wire.BindMessage, p *prepared) error {
	if p != nil && p.changes != 0 {
		c.portals[string(m.Portal)] = &portal{prepared: p}
	} else {
		delete(c.portals, string(m.Portal))
	}
	return c.forward(pipeline.Bind, nil)
}

// sealParams fills c.bound. Values point into the message or into c.arena.
func (c *conn) sealParams(m *wire.BindMessage, l *layout, s *state) error {
	c.bound, c.arena = c.bound[:0], c.arena[:0]
	c.values = c.values[:0]
	for params := m.Params; params.Next(); {
		c.values = append(c.values, params.Value())
	}
	for _, t := range l.server {
		format := m.ParamFormats.Of(t.client - 1)
		value := c.values[t.client-1]
		if value == nil || t.column == nil {
			c.bound = append(c.bound, boundParam{value: value, format: format})
			continue
		}
		start := len(c.arena)
		arena, err := t.seal(c.arena, &c.rewriter, c.tracked.sealers[t.column], value, format, l.sourceOID(t), &s.settings)
		if err != nil {
			return sealError(logical.NameParameter(err, t.client), t.column)
		}
		c.arena = arena
		// Appending may move the arena, but what was cut from the old one stays.
		c.bound = append(c.bound, boundParam{value: arena[start:len(arena):len(arena)], format: 1})
	}
	return nil
}

// serverFormats gives the result formats for the server: sealed columns in binary,
// which is half as long, except for a logical bytea, whose text form follows the
// session's bytea_output as the server writes it.
func serverFormats(outputs []statement.Output, client []int16) []int16 {
	sealed := false
	for _, o := range outputs {
		sealed = sealed || o.Column != nil
	}
	if !sealed || (len(client) > 1 && len(client) != len(outputs)) {
		return client
	}
	formats := make([]int16, len(outputs))
	for i, o := range outputs {
		formats[i] = formatOf(client, i)
		if o.Column != nil && o.Column.Type.Kind != logical.Bytea {
			formats[i] = 1
		}
	}
	return formats
}

// formatOf gives the format of column i out of the format codes of a Bind message.
func formatOf(formats []int16, i int) int16 {
	switch {
	case len(formats) == 0:
		return 0
	case len(formats) == 1:
		return formats[0]
	case i < len(formats):
		return formats[i]
	}
	return 0
}

func (c *conn) hasFailed(p *prepared) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return p.answer.failed
}

func (c *conn) describe(body []byte) error {
	m, err := wire.DecodeDescribe(body)
	if err != nil {
		return err
	}
	if m.Kind == 'S' {
		if p := c.prepared[string(m.Name)]; p != nil && p.plan != nil {
			return c.forward(pipeline.Describe, &work{prepared: p})
		}
		return c.forward(pipeline.Describe, nil)
	}
	if p := c.portals[string(m.Name)]; p != nil && p.prepared.plan != nil {
		return c.forward(pipeline.Describe, &work{results: []*result{p.result()}})
	}
	return c.forward(pipeline.Describe, nil)
}

func (p *portal) result() *result {
	return &result{plan: p.prepared.plan, state: p.state, formats: p.formats, owner: p.prepared}
}

func (c *conn) execute(body []byte) error {
	m, err := wire.DecodeExecute(body)
	if err != nil {
		return err
	}
	p := c.portals[string(m.Portal)]
	if p == nil {
		return c.forward(pipeline.Execute, nil)
	}
	c.noteChange(p.prepared.changes)
	if p.prepared.plan == nil {
		return c.forward(pipeline.Execute, nil)
	}
	s, err := c.fresh()
	if err != nil {
		return err
	}
	r := p.result()
	r.state = s
	if refusal := checkAccess(p.prepared.plan.Statements[0].Touches, s.roles); refusal != nil {
		return refusal
	}
	if err := c.beginAudit(r, nil); err != nil {
		return err
	}
	return c.forward(pipeline.Execute, &work{results: []*result{r}})
}

func (c *conn) close(body []byte) error {
	m, err := wire.DecodeClose(body)
	if err != nil {
		return err
	}
	if m.Kind == 'S' {
		delete(c.prepared, string(m.Name))
	} else {
		delete(c.portals, string(m.Name))
	}
	return c.forward(pipeline.Close, nil)
}
