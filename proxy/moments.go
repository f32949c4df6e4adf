package proxy

import (
	"slices"

	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// momentsSQL asks the session for now() in its time zone. Outside of a transaction block,
// or before the messages of one sequence, that is the moment just before the statement's.
const momentsSQL = `SELECT pg_catalog.to_char(pg_catalog.timezone('UTC', n), 'YYYY-MM-DD HH24:MI:SS.US"+00"'),` +
	` pg_catalog.to_char(n, 'YYYY-MM-DD HH24:MI:SS.US'), pg_catalog.to_char(n, 'YYYY-MM-DD') FROM pg_catalog.now() n`

func (c *conn) askMoments() (*statement.Moments, error) {
	p, err := c.askSession(momentsSQL)
	if err != nil {
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
func (c *conn) momentsIn(edits *statement.Edits) (*statement.Moments, error) {
	if !slices.ContainsFunc(edits.Values, func(v statement.Value) bool { return v.Computed != nil && v.Computed.Asks() }) {
		return nil, nil
	}
	return c.askMoments()
}
