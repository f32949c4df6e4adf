package proxy

import (
	"time"

	"github.com/pgveil/pgveil/proxy/access"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// admit looks at the rule of the client's role before anything else is done for it. The
// error tells nothing of the rule.
func (s *Server) admit(first *startup) *pgerror.Error {
	first.rules = s.access.Load()
	why := first.rules.Check(access.Client{Role: first.user, Address: first.conn.RemoteAddr(), TLS: first.tls, At: time.Now()})
	if why == "" {
		return nil
	}
	s.config.Log.Warn("connection rejected", "role", first.user, "client", first.conn.RemoteAddr().String(), "because", why)
	return pgerror.New(pgerror.InvalidAuthorization, "pgveil rejects connection for user \"%s\"", first.user).Fatal().
		WithHint("Whoever runs pgveil finds the reason in its log.")
}

// SetAccess has connections that begin from now on go by these rules; nil lets everyone.
func (s *Server) SetAccess(rules *access.Rules) { s.access.Store(rules) }
