package statement

import (
	"cmp"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// join analyses a join as the server does (transformFromClauseItem).
func (x *analysis) join(j *pg.JoinExpr, s *scope) (*item, []*item) {
	left, leftNames := x.fromItem(j.Larg, s)
	// What is LATERAL on the right side may refer to the left one.
	inner := j.Jointype == pg.JoinType_JOIN_INNER || j.Jointype == pg.JoinType_JOIN_LEFT
	setLateral(leftNames, true, !inner)
	outside := s.items
	s.items = append(slices.Clip(outside), leftNames...)
	right, rightNames := x.fromItem(j.Rarg, s)
	s.items = outside
	setLateral(leftNames, false, false)
	x.checkNames(leftNames, rightNames)
	names := append(slices.Clip(leftNames), rightNames...)

	it := &item{unnamed: true, open: left.open || right.open, hides: left.hides || right.hides}
	shared := stringNodes(j.UsingClause)
	if j.IsNatural {
		if it.open {
			x.fail(refuseForm("NATURAL JOIN with a function"), -1)
		}
		shared = commonNames(left, right)
	}
	merged := x.mergeColumns(j, shared, left, right)
	it.columns = slices.Clone(merged)
	for _, side := range []*item{left, right} {
		for _, c := range side.columns {
			if !slices.Contains(shared, c.name) {
				if !side.unnamed {
					c.via = side.name
				}
				it.columns = append(it.columns, c)
			}
		}
	}
	if j.Quals != nil {
		x.condition(j.Quals, &scope{items: names, ctes: s.ctes, outer: s.outer}, "ON")
	}
	var using *item
	if j.JoinUsingAlias != nil {
		using = &item{name: j.JoinUsingAlias.Aliasname, columns: merged, qualifiedOnly: true}
	}
	if j.Alias != nil {
		it.unnamed = false
		if it.hides && shiftsNames(len(j.Alias.Colnames), len(merged), left, right) {
			x.fail(refuseHidden("these column aliases of a join"), -1)
		}
		x.alias(it, j.Alias, -1)
		names = nil
	}
	for _, n := range names {
		n.qualifiedOnly = true
	}
	if using != nil {
		names = append(names, using)
	}
	return it, append(names, it)
}

// commonNames gives the columns of a NATURAL join, in the order of the left side.
func commonNames(left, right *item) []string {
	var names []string
	for _, c := range left.columns {
		if _, n := right.findOwn(c.name); n > 0 {
			names = append(names, c.name)
		}
	}
	return names
}

// findOwn is find without the system columns, which a join does not have.
func (it *item) findOwn(name string) (*column, int) {
	own := item{columns: it.columns}
	return own.find(name)
}

// qualifier gives what qualifies a column of one side of a join.
func (it *item) qualifier(c *column) string {
	if !it.unnamed {
		return it.name
	}
	return cmp.Or(c.via, c.side)
}

// mergeColumns gives the columns that USING makes of two.
func (x *analysis) mergeColumns(j *pg.JoinExpr, names []string, left, right *item) []column {
	clause := "USING"
	if j.IsNatural {
		clause = "NATURAL JOIN"
	}
	merged := make([]column, 0, len(names))
	for _, name := range names {
		if !x.spend(len(left.columns) + len(right.columns)) {
			return merged
		}
		l, n := left.findOwn(name)
		r, m := right.findOwn(name)
		switch {
		case n > 1 || m > 1:
			x.fail(errAmbiguous(name), -1)
			return merged
		case n == 0 || m == 0:
			switch {
			case n == 0 && left.open || m == 0 && right.open:
				x.fail(refuseForm("USING with a column of a function"), -1)
			case n == 0:
				x.fail(errUsing(name, "left"), -1)
			default:
				x.fail(errUsing(name, "right"), -1)
			}
			return merged
		}
		x.match(operand{l, -1}.plainUse(), operand{r, -1}.plainUse(), clause)
		c := column{name: name}
		switch {
		case l.tagged == nil || r.tagged == nil:
			// The server may have cast either side: the origin is not known.
		case j.Jointype == pg.JoinType_JOIN_FULL:
			c = *x.mix([]branch{{operand: operand{l, -1}}, {operand: operand{r, -1}}}, "FULL JOIN").column
			c.name = name
		case j.Jointype == pg.JoinType_JOIN_RIGHT:
			c = *r
		default:
			c = *l
		}
		c.via, c.side = "", ""
		switch j.Jointype {
		case pg.JoinType_JOIN_FULL:
		case pg.JoinType_JOIN_RIGHT:
			c.side = right.qualifier(r)
		default:
			c.side = left.qualifier(l)
		}
		merged = append(merged, c)
	}
	return merged
}
