package proxy

import (
	"slices"

	"github.com/pgveil/pgveil/proxy/statement"
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
	if len(fields.Get(wire.FieldTable)) == 0 { // the error of a view does not say which
		return slices.ContainsFunc(snapshot.catalog.Reaching(), func(r *schema.Relation) bool { return unread(r, roles) })
	}
	return c.concerns(fields, func(schemaName, table string) bool {
		relation := snapshot.catalog.Relation(schemaName, table)
		return relation != nil && unread(relation, roles)
	})
}

// concerns reports whether an error may be about a table of which is says so. The names in it are in the
// client's encoding, which may be another by now than was last known: each counts.
func (c *conn) concerns(fields wire.ErrorFields, is func(schemaName, table string) bool) bool {
	schemaName, table := fields.Get(wire.FieldSchema), fields.Get(wire.FieldTable)
	if len(table) == 0 {
		return false
	}
	if is(string(schemaName), string(table)) {
		return true
	}
	if statement.IsASCII(schemaName) && statement.IsASCII(table) {
		return false
	}
	if s := c.seen.Load(); s != nil && s.problem != nil {
		return true // an encoding that pgveil does not know
	}
	for _, e := range encodings {
		a, err := e.decode(schemaName)
		b, err2 := e.decode(table)
		if err == nil && err2 == nil && is(string(a), string(b)) {
			return true
		}
	}
	return false
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
