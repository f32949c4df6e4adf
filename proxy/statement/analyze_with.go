package statement

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// cte is one query of a WITH clause.
type cte struct {
	name      string
	def       *pg.CommonTableExpr
	scope     *scope // what its query can see
	columns   []column
	state     cteState
	recursive bool // what it gives may be of several queries
	rows      bool // it has some: a data-modifying one without RETURNING has not
}

type cteState uint8

const (
	cteWaiting   cteState = iota
	cteWorking            // its query is being analysed
	cteRecursing          // its query's right side is, so that it may refer to itself
	cteDone
)

// with analyses a WITH clause. The scope that it returns is that of the statement
// the clause belongs to, from the outside.
//
// Without RECURSIVE a query sees those before it; with it, all and itself, and the
// server puts them in the order of their references (transformWithClause).
func (x *analysis) with(w *pg.WithClause, outer *scope) *scope {
	if w == nil {
		return outer
	}
	names := make(map[string]bool, len(w.Ctes))
	ctes := make([]*cte, 0, len(w.Ctes))
	for _, n := range w.Ctes {
		def := n.GetCommonTableExpr()
		if def == nil {
			x.fail(refuseForm("this form of WITH"), x.token(w.Location))
			return outer
		}
		if names[def.Ctename] {
			x.fail(errDuplicateWith(def.Ctename), x.token(def.Location))
		}
		names[def.Ctename] = true
		ctes = append(ctes, &cte{name: def.Ctename, def: def, recursive: w.Recursive})
	}
	s := &scope{ctes: ctes, outer: outer}
	for i, c := range ctes {
		c.scope = s
		if !w.Recursive {
			c.scope = &scope{ctes: ctes[:i], outer: outer}
		}
	}
	for _, c := range ctes {
		if x.err != nil {
			break
		}
		x.defineCTE(c)
	}
	return s
}

// defineCTE analyses the query of a CTE, once.
func (x *analysis) defineCTE(c *cte) {
	if c.state != cteWaiting {
		return
	}
	c.state = cteWorking
	token := x.token(c.def.Location)
	around := x.defining
	x.defining = c
	var targets []target
	if sel := c.def.Ctequery.GetSelectStmt(); sel != nil {
		before := x.recursive
		x.recursive = c
		targets = x.query(sel, c.scope, useRead)
		x.recursive = before
		c.rows = true
	} else {
		x.writes = true
		var ok bool
		if targets, ok = x.command(c.def.Ctequery, c.scope); !ok {
			x.fail(refuseForm("this form of WITH"), token)
		}
		c.rows = targets != nil
	}
	x.nameCTE(c, targets)
	c.state = cteDone
	x.defining = around
	x.searchClause(c, token)
}

// nameCTE gives a CTE its columns.
func (x *analysis) nameCTE(c *cte, targets []target) {
	c.columns = make([]column, len(targets))
	for i := range targets {
		c.columns[i] = targets[i].column
	}
	names := stringNodes(c.def.Aliascolnames)
	var ok bool
	if c.columns, ok = rename(c.columns, names); !ok {
		x.fail(errWithColumns(c.name, len(targets), len(names)), x.token(c.def.Location))
	}
}

// recurse makes the columns of the left side of a recursive query known to its
// right side. c is nil if the query is not a CTE's.
func (x *analysis) recurse(c *cte, left []target) {
	if c == nil || c.state != cteWorking {
		return
	}
	// The server knows of no origin there: it would be that of the union.
	for i := range left {
		left[i].origin = origin{}
	}
	x.nameCTE(c, left)
	c.state = cteRecursing
}

// searchClause adds the columns that SEARCH and CYCLE make. They hold rows of the
// columns that they name, and compare them.
func (x *analysis) searchClause(c *cte, token int32) {
	if search := c.def.SearchClause; search != nil {
		x.noSealedNames(c, search.SearchColList, "SEARCH", token)
		c.columns = append(c.columns, column{name: search.SearchSeqColumn})
	}
	if cycle := c.def.CycleClause; cycle != nil {
		x.noSealedNames(c, cycle.CycleColList, "CYCLE", token)
		x.plain(cycle.CycleMarkValue, c.scope, "CYCLE")
		x.plain(cycle.CycleMarkDefault, c.scope, "CYCLE")
		c.columns = append(c.columns, column{name: cycle.CycleMarkColumn}, column{name: cycle.CyclePathColumn})
	}
}

func (x *analysis) noSealedNames(c *cte, names []*pg.Node, clause string, token int32) {
	for _, name := range stringNodes(names) {
		for i := range c.columns {
			if tagged := c.columns[i].tagged; tagged != nil && c.columns[i].name == name {
				x.fail(refuseUse(tagged, clause), token)
			}
		}
	}
}

// findCTE finds the CTE that a name in FROM means: an unqualified one comes before
// all relations.
func (x *analysis) findCTE(rv *pg.RangeVar, s *scope) *cte {
	if rv.Schemaname != "" || rv.Catalogname != "" {
		return nil
	}
	for level := s; level != nil && x.spend(len(level.ctes)); level = level.outer {
		for _, c := range level.ctes {
			if c.name == rv.Relname {
				return c
			}
		}
	}
	return nil
}

// rangeCTE makes the item of a CTE in FROM.
func (x *analysis) rangeCTE(c *cte, rv *pg.RangeVar) *item {
	delete(x.left.relations, rv)
	token := x.token(rv.Location)
	it := &item{name: rv.Relname}
	x.defineCTE(c)
	switch {
	case c.state != cteDone && x.defining != c && x.defining.scope == c.scope:
		x.fail(errMutualRecursion(), x.token(c.def.Location))
	case c.state == cteWorking && c.def.Ctequery.GetSelectStmt().GetOp() != pg.SetOperation_SETOP_UNION:
		x.fail(errRecursiveForm(c.name), x.token(c.def.Location))
	case c.state == cteWorking:
		x.fail(errRecursion(c.name), token)
	case c.state == cteDone && !c.rows:
		x.fail(errWithoutReturning(c.name), token)
	}
	it.columns = slices.Clone(c.columns)
	if x.renumber(it.columns); c.recursive {
		forgetRows(it.columns)
	}
	if rv.Alias != nil {
		x.alias(it, rv.Alias, token)
	}
	x.ranges = append(x.ranges, it)
	return it
}

func errDuplicateWith(name string) *pgerror.Error {
	return pgerror.New("42712", "WITH query name %q specified more than once", name)
}

func errWithColumns(name string, have, want int) *pgerror.Error {
	return pgerror.New("42P10", "WITH query %q has %d columns available but %d columns specified", name, have, want)
}

func errRecursion(name string) *pgerror.Error {
	return pgerror.New("42P19", "recursive reference to query %q must not appear within its non-recursive term", name)
}

func errMutualRecursion() *pgerror.Error {
	return pgerror.New("0A000", "mutual recursion between WITH items is not implemented")
}

func errRecursiveForm(name string) *pgerror.Error {
	return pgerror.New("42P19", "recursive query %q does not have the form non-recursive-term UNION [ALL] recursive-term", name)
}

func errWithoutReturning(name string) *pgerror.Error {
	return pgerror.New("0A000", "WITH query %q does not have a RETURNING clause", name)
}
