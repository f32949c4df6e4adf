package statement

import (
	"slices"

	"github.com/pgveil/pgveil/schema"
)

// maxViewDepth bounds views over views.
const maxViewDepth = 64

// view is the analysis of a view's definition.
type view struct {
	columns []column // of each attribute
	touches []Touch  // what every use of the view does, whatever it reads
	beside  []*schema.Column
	ruled   bool // rules say what changes it, or a view that it reads
	keyed   bool // a relation that it reads has keys by value
	err     *refusal
}

// viewEnv is the session that pg_get_viewdef writes for: all names qualified
// but those of pg_catalog.
var viewEnv = &Env{SearchPath: []string{"pg_catalog"}}

// isView reports whether a relation is a view that reaches a tagged table.
func isView(r *schema.Relation) bool { return r.Reaches && (r.Kind == 'v' || r.Kind == 'm') }

// viewOf gives the analysis of a view. Nil comes with an error.
func (x *analysis) viewOf(r *schema.Relation, token int32) *view {
	v := x.a.view(r, x.deep+1)
	if v.err != nil {
		x.fail(refuseView(r, &v.err.err), token)
		return nil
	}
	for _, t := range v.touches {
		x.touch(t.Column, t.How)
	}
	x.ruled = x.ruled || v.ruled
	x.beside = append(x.beside, v.beside...)
	return v
}

// view analyses a view's definition, once.
func (a *Analyzer) view(r *schema.Relation, deep int) *view {
	a.viewsMu.Lock()
	v := a.views[r.OID]
	a.viewsMu.Unlock()
	if v != nil {
		return v
	}
	if deep > maxViewDepth {
		return &view{err: &refusal{*errDepth(), -1}} // not kept: it depends on where it was reached from
	}
	v = a.analyzeView(r, deep)
	a.viewsMu.Lock()
	a.views[r.OID] = v
	a.viewsMu.Unlock()
	return v
}

func (a *Analyzer) analyzeView(r *schema.Relation, deep int) *view {
	x := &analysis{a: a, env: viewEnv, view: r, deep: deep}
	t := new(Lexer).Lex([]byte(r.Definition))
	if t.Odd() || t.RunsSQL() >= 0 {
		return &view{err: &refusal{*refuseRules(r), -1}}
	}
	if err := checkBounds(t); err != nil {
		return &view{err: &refusal{*err, -1}}
	}
	tree, err := parse(r.Definition)
	if err != nil || len(tree.Stmts) != 1 || tree.Stmts[0].Stmt.GetSelectStmt() == nil {
		return &view{err: &refusal{*refuseRules(r), -1}}
	}
	for _, h := range x.survey(tree.Stmts[0], false) {
		if h.always {
			x.fail(h.err, -1)
		}
	}
	targets := x.query(tree.Stmts[0].Stmt.GetSelectStmt(), nil, useView)
	x.leftover()
	if x.err == nil && len(targets) != len(r.Attributes) {
		x.fail(refuseRules(r), -1)
	}
	if x.err != nil {
		return &view{err: x.err}
	}
	v := &view{columns: make([]column, len(targets)), touches: x.touches, beside: x.beside, ruled: r.Rules || x.ruled}
	for i := range targets {
		v.columns[i] = targets[i].column
	}
	for _, it := range x.ranges {
		v.keyed = v.keyed || it.of != nil && (hasKeyBy(it.of) || isView(it.of) && a.view(it.of, deep+1).keyed)
	}
	return v
}

// assignable gives the relation that a statement changes with the tags of its columns: what
// is stored in a column of a view is sealed for the column that it shows, and the server
// says whether the view can be changed. What a rule makes of a change is not followed.
func (x *analysis) assignable(r *schema.Relation, it *item, token int32) *schema.Relation {
	if !isView(r) {
		return r
	}
	if x.a.view(r, x.deep+1).ruled {
		x.fail(refuseViewRules(r), token)
		return nil
	}
	tagged := *r
	tagged.Attributes = slices.Clone(r.Attributes)
	for i := range tagged.Attributes {
		tagged.Attributes[i].Tagged = it.columns[i].tagged
	}
	return &tagged
}

// sealedAttribute gives the tagged column that an attribute of a table or view
// holds, nil if none; attribute 0 is the whole row. known is false where it
// cannot be told.
func (a *Analyzer) sealedAttribute(table uint32, attribute int16) (c *schema.Column, known bool) {
	r := a.catalog.ByOID(table)
	if r == nil {
		return nil, table < firstUserOID
	}
	var v *view
	if isView(r) {
		if v = a.view(r, 1); v.err != nil {
			return nil, false
		}
	}
	for i := range r.Attributes {
		if attribute != 0 && r.Attributes[i].Num != attribute {
			continue
		}
		known = true
		c = r.Attributes[i].Tagged
		if v != nil {
			c = v.columns[i].tagged
		}
		if c != nil {
			return c, true
		}
	}
	return nil, known || attribute <= 0 // a system column; a row without columns
}

// firstUserOID is the server's FirstNormalObjectId: lower OIDs are the system's.
const firstUserOID = 16384
