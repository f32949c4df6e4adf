package proxy

import (
	"slices"

	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema"
)

// quotingRow are the errors whose DETAIL quotes a whole row: a NOT NULL or CHECK constraint is
// violated, or the condition of a view WITH CHECK OPTION. Source: execMain.c, ExecConstraints and
// ExecWithCheckOptions.
var quotingRow = []string{"23502", "23514", "44000"}

// withheldRow stands in for a row that is not shown.
const withheldRow = "Failing row contains values that the role may not read."

// withholdsRow reports whether an error of the server quotes a row of which the role may not even know
// which values are NULL; that stands between the sealed values. r is the statement, if it is known.
func (c *conn) withholdsRow(fields wire.ErrorFields, r *result) bool {
	if !slices.Contains(quotingRow, string(fields.Get(wire.FieldCode))) || len(fields.Get(wire.FieldDetail)) == 0 {
		return false
	}
	var roles []string
	if r != nil && r.state != nil {
		roles = r.state.roles
	}
	snapshot := c.tracked.current.Load()
	table := string(fields.Get(wire.FieldTable))
	if table == "" { // the error of a view does not say which
		return slices.ContainsFunc(snapshot.catalog.Reaching(), func(r *schema.Relation) bool { return unread(r, roles) })
	}
	relation := snapshot.catalog.Relation(string(fields.Get(wire.FieldSchema)), table)
	return relation != nil && unread(relation, roles)
}

// unread reports whether a relation has a column of whose values roles may not know which are NULL.
func unread(relation *schema.Relation, roles []string) bool {
	return slices.ContainsFunc(relation.Attributes, func(a schema.Attribute) bool {
		if a.Tagged == nil {
			return false
		}
		access := a.Tagged.AccessFor(roles)
		return access.Verdict < schema.Mask && !access.Search
	})
}
