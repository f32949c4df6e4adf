package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema/logical"
)

// caseExpr analyses CASE. Its values meet in one column, of whose types that of ELSE
// counts first (transformCaseExpr).
func (x *analysis) caseExpr(c *pg.CaseExpr, s *scope) operand {
	whens := make([]*pg.Node, len(c.Args))
	branches := make([]branch, 1, len(c.Args)+1)
	for i, n := range c.Args {
		whens[i] = n.GetCaseWhen().GetExpr()
	}
	if c.Arg == nil {
		for _, n := range whens {
			x.truth(n, s, "CASE")
		}
	} else {
		x.equalityWithAny("CASE", side{c.Arg, x.expr(c.Arg, s)}, whens, s)
	}
	for _, n := range c.Args {
		branches = append(branches, x.branchOf(n.GetCaseWhen().GetResult(), s))
	}
	branches[0].constants = &constants{} // NULL
	if c.Defresult != nil {
		branches[0] = x.branchOf(c.Defresult, s)
	}
	return x.mix(branches, "CASE")
}

// coalesce analyses COALESCE. What it gives tells which values are NULL.
func (x *analysis) coalesce(c *pg.CoalesceExpr, s *scope) operand {
	branches := make([]branch, len(c.Args))
	for i, n := range c.Args {
		branches[i] = x.branchOf(n, s)
		if branches[i].sealed() {
			x.touchAll(branches[i].column, NullTest)
		}
	}
	return x.mix(branches, "COALESCE")
}

// nullIf analyses NULLIF: a column, or NULL where the two are equal.
func (x *analysis) nullIf(e *pg.A_Expr, s *scope) operand {
	l, r := side{e.Lexpr, x.expr(e.Lexpr, s)}, side{e.Rexpr, x.expr(e.Rexpr, s)}
	x.equality("NULLIF", l, r)
	x.free(l.operand, e.Rexpr)
	x.free(r.operand, e.Lexpr)
	if !l.sealed() {
		if r.sealed() {
			x.fail(refuseUse(r.column.tagged, "NULLIF beside a value before it"), r.token)
		}
		return operand{}
	}
	out := *l.column
	out.origin, out.computed = origin{}, true
	if t := out.logicalType(); t.Kind == logical.Varchar { // = is that of text
		out.shown = logical.Type{Kind: logical.Text, Typmod: -1}
	}
	return operand{&out, l.token}
}

// arrayOf analyses ARRAY(subquery) and array_agg of a sealed column: an array of
// sealed values.
func arrayOf(o operand, token int32) operand {
	c := *o.column
	c.array, c.origin, c.computed = true, origin{}, true
	return operand{&c, token}
}
