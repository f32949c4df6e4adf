package proxy

import (
	"slices"

	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// momentsSQL asks the session for now() in its time zone, in the transaction of the statement
// that has it.
const momentsSQL = `SELECT pg_catalog.to_char(pg_catalog.timezone('UTC', n), 'YYYY-MM-DD HH24:MI:SS.US"+00"'),` +
	` pg_catalog.to_char(n, 'YYYY-MM-DD HH24:MI:SS.US'), pg_catalog.to_char(n, 'YYYY-MM-DD') FROM pg_catalog.now() n`

func (c *conn) askMoments() (*statement.Moments, error) {
	p := &probe{inSequence: true, done: make(chan struct{})}
	if _, err := c.await(p, c.sendProbe(p, momentsSQL)); err != nil {
		return nil, err
	}
	if len(p.values) != 3 {
		return nil, pgerror.New(pgerror.InternalError, "the server did not tell the time")
	}
	return &statement.Moments{Timestamptz: p.values[0], Timestamp: p.values[1], Date: p.values[2]}, nil
}

// momentsOf gives the moment of a Bind; nil if its parameters do not depend on it.
func (c *conn) momentsOf(l *layout) (*statement.Moments, error) {
	if !slices.ContainsFunc(l.server, func(t target) bool { return t.computed != nil && t.computed.Asks() }) {
		return nil, nil
	}
	return c.askMoments()
}

// momentsIn gives the moment at which a text is run; nil if its values do not depend on it.
// A text of several transactions has several.
func (c *conn) momentsIn(text *statement.Text, edits *statement.Edits) (*statement.Moments, error) {
	if !slices.ContainsFunc(edits.Values, func(v statement.Value) bool { return v.Computed != nil && v.Computed.Asks() }) {
		return nil, nil
	}
	if commands := text.Commands(); text.EndsMidway() || len(commands) > 1 && commands[0].Verb == statement.VerbBegin {
		return nil, errChanged()
	}
	return c.askMoments()
}
