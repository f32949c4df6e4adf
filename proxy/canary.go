package proxy

import (
	"github.com/pgveil/pgveil/proxy/alert"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// canaryOf finds the canary that a subject is, by whichever key of subject tags the schema file's
// tag was made; nil: it is none.
func (c *conn) canaryOf(tagger *audit.Tagger, tag audit.Tag, domain string, identifier []byte) *schema.Canary {
	canaries := c.tracked.database.Load().Canaries
	if len(canaries) == 0 {
		return nil
	}
	if canary := canaries[tag]; canary != nil {
		return canary
	}
	for _, older := range tagger.Older(domain, identifier) {
		if canary := canaries[older]; canary != nil {
			return canary
		}
	}
	return nil
}

// seeCanary tells people that values of a canary are about to be shown, and has the row stopped
// if the schema file says so.
func (c *conn) seeCanary(canary *schema.Canary, tagged *schema.Column) {
	s := c.subjects
	c.alert(alert.Canary, s.state, "opened "+canary.Name, "values of canary "+canary.Name+" are opened, by "+tagged.QualifiedName())
	s.stop = s.stop || canary.Stop
}

// searchCanary tells people that somebody searches by the identifier of a canary.
func (c *conn) searchCanary(tagger *audit.Tagger, tag audit.Tag, column *schema.Column, identifier []byte) {
	if canary := c.canaryOf(tagger, tag, column.SubjectDomain(), identifier); canary != nil {
		c.alert(alert.Canary, c.state, "searched "+canary.Name, "canary "+canary.Name+" is searched, by "+column.QualifiedName())
	}
}

// stops gives the error that ends the session where what is about to leave tells of a canary that
// stops it.
func (s *subjects) stops() *pgerror.Error {
	if s == nil || !s.stop {
		return nil
	}
	return pgerror.New(pgerror.InsufficientPrivilege, "terminating connection because of a rule of pgveil's schema file").
		WithHint("Ask whoever is responsible for the security of this database.").Fatal()
}
