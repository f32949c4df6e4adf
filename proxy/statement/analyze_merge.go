package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
)

// merge analyses MERGE: a join of the target with a source, and what is done to the
// rows of either (transformMergeStmt).
func (x *analysis) merge(st *pg.MergeStmt, outer *scope) []target {
	it, r := x.targetItem(st.Relation)
	if r == nil {
		return nil
	}
	source := &scope{outer: outer}
	x.from([]*pg.Node{st.SourceRelation}, source)
	x.checkNames([]*item{it}, source.items)
	both := &scope{items: append([]*item{it}, source.items...), outer: outer}
	x.condition(st.JoinCondition, both, "ON")
	for _, n := range st.MergeWhenClauses {
		if x.err != nil {
			return nil
		}
		w := n.GetMergeWhenClause()
		s := both
		switch w.GetMatchKind() {
		case pg.MergeMatchKind_MERGE_WHEN_MATCHED:
		case pg.MergeMatchKind_MERGE_WHEN_NOT_MATCHED_BY_TARGET: // there is no row of the target
			s = source
		case pg.MergeMatchKind_MERGE_WHEN_NOT_MATCHED_BY_SOURCE:
			s = &scope{items: []*item{it}, outer: outer}
		default:
			x.fail(refuseForm("this form of MERGE"), -1)
			return nil
		}
		x.condition(w.Condition, s, "WHEN")
		switch w.CommandType {
		case pg.CmdType_CMD_INSERT:
			x.mergeInsert(w, r, s)
		case pg.CmdType_CMD_UPDATE:
			x.set(w.TargetList, r, it, s)
		case pg.CmdType_CMD_DELETE, pg.CmdType_CMD_NOTHING:
		default:
			x.fail(refuseForm("this form of MERGE"), -1)
		}
	}
	return x.returningList(st.ReturningList, both)
}

// mergeInsert analyses INSERT within MERGE, which has one row of values or none.
func (x *analysis) mergeInsert(w *pg.MergeWhenClause, r *schema.Relation, s *scope) {
	attributes := x.insertColumns(w.TargetList, r)
	if x.err != nil {
		return
	}
	if len(w.Values) > len(attributes) {
		x.fail(errTooManyValues(), x.token(locationOf(w.Values[len(attributes)])))
		return
	}
	x.inRow(insertRow(said(r, w.Override), attributes, w.Values), func() {
		for i, n := range w.Values {
			x.assign(attributes[i], n, s, false)
		}
	})
}

// insertColumns gives the columns that INSERT names, or all.
func (x *analysis) insertColumns(list []*pg.Node, r *schema.Relation) []*schema.Attribute {
	attributes := make([]*schema.Attribute, 0, len(r.Attributes))
	for _, n := range list {
		if a := x.attribute(r, n.GetResTarget()); a != nil {
			attributes = append(attributes, a)
		}
	}
	if len(list) == 0 {
		visible := r.Visible()
		for i := range visible {
			attributes = append(attributes, &visible[i])
		}
	}
	return attributes
}
