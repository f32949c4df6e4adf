package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
)

// createView analyses CREATE VIEW. It shows nothing: the verdicts count for
// whoever selects from the view.
func (x *analysis) createView(st *pg.ViewStmt) {
	if x.createsTagged(st.View) {
		x.fail(refuseNotTable(st.View.Relname), x.token(st.View.Location))
		return
	}
	delete(x.left.relations, st.View)
	before := len(x.touches)
	x.keepsCasts(x.query(st.Query.GetSelectStmt(), nil, useView))
	x.kept(before)
	x.noParams(st.Query)
	x.noList(st.Options)
}

// noList is for options, which may not name columns.
func (x *analysis) noList(nodes []*pg.Node) {
	for _, n := range nodes {
		x.plain(n.GetDefElem().GetArg(), &scope{}, "an option")
	}
}

// createAs analyses CREATE TABLE AS, SELECT INTO and CREATE MATERIALIZED VIEW. The
// rows of a table must go where they are tagged; those of a materialized view are
// known by its query.
func (x *analysis) createAs(st *pg.SelectStmt, into *pg.IntoClause, kind pg.ObjectType) {
	schemaName, temporary := x.creates(into.Rel)
	delete(x.left.relations, into.Rel)
	token := x.token(into.Rel.Location)
	var tags []*schema.Column
	if !temporary {
		tags = x.a.catalog.Tags(schemaName, into.Rel.Relname)
	}
	matview := kind == pg.ObjectType_OBJECT_MATVIEW
	if matview && len(tags) > 0 {
		x.fail(refuseNotTable(into.Rel.Relname), token)
		return
	}
	x.used = x.used || len(tags) > 0
	targets := x.query(st, nil, useView)
	x.keepsCasts(targets)
	x.noParams(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: st}})
	if matview || x.err != nil {
		return
	}
	names := stringNodes(into.ColNames)
	for i, target := range targets {
		name := target.name
		if i < len(names) {
			name = names[i]
		}
		var tag *schema.Column
		for _, c := range tags {
			if c.Name == name {
				tag = c
			}
		}
		switch {
		case target.tagged == nil && tag == nil:
		case target.tagged == nil:
			x.fail(refuseFill(tag), target.token)
		case tag == nil:
			x.fail(refuseStore(target.tagged, "a new table"), target.token)
		case !tag.SealsAlike(target.tagged), target.array, target.json != nil:
			x.fail(refuseCopy(tag, target.tagged), target.token)
		}
	}
}
