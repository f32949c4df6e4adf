package statement

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pgveil/pgveil/schema"
)

// statement analyses one statement. x.used says afterwards whether it uses a
// relation that is or reaches a tagged table.
func (x *analysis) statement(raw *pg.RawStmt) {
	inner := unwrap(raw.Stmt)
	if d := x.definitionOf(inner); d != nil && inner == raw.Stmt {
		x.define(raw, d)
		return
	} else if d != nil && d.relevant {
		x.fail(refuseForm("EXPLAIN of a definition"), -1)
		return
	}
	work := x.workOf(inner)
	hits := x.survey(raw, work == nil)
	if work == nil {
		x.private = true // options and names inside its constants decide
	}
	if len(hits) == 0 {
		return
	}
	for _, h := range hits {
		if h.always || work == nil {
			x.fail(h.err, x.token(h.location))
		}
	}
	if x.err != nil {
		return
	}
	if inner == raw.Stmt {
		x.ownList = x.ownTargets(inner)
	}
	targets := work()
	x.leftover()
	if targets != nil {
		x.outputs = make([]Output, len(targets))
	}
	for i := range targets {
		x.outputs[i] = targets[i].output()
	}
	pairSubjects(x.outputs, targets)
	x.tell(targets)
	x.wrap(raw.Stmt, inner)
}

// workOf gives what analyses a statement: nil if none of that kind runs with a
// tagged table. The targets are the columns of its rows, nil if it gives none.
func (x *analysis) workOf(stmt *pg.Node) func() []target {
	switch n := stmt.GetNode().(type) {
	case *pg.Node_SelectStmt:
		return func() []target { return x.query(n.SelectStmt, nil, useRead) }
	case *pg.Node_InsertStmt, *pg.Node_UpdateStmt, *pg.Node_DeleteStmt, *pg.Node_MergeStmt:
		return func() []target {
			targets, _ := x.command(stmt, nil)
			return targets
		}
	case *pg.Node_CopyStmt:
		return func() []target { return x.copy(n.CopyStmt) }
	}
	return nil
}

// command analyses a statement that changes a table and gives the columns of its
// RETURNING. outer is what is around it: nil, or the scope of a WITH clause. ok is
// false for any other statement.
func (x *analysis) command(n *pg.Node, outer *scope) (targets []target, ok bool) {
	switch n := n.GetNode().(type) {
	case *pg.Node_InsertStmt:
		return x.insert(n.InsertStmt, x.with(n.InsertStmt.WithClause, outer)), true
	case *pg.Node_UpdateStmt:
		return x.update(n.UpdateStmt, x.with(n.UpdateStmt.WithClause, outer)), true
	case *pg.Node_DeleteStmt:
		return x.delete(n.DeleteStmt, x.with(n.DeleteStmt.WithClause, outer)), true
	case *pg.Node_MergeStmt:
		return x.merge(n.MergeStmt, x.with(n.MergeStmt.WithClause, outer)), true
	}
	return nil, false
}

// targetItem resolves the table that a statement changes.
func (x *analysis) targetItem(rv *pg.RangeVar) (*item, *schema.Relation) {
	token := x.token(rv.Location)
	r := x.relation(rv)
	if r == nil {
		return &item{unnamed: true}, nil
	}
	it := &item{name: rv.Relname, system: r.Kind != 'v', loose: rv.Schemaname == "", columns: x.attributes(r, token)}
	x.nameItem(it, r, rv)
	if x.err != nil {
		return it, nil
	}
	return it, x.assignable(r, it, token)
}

// attribute finds a column that is assigned to.
func (x *analysis) attribute(r *schema.Relation, t *pg.ResTarget) *schema.Attribute {
	token := x.token(t.Location)
	a := r.Attribute(t.Name)
	if a == nil {
		x.fail(errTargetColumn(t.Name, r.Name), token)
		return nil
	}
	if a.Shadow {
		x.fail(refuseShadow(a), token)
	}
	if a.Tagged != nil && len(t.Indirection) > 0 {
		x.fail(refuseElement(a.Tagged), token)
	}
	return a
}

// returning analyses RETURNING. Without one there are no targets.
func (x *analysis) returningList(list []*pg.Node, s *scope) []target {
	if len(list) == 0 {
		return nil
	}
	x.returning = true
	targets := x.targets(list, s, nil)
	x.read(targets, useRead)
	return targets
}

// assign analyses what is stored in a column. settled is as in goals.
func (x *analysis) assign(a *schema.Attribute, n *pg.Node, s *scope, settled bool) {
	c := a.Tagged
	if c != nil && c.Controlled() {
		x.touch(c, Assign)
		c = nil
	}
	if c == nil {
		x.plainBut(n, s, refuseStoreIn(a.Name))
		x.freeParam(n)
		return
	}
	x.touch(c, Assign)
	if n.GetSetToDefault() != nil {
		return
	}
	first := len(x.edits)
	x.stored(n, c, s, &goals{settled: settled})
	if kind, known := kindOf(withoutCasts(n)); known && kind != constantArray && !settled && !x.defines && len(x.edits) == first+1 {
		x.edits[first].bare = true
	}
}

// locationOf gives the location of any expression, -1 if it has none.
func locationOf(n *pg.Node) int32 {
	location := int32(-1)
	n.ProtoReflect().Range(func(_ protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		m := v.Message()
		if fd := m.Descriptor().Fields().ByName("location"); fd != nil {
			location = int32(m.Get(fd).Int())
		}
		return false
	})
	return location
}

func (x *analysis) insert(st *pg.InsertStmt, outer *scope) []target {
	it, r := x.targetItem(st.Relation)
	if r == nil {
		return nil
	}
	attributes := x.insertColumns(st.Cols, r)
	if x.err != nil {
		return nil
	}
	if st.SelectStmt != nil {
		x.source(st.SelectStmt.GetSelectStmt(), said(r, st.Override), attributes, outer)
	}
	x.onConflict(st.OnConflictClause, r, it, outer)
	return x.returningList(st.ReturningList, &scope{items: []*item{it}, outer: outer})
}

// source analyses what an INSERT inserts. r is nil if the values are not those that are stored.
func (x *analysis) source(st *pg.SelectStmt, r *schema.Relation, attributes []*schema.Attribute, outer *scope) {
	if len(st.GetValuesLists()) == 0 || len(st.SortClause) > 0 || st.LimitCount != nil || st.LimitOffset != nil ||
		st.WithClause != nil || len(st.LockingClause) > 0 { // for the server, too, a query like any other
		settled := len(st.GetValuesLists()) > 0 || st.Larg != nil
		if targets := x.queryInto(st, outer, &goals{attributes: attributes, settled: settled, relation: r}); len(targets) > len(attributes) {
			x.fail(errTooManyValues(), targets[len(attributes)].token)
		}
		return
	}
	s := &scope{outer: outer}
	for _, row := range st.ValuesLists {
		values := row.GetList().GetItems()
		if len(values) > len(attributes) {
			x.fail(errTooManyValues(), x.token(locationOf(values[len(attributes)])))
			return
		}
		x.inRow(insertRow(r, attributes, values), func() {
			for i, n := range values {
				x.assign(attributes[i], n, s, false)
			}
		})
	}
}

// onConflict analyses ON CONFLICT. What conflicts is equality seen by the server.
func (x *analysis) onConflict(c *pg.OnConflictClause, r *schema.Relation, it *item, outer *scope) {
	if c == nil {
		return
	}
	s := &scope{items: []*item{it}, outer: outer}
	if c.Infer != nil {
		for _, n := range c.Infer.IndexElems {
			e := n.GetIndexElem()
			if col, _ := it.find(e.GetName()); col != nil && col.tagged != nil {
				x.group(col.tagged, "ON CONFLICT", x.token(c.Infer.Location))
			}
			x.plain(e.GetExpr(), s, "ON CONFLICT")
		}
		x.condition(c.Infer.WhereClause, s, "ON CONFLICT")
	}
	excluded := &item{name: "excluded", columns: slices.Clone(it.columns)}
	for i := range excluded.columns {
		excluded.columns[i].made, excluded.columns[i].excluded = true, true
	}
	s = &scope{items: []*item{it, excluded}, outer: outer}
	x.set(c.TargetList, r, it, s, inferred(c.Infer)...)
	x.condition(c.WhereClause, s, "WHERE")
}

func (x *analysis) update(st *pg.UpdateStmt, outer *scope) []target {
	it, r := x.targetItem(st.Relation)
	if r == nil {
		return nil
	}
	s := x.withTarget(it, st.FromClause, outer)
	x.set(st.TargetList, r, it, s)
	x.condition(st.WhereClause, s, "WHERE")
	return x.returningList(st.ReturningList, s)
}

// set analyses the list after SET, of the row that an item is. In agreeing columns it has the
// values of excluded.
func (x *analysis) set(list []*pg.Node, r *schema.Relation, it *item, s *scope, agreeing ...string) {
	row := x.setRow(list, r, it)
	row.agrees = agreeing
	x.inRow(row, func() { x.setList(list, r, s) })
}

func (x *analysis) setList(list []*pg.Node, r *schema.Relation, s *scope) {
	for i, n := range list {
		t := n.GetResTarget()
		a := x.attribute(r, t)
		if a == nil {
			return
		}
		for _, i := range t.Indirection {
			x.plain(i, s, "a subscript")
		}
		if m := t.Val.GetMultiAssignRef(); m != nil {
			x.multiple(a, m, list[i:], r, s)
			continue
		}
		x.assign(a, t.Val, s, false)
	}
}

// withTarget makes the scope of UPDATE and DELETE: the target, which what is
// inside FROM cannot refer to, and the FROM list.
func (x *analysis) withTarget(it *item, from []*pg.Node, outer *scope) *scope {
	s := &scope{items: []*item{it}, outer: outer}
	setLateral(s.items, true, true)
	x.from(from, s)
	return s
}

// multiple analyses one column of SET (a, b) = (…). The tree has a copy of the
// right side for each column: of each copy only the column's own part counts, and of
// a subquery only the first. list is the rest of the assignments, from this one on.
func (x *analysis) multiple(a *schema.Attribute, m *pg.MultiAssignRef, list []*pg.Node, r *schema.Relation, s *scope) {
	if row := m.Source.GetRowExpr(); row != nil {
		if len(row.Args) != int(m.Ncolumns) || m.Colno < 1 || m.Colno > m.Ncolumns {
			x.fail(errColumnCount(), x.token(row.Location))
			return
		}
		for i, n := range row.Args {
			if i == int(m.Colno)-1 {
				x.assign(a, n, s, false)
			} else {
				x.skip(n)
			}
		}
		return
	}
	if m.Colno > 1 {
		x.skip(m.Source)
		return
	}
	attributes := []*schema.Attribute{a}
	for _, n := range list[1:min(int(m.Ncolumns), len(list))] {
		next := x.attribute(r, n.GetResTarget())
		if next == nil {
			return
		}
		attributes = append(attributes, next)
	}
	l := m.Source.GetSubLink()
	if l == nil || l.SubLinkType != pg.SubLinkType_EXPR_SUBLINK {
		for _, a := range attributes {
			switch {
			case a.Tagged == nil:
			case a.Tagged.Controlled():
				x.touch(a.Tagged, Assign)
			default:
				x.fail(refuseAssign(a.Tagged), x.token(locationOf(m.Source)))
			}
		}
		x.plainBut(m.Source, s, refuseStoreIn(a.Name))
		return
	}
	if targets := x.queryInto(l.Subselect.GetSelectStmt(), s, &goals{attributes: attributes, settled: true}); x.err == nil && len(targets) != len(attributes) {
		x.fail(errColumnCount(), x.token(l.Location))
	}
}

// skip crosses off what a copy names that is analysed elsewhere.
func (x *analysis) skip(n *pg.Node) {
	w := newSurveyor(x, false)
	w.message(n.ProtoReflect())
	for ref := range w.all.columns {
		delete(x.left.columns, ref)
	}
	for r := range w.all.relations {
		delete(x.left.relations, r)
	}
}

func (x *analysis) delete(st *pg.DeleteStmt, outer *scope) []target {
	it, r := x.targetItem(st.Relation)
	if r == nil {
		return nil
	}
	s := x.withTarget(it, st.UsingClause, outer)
	x.condition(st.WhereClause, s, "WHERE")
	return x.returningList(st.ReturningList, s)
}
