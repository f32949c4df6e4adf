package proxy

import (
	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
)

// overlay plans a text that can reach no tagged table but reads of the server's catalog
// how columns are stored. The nil plan means that it passes as it is: where pgveil
// cannot have logical types shown, the stored ones do no harm.
func (c *conn) overlay(text *statement.Text, s *state) *statement.Plan {
	if s.problem != nil || s.backslashes && text.PlainBackslash() || changesMidway(text.Commands(), nil) {
		return nil
	}
	plan, err := s.snapshot.analyzer.Plan(text, &s.env)
	if err != nil {
		return nil
	}
	return plan
}

// parseOverlaid sends a Parse of which only the text is changed: for all that follows
// it is a statement that touches nothing tagged. The edits of its plan are known.
func (c *conn) parseOverlaid(m *wire.ParseMessage, text *statement.Text, w *work) error {
	sent, remap, err := c.rewrite(text, w.prepared.state, nil)
	if err != nil {
		return err
	}
	w.remap = remap
	c.send.Lock()
	defer c.send.Unlock()
	if err := c.closeFirst(string(m.Name), w.probe); err != nil {
		return err
	}
	w.naming = c.newStatement(string(m.Name), w.prepared)
	c.push(pipeline.Entry[*work]{Kind: pipeline.Parse, Own: w.probe != nil, Data: w})
	return wire.WriteParse(c.sw, m.Name, sent, appendOIDs(nil, m.OIDs)...)
}
