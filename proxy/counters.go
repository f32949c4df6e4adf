package proxy

import (
	"strings"
	"sync/atomic"

	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// counters are what one session, or all that have ended, have done. A session has its own, so
// that no two of them write to the same memory while messages are carried.
type counters struct {
	forwarded, planned, refused atomic.Uint64
	rows                        atomic.Uint64
	opened                      [schema.Decrypt + 1]atomic.Uint64 // by verdict
	erased                      atomic.Uint64
	unopened, exceeded          atomic.Uint64
}

// add adds what others have counted.
func (s *Stats) add(c *counters) {
	s.Forwarded += c.forwarded.Load()
	s.Planned += c.planned.Load()
	s.Refused += c.refused.Load()
	s.Rows += c.rows.Load()
	for verdict := range c.opened {
		s.Opened[verdict] += c.opened[verdict].Load()
	}
	s.Erased += c.erased.Load()
	s.Unopened += c.unopened.Load()
	s.Exceeded += c.exceeded.Load()
}

// Stats are counts since the Server was made. It holds nothing that a client has chosen.
type Stats struct {
	Open     int    // sessions
	Accepted uint64 // connections
	// Rejected are clients that did not get in because of their password or certificate
	// (RejectedLogins), by a rule of who may connect, or because there were too many.
	RejectedLogins, RejectedRule, RejectedFull uint64
	// Messages with statements: carried as they were, with something tagged in them, refused.
	Forwarded, Planned, Refused uint64
	Rows                        uint64                     // of statements with something tagged in them
	Opened                      [schema.Decrypt + 1]uint64 // values, by the verdict that they were shown under
	Erased                      uint64                     // values shown as erased
	Unopened                    uint64                     // values that could not be opened
	Exceeded                    uint64                     // statements that a budget has stopped
	CatalogReads, CatalogErrors uint64
	Alerts                      alert.Stats
}

// doorCounters count what happens before there is a session.
type doorCounters struct {
	accepted, logins, rule, full atomic.Uint64
}

// rejected counts a client that did not get in.
func (s *Server) rejected(first *startup, err error) {
	if e, ok := pgerror.As(err); ok && strings.HasPrefix(e.Code, "28") {
		s.door.logins.Add(1)
		s.alertRejected(first, e)
	}
}

// Stats gives the counts of this moment.
func (s *Server) Stats() Stats {
	stats := Stats{
		Accepted: s.door.accepted.Load(), RejectedLogins: s.door.logins.Load(),
		RejectedRule: s.door.rule.Load(), RejectedFull: s.door.full.Load(), Alerts: s.config.Alerts.Stats(),
	}
	for _, t := range s.tracked {
		stats.CatalogReads += t.reads.Load()
		stats.CatalogErrors += t.readErrors.Load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stats.Open = len(s.sessions)
	stats.add(&s.ended)
	for each := range s.sessions {
		if each.conn != nil {
			stats.add(&each.conn.did)
		}
	}
	return stats
}

// retire adds the counts of a session that ends to those of all that have. s.mu is held.
func (s *Server) retire(c *conn) {
	if c == nil {
		return
	}
	var last Stats
	last.add(&c.did)
	s.ended.forwarded.Add(last.Forwarded)
	s.ended.planned.Add(last.Planned)
	s.ended.refused.Add(last.Refused)
	s.ended.rows.Add(last.Rows)
	for verdict := range last.Opened {
		s.ended.opened[verdict].Add(last.Opened[verdict])
	}
	s.ended.erased.Add(last.Erased)
	s.ended.unopened.Add(last.Unopened)
	s.ended.exceeded.Add(last.Exceeded)
}

// count counts a message that is about to be sent.
func (c *counters) count(kind pipeline.Kind, w *work) {
	switch {
	case w != nil && w.refusal != nil:
		c.refused.Add(1)
	case kind != pipeline.Query && kind != pipeline.Execute && kind != pipeline.FunctionCall:
	case w != nil && w.reaches():
		c.planned.Add(1)
	default:
		c.forwarded.Add(1)
	}
}

// reaches reports whether a statement of the message has a plan.
func (w *work) reaches() bool {
	for _, r := range w.results {
		if r.plan != nil {
			return true
		}
	}
	return false
}
