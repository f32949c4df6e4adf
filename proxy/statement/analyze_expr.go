package statement

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// expr analyses an expression. The result is sealed only if it is nothing but a
// sealed column, a choice between such values, an array of them, or a scalar
// subquery of one; any other use of a sealed column is either one of those that run on
// sealed values, noted, or refused.
func (x *analysis) expr(n *pg.Node, s *scope) operand {
	switch v := n.GetNode().(type) {
	case nil, *pg.Node_AConst, *pg.Node_ParamRef, *pg.Node_SetToDefault:
	case *pg.Node_ColumnRef:
		return x.columnRef(v.ColumnRef, s).plainUse()
	case *pg.Node_SubLink:
		return x.subLink(v.SubLink, s)
	case *pg.Node_AExpr:
		return x.operator(v.AExpr, s)
	case *pg.Node_FuncCall:
		return x.call(v.FuncCall, s)
	case *pg.Node_CaseExpr:
		return x.caseExpr(v.CaseExpr, s)
	case *pg.Node_CoalesceExpr:
		return x.coalesce(v.CoalesceExpr, s)
	case *pg.Node_AArrayExpr:
		return x.arrayExpr(v.AArrayExpr, s)
	case *pg.Node_AIndirection:
		return x.subscript(v.AIndirection, s)
	case *pg.Node_NullTest:
		x.nullTest(v.NullTest, s)
	case *pg.Node_TypeCast:
		o, ok := x.jsonOperand(v.TypeCast.Arg, s, jsonTypeOf(v.TypeCast.TypeName) == jsonbOID)
		if !ok {
			o = x.expr(v.TypeCast.Arg, s)
		}
		if o.sealed() {
			return x.cast(v.TypeCast, o)
		}
	case *pg.Node_BoolExpr:
		for _, arg := range v.BoolExpr.Args {
			x.truth(arg, s, boolName(v.BoolExpr.Boolop))
		}
	case *pg.Node_BooleanTest:
		x.truth(v.BooleanTest.Arg, s, "a truth test")
	case *pg.Node_SelectStmt:
		for _, t := range x.query(v.SelectStmt, s, useMatch) {
			if t.tagged != nil {
				x.fail(refuseUse(t.tagged, "this form of subquery"), t.token)
			}
		}
	case *pg.Node_List:
		for _, item := range v.List.Items {
			x.plain(item, s, "a list")
		}
	case *pg.Node_NamedArgExpr:
		return x.expr(v.NamedArgExpr.Arg, s)
	case *pg.Node_CollateClause:
		if o := x.expr(v.CollateClause.Arg, s); o.sealed() {
			x.fail(refuseOperator(o.column.tagged, "COLLATE"), o.token)
		}
	case *pg.Node_WithClause, *pg.Node_CommonTableExpr:
		x.fail(refuseForm("WITH"), -1)
	default:
		x.children(n.ProtoReflect(), s, formName(n))
	}
	return operand{}
}

// plain analyses an expression in a place where no sealed column may stand.
func (x *analysis) plain(n *pg.Node, s *scope, where string) {
	x.plainBut(n, s, func(c *schema.Column) *pgerror.Error { return refuseUse(c, where) })
}

func (x *analysis) plainBut(n *pg.Node, s *scope, refusal func(*schema.Column) *pgerror.Error) operand {
	if n == nil {
		return operand{}
	}
	o := x.expr(n, s)
	if o.sealed() {
		x.fail(refusal(o.column.tagged), o.token)
	}
	return o
}

// children analyses all that is inside a node of a form without rules of its own.
func (x *analysis) children(m protoreflect.Message, s *scope, where string) {
	for inner := range inside(m) {
		x.child(inner, s, where)
	}
}

func (x *analysis) child(m protoreflect.Message, s *scope, where string) {
	switch n := m.Interface().(type) {
	case *pg.Node:
		x.plain(n, s, where)
	case *pg.TypeName:
		// A name, and numbers.
	case *pg.SelectStmt:
		x.expr(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: n}}, s)
	default:
		x.children(m, s, where)
	}
}

// nullTest analyses IS [NOT] NULL, which holds of a sealed value as of its
// plaintext.
func (x *analysis) nullTest(n *pg.NullTest, s *scope) {
	if x.nullTestOfParam(n.Arg) {
		return
	}
	outer := x.nullTested
	x.nullTested = true
	o := x.operandOf(n.Arg, s)
	x.nullTested = outer
	if o.sealed() {
		x.touchAll(o.column, NullTest)
	}
}

// call analyses the call of a function. Of those with a sealed argument only count,
// array_agg and the window functions that give the value of another row run.
func (x *analysis) call(f *pg.FuncCall, s *scope) operand {
	names := stringNodes(f.Funcname)
	if d := x.a.declared(names); d != nil {
		return x.callDeclared(d, f, s)
	}
	name := names[len(names)-1]
	aggregates := (len(names) == 1 || names[0] == "pg_catalog") && len(f.Args) == 1 && !f.AggWithinGroup
	counts := aggregates && name == "count" && len(f.AggOrder) == 0
	collects := aggregates && name == "array_agg"
	measuring := (len(names) == 1 || names[0] == "pg_catalog") && measures[name]
	passes := (len(names) == 1 || names[0] == "pg_catalog") && f.Over != nil && passesOn(name, len(f.Args))
	if name == "system_user" && f.Funcformat == pg.CoercionForm_COERCE_SQL_SYNTAX {
		// A key word since PostgreSQL 16, the name of a column before.
		x.fail(refuseForm("SYSTEM_USER"), x.token(f.Location))
	}
	if x.typeOf(f, names, s) {
		return operand{}
	}
	var result operand
	for i, arg := range f.Args {
		o := x.expr(arg, s)
		switch {
		case !o.sealed():
			continue
		case passes && i == 0 && !o.column.array:
			result = computed(o)
		case isUnnest(f) && o.column.array && f.Over == nil:
			result = elements(o)
		case measuring && i == 0 && o.column.array:
			x.touchAll(o.column, NullTest)
		case !counts && !collects || collects && (o.column.array || o.column.json != nil || o.column.tagged.Controlled()):
			x.fail(refuseFunction(o.column.tagged, name, strings.Join(names, ".")), o.token)
		case f.AggDistinct:
			x.groupOf(o.column, name+"(DISTINCT)", o.token)
		case counts:
			x.touchAll(o.column, NullTest)
		}
		if collects {
			result = collected(o)
		}
		x.qualify(names, f.Location)
	}
	x.condition(f.AggFilter, s, "FILTER")
	x.sort(f.AggOrder, s)
	x.window(f.Over, s)
	return result
}

// passesOn reports whether a window function gives its first argument as another row has
// it. Source: PostgreSQL manual, "Window Functions".
func passesOn(name string, arguments int) bool {
	switch name {
	case "first_value", "last_value":
		return arguments == 1
	case "lag", "lead": // a third argument is a value of its own
		return arguments == 1 || arguments == 2
	case "nth_value":
		return arguments == 2
	}
	return false
}

// collected is what array_agg makes of a column.
func collected(o operand) operand {
	a := computed(o)
	a.column.array = true
	return a
}

// computed is the result of a function that gives values as they are; its type has no
// modifier.
func computed(o operand) operand {
	c := *o.column
	c.origin, c.computed, c.row = origin{}, true, 0 // it may be of another row
	c.shown = logical.Type{Kind: c.logicalType().Kind, Typmod: -1}
	return operand{&c, o.token}
}

// subLink analyses a subquery in an expression.
func (x *analysis) subLink(l *pg.SubLink, s *scope) operand {
	sub := l.Subselect.GetSelectStmt()
	token := x.token(l.Location)
	switch l.SubLinkType {
	case pg.SubLinkType_EXISTS_SUBLINK:
		x.query(sub, s, useExists)
		return operand{}
	case pg.SubLinkType_EXPR_SUBLINK:
		targets := x.query(sub, s, useMatch)
		if len(targets) == 1 {
			if targets[0].tagged == nil {
				return operand{}
			}
			c := targets[0].column
			c.origin, c.computed = origin{}, true // the server describes it as an expression
			return operand{&c, token}
		}
		x.noneSealed(targets, "a row of a subquery")
		return operand{}
	case pg.SubLinkType_ANY_SUBLINK, pg.SubLinkType_ALL_SUBLINK:
		x.inSubquery(l, x.query(sub, s, useMatch), s)
		return operand{}
	case pg.SubLinkType_ARRAY_SUBLINK:
		targets := x.query(sub, s, useMatch)
		if len(targets) == 1 && targets[0].tagged != nil && !targets[0].array && targets[0].json == nil && !targets[0].tagged.Controlled() {
			return arrayOf(operand{&targets[0].column, token}, token)
		}
		x.noneSealed(targets, "ARRAY")
		return operand{}
	}
	x.fail(refuseForm("this form of subquery"), token)
	return operand{}
}

func (x *analysis) noneSealed(targets []target, where string) {
	for i := range targets {
		if c := targets[i].tagged; c != nil {
			x.fail(refuseUse(c, where), targets[i].token)
		}
	}
}

// inSubquery analyses IN (subquery) and operator ANY or ALL (subquery).
func (x *analysis) inSubquery(l *pg.SubLink, targets []target, s *scope) {
	name := operatorName(l.OperName)
	if len(l.OperName) == 0 {
		name = "IN"
	}
	left := []*pg.Node{l.Testexpr}
	if row := l.Testexpr.GetRowExpr(); row != nil {
		left = row.Args
	}
	if len(left) != len(targets) {
		for _, n := range left {
			x.plain(n, s, "a row")
		}
		x.noneSealed(targets, "a subquery of several columns")
		return
	}
	for i, n := range left {
		left, right := x.operandOf(n, s), operand{&targets[i].column, targets[i].token}.current()
		if x.meets(name, left, right) {
			continue
		}
		x.equality(name, side{n, left.plainUse()}, side{nil, right.plainUse()})
	}
}

func boolName(op pg.BoolExprType) string {
	switch op {
	case pg.BoolExprType_AND_EXPR:
		return "AND"
	case pg.BoolExprType_OR_EXPR:
		return "OR"
	}
	return "NOT"
}

// formName names a form of expression for messages.
func formName(n *pg.Node) string {
	switch n.GetNode().(type) {
	case *pg.Node_CaseExpr, *pg.Node_CaseWhen:
		return "CASE"
	case *pg.Node_CoalesceExpr:
		return "COALESCE"
	case *pg.Node_MinMaxExpr:
		return "GREATEST or LEAST"
	case *pg.Node_RowExpr:
		return "a row"
	case *pg.Node_AArrayExpr:
		return "ARRAY"
	case *pg.Node_AIndirection, *pg.Node_AIndices:
		return "a subscript or field selection"
	case *pg.Node_XmlExpr, *pg.Node_XmlSerialize:
		return "XML"
	}
	return "this form of expression"
}
