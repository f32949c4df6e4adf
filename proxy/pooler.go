package proxy

import "github.com/pgveil/pgveil/schema/pgerror"

// The values of Upstreams.Pooler.
const (
	PoolerNone    = "none"
	PoolerSession = "session"
)

// settled gives why nothing tagged can be handled on the server process that answers:
// it is not the one that the session began with. What pgveil knows of a session,
// where names lead and who acts, holds for one process only, so a pooler may
// stand between only if it keeps one for each session, and is known to.
func (c *conn) settled(process uint32) *pgerror.Error {
	switch {
	case c.process == process:
		return nil
	case c.process != 0:
		return pgerror.New(pgerror.FeatureNotSupported, "tagged columns cannot be used: the session has moved to another server process").
			WithHint("The connection pooler between pgveil and the server must pool by session.")
	case c.params.pid == process || c.config.Upstreams.Pooler == PoolerSession:
		c.process = process
		return nil
	}
	return pgerror.New(pgerror.FeatureNotSupported, "tagged columns cannot be used through a connection pooler between pgveil and the server").
		WithHint("If it pools by session, set server.pooler to session in pgveil's configuration. If it pools by transaction or statement, put it in front of pgveil instead.")
}
