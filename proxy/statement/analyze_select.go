package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"
)

// use says what becomes of the rows of a query.
type use uint8

const (
	useRead   use = iota // they leave the statement, or are a table of a query around it
	useView              // they are a view's: its columns count only where they are read
	useMatch             // they are compared
	useExists            // it is asked only whether there are any
)

// target is one column of a query's result.
type target struct {
	column
	token int32
	star  bool // it comes from *
}

// query analyses a SELECT and gives the columns of its result.
func (x *analysis) query(st *pg.SelectStmt, outer *scope, u use) []target {
	if st == nil {
		x.fail(refuseForm("this form of subquery"), -1)
		return nil
	}
	g := x.takeGoals()
	recursive := x.recursive
	x.recursive = nil
	outer = x.with(st.WithClause, outer)
	if st.IntoClause != nil {
		x.fail(refuseForm("SELECT INTO"), -1)
	}
	switch {
	case len(st.ValuesLists) > 0:
		return x.values(st, outer, g.settle())
	case st.Op != pg.SetOperation_SETOP_NONE && st.Op != pg.SetOperation_SET_OPERATION_UNDEFINED:
		return x.setOperation(st, outer, recursive, g.inUnion())
	}
	if len(st.DistinctClause) > 0 {
		g = g.settle()
	}
	s := &scope{outer: outer}
	x.from(st.FromClause, s)
	targets := x.targets(st.TargetList, s, g)
	x.reach(targets, g)
	x.condition(st.WhereClause, s, "WHERE")
	x.condition(st.HavingClause, s, "HAVING")
	x.orderBy(st.SortClause, targets, s)
	x.groupBy(st.GroupClause, targets, s)
	x.distinct(st.DistinctClause, targets, s)
	for _, w := range st.WindowClause {
		x.window(w.GetWindowDef(), s)
	}
	x.limits(st, s)
	x.read(targets, u)
	if len(st.DistinctClause)+len(st.GroupClause)+len(st.SortClause)+len(st.WindowClause) > 0 {
		for i := range targets { // something looks at the values
			targets[i].supply = nil
		}
	}
	return targets
}

// read notes that sealed columns are in a result.
func (x *analysis) read(targets []target, u use) {
	for i := range targets {
		if t := &targets[i]; t.made && u == useRead {
			x.fail(refuseShown(t.tagged), t.token)
		} else if t.tagged != nil && (u == useRead || u == useExists && !t.star) {
			x.touch(t.tagged, Read)
		}
	}
}

func (x *analysis) limits(st *pg.SelectStmt, s *scope) {
	x.plain(st.LimitCount, s, "LIMIT")
	x.plain(st.LimitOffset, s, "OFFSET")
}

// values analyses VALUES as a query.
func (x *analysis) values(st *pg.SelectStmt, outer *scope, g *goals) []target {
	s := &scope{outer: outer}
	var targets []target
	var columns [][]*pg.Node
	for i, row := range st.ValuesLists {
		for j, n := range row.GetList().GetItems() {
			t := target{column: column{name: columnName(j)}, token: -1}
			if a := g.of(j); a != nil {
				x.assign(a, n, s, true)
				t.tagged, t.made = a.Tagged, true
			} else {
				x.plain(n, s, "VALUES")
			}
			if i == 0 {
				targets, columns = append(targets, t), append(columns, nil)
			}
			if j < len(columns) {
				columns[j] = append(columns[j], n)
			}
		}
	}
	for j := range targets {
		if g == nil && len(st.SortClause) == 0 {
			targets[j].supply = x.supplies(columns[j]...)
		}
	}
	x.orderBy(st.SortClause, targets, s)
	x.limits(st, s)
	return targets
}

// setOperation analyses UNION, INTERSECT and EXCEPT. recursive is the CTE whose whole
// query this is, if it is one's.
func (x *analysis) setOperation(st *pg.SelectStmt, outer *scope, recursive *cte, g *goals) []target {
	left := x.queryInto(st.Larg, outer, g)
	for i := range left {
		left[i].supply = nil
	}
	x.recurse(recursive, left)
	right := x.queryInto(st.Rarg, outer, g)
	for _, side := range [][]target{left, right} {
		for i := range side {
			if c := side[i].tagged; c != nil && (g == nil || !st.All || st.Op != pg.SetOperation_SETOP_UNION) {
				x.fail(refuseUse(c, setOperationName(st.Op)), side[i].token)
			}
			side[i].origin = origin{}
		}
	}
	it := &item{unnamed: true}
	for i := range left {
		it.columns = append(it.columns, left[i].column)
	}
	s := &scope{items: []*item{it}, outer: outer}
	x.orderBy(st.SortClause, left, s)
	x.limits(st, s)
	return left
}

func setOperationName(op pg.SetOperation) string {
	switch op {
	case pg.SetOperation_SETOP_INTERSECT:
		return "INTERSECT"
	case pg.SetOperation_SETOP_EXCEPT:
		return "EXCEPT"
	}
	return "UNION"
}

// maxTargets is the server's MaxTupleAttributeNumber.
const maxTargets = 1664

// targets analyses a select list or a RETURNING list.
func (x *analysis) targets(list []*pg.Node, s *scope, g *goals) []target {
	targets := make([]target, 0, len(list))
	for _, n := range list {
		if len(targets) > maxTargets {
			x.fail(errTargets(), -1)
			return targets
		}
		r := n.GetResTarget()
		if r == nil {
			x.fail(refuseForm("this form of select list"), -1)
			continue
		}
		if ref := r.Val.GetColumnRef(); ref != nil {
			if names := stringNodes(ref.Fields); len(names) < len(ref.Fields) {
				targets = x.star(targets, ref, names, s, g)
				continue
			}
		}
		token := x.token(r.Location)
		if ind := r.Val.GetAIndirection().GetIndirection(); len(ind) > 0 && ind[len(ind)-1].GetAStar() != nil {
			x.fail(refuseForm("(expression).*"), token)
		}
		o := x.item(r.Val, s, g, len(targets))
		t := target{token: token}
		if o.column != nil {
			t.column, t.token = *o.column, o.token
		}
		if g == nil && o.column == nil {
			t.supply = x.supplies(r.Val)
		}
		t.name = r.Name
		if t.name == "" {
			t.name = figureName(r.Val)
		}
		targets = append(targets, t)
	}
	return targets
}

// star expands * and table.*.
func (x *analysis) star(targets []target, ref *pg.ColumnRef, names []string, s *scope, g *goals) []target {
	delete(x.left.columns, ref)
	token := x.token(ref.Location)
	var items []*item
	if len(names) > 0 {
		if it := x.table(names, s, token); it != nil {
			items = append(items, it)
		}
	} else {
		for _, it := range s.items {
			if !it.qualifiedOnly {
				items = append(items, it)
			}
		}
	}
	for _, it := range items {
		if it.open {
			x.fail(refuseForm("* over a function whose columns are not known"), token)
		}
		for i := range it.columns {
			if c := x.readable(&it.columns[i], token); c != nil {
				o := operand{c, token}.current()
				if g == nil {
					o = o.plainUse()
				}
				targets = append(targets, target{column: *o.column, token: token, star: true})
			}
		}
	}
	return targets
}
