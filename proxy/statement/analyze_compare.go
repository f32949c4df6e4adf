package statement

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// side is one side of a comparison.
type side struct {
	node *pg.Node // nil: a column of a subquery
	operand
}

// operatorName gives an operator as it is written, without pg_catalog.
func operatorName(nodes []*pg.Node) string {
	names := stringNodes(nodes)
	if len(names) == 2 && names[0] == "pg_catalog" {
		names = names[1:]
	}
	return strings.Join(names, ".")
}

// isEquality reports whether an operator or clause asks for nothing but equality.
func isEquality(name string) bool {
	switch name {
	case "=", "<>", "IN", "NOT IN", "IS DISTINCT FROM", "USING", "NATURAL JOIN":
		return true
	}
	return false
}

// operator analyses an expression with an operator.
func (x *analysis) operator(e *pg.A_Expr, s *scope) {
	name := operatorName(e.Name)
	switch e.Kind {
	case pg.A_Expr_Kind_AEXPR_OP:
		x.binary(e, name, s)
	case pg.A_Expr_Kind_AEXPR_DISTINCT, pg.A_Expr_Kind_AEXPR_NOT_DISTINCT:
		x.distinctFrom(e, s)
	case pg.A_Expr_Kind_AEXPR_IN:
		x.in(e, name, s)
	case pg.A_Expr_Kind_AEXPR_OP_ANY, pg.A_Expr_Kind_AEXPR_OP_ALL:
		x.array(e, name, s)
	case pg.A_Expr_Kind_AEXPR_LIKE, pg.A_Expr_Kind_AEXPR_ILIKE, pg.A_Expr_Kind_AEXPR_SIMILAR:
		word := map[pg.A_Expr_Kind]string{
			pg.A_Expr_Kind_AEXPR_LIKE: "LIKE", pg.A_Expr_Kind_AEXPR_ILIKE: "ILIKE",
		}[e.Kind]
		if word == "" {
			word = "SIMILAR TO"
		}
		x.sides(e, s, func(c *schema.Column) *pgerror.Error { return refusePattern(c, word) })
	case pg.A_Expr_Kind_AEXPR_NULLIF:
		x.sides(e, s, func(c *schema.Column) *pgerror.Error { return refuseUse(c, "NULLIF") })
	default: // BETWEEN
		refusal := func(c *schema.Column) *pgerror.Error { return refuseOperator(c, "BETWEEN") }
		l := x.plainBut(e.Lexpr, s, refusal)
		for _, n := range e.Rexpr.GetList().GetItems() {
			x.plainBut(n, s, refusal)
			x.free(l, n)
		}
	}
}

// sides analyses both sides of an operator that takes no sealed column.
func (x *analysis) sides(e *pg.A_Expr, s *scope, refusal func(*schema.Column) *pgerror.Error) {
	l, r := x.plainBut(e.Lexpr, s, refusal), x.plainBut(e.Rexpr, s, refusal)
	x.free(l, e.Rexpr)
	x.free(r, e.Lexpr)
}

func (x *analysis) binary(e *pg.A_Expr, name string, s *scope) {
	if e.Lexpr == nil || !isEquality(name) {
		x.sides(e, s, func(c *schema.Column) *pgerror.Error { return refuseOperator(c, name) })
		return
	}
	x.compare(name, e.Lexpr, e.Rexpr, s)
}

// compare analyses an equality, of rows item by item.
func (x *analysis) compare(name string, l, r *pg.Node, s *scope) {
	if a, b := l.GetRowExpr(), r.GetRowExpr(); a != nil && b != nil && len(a.Args) == len(b.Args) {
		for i := range a.Args {
			x.compare(name, a.Args[i], b.Args[i], s)
		}
		return
	}
	a, b := side{l, x.operandOf(l, s)}, side{r, x.operandOf(r, s)}
	if x.meets(name, a.operand, b.operand) {
		return
	}
	a.operand, b.operand = a.plainUse(), b.plainUse()
	x.equality(name, a, b)
	x.free(a.operand, r)
	x.free(b.operand, l)
}

// equality decides what becomes of two sides that are compared for equality.
func (x *analysis) equality(name string, l, r side) {
	switch {
	case !l.sealed() && !r.sealed():
	case l.sealed() && r.sealed():
		x.match(l.operand, r.operand, name)
	case l.sealed() && isEquality(name):
		x.search(name, l.operand, r.node, false)
	case r.sealed() && isEquality(name):
		x.search(name, r.operand, l.node, false)
	case l.sealed():
		x.fail(refuseOperator(l.column.tagged, name), l.token)
	default:
		x.fail(refuseOperator(r.column.tagged, name), r.token)
	}
}

// match analyses the comparison of two columns of which at least one is sealed,
// or none.
func (x *analysis) match(l, r operand, name string) {
	if !l.sealed() && !r.sealed() {
		return
	}
	if !l.sealed() {
		l, r = r, l
	}
	a := l.column.tagged
	if !r.sealed() {
		x.fail(refuseOperand(a, name), l.token)
		return
	}
	b := r.column.tagged
	switch {
	case !isEquality(name):
		x.fail(refuseOperator(a, name), l.token)
	case a.Mode != schema.Deterministic || b.Mode != schema.Deterministic || a.Domain != b.Domain ||
		a.Context != b.Context || a.Key != b.Key:
		x.fail(refuseDomain(a, b, name), l.token)
	default:
		x.touch(a, Match)
		x.touch(b, Match)
	}
}

// search analyses the comparison of a sealed column with a value.
func (x *analysis) search(name string, o operand, value *pg.Node, array bool) {
	c := o.column.tagged
	if c.Mode != schema.Deterministic {
		x.fail(refuseSearch(c, name), o.token)
		return
	}
	if value == nil || !x.seal(value, c, logical.Compare, array) {
		x.fail(refuseOperand(c, name), o.token)
		return
	}
	x.touch(c, Search)
}

// distinctFrom analyses IS [NOT] DISTINCT FROM. With NULL it is IS [NOT] NULL.
func (x *analysis) distinctFrom(e *pg.A_Expr, s *scope) {
	l, r := side{e.Lexpr, x.operandOf(e.Lexpr, s)}, side{e.Rexpr, x.operandOf(e.Rexpr, s)}
	if x.meets("IS DISTINCT FROM", l.operand, r.operand) {
		return
	}
	l.operand, r.operand = l.plainUse(), r.plainUse()
	switch {
	case l.sealed() && isNull(e.Rexpr):
		x.touch(l.column.tagged, NullTest)
	case r.sealed() && isNull(e.Lexpr):
		x.touch(r.column.tagged, NullTest)
	case l.sealed() && r.sealed():
		x.match(l.operand, r.operand, "IS DISTINCT FROM")
	case l.sealed():
		x.search("IS DISTINCT FROM", l.operand, e.Rexpr, false)
	case r.sealed():
		x.search("IS DISTINCT FROM", r.operand, e.Lexpr, false)
	default:
		x.free(l.operand, e.Rexpr)
		x.free(r.operand, e.Lexpr)
	}
}

func isNull(n *pg.Node) bool {
	c := n.GetAConst()
	return c != nil && c.Isnull
}

// in analyses IN (…) with a list of expressions.
func (x *analysis) in(e *pg.A_Expr, name string, s *scope) {
	if name == "=" {
		name = "IN"
	} else {
		name = "NOT IN"
	}
	items := e.Rexpr.GetList().GetItems()
	if row := e.Lexpr.GetRowExpr(); row != nil {
		x.inRows(name, row, items, s)
		return
	}
	l := side{e.Lexpr, x.expr(e.Lexpr, s)}
	if l.sealed() {
		before := len(x.edits)
		for _, n := range items {
			x.equality(name, l, side{n, x.expr(n, s)})
		}
		x.list(items, x.edits[before:])
		return
	}
	x.valueIn(name, l, items, s)
}

// list marks the parameters of a list of several values: the server makes an array
// of the column's type of them (transformAExprIn).
func (x *analysis) list(items []*pg.Node, edits []edit) {
	values := 0
	for _, n := range items {
		if n.GetColumnRef() != nil {
			continue
		}
		if kind, ok := kindOf(withoutCasts(n)); !ok || kind != constantString && kind != constantParam && kind != constantNull {
			return
		}
		values++
	}
	for i := range edits {
		edits[i].listed = uint8(min(values, 2))
	}
}

// inRows analyses (a, b) IN ((1, 2), …).
func (x *analysis) inRows(name string, row *pg.RowExpr, items []*pg.Node, s *scope) {
	left := make([]side, len(row.Args))
	for i, n := range row.Args {
		left[i] = side{n, x.expr(n, s)}
	}
	for _, n := range items {
		other := n.GetRowExpr()
		if other == nil || len(other.Args) != len(left) {
			for _, l := range left {
				if l.sealed() {
					x.fail(refuseOperand(l.column.tagged, name), l.token)
				}
			}
			x.plain(n, s, name)
			continue
		}
		for i, n := range other.Args {
			x.equality(name, left[i], side{n, x.expr(n, s)})
			x.free(left[i].operand, n)
		}
	}
}

// valueIn analyses value IN (column, …): sealed once, the value can meet columns
// of one domain only.
func (x *analysis) valueIn(name string, l side, items []*pg.Node, s *scope) {
	var first operand
	plain := 0
	operands := make([]operand, len(items))
	for i, n := range items {
		operands[i] = x.expr(n, s)
		x.free(l.operand, n)
		if !operands[i].sealed() {
			plain++
		} else if !first.sealed() {
			first = operands[i]
		}
	}
	if !first.sealed() {
		return
	}
	if plain > 0 {
		x.fail(refuseOperand(first.column.tagged, name), first.token)
		return
	}
	x.search(name, first, l.node, false)
	for _, o := range operands {
		a, b := first.column.tagged, o.column.tagged
		if a == b {
			continue
		}
		if a.Domain != b.Domain || a.Context != b.Context || a.Key != b.Key || a.Type != b.Type {
			x.fail(refuseDomain(a, b, name), first.token)
		}
		x.touch(b, Search)
	}
}

// array analyses operator ANY (array) and operator ALL (array).
func (x *analysis) array(e *pg.A_Expr, name string, s *scope) {
	word := " ANY"
	if e.Kind == pg.A_Expr_Kind_AEXPR_OP_ALL {
		word = " ALL"
	}
	o := x.expr(e.Lexpr, s)
	x.plain(e.Rexpr, s, "an array for "+name+word)
	switch {
	case !o.sealed():
		x.free(o, e.Rexpr)
	case !isEquality(name):
		x.fail(refuseOperator(o.column.tagged, name+word), o.token)
	default:
		x.search(name+word, o, e.Rexpr, true)
	}
}
