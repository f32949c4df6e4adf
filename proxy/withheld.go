package proxy

import (
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
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
			if access.Verdict == schema.Decrypt {
				continue
			}
			if refusal := mayConvert(column, access, s); refusal != nil {
				return refusal
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

// mayConvert refuses to have the server send a controlled value, of which a role sees a part or nothing, in a form that
// depends on it: whether a text can be turned into the client's encoding would tell of what is not shown, and so would what
// a mask makes of a number that the server has rounded before.
func mayConvert(column *schema.Column, access schema.Access, s *state) *pgerror.Error {
	setting, hint := "", ""
	switch kind := column.Type.Kind; {
	case s.converts && isTextual(kind):
		setting, hint = "client_encoding "+s.encoding.name, "SET client_encoding TO 'UTF8'."
	case s.settings.FloatDigits < 0 && (kind == logical.Float4 || kind == logical.Float8) && access.Verdict != schema.Hide:
		setting, hint = "an extra_float_digits below 1", "SET extra_float_digits TO 1."
	default:
		return nil
	}
	return nameColumn(pgerror.New(pgerror.FeatureNotSupported, "column %s cannot be shown to role %q under %s", column.QualifiedName(), s.user, setting).
		WithHint("%s", hint), column)
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
