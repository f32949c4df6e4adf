package proxy

import (
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// Withholder is a [Sealer] that refuses for a time. A statement that reads its column is
// then refused before it is sent, so that none runs whose rows nobody gets.
type Withholder interface {
	// Withheld gives the error for clients, a *pgerror.Error, or nil.
	Withheld() error
}

// mayTouch refuses what none of the roles may do, and what needs a key that is withheld.
// Values that are compared or stored need no look: sealing them fails before anything is sent.
func (c *conn) mayTouch(planned *statement.Statement, s *state) *pgerror.Error {
	touches, roles := planned.Touches, s.roles
	if refusal := checkAccess(planned, s); refusal != nil {
		return refusal
	}
	for i := range touches {
		column := touches[i].Column
		if touches[i].How != statement.Read {
			continue
		}
		access := column.AccessFor(roles)
		if access.Verdict == schema.Pseudonymize {
			if _, fault := c.tracked.pseudonyms.ready(column, access.Pseudonym); fault != nil {
				return fault
			}
		}
		if column.Controlled() {
			if s.converts && access.Verdict != schema.Decrypt && isTextual(column.Type.Kind) {
				return refuseConverted(column, s)
			}
			continue
		}
		w, ok := c.tracked.sealers.of(column).(Withholder)
		if !ok {
			continue
		}
		if err := w.Withheld(); err != nil && access.Verdict != schema.Hide {
			return openError(err, column)
		}
	}
	return mayShift(planned, roles)
}

// refuseConverted refuses to have the server send a controlled text that is shown in part or not at all: that it
// can be turned into the client's encoding would tell of what is not shown.
func refuseConverted(column *schema.Column, s *state) *pgerror.Error {
	return nameColumn(pgerror.New(pgerror.FeatureNotSupported, "column %s cannot be shown to role %q under client_encoding %s", column.QualifiedName(), s.user, s.encoding.name).
		WithHint("SET client_encoding TO 'UTF8'."), column)
}

// openError is the error of a value that does not open: the sealer's own for clients, if
// it has one.
func openError(err error, column *schema.Column) *pgerror.Error {
	if e, ok := pgerror.As(err); ok {
		said := *e
		return nameColumn(&said, column)
	}
	return notSealed(column)
}
