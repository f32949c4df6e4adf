package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"
)

// from adds the items of a FROM list to a scope, in the order and with the
// visibility that the server gives them (transformFromClause).
func (x *analysis) from(list []*pg.Node, s *scope) {
	for _, n := range list {
		if x.err != nil {
			return
		}
		_, names := x.fromItem(n, s)
		setLateral(names, true, false)
		x.checkNames(s.items, names)
		s.items = append(s.items, names...)
	}
	setLateral(s.items, false, false)
}

// fromItem analyses one part of FROM. It returns the item that has all of its
// columns, and the items that it makes visible.
func (x *analysis) fromItem(n *pg.Node, s *scope) (*item, []*item) {
	var it *item
	switch v := n.GetNode().(type) {
	case *pg.Node_RangeVar:
		it = x.rangeVar(v.RangeVar, s)
	case *pg.Node_RangeSubselect:
		it = x.rangeSubselect(v.RangeSubselect, s)
	case *pg.Node_RangeFunction:
		it = x.rangeFunction(v.RangeFunction, s)
	case *pg.Node_RangeTableSample:
		v2 := v.RangeTableSample
		self, names := x.fromItem(v2.Relation, s)
		for _, arg := range v2.Args {
			x.plain(arg, s, "TABLESAMPLE")
		}
		x.plain(v2.Repeatable, s, "TABLESAMPLE")
		return self, names
	case *pg.Node_JoinExpr:
		return x.join(v.JoinExpr, s)
	default:
		x.fail(refuseForm("this form of FROM"), -1)
		it = &item{unnamed: true}
	}
	return it, []*item{it}
}

func (x *analysis) rangeSubselect(n *pg.RangeSubselect, s *scope) *item {
	it := &item{unnamed: true}
	before := s.lateral
	s.lateral = n.Lateral
	for _, t := range x.query(n.Subquery.GetSelectStmt(), s, useRead) {
		it.columns = append(it.columns, t.column)
	}
	s.lateral = before
	if n.Alias != nil {
		it.unnamed = false
		x.alias(it, n.Alias, -1)
	}
	return it
}

// rangeFunction makes the item of a function in FROM. The columns of its result
// are not known, but they cannot be sealed: what could read a tagged table is a
// watched function and refused as such.
func (x *analysis) rangeFunction(n *pg.RangeFunction, s *scope) *item {
	if it := x.declaredItem(n, s); it != nil {
		return it
	}
	it := &item{open: true}
	before := s.lateral
	s.lateral = true
	var rows operand // of unnest(array), if they are sealed
	scalar := !n.IsRowsfrom && len(n.Coldeflist) == 0
	for i, f := range n.Functions {
		items := f.GetList().GetItems()
		for j, part := range items {
			if j == 0 && i == 0 {
				rows = x.unnested(n, part, s)
			} else {
				x.plain(part, s, "FROM")
			}
		}
		if i == 0 && len(items) > 0 {
			it.name = figureName(items[0])
			call := items[0].GetFuncCall()
			scalar = scalar && call != nil && (rows.sealed() || returnsScalars(call))
		}
	}
	s.lateral = before
	var names []string
	if n.Alias != nil {
		it.name = n.Alias.Aliasname
		names = stringNodes(n.Alias.Colnames)
	}
	if scalar {
		it.open = false
		it.columns = []column{{name: it.name}}
		if rows.sealed() {
			it.columns[0] = *rows.column
			it.columns[0].name, it.columns[0].marks = it.name, nil
		}
		x.nameRows(it, n, names)
		return it
	}
	for _, name := range names {
		it.columns = append(it.columns, column{name: name})
	}
	return it
}

// nameRows gives the columns of a function's rows the names of its alias.
func (x *analysis) nameRows(it *item, n *pg.RangeFunction, names []string) {
	if n.Ordinality {
		it.columns = append(it.columns, column{name: "ordinality"})
	}
	var ok bool
	if it.columns, ok = rename(it.columns, names); !ok {
		x.fail(refuseForm("more column aliases than columns"), -1)
	}
}

// scalarFunctions are those of pg_catalog in common use in FROM whose result is
// one column.
var scalarFunctions = map[string]bool{
	"generate_series": true, "generate_subscripts": true, "string_to_table": true, "regexp_split_to_table": true,
	"json_array_elements": true, "json_array_elements_text": true, "jsonb_array_elements": true,
	"jsonb_array_elements_text": true, "json_object_keys": true, "jsonb_object_keys": true,
	"now": true, "current_setting": true,
}

func returnsScalars(call *pg.FuncCall) bool {
	names := stringNodes(call.Funcname)
	name := names[len(names)-1]
	if len(names) > 1 && names[0] != "pg_catalog" {
		return false
	}
	if name == "unnest" {
		// Of an array of a composite type it has many columns; of these forms not.
		return len(call.Args) == 1 && (call.Args[0].GetParamRef() != nil || call.Args[0].GetAArrayExpr() != nil)
	}
	return scalarFunctions[name]
}

// checkNames refuses two items of one name in a FROM clause.
func (x *analysis) checkNames(have, more []*item) {
	for _, a := range more {
		if !x.spend(len(have)) {
			return
		}
		if a.unnamed {
			continue
		}
		for _, b := range have {
			if !b.unnamed && a.name == b.name && (a.relation == nil || b.relation == nil || a.relation == b.relation) {
				x.fail(errDuplicateTable(a.name), -1)
			}
		}
	}
}
