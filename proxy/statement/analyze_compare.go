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
	case "=", "<>", "IN", "NOT IN", "IS DISTINCT FROM", "USING", "NATURAL JOIN", "CASE", "NULLIF":
		return true
	}
	return false
}

// operator analyses an expression with an operator. Only NULLIF gives a sealed value.
func (x *analysis) operator(e *pg.A_Expr, s *scope) operand {
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
		return x.nullIf(e, s)
	default: // BETWEEN
		refusal := func(c *schema.Column) *pgerror.Error { return refuseOperator(c, "BETWEEN") }
		l := x.plainBut(e.Lexpr, s, refusal)
		for _, n := range e.Rexpr.GetList().GetItems() {
			x.plainBut(n, s, refusal)
			x.free(l, n)
		}
	}
	return operand{}
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
	case a.Mode != schema.Deterministic || b.Mode != schema.Deterministic || !oneDomain(a, b):
		x.fail(refuseDomain(a, b, name), l.token)
	case !x.compared(l.column) || !x.compared(r.column):
		x.fail(refuseCompared(a, name), l.token)
	default:
		x.touchAll(l.column, Match)
		x.touchAll(r.column, Match)
	}
}

// search analyses the comparison of a sealed column with a value.
func (x *analysis) search(name string, o operand, value *pg.Node, array bool) {
	c := o.column.tagged
	if c.Controlled() {
		x.searchControlled(name, o, value)
		return
	}
	if c.Mode != schema.Deterministic {
		x.fail(refuseSearch(c, name), o.token)
		return
	}
	if !x.compared(o.column) {
		x.fail(refuseCompared(c, name), o.token)
		return
	}
	if value == nil || !x.sealAs(value, c, form{use: logical.Compare, array: array, base: comparedType(o.column, array)}) {
		x.fail(refuseOperand(c, name), o.token)
		return
	}
	x.touchAll(o.column, Search)
}

// comparedType gives the type that a value without a cast has beside a column, 0 if it
// is read as a value of the column.
func comparedType(c *column, array bool) uint32 {
	t := c.logicalType()
	if t.Kind == c.tagged.Type.Kind {
		return 0
	}
	if t.Kind == logical.Varchar {
		t.Kind = logical.Text // there is no = of varchar
	}
	if array {
		return t.ArrayOID()
	}
	return t.OID()
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
		x.touchAll(l.column, NullTest)
	case r.sealed() && isNull(e.Lexpr):
		x.touchAll(r.column, NullTest)
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
	l, before := side{e.Lexpr, x.expr(e.Lexpr, s)}, len(x.edits)
	x.equalityWithAny(name, l, items, s)
	if l.sealed() && comparedType(l.column, false) == 0 {
		x.list(items, x.edits[before:])
	}
	if l.sealed() && widthOf(l.column.tagged.Type.OID()) > 0 {
		x.lists++
		for i := range x.edits[before:] {
			x.edits[before+i].list = x.lists
		}
	}
}

// equalityWithAny analyses the comparison of one expression with several.
func (x *analysis) equalityWithAny(name string, l side, items []*pg.Node, s *scope) {
	if l.sealed() {
		for _, n := range items {
			x.equality(name, l, side{n, x.expr(n, s)})
		}
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
		if !oneDomain(a, b) || a.Type != b.Type || o.column.logicalType() != first.column.logicalType() || !o.column.comparable() {
			x.fail(refuseDomain(a, b, name), first.token)
		}
		x.touchAll(o.column, Search)
	}
}

// array analyses operator ANY (array) and operator ALL (array).
func (x *analysis) array(e *pg.A_Expr, name string, s *scope) {
	word := " ANY"
	if e.Kind == pg.A_Expr_Kind_AEXPR_OP_ALL {
		word = " ALL"
	}
	o, r := x.expr(e.Lexpr, s), x.expr(e.Rexpr, s)
	if r.sealed() && r.column.array {
		element := *r.column
		element.array = false
		x.equality(name, side{e.Lexpr, o}, side{nil, operand{&element, r.token}})
		return
	}
	switch {
	case r.sealed():
		x.fail(refuseUse(r.column.tagged, "an array for "+name+word), r.token)
	case !o.sealed():
		x.free(o, e.Rexpr)
	case !isEquality(name):
		x.fail(refuseOperator(o.column.tagged, name+word), o.token)
	default:
		x.search(name+word, o, e.Rexpr, true)
	}
}
