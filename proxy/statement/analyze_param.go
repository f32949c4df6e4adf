package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"
)

// free notes that what is compared with an operand is, if that is an untagged
// column, the column's value: as such it may be sent in the clear, although the same
// parameter is sealed elsewhere.
func (x *analysis) free(o operand, n *pg.Node) {
	if o.column == nil || o.sealed() {
		return
	}
	x.freeParam(n)
	for _, e := range withoutCasts(n).GetAArrayExpr().GetElements() {
		x.freeParam(e)
	}
}

func (x *analysis) freeParam(n *pg.Node) {
	p := withoutCasts(n).GetParamRef()
	if p == nil || x.text == nil {
		return
	}
	if token := x.token(p.Location); token >= 0 {
		x.edits = append(x.edits, edit{kind: editFree, first: token, last: token, token: token})
	}
}

// nullTestOfParam plans that the parameter of (col = $1 OR $1::text IS NULL) arrives
// sealed there, too. It reports false if n is something else.
func (x *analysis) nullTestOfParam(n *pg.Node) bool {
	leaf := withoutCasts(n)
	if leaf.GetParamRef() == nil || x.text == nil {
		return false
	}
	v := &value{x: x, kind: constantParam, leaf: leaf}
	s, ok := v.locate()
	if !ok {
		return false
	}
	from := uint32(0)
	casts := castsOf(n)
	for i := len(casts) - 1; i >= 0; i-- {
		t, known := x.castTypeOf(casts[i].TypeName)
		whole, _, found := v.cast(s, casts[i])
		if !known || !found || t.array {
			return false
		}
		if from == 0 {
			from = t.OID()
		}
		s = whole
	}
	x.edits = append(x.edits, edit{kind: editNullTest, first: s.first, last: s.last, token: v.token, from: from})
	return true
}
