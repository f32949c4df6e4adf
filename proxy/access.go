package proxy

import (
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// checkAccess refuses a statement that does with a tagged column what none of the
// roles may. What a role may not read it may not probe either: comparing, joining,
// grouping and (for a hidden column) asking for NULL need the search right.
// Storing a deterministic value needs it too, since a unique constraint would
// answer whether the value is already there. A role that sees pseudonyms stores nothing without a right
// of its own.
func checkAccess(planned *statement.Statement, s *state) *pgerror.Error {
	for _, touch := range planned.Touches {
		var refusal *pgerror.Error
		if s.glass != nil && stores(planned, touch) {
			refusal = checkStored(touch, s)
		} else {
			refusal = checkTouch(touch, s.roles)
		}
		if refusal != nil {
			return refusal
		}
	}
	return nil
}

// checkTouch is checkAccess of one touch.
func checkTouch(touch statement.Touch, roles []string) *pgerror.Error {
	access := touch.Column.AccessFor(roles)
	if access.Clashes() {
		return refuseClash(roles[0], touch.Column)
	}
	if touch.Column.Controlled() {
		return checkControlled(touch, access, roles)
	}
	switch touch.How {
	case statement.Read:
		if access.Verdict == schema.Deny {
			return refuseAccess(roles[0], "read", touch.Column)
		}
	case statement.Copy: // as good as reading it, once it is where the role may read
		if access.Verdict != schema.Decrypt {
			return refuseAccess(roles[0], "copy", touch.Column)
		}
	case statement.NullTest:
		if !access.Search && access.Verdict < schema.Mask {
			return refuseAccess(roles[0], "test", touch.Column)
		}
	case statement.Assign:
		if touch.Column.Mode == schema.Deterministic && !access.Search || access.Verdict == schema.Pseudonymize && !access.Write {
			return refuseAccess(roles[0], "write", touch.Column)
		}
	default:
		if !access.Search {
			return refuseAccess(roles[0], "search", touch.Column)
		}
	}
	return nil
}

// mayGoOn refuses the rows of a cursor or portal which it would show otherwise than the schema file
// has it by now: another one has been read since it was opened.
func (p *portal) mayGoOn(s *state) *pgerror.Error {
	opened := p.prepared.state
	if opened == nil || opened.snapshot.trusted == s.snapshot.trusted {
		return nil
	}
	for _, touch := range p.plan.Statements[0].Touches {
		now := columnOf(s.snapshot.trusted, touch.Column)
		switch {
		case now != nil && now.AccessFor(s.roles) == touch.Column.AccessFor(s.roles):
		case now != nil && touch.How == statement.Read && now.AccessFor(s.roles).Verdict == schema.Deny:
			return refuseAccess(s.roles[0], "read", now)
		default:
			return nameColumn(pgerror.New(pgerror.FeatureNotSupported, "the rights on column %s have changed since the cursor was opened", touch.Column.QualifiedName()).
				WithHint("Run the query again."), touch.Column)
		}
	}
	return nil
}

// refuseClash refuses whatever is done with a column whose pseudonyms a session would see of two
// projects: even a value that it stores would have both.
func refuseClash(role string, column *schema.Column) *pgerror.Error {
	return refuseAccess(role, "use", column).
		WithHint("Its memberships give pseudonyms of several projects, which do not go together. SET ROLE to a role of one of them.")
}

func refuseAccess(role, action string, column *schema.Column) *pgerror.Error {
	e := pgerror.New(pgerror.InsufficientPrivilege, "permission denied: role %q may not %s column %s", role, action, column.QualifiedName())
	e.Schema, e.Table, e.Column = column.Schema, column.Table, column.Name
	if action == "write" && column.HasPseudonyms() {
		return e.WithHint("A role that sees pseudonyms of the column stores values by their pseudonyms, where pgveil's schema file says write: true; any other role needs the search right to store deterministic ones. Ask whoever keeps that file.")
	}
	if action == "write" {
		return e.WithHint("Storing a deterministic value needs the search right on the column, because a unique constraint would tell whether the value exists. Ask whoever keeps pgveil's schema file.")
	}
	return e.WithHint("The right is given in pgveil's schema file; ask whoever keeps it.")
}
