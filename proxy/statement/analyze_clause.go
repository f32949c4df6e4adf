package statement

import (
	"strconv"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
)

func columnName(i int) string { return "column" + strconv.Itoa(i+1) }

// condition analyses an expression whose value is a truth value.
func (x *analysis) condition(n *pg.Node, s *scope, clause string) {
	x.truth(n, s, clause)
}

// group notes that the server groups by a sealed column, or refuses it.
func (x *analysis) group(c *schema.Column, clause string, token int32) {
	if c.Mode != schema.Deterministic {
		x.fail(refuseGroup(c, clause), token)
		return
	}
	x.touch(c, Match)
}

// groupOf is group of an expression.
func (x *analysis) groupOf(c *column, clause string, token int32) {
	for _, t := range c.columns() {
		x.group(t, clause, token)
	}
	if !c.comparable() {
		x.fail(refuseCompared(c.tagged, clause), token)
	}
}

// qualify makes sure that an unqualified function is that of pg_catalog: the server
// prefers one that takes bytea itself.
func (x *analysis) qualify(names []string, location int32) {
	if token := x.token(location); len(names) == 1 && token >= 0 {
		x.edits = append(x.edits, edit{kind: editBefore, first: token, last: token, text: "pg_catalog."})
	}
}

// named gives the targets that an item of ORDER BY or GROUP BY means if it is
// the name or the number of an output column.
func named(n *pg.Node, targets []target) (found []*target) {
	if c := n.GetAConst(); c != nil {
		if i, ok := c.Val.(*pg.A_Const_Ival); ok {
			if p := int(i.Ival.GetIval()); p >= 1 && p <= len(targets) {
				return []*target{&targets[p-1]}
			}
		}
		return nil
	}
	ref := n.GetColumnRef()
	if ref == nil || len(ref.Fields) != 1 {
		return nil
	}
	for _, name := range stringNodes(ref.Fields) {
		for i := range targets {
			if targets[i].name == name {
				found = append(found, &targets[i])
			}
		}
	}
	return found
}

// orderBy analyses ORDER BY, where the name of an output column comes before
// that of an input column (findTargetlistEntrySQL92).
func (x *analysis) orderBy(list []*pg.Node, targets []target, s *scope) {
	for _, n := range list {
		by := n.GetSortBy()
		if by == nil {
			x.fail(refuseForm("this form of ORDER BY"), -1)
			continue
		}
		if !x.spend(len(targets)) {
			return
		}
		found := named(by.Node, targets)
		if len(found) == 0 {
			if o := x.expr(by.Node, s); o.sealed() {
				x.fail(refuseOrder(o.column.tagged), o.token)
			}
			continue
		}
		token := x.tokenOf(by.Node)
		x.done(by.Node)
		for _, t := range found {
			if t.tagged != nil {
				x.fail(refuseOrder(t.tagged), token)
			}
		}
	}
}

// distinct analyses DISTINCT and DISTINCT ON.
func (x *analysis) distinct(list []*pg.Node, targets []target, s *scope) {
	for _, n := range list {
		if n.GetNode() == nil { // plain DISTINCT
			for i := range targets {
				if targets[i].tagged != nil {
					x.groupOf(&targets[i].column, "DISTINCT", targets[i].token)
				}
			}
			continue
		}
		if found := named(n, targets); len(found) > 0 {
			x.done(n)
			x.groupTargets(found, "DISTINCT ON", x.tokenOf(n))
			continue
		}
		if o := x.expr(n, s); o.sealed() {
			x.groupOf(o.column, "DISTINCT ON", o.token)
		}
	}
}

func (x *analysis) groupTargets(found []*target, clause string, token int32) {
	for _, t := range found {
		if t.tagged != nil {
			x.groupOf(&t.column, clause, token)
		}
	}
}

// groupBy analyses GROUP BY, where an input column of this query comes before
// the name of an output column.
func (x *analysis) groupBy(list []*pg.Node, targets []target, s *scope) {
	for _, n := range list {
		if set := n.GetGroupingSet(); set != nil {
			x.groupBy(set.Content, targets, s)
			continue
		}
		if row := n.GetRowExpr(); row != nil && row.RowFormat == pg.CoercionForm_COERCE_IMPLICIT_CAST {
			x.groupBy(row.Args, targets, s)
			continue
		}
		if !x.spend(len(targets)) {
			return
		}
		found := named(n, targets)
		if ref := n.GetColumnRef(); ref != nil && len(found) > 0 {
			name := stringNodes(ref.Fields)[0]
			if c, _ := x.findHere(name, s, x.tokenOf(n)); c != nil {
				found = nil
			} else if hasOpen(s) {
				x.fail(errAmbiguous(name).WithHint("Qualify the column with its table."), x.tokenOf(n))
			}
		}
		if len(found) > 0 {
			x.done(n)
			x.groupTargets(found, "GROUP BY", x.tokenOf(n))
			continue
		}
		if o := x.expr(n, s); o.sealed() {
			x.groupOf(o.column, "GROUP BY", o.token)
		}
	}
}

func hasOpen(s *scope) bool {
	for _, it := range s.items {
		if it.open {
			return true
		}
	}
	return false
}

// window analyses a window's definition.
func (x *analysis) window(w *pg.WindowDef, s *scope) {
	if w == nil {
		return
	}
	for _, n := range w.PartitionClause {
		if o := x.expr(n, s); o.sealed() {
			x.groupOf(o.column, "PARTITION BY", o.token)
		}
	}
	x.sort(w.OrderClause, s)
	x.plain(w.StartOffset, s, "a window frame")
	x.plain(w.EndOffset, s, "a window frame")
}

// sort analyses an ORDER BY that knows no output columns: of a window or an
// aggregate.
func (x *analysis) sort(list []*pg.Node, s *scope) {
	for _, n := range list {
		if o := x.expr(n.GetSortBy().GetNode(), s); o.sealed() {
			x.fail(refuseOrder(o.column.tagged), o.token)
		}
	}
}

// tokenOf gives the token of a column reference or constant.
func (x *analysis) tokenOf(n *pg.Node) int32 {
	switch v := n.GetNode().(type) {
	case *pg.Node_ColumnRef:
		return x.token(v.ColumnRef.Location)
	case *pg.Node_AConst:
		return x.token(v.AConst.Location)
	}
	return -1
}

// done crosses off a node that named an output column.
func (x *analysis) done(n *pg.Node) {
	if ref := n.GetColumnRef(); ref != nil {
		delete(x.left.columns, ref)
	}
}
