package statement

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// nodeOp is what a node of a computed expression does.
type nodeOp uint8

const (
	opString nodeOp = iota // a constant of unknown type
	opNumber
	opBool
	opNull
	opParam
	opCast
	opCall
	opConcat // ||
	opCoalesce
	opNullif
	opCase // condition, result, … , default or none
	opEqual
	opUnequal
	opIsNull
	opIsNotNull
	opAnd
	opOr
	opNot
	opNegate // of a number with a cast
	opMoment // now() and its like, as the type in to; with its precision or without
)

// node is part of an expression over constants and parameters that pgveil computes
// instead of the server. It is immutable: constants are in the texts of the shape.
type node struct {
	op       nodeOp
	args     []*node
	token    int32 // folded, of a constant or parameter
	negative bool  // a minus sign stands before the number
	leaf     int   // its index among the expression's leaves
	to       castType
	call     *function
}

// expression is a computed expression.
type expression struct {
	root   *node
	leaves []*node // constants and parameters
	asks   bool    // now() is in it
}

// compiler turns a parse tree into a computed expression. What it does not know, or
// what is not made of constants and parameters alone, it gives up.
type compiler struct {
	x      *analysis
	leaves []*node
	asks   bool
}

// compile gives the computed expression that a tree is, and its tokens. Nil: it is
// none.
func (x *analysis) compile(n *pg.Node) (*expression, span) {
	if x.text == nil {
		return nil, span{}
	}
	c := compiler{x: x}
	root, s := c.node(n)
	if root == nil || s.first < 0 || s.last < s.first {
		return nil, s
	}
	slices.SortFunc(c.leaves, func(a, b *node) int { return int(a.token - b.token) })
	for i, l := range c.leaves {
		l.leaf = i
	}
	return &expression{root, c.leaves, c.asks}, s
}

// compute plans that the value of an expression over constants and parameters
// arrives in the server sealed. It reports false if n is no such expression.
func (x *analysis) compute(n *pg.Node, c *schema.Column, use logical.Use) bool {
	e, s := x.compile(n)
	if e == nil {
		return false
	}
	token := x.token(locationOf(n))
	if token < 0 {
		token = s.first
	}
	if m := e.root.momentAs(c.Type.Kind); m != nil && use == logical.Assign && x.supplying == nil {
		e.root = m
	}
	// What is known of its parameters from looking at them one by one is void.
	x.edits = slices.DeleteFunc(x.edits, func(d edit) bool {
		return (d.kind == editNullTest || d.kind == editFree) && d.first >= s.first && d.last <= s.last
	})
	x.edits = append(x.edits, edit{kind: editComputed, uses: x.usesNow(), use: use, first: s.first, last: s.last, token: token, column: c, computed: e, pick: x.pickFor(c, token)})
	return true
}

// node compiles one node. Its tokens are known where something may need them: not
// for conditions.
func (c *compiler) node(n *pg.Node) (*node, span) {
	if kind, ok := kindOf(n); ok && kind != constantArray {
		return c.constant(n, kind)
	}
	switch v := n.GetNode().(type) {
	case *pg.Node_TypeCast:
		return c.cast(n, v.TypeCast)
	case *pg.Node_FuncCall:
		return c.function(v.FuncCall)
	case *pg.Node_CoalesceExpr:
		return c.list(opCoalesce, v.CoalesceExpr.Args), c.call(v.CoalesceExpr.Location)
	case *pg.Node_AExpr:
		return c.operator(v.AExpr)
	case *pg.Node_CaseExpr:
		return c.choice(v.CaseExpr)
	case *pg.Node_SqlvalueFunction:
		return c.moment(v.SqlvalueFunction)
	}
	return nil, span{}
}

func (c *compiler) list(op nodeOp, nodes []*pg.Node) *node {
	made := &node{op: op}
	for _, n := range nodes {
		arg, _ := c.node(n)
		if arg == nil {
			return nil
		}
		made.args = append(made.args, arg)
	}
	return made
}

func (c *compiler) constant(n *pg.Node, kind constantKind) (*node, span) {
	v := &value{x: c.x, kind: kind, leaf: n}
	s, ok := v.locate()
	if !ok {
		return nil, s
	}
	made := &node{token: v.token, negative: v.negative}
	switch kind {
	case constantString:
		made.op = opString
	case constantInteger, constantDecimal:
		made.op = opNumber
	case constantBool:
		made.op = opBool
	case constantNull:
		made.op = opNull
	case constantParam:
		made.op = opParam
	}
	c.leaves = append(c.leaves, made)
	return made, s
}

func (c *compiler) cast(n *pg.Node, cast *pg.TypeCast) (*node, span) {
	arg, s := c.node(cast.Arg)
	to, ok := c.x.castTypeOf(cast.TypeName)
	if arg == nil || !ok || to.array {
		return nil, s
	}
	v := &value{x: c.x}
	if arg.op == opString {
		v.kind = constantString
	} else {
		v.kind = constantParam // no type 'constant'
	}
	whole, _, ok := v.cast(s, cast)
	if !ok {
		return nil, s
	}
	if m := arg.momentAs(to.Kind); m != nil {
		if arg = m; !to.modified {
			return arg, whole
		}
	}
	return &node{op: opCast, args: []*node{arg}, to: to}, whole
}

// call gives the tokens of name(…), the name perhaps qualified.
func (c *compiler) call(location int32) span {
	t, first := c.x.text, c.x.token(location)
	at := int(first) + 1
	for first >= 0 && t.Token(at).Kind == Dot {
		at += 2
	}
	end, ok := t.bracketEnd(at)
	if first < 0 || t.Token(at).Kind != LeftParen || !ok {
		return span{-1, -1}
	}
	return span{first, int32(end)}
}

func (c *compiler) function(f *pg.FuncCall) (*node, span) {
	names := stringNodes(f.Funcname)
	if len(names) == 0 || len(names) > 2 || len(names) == 2 && names[0] != "pg_catalog" || len(names) == 1 && !c.x.env.catalogFirst() ||
		len(f.AggOrder) > 0 || f.AggFilter != nil || f.Over != nil || f.AggWithinGroup || f.AggStar || f.AggDistinct || f.FuncVariadic {
		return nil, span{}
	}
	switch name := names[len(names)-1]; name {
	case "now", "transaction_timestamp":
		return c.now(name, f)
	}
	fn := functions[names[len(names)-1]]
	if fn == nil || c.x.a.catalog.Shadowed(fn.name) || len(f.Args) < fn.least || len(f.Args) > fn.most {
		return nil, span{}
	}
	made := c.list(opCall, f.Args)
	if made == nil {
		return nil, span{}
	}
	made.call = fn
	for i, arg := range made.args {
		if fn.numbers(i) && arg.op != opNumber {
			return nil, span{}
		}
	}
	return made, c.call(f.Location)
}

// own reports whether an operator between strings is the server's own.
func (c *compiler) own(name string) bool {
	return c.x.env.catalogFirst() && !c.x.a.catalog.Shadowed(name)
}

func (c *compiler) operator(e *pg.A_Expr) (*node, span) {
	if e.Kind == pg.A_Expr_Kind_AEXPR_NULLIF {
		if !c.own("=") {
			return nil, span{}
		}
		return c.list(opNullif, []*pg.Node{e.Lexpr, e.Rexpr}), c.call(e.Location)
	}
	at := c.x.token(e.Location)
	name := stringNodes(e.Name)
	if e.Kind == pg.A_Expr_Kind_AEXPR_OP && e.Lexpr == nil && at >= 0 && len(name) == 1 && name[0] == "-" {
		return c.negation(e.Rexpr, at)
	}
	if e.Kind != pg.A_Expr_Kind_AEXPR_OP || e.Lexpr == nil || at < 0 || len(name) != 1 || name[0] != "||" || !c.own("||") {
		return nil, span{}
	}
	l, ls := c.node(e.Lexpr)
	r, rs := c.node(e.Rexpr)
	if l == nil || r == nil {
		return nil, span{}
	}
	ls = c.x.expand(ls, at)
	rs = c.behind(at, rs)
	if ls.last+1 != at || rs.first != at+1 || string(c.x.text.Bytes(int(at))) != "||" {
		return nil, span{}
	}
	return &node{op: opConcat, args: []*node{l, r}}, span{ls.first, rs.last}
}

// behind adds the parentheses around what stands behind an operator.
func (c *compiler) behind(at int32, s span) span {
	t := c.x.text
	for s.first > at+1 && t.Token(int(s.first-1)).Kind == LeftParen && t.Token(int(s.last+1)).Kind == RightParen {
		s.first--
		s.last++
	}
	return s
}

// negation compiles -42::int4, where the minus sign is an operator on what the cast gives.
func (c *compiler) negation(n *pg.Node, at int32) (*node, span) {
	arg, s := c.node(n)
	if arg == nil || arg.op != opNegate && !(arg.op == opCast && (isInteger(arg.to.Kind) || arg.to.Kind == logical.Numeric)) || !c.x.env.catalogFirst() {
		return nil, span{}
	}
	if s = c.behind(at, s); s.first != at+1 || string(c.x.text.Bytes(int(at))) != "-" {
		return nil, span{}
	}
	return &node{op: opNegate, args: []*node{arg}}, span{at, s.last}
}

// choice compiles CASE without columns.
func (c *compiler) choice(e *pg.CaseExpr) (*node, span) {
	made := &node{op: opCase}
	for _, w := range e.Args {
		when := w.GetCaseWhen()
		var condition *node
		if e.Arg != nil && !c.own("=") {
			return nil, span{}
		} else if e.Arg != nil {
			condition = c.list(opEqual, []*pg.Node{e.Arg, when.GetExpr()})
		} else {
			condition = c.condition(when.GetExpr())
		}
		result, _ := c.node(when.GetResult())
		if condition == nil || result == nil {
			return nil, span{}
		}
		made.args = append(made.args, condition, result)
	}
	if e.Defresult != nil {
		result, _ := c.node(e.Defresult)
		if result == nil {
			return nil, span{}
		}
		made.args = append(made.args, result)
	}
	return made, c.caseEnd(c.x.token(e.Location))
}

// caseEnd gives the tokens from CASE to its END.
func (c *compiler) caseEnd(first int32) span {
	open := 0
	for i := int(first); i >= 0 && i < len(c.x.text.tokens); i++ {
		switch c.x.text.Word(i) {
		case WordCase:
			open++
		case WordEnd:
			if open--; open == 0 {
				return span{first, int32(i)}
			}
		}
	}
	return span{-1, -1}
}

func (c *compiler) condition(n *pg.Node) *node {
	switch v := n.GetNode().(type) {
	case *pg.Node_AConst:
		if _, ok := v.AConst.Val.(*pg.A_Const_Boolval); ok || v.AConst.Isnull {
			made, _ := c.node(n)
			return made
		}
	case *pg.Node_NullTest:
		op := opIsNull
		if v.NullTest.Nulltesttype == pg.NullTestType_IS_NOT_NULL {
			op = opIsNotNull
		}
		return c.list(op, []*pg.Node{v.NullTest.Arg})
	case *pg.Node_BoolExpr:
		made := &node{op: map[pg.BoolExprType]nodeOp{pg.BoolExprType_AND_EXPR: opAnd, pg.BoolExprType_OR_EXPR: opOr, pg.BoolExprType_NOT_EXPR: opNot}[v.BoolExpr.Boolop]}
		for _, n := range v.BoolExpr.Args {
			arg := c.condition(n)
			if arg == nil {
				return nil
			}
			made.args = append(made.args, arg)
		}
		return made
	case *pg.Node_AExpr:
		e := v.AExpr
		if e.Kind != pg.A_Expr_Kind_AEXPR_OP || e.Lexpr == nil || !c.own(operatorName(e.Name)) {
			return nil
		}
		switch operatorName(e.Name) {
		case "=":
			return c.list(opEqual, []*pg.Node{e.Lexpr, e.Rexpr})
		case "<>":
			return c.list(opUnequal, []*pg.Node{e.Lexpr, e.Rexpr})
		}
	}
	return nil
}
