package proxy

import (
	"fmt"

	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// alert tells people of something that a session does. about tells alerts of a kind apart.
func (c *conn) alert(kind alert.Kind, s *state, about, text string) {
	c.config.Alerts.Raise(alert.Alert{Kind: kind, Who: c.newRecord(s), About: about, Text: text})
}

// place is by what the events of a session are counted: role and host.
func (c *conn) place() string { return c.params.user + "\x00" + alert.Host(c.params.address) }

// alertRefused counts a statement that a role lacks the right to.
func (c *conn) alertRefused() {
	c.config.Alerts.Count(alert.Refusals, c.place(), c.newRecord(c.state), func(n int) string {
		return fmt.Sprintf("role was refused %d statements on tagged columns, for want of the right", n)
	})
}

// alertFailed tells of a statement that pgveil ends, if it should not have come to that.
func (c *conn) alertFailed(r *result, e *pgerror.Error) {
	who := c.loggedIn()
	if r != nil && r.state != nil {
		who = r.state
	}
	switch e.Code {
	case pgerror.ConfigurationLimitExceeded:
		c.alert(alert.Budget, who, e.Message, e.Message)
	case pgerror.DataCorrupted:
		c.did.unopened.Add(1)
		column := (&schema.Column{Schema: e.Schema, Table: e.Table, Name: e.Column}).QualifiedName()
		c.config.Alerts.Count(alert.Failures, c.place(), c.newRecord(who), func(n int) string {
			return fmt.Sprintf("%d statements met a value that cannot be opened, the last in column %s: it was changed, moved, or sealed with a key that pgveil does not hold", n, column)
		})
	}
}

// alertRejected counts a client that did not get in because of e, for the role that it said it is, and for its host.
func (s *Server) alertRejected(first *startup, e *pgerror.Error) {
	who := &audit.Record{
		SessionUser: first.user, Role: first.user, Client: first.conn.RemoteAddr().String(), TLS: first.identity(), Database: first.database,
	}
	host := alert.Host(who.Client)
	s.config.Alerts.Count(alert.Rejected, "role "+first.user, who, func(n int) string {
		return fmt.Sprintf("%d clients that said they are this role were not let in, the last with SQLSTATE %s", n, e.Code)
	})
	s.config.Alerts.Count(alert.Rejected, "host "+host, who, func(n int) string {
		return fmt.Sprintf("%d clients from host %s were not let in, the last with SQLSTATE %s", n, host, e.Code)
	})
}
