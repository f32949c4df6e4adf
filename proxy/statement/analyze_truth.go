package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// truth analyses an expression in a place where a truth value stands. A sealed column of
// type boolean becomes an equality with the sealed true, which holds, fails and is NULL
// where the value does and is; no operator beside such a place binds as strongly.
func (x *analysis) truth(n *pg.Node, s *scope, where string) {
	o := x.expr(n, s)
	if !o.sealed() {
		return
	}
	c, token := o.column.tagged, x.tokenOf(n)
	switch {
	case n.GetColumnRef() == nil || token < 0 || o.column.array || c.Mode != schema.Deterministic,
		c.Type.Kind != logical.Bool || o.column.logicalType().Kind != logical.Bool:
		x.fail(refuseUse(c, where), o.token)
	case !x.compared(o.column):
		x.fail(refuseCompared(c, where), o.token)
	default:
		x.edits = append(x.edits, edit{kind: editTruth, first: token, last: token, token: token, column: c, use: logical.Compare})
		x.touchAll(o.column, Search)
	}
}
