package statement

import (
	"reflect"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// setOperation analyses UNION, INTERSECT and EXCEPT. recursive is the CTE whose whole
// query this is, if it is one's.
func (x *analysis) setOperation(st *pg.SelectStmt, outer *scope, recursive *cte, u use, g *goals) []target {
	left := x.queryInto(st.Larg, outer, g)
	x.unsupplied(left, g)
	x.recurse(recursive, left)
	right := x.queryInto(st.Rarg, outer, g)
	x.unsupplied(right, g)
	name := setOperationName(st.Op)
	if len(left) != len(right) {
		x.fail(errSetColumns(name), -1)
		return nil
	}
	it := &item{unnamed: true}
	targets := make([]target, len(left))
	for i := range left {
		l, r := &left[i], &right[i]
		if recursive != nil && recursive.state == cteRecursing && !l.covers(r) {
			x.fail(refuseRecursive(l, r), max(l.token, r.token))
		}
		targets[i] = x.unite(l, r, name, st.Op == pg.SetOperation_SETOP_UNION && st.All)
		it.columns = append(it.columns, targets[i].column)
	}
	s := &scope{items: []*item{it}, outer: outer}
	x.orderBy(st.SortClause, targets, s)
	x.limits(st, s)
	x.read(targets, u)
	return targets
}

// unsupplied notes that the columns of a side of a set operation are not just those of
// a supply.
func (x *analysis) unsupplied(targets []target, g *goals) {
	for i := range targets {
		if t := &targets[i]; t.made && g == nil {
			x.fail(refuseShown(t.tagged), t.token)
		}
		targets[i].supply = nil
	}
}

// unite gives the column that a set operation makes of two. all says that it compares
// nothing.
func (x *analysis) unite(l, r *target, name string, all bool) target {
	out := target{column: column{name: l.name}, token: l.token, start: -1}
	if !l.sealed() && !r.sealed() {
		out.constants = bothConstants(l.constants, r.constants)
		return out
	}
	branches := []branch{l.branch(), r.branch()}
	mixed := x.mix(branches, name)
	if x.err != nil {
		return out
	}
	out.column, out.token = *mixed.column, mixed.token
	out.name, out.made = l.name, l.made && r.made
	for _, t := range []*target{l, r} {
		if t.constants != nil && t.start >= 0 && out.json == nil {
			x.keepName(t)
		}
	}
	if all {
		return out
	}
	for _, c := range out.columns() {
		x.group(c, name, out.token)
	}
	if !out.comparable() || l.made || r.made { // a constant is compared before it is stored, as text
		x.fail(refuseCompared(out.tagged, name), out.token)
	}
	if l.constants != nil || r.constants != nil {
		x.touchAll(&out.column, Search)
	}
	return out
}

// covers reports whether the right side of a recursive query adds nothing to what it
// has been told of a column, which is what the left side is.
func (t *target) covers(r *target) bool {
	if !t.sealed() || !r.sealed() {
		return t.sealed() == r.sealed()
	}
	merged := t.column
	merged.add(&r.column)
	return reflect.DeepEqual(t.json.withoutRows(), r.json.withoutRows()) && len(merged.also) == len(t.also) && r.logicalType() == t.logicalType() && r.mixed == t.mixed
}

func onlyNulls(c *constants) bool {
	for _, n := range c.nodes {
		if !isNull(withoutCasts(n)) {
			return false
		}
	}
	return true
}

// bothConstants gives the constants of a column made of two without a sealed one. What
// is of unknown type in both is text.
func bothConstants(l, r *constants) *constants {
	if l == nil || r == nil || l.array != r.array {
		return nil
	}
	both := &constants{nodes: append(append([]*pg.Node{}, l.nodes...), r.nodes...), array: l.array}
	t, ok := mixedType([]branch{{constants: l}, {constants: r}})
	if !ok {
		return nil
	}
	if t.Kind == 0 {
		t = logical.Type{Kind: logical.Text, Typmod: -1}
	}
	both.typ, both.number = t, l.number && r.number
	return both
}

// branch gives a target as what meets others in one column.
func (t *target) branch() branch {
	b := branch{constants: t.constants}
	if t.sealed() {
		b.operand = operand{&t.column, t.token}
	}
	return b
}

// keepName writes the name of a constant's column, which its sealed form would change.
func (x *analysis) keepName(t *target) {
	if x.text == nil || t.explicit || len(t.constants.nodes) != 1 {
		return
	}
	v := &value{x: x, leaf: withoutCasts(t.constants.nodes[0])}
	v.kind, _ = kindOf(v.leaf)
	s, ok := v.locate()
	casts := castsOf(t.constants.nodes[0])
	if !ok || len(casts) == 0 && (v.kind == constantNull || v.kind == constantParam) {
		return
	}
	for i := len(casts) - 1; i >= 0 && ok; i-- {
		s, _, ok = v.cast(s, casts[i])
	}
	x.addName(t.name, t.start, s.last)
}

// addName gives a column of a select list its name. The text from token start to last
// is its expression, but for closing parentheses.
func (x *analysis) addName(name string, start, last int32) {
	t := x.text
	t.classify()
	for again := true; again; {
		again = false
		for at := start; t.Token(int(at)).Kind == LeftParen; at++ {
			if t.pairs[at] == last+1 {
				last, again = last+1, true
			}
		}
	}
	x.edits = append(x.edits, edit{kind: editAfter, first: last, last: last, text: " AS " + quoteName(name)})
}

func refuseRecursive(l, r *target) *pgerror.Error {
	c := l.tagged
	if c == nil {
		c = r.tagged
	}
	return refuse(c, "use", " in a recursive query whose two sides differ there").
		WithHint("Both sides must give values of the same sealed columns, of one type.")
}

func errSetColumns(name string) *pgerror.Error {
	return pgerror.New(pgerror.SyntaxError, "each %s query must have the same number of columns", name)
}

// valuesQuery analyses VALUES as a query.
func (x *analysis) valuesQuery(st *pg.SelectStmt, outer *scope, u use, g *goals) []target {
	s := &scope{outer: outer}
	var columns [][]branch
	var nodes [][]*pg.Node
	for _, row := range st.ValuesLists {
		items := row.GetList().GetItems()
		if columns == nil {
			columns, nodes = make([][]branch, len(items)), make([][]*pg.Node, len(items))
		}
		if len(items) != len(columns) {
			x.fail(errValuesLength(), -1)
			return nil
		}
		for j, n := range items {
			nodes[j] = append(nodes[j], n)
			if a := g.of(j); a != nil {
				x.assign(a, n, s, true)
			} else {
				columns[j] = append(columns[j], x.branchOf(n, s))
			}
		}
	}
	targets := make([]target, len(columns))
	for j, branches := range columns {
		t := target{token: -1, start: -1}
		if a := g.of(j); a != nil {
			if t.made = true; isSealed(a) {
				t.column.tagged = a.Tagged
			}
		} else if mixed := x.mix(branches, "VALUES"); mixed.sealed() {
			t.column, t.token = *mixed.column, mixed.token
		} else {
			t.constants = branches[0].constants
			for i := range branches {
				if len(branches) == 1 || i > 0 {
					t.constants = bothConstants(t.constants, branches[i].constants)
				}
			}
			if len(branches) == 1 && t.constants != nil {
				t.constants.nodes = branches[0].constants.nodes
			}
			if g == nil && len(st.SortClause) == 0 {
				t.supply = x.supplies(nodes[j]...)
			}
		}
		t.name = columnName(j)
		targets[j] = t
	}
	x.orderBy(st.SortClause, targets, s)
	x.limits(st, s)
	x.read(targets, u)
	return targets
}

func errValuesLength() *pgerror.Error {
	return pgerror.New(pgerror.SyntaxError, "VALUES lists must all be the same length")
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
