package statement

import (
	"cmp"

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

	// Of an item of a select list: its first token, whether AS names it, and, if it is
	// a constant, what can be sealed for a set operation. start is -1 elsewhere.
	start     int32
	explicit  bool
	constants *constants
}

func (t *target) sealed() bool { return t.tagged != nil }

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
		return x.valuesQuery(st, outer, u, g.settle())
	case st.Op != pg.SetOperation_SETOP_NONE && st.Op != pg.SetOperation_SET_OPERATION_UNDEFINED:
		return x.setOperation(st, outer, recursive, u, g.inUnion())
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
			x.touchAll(&t.column, Read)
		}
	}
}

func (x *analysis) limits(st *pg.SelectStmt, s *scope) {
	x.plain(st.LimitCount, s, "LIMIT")
	x.plain(st.LimitOffset, s, "OFFSET")
}

// maxTargets is the server's MaxTupleAttributeNumber.
const maxTargets = 1664

// targets analyses a select list or a RETURNING list.
func (x *analysis) targets(list []*pg.Node, s *scope, g *goals) []target {
	targets := make([]target, 0, len(list))
	if len(list) > 0 && len(x.ownList) > 0 && list[0] == x.ownList[0] {
		x.ownScope = s
	}
	if row := g.selectRow(list); row != nil {
		before := x.row
		defer func() { x.row = before }()
		x.row = row
	}
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
		if g.of(len(targets)) == nil {
			if o, ok := x.jsonOperand(r.Val, s, x.shown[r]); ok {
				t := target{token: token, start: -1}
				if o.sealed() {
					t.column = *o.column
				}
				t.name = cmp.Or(r.Name, figureName(r.Val))
				targets = append(targets, t)
				continue
			}
		}
		targets = append(targets, x.target(r, s, g, len(targets)))
	}
	return targets
}

// target analyses one item of a select list, result column i.
func (x *analysis) target(r *pg.ResTarget, s *scope, g *goals, i int) target {
	start := x.token(r.Location)
	t := target{token: start, start: start, explicit: r.Name != ""}
	x.castEnd = -1
	o := x.item(r.Val, s, g, i)
	if o.column != nil {
		t.column, t.token = *o.column, o.token
		t.marks = nil
	}
	if !t.sealed() && g.of(i) == nil {
		t.constants = x.constantsOf(r.Val)
	}
	if g == nil && o.column == nil {
		t.supply = x.supplies(r.Val)
	}
	if t.name = r.Name; t.name != "" {
		return t
	}
	t.name = figureName(r.Val)
	if t.sealed() && t.json == nil && r.Val.GetTypeCast() != nil && x.castEnd >= 0 && figureName(withoutCasts(r.Val)) != t.name {
		x.addName(t.name, start, x.castEnd) // without its casts it would have another
	}
	return t
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
	x.spellOut(items, token, len(names), s)
	for _, it := range items {
		if it.open {
			x.fail(refuseForm("* over a function whose columns are not known"), token)
		}
		for i := range it.columns {
			o := operand{&it.columns[i], token}.current()
			if g == nil {
				o = o.plainUse()
			}
			targets = append(targets, target{column: *o.column, token: token, star: true, start: -1})
		}
	}
	return targets
}
