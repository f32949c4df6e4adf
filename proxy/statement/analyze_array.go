package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"
)

// arrayExpr analyses ARRAY[…], whose elements meet in one column.
func (x *analysis) arrayExpr(a *pg.A_ArrayExpr, s *scope) operand {
	branches := make([]branch, len(a.Elements))
	for i, n := range a.Elements {
		branches[i] = x.branchOf(n, s)
	}
	o := x.mix(branches, "ARRAY")
	switch {
	case !o.sealed():
		return o
	case o.column.array || o.column.json != nil || o.column.tagged.Controlled():
		x.fail(refuseUse(o.column.tagged, "ARRAY"), o.token)
		return o
	}
	return arrayOf(o, o.token)
}

// subscript analyses subscripts and field selections. Those of an array of sealed values
// give one of them, or with a slice an array again.
func (x *analysis) subscript(n *pg.A_Indirection, s *scope) operand {
	o := x.expr(n.Arg, s)
	fields, slice := false, false
	for _, step := range n.Indirection {
		i := step.GetAIndices()
		if i == nil {
			fields = true
			continue
		}
		slice = slice || i.IsSlice
		x.plain(i.Lidx, s, "a subscript")
		x.plain(i.Uidx, s, "a subscript")
	}
	if !o.sealed() {
		return o
	}
	if fields || !o.column.array {
		x.fail(refuseUse(o.column.tagged, formName(&pg.Node{Node: &pg.Node_AIndirection{AIndirection: n}})), o.token)
		return o
	}
	c := *o.column
	c.array, c.origin, c.computed = slice, origin{}, true
	return operand{&c, o.token}
}

// elements is what unnest makes of an array; its type has no modifier.
func elements(o operand) operand {
	e := computed(o)
	e.column.array = false
	return e
}

// measures are the functions that tell of an array its size and NULL, not its elements.
var measures = map[string]bool{
	"array_length": true, "array_lower": true, "array_upper": true, "array_ndims": true, "array_dims": true, "cardinality": true,
}

// unnested gives the column of unnest(array) in FROM; not sealed if it is something else.
func (x *analysis) unnested(n *pg.RangeFunction, part *pg.Node, s *scope) operand {
	f := part.GetFuncCall()
	if f == nil || n.IsRowsfrom || len(n.Functions) != 1 || len(n.Coldeflist) > 0 || len(f.Args) != 1 {
		x.plain(part, s, "FROM")
		return operand{}
	}
	o := x.expr(part, s)
	if o.sealed() && !isUnnest(f) {
		x.fail(refuseUse(o.column.tagged, "FROM"), o.token)
	}
	return o
}

func isUnnest(f *pg.FuncCall) bool {
	names := stringNodes(f.Funcname)
	return names[len(names)-1] == "unnest" && (len(names) == 1 || names[0] == "pg_catalog") && len(f.Args) == 1
}
