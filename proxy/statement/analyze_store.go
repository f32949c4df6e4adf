package statement

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// goals are the columns in which the result of a query is stored, in their order.
type goals struct {
	attributes []*schema.Attribute
	// settled says that the server gives a constant of unknown type its type
	// before it looks at the column: text, as in any query but that of an INSERT.
	settled bool
	// union says that the query is part of a set operation, whose other parts have a
	// say in that type.
	union bool
	// relation is that of the columns of an INSERT: the result's rows are its rows. Nil elsewhere.
	relation *schema.Relation
}

// of gives the column in which result column i is stored, nil if none.
func (g *goals) of(i int) *schema.Attribute {
	if g == nil || i >= len(g.attributes) {
		return nil
	}
	return g.attributes[i]
}

// settle says of the same columns that unknown constants are text. Nil stays nil.
func (g *goals) settle() *goals {
	if g == nil || g.settled {
		return g
	}
	return &goals{attributes: g.attributes, settled: true, relation: g.relation}
}

// inUnion says of the same columns that the query is part of a set operation.
func (g *goals) inUnion() *goals {
	if g == nil || g.union {
		return g
	}
	return &goals{attributes: g.attributes, settled: true, union: true, relation: g.relation}
}

// item analyses an item of a select list, result column i.
func (x *analysis) item(n *pg.Node, s *scope, g *goals, i int) operand {
	a := g.of(i)
	if a != nil && isSealed(a) {
		return x.stored(n, a.Tagged, s, g)
	}
	if a != nil {
		x.freeParam(n)
	}
	return x.expr(n, s)
}

// queryInto analyses a query whose result is stored in columns. What a column of the
// result that is none of a table's is worth, constants and parameters, is sealed.
func (x *analysis) queryInto(st *pg.SelectStmt, outer *scope, g *goals) []target {
	x.goals = g
	var targets []target
	x.inRow(x.row.nested(), func() { targets = x.query(st, outer, useMatch) })
	return targets
}

// takeGoals gives the goals of the query that is about to be analysed, and of no other.
func (x *analysis) takeGoals() *goals {
	g := x.goals
	x.goals = nil
	return g
}

// reach holds the columns of a query's result against those in which it is stored.
func (x *analysis) reach(targets []target, g *goals) {
	if g == nil {
		return
	}
	for i := range targets {
		a, t := g.of(i), &targets[i]
		switch {
		case x.err != nil:
			return
		case a == nil:
			// More than there are columns: the server, or the caller, says so.
		case !isSealed(a):
			if a.Tagged != nil {
				x.touch(a.Tagged, Assign)
			}
			if o := (operand{&t.column, t.token}).plainUse(); o.sealed() {
				x.fail(refuseStoreIn(a.Name)(o.column.tagged), t.token)
			}
		case t.tagged == nil && x.supplied(operand{&t.column, t.token}, a.Tagged, logical.Assign):
			x.touch(a.Tagged, Assign)
			t.column = *operand{&t.column, t.token}.current().column
		case t.tagged == nil:
			x.fail(refuseAssign(a.Tagged), t.token)
		default:
			x.touch(a.Tagged, Assign)
			x.copied(a.Tagged, operand{&t.column, t.token})
		}
	}
}

// copied decides about a sealed value that is stored in another column as it is.
func (x *analysis) copied(c *schema.Column, o operand) {
	from := o.column.tagged
	switch {
	case !o.column.storable(c):
		x.fail(refuseCopy(c, from), o.token)
	case c.KeyBy != nil && !x.carried(c, o):
		x.fail(refuseCarry(c), o.token)
	case o.column.made: // nothing of a table's
	default:
		for _, from := range o.column.columns() {
			if from == c {
				x.touch(c, Read)
			} else {
				x.touch(from, Copy)
			}
		}
	}
}

// interchangeable reports whether each value of one column, sealed, is one of the
// other: it opens there, and is what the server's assignment would have made of it.
func interchangeable(to, from *schema.Column) bool {
	if to == from {
		return true
	}
	if to.Mode != from.Mode || to.Context != from.Context || to.Key != from.Key || to.Padding != from.Padding || to.Type.Kind != from.Type.Kind {
		return false
	}
	length := characters(to.Type)
	return to.Type == from.Type || to.Type.Typmod < 0 || length > 0 && characters(from.Type) > 0 && characters(from.Type) <= length
}

// stored analyses an expression that is stored in a sealed column: a value, a
// column with the same sealed values, or a choice between such. The result is
// sealed; anything else is refused.
func (x *analysis) stored(n *pg.Node, c *schema.Column, s *scope, g *goals) operand {
	b := choice{x: x, column: c, s: s, goals: g}
	b.look(n)
	if x.err != nil {
		return operand{}
	}
	b.seal()
	if len(b.leaves) == 1 && b.leaves[0].operand.sealed() {
		return b.leaves[0].operand
	}
	return operand{&column{tagged: c, made: true}, x.token(locationOf(n))}
}

// choice analyses the choice that CASE and COALESCE make between values: which of
// them, the server decides.
type choice struct {
	x      *analysis
	column *schema.Column
	s      *scope
	goals  *goals
	use    logical.Use
	chosen bool       // there is a CASE or COALESCE
	cast   []castType // around it: of each value, then
	leaves []leaf
}

// leaf is one of the values to choose from.
type leaf struct {
	node     *pg.Node
	computed *expression // of a value
	operand  operand     // of a column
}

// look takes an expression apart.
func (b *choice) look(n *pg.Node) {
	x := b.x
	kind, known := kindOf(withoutCasts(n))
	computed, _ := x.compile(n)
	if known && kind != constantArray || computed != nil {
		b.leaves = append(b.leaves, leaf{node: n, computed: computed})
		return
	}
	switch v := n.GetNode().(type) {
	case *pg.Node_CaseExpr:
		b.chosen = true
		x.plain(v.CaseExpr.Arg, b.s, "CASE")
		for _, w := range v.CaseExpr.Args {
			when := w.GetCaseWhen()
			x.condition(when.GetExpr(), b.s, "CASE")
			b.look(when.GetResult())
		}
		if v.CaseExpr.Defresult != nil {
			b.look(v.CaseExpr.Defresult)
		}
		return
	case *pg.Node_CoalesceExpr:
		b.chosen = true
		for _, arg := range v.CoalesceExpr.Args {
			b.look(arg)
		}
		return
	case *pg.Node_TypeCast:
		arg := v.TypeCast.Arg
		if b.chosen || x.text == nil || arg.GetCaseExpr() == nil && arg.GetCoalesceExpr() == nil {
			break
		}
		if t, ok := x.castTypeOf(v.TypeCast.TypeName); ok && !t.array && x.dropCast(v.TypeCast) {
			b.cast = []castType{t}
			b.look(arg)
			return
		}
	case *pg.Node_SubLink:
		if l := v.SubLink; l.SubLinkType == pg.SubLinkType_EXPR_SUBLINK && !b.chosen {
			g := &goals{attributes: []*schema.Attribute{{Name: b.column.Name, Tagged: b.column}}, settled: true}
			if t := x.queryInto(l.Subselect.GetSelectStmt(), b.s, g); len(t) == 1 {
				t[0].made = true
				b.leaves = append(b.leaves, leaf{node: n, operand: operand{&t[0].column, t[0].token}})
			}
			return
		}
	}
	o := x.operandOf(n, b.s)
	if x.supplied(o, b.column, logical.Assign) {
		o = o.current()
	}
	if !o.sealed() {
		x.fail(refuseExpression(b.column, n), x.token(locationOf(n)))
		return
	}
	if b.chosen && o.column.tagged.Type.Kind != b.column.Type.Kind {
		x.fail(refuseCopy(b.column, o.column.tagged), o.token)
	}
	x.copied(b.column, o)
	b.leaves = append(b.leaves, leaf{node: n, operand: o})
}

// seal plans the values among the leaves. Those without a type of their own have that
// of the others, or are text.
func (b *choice) seal() {
	x := b.x
	as := uint32(0)
	switch {
	case b.cast != nil:
		as = b.castOfEach()
	case b.chosen || b.goals.settled:
		as = b.commonType()
	}
	for _, l := range b.leaves {
		switch {
		case x.err != nil:
			return
		case l.operand.sealed():
		default:
			x.sealAs(l.node, b.column, form{use: b.use, base: as, outer: b.cast})
		}
	}
}

// castOfEach gives the type of a cast around a choice, which is done with each value in its
// stead: what the server makes of constants of one kind, text of strings without a type,
// is cast as they are. It refuses any other value.
func (b *choice) castOfEach() uint32 {
	first := constantNull
	for _, l := range b.leaves {
		kind, known := kindOf(l.node)
		switch {
		case known && kind == constantNull:
		case !known || kind == constantParam || kind == constantArray || first != constantNull && kind != first:
			b.x.fail(refuseExpression(b.column, l.node), b.x.token(locationOf(l.node)))
			return 0
		default:
			first = kind
		}
	}
	as := b.cast[0].OID()
	if e, ok := pgerror.As(logical.NameColumn(b.column.Type.Accepts(as, b.use), b.column.Name)); ok {
		b.x.fail(e, b.x.token(locationOf(b.leaves[0].node)))
	}
	return as
}

// commonType is the type that the server gives to values whose type is unknown, in
// view of those beside them (select_common_type).
func (b *choice) commonType() uint32 {
	as, open := uint32(0), false
	for _, l := range b.leaves {
		t := uint32(0)
		if l.operand.sealed() {
			t = l.operand.column.tagged.Type.OID()
		} else {
			t = staticType(l)
			open = open || t == 0 && !isNull(withoutCasts(l.node))
		}
		switch {
		case t == 0 || t == as:
		case as == 0:
			as = t
		case isTextType(t) && isTextType(as):
			as = uint32(textOID)
		case isNumber(logical.KindOf(t)) && isNumber(logical.KindOf(as)):
			as = numericOID
		default:
			b.x.fail(refuseMixed(b.column), b.x.token(locationOf(l.node)))
			return 0
		}
	}
	if open && as == 0 && b.goals.union && !isText(b.column.Type.Kind) {
		b.x.fail(refuseConstant(b.column, "a constant without a type in a set operation"), b.x.token(locationOf(b.leaves[0].node)))
	}
	if as == 0 {
		as = textOID
	}
	if err := b.column.Type.Accepts(as, b.use); err != nil && !b.goals.union && !b.hasParam() {
		if e, ok := pgerror.As(logical.NameColumn(err, b.column.Name)); ok {
			b.x.fail(e, b.x.token(locationOf(b.leaves[0].node)))
		}
	}
	return as
}

func isTextType(oid uint32) bool { return isText(logical.KindOf(oid)) }

// hasParam reports whether a parameter is among the values: its type, once declared,
// may be that of all.
func (b *choice) hasParam() bool {
	return slices.ContainsFunc(b.leaves, func(l leaf) bool {
		return l.node.GetParamRef() != nil || l.computed != nil && slices.ContainsFunc(l.computed.leaves, func(n *node) bool { return n.op == opParam })
	})
}

// staticType gives the type of a value as far as the shape of the text tells it, 0 if
// it is unknown: a parameter counts as not declared.
func staticType(l leaf) uint32 {
	n := withoutCasts(l.node)
	if l.computed == nil || len(castsOf(l.node)) == 0 {
		switch kind, _ := kindOf(n); kind {
		case constantInteger:
			return int4OID
		case constantDecimal:
			return numericOID
		case constantBool:
			return boolOID
		}
	}
	if l.computed == nil {
		return 0
	}
	return l.computed.root.static()
}

// static is the type of a node, 0 if it is not known before the parameters' types
// are.
func (n *node) static() uint32 {
	switch n.op {
	case opNegate:
		return n.args[0].static()
	case opCast, opMoment:
		return n.to.OID()
	case opCall, opConcat, opNullif:
		return textOID
	case opCoalesce:
		return commonStatic(n.args)
	case opCase:
		var results []*node
		for i := range n.args {
			if i%2 == 1 || i == len(n.args)-1 {
				results = append(results, n.args[i])
			}
		}
		return commonStatic(results)
	case opNumber:
		return int4OID
	case opBool:
		return boolOID
	}
	return 0
}

func commonStatic(nodes []*node) uint32 {
	for _, n := range nodes {
		if t := n.static(); t != 0 {
			return t
		}
	}
	return textOID
}
