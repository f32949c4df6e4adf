package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
)

// relation resolves a table named in the statement. Nil comes with an error.
func (x *analysis) relation(rv *pg.RangeVar) *schema.Relation {
	delete(x.left.relations, rv)
	token := x.token(rv.Location)
	r, temporary := x.a.lookup(x.env, rv.Schemaname, rv.Relname)
	switch {
	case temporary:
		x.fail(refuseTemporary(rv.Relname), token)
		return nil
	case r == nil:
		x.fail(errRelation(rv.Schemaname, rv.Relname), token)
		return nil
	}
	x.used = x.used || r.Reaches
	x.beside = append(x.beside, r.Controlled()...)
	return r
}

// attributes gives the columns of a relation, sealed ones marked. Those of a
// view are what its definition makes of them.
func (x *analysis) attributes(r *schema.Relation, token int32) []column {
	if o := r.Orphan(); o != nil {
		x.fail(refuseOrphan(r, o), token)
		return nil
	}
	if r.Reveals != nil {
		x.fail(refuse(r.Reveals, "use the table of", ", whose partitions or generated columns tell of it,"), token)
		return nil
	}
	visible := r.Visible()
	columns := make([]column, len(visible))
	var v *view
	if isView(r) {
		if v = x.viewOf(r, token); v == nil {
			return nil
		}
	}
	sealed, row := false, x.newRow()
	for i := range visible {
		a := &visible[i]
		columns[i] = column{name: a.Name, tagged: a.Tagged, origin: origin{r.OID, a.Num}, sealing: sealing{row: row}}
		if v != nil {
			columns[i].tagged, columns[i].sealing = v.columns[i].tagged, v.columns[i].sealing
			columns[i].row = v.columns[i].ownRow()
			columns[i].computed = false // it is the view's own column
		}
		sealed = sealed || columns[i].tagged != nil
	}
	if v != nil {
		x.renumber(columns)
	}
	if r.Reaches && v == nil && !sealed && !r.InClear {
		x.fail(refuseRules(r), token)
	}
	return columns
}

// rangeVar makes the item of a table or CTE in FROM.
func (x *analysis) rangeVar(rv *pg.RangeVar, s *scope) *item {
	if c := x.findCTE(rv, s); c != nil {
		return x.rangeCTE(c, rv)
	}
	it := &item{name: rv.Relname, loose: rv.Schemaname == ""}
	r := x.relation(rv)
	if r == nil {
		return it
	}
	it.columns = x.attributes(r, x.token(rv.Location))
	it.system = r.Kind != 'v'
	x.nameItem(it, r, rv)
	return it
}

// nameItem gives an item the name by which the rest of the statement knows it.
func (x *analysis) nameItem(it *item, r *schema.Relation, rv *pg.RangeVar) {
	it.of, it.hides = r, r.Hides()
	if rv.Alias == nil {
		it.relation = r
	} else {
		x.alias(it, rv.Alias, x.token(rv.Location))
	}
	x.ranges = append(x.ranges, it)
}

// alias names an item and its columns.
func (x *analysis) alias(it *item, alias *pg.Alias, token int32) {
	it.name = alias.Aliasname
	columns, ok := rename(it.columns, stringNodes(alias.Colnames))
	if !ok {
		x.fail(refuseForm("more column aliases than columns"), token)
	}
	it.columns = columns
}
