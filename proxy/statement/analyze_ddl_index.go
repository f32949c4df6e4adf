package statement

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// createIndex analyses CREATE INDEX: on sealed values an index serves equality.
func (x *analysis) createIndex(st *pg.IndexStmt) {
	t := x.existingOrAny(st.Relation)
	if t == nil {
		return
	}
	elements, ok := x.indexElements(st)
	if !ok {
		x.fail(refuseForm("this form of CREATE INDEX"), x.token(st.Relation.Location))
		return
	}
	for i, n := range st.IndexParams {
		e := n.GetIndexElem()
		token := elements[i].first
		name := e.Name
		if ref := e.Expr.GetColumnRef(); ref != nil && len(ref.Fields) == 1 {
			name = ref.Fields[0].GetString_().GetSval() // a column in parentheses
		}
		c := t.sealed[name]
		if c == nil || name == "" {
			x.defined(e.Expr, t.scope(), refuseIndexExpression)
			continue
		}
		if ref := e.Expr.GetColumnRef(); ref != nil {
			delete(x.left.columns, ref)
		}
		x.indexKey(st, e, c, elements[i], token)
		x.tells(t, c, Match)
	}
	x.defined(st.WhereClause, t.scope(), refuseIndexExpression)
}

// indexKey analyses a sealed column among the keys of an index.
func (x *analysis) indexKey(st *pg.IndexStmt, e *pg.IndexElem, c *schema.Column, s span, token int32) {
	switch {
	case c.Mode != schema.Deterministic && st.Unique:
		x.fail(refuseGroup(c, "UNIQUE"), token)
	case c.Mode != schema.Deterministic:
		x.fail(refuseGroup(c, "INDEX"), token)
	case st.AccessMethod != "btree" && st.AccessMethod != "hash" && st.AccessMethod != "":
		x.fail(refuse(c, "index", " by "+st.AccessMethod).WithHint("Use btree or hash: on sealed values an index serves equality."), token)
	case len(e.Opclassopts) > 0:
		x.fail(refuse(c, "index", " with options of an operator class").WithHint("Leave the operator class out."), token)
	case len(e.Opclass) > 0 && !textClass(e.Opclass):
		x.fail(refuse(c, "index", " with operator class "+lastName(e.Opclass)).WithHint("Leave the operator class out."), token)
	}
	if len(e.Opclass) == 0 && len(e.Collation) == 0 {
		return
	}
	// What is for the order of text goes; the index then serves equality alone.
	first := s.first + 1
	if e.Expr != nil {
		end, ok := x.text.bracketEnd(int(s.first))
		if !ok {
			x.fail(refuseForm("this form of CREATE INDEX"), token)
			return
		}
		first = int32(end) + 1
	}
	last := s.last
	for i := first; i <= s.last; i++ {
		if w := strings.ToLower(string(x.text.Bytes(int(i)))); i > first && (w == "asc" || w == "desc" || w == "nulls") {
			last = i - 1
			break
		}
	}
	x.edits = append(x.edits, edit{kind: editText, first: first, last: last})
}

// textClass reports whether an operator class is one for text, numbers or dates of
// the server's own, such as ORMs add for LIKE.
func textClass(nodes []*pg.Node) bool {
	names := stringNodes(nodes)
	if len(names) > 1 && names[0] != "pg_catalog" {
		return false
	}
	name := strings.TrimSuffix(names[len(names)-1], "_pattern_ops")
	name = strings.TrimSuffix(name, "_ops")
	return slices.Contains([]string{
		"text", "varchar", "bpchar", "bytea", "int2", "int4", "int8", "numeric", "bool", "date", "timestamp", "timestamptz", "uuid",
	}, name)
}

// indexElements finds the tokens of the elements of CREATE INDEX … (…), which the
// tree gives no places for.
func (x *analysis) indexElements(st *pg.IndexStmt) ([]span, bool) {
	t := x.text
	at := int(x.token(st.Relation.Location))
	if at < 0 {
		return nil, false
	}
	for at++; t.Token(at).Kind == Dot; {
		at += 2
	}
	if string(t.Bytes(at)) == "*" {
		at++
	}
	if t.Word(at) == WordUsing {
		at += 2
	}
	if t.Token(at).Kind != LeftParen {
		return nil, false
	}
	end, ok := t.bracketEnd(at)
	if !ok {
		return nil, false
	}
	var spans []span
	first := at + 1
	for i := first; i <= end; i++ {
		switch t.Token(i).Kind {
		case LeftParen, LeftBracket:
			if i, ok = t.bracketEnd(i); !ok {
				return nil, false
			}
		case Comma:
			spans = append(spans, span{int32(first), int32(i - 1)})
			first = i + 1
		}
	}
	spans = append(spans, span{int32(first), int32(end - 1)})
	return spans, len(spans) == len(st.IndexParams)
}

// createStatistics analyses CREATE STATISTICS.
func (x *analysis) createStatistics(st *pg.CreateStatsStmt) {
	for _, n := range st.Relations {
		rv := n.GetRangeVar()
		if rv == nil {
			x.fail(refuseForm("this form of CREATE STATISTICS"), -1)
			return
		}
		t := x.existingOrAny(rv)
		if t == nil {
			return
		}
		for _, n := range st.Exprs {
			x.defined(n.GetStatsElem().GetExpr(), t.scope(), func(c *schema.Column) *pgerror.Error { return refuseUse(c, "CREATE STATISTICS") })
		}
	}
}

// createTrigger analyses CREATE TRIGGER. Its function sees sealed values.
func (x *analysis) createTrigger(st *pg.CreateTrigStmt) {
	t := x.existingOrAny(st.Relation)
	if t == nil {
		return
	}
	delete(x.left.relations, st.Constrrel)
	if name := lastName(st.Funcname); x.a.catalog.Function(name) {
		x.fail(refuseTriggerFunction(name), x.token(st.Relation.Location))
		return
	}
	rows := &scope{}
	for _, name := range []string{"new", "old"} {
		rows.items = append(rows.items, &item{name: name, columns: t.it.columns, system: true})
	}
	x.defined(st.WhenClause, rows, func(c *schema.Column) *pgerror.Error { return refuseUse(c, "WHEN") })
}

// policy analyses the conditions of row security.
func (x *analysis) policy(rv *pg.RangeVar, conditions ...*pg.Node) {
	t := x.existingOrAny(rv)
	if t == nil {
		return
	}
	for _, n := range conditions {
		x.defined(n, t.scope(), func(c *schema.Column) *pgerror.Error { return refuseUse(c, "a row security policy") })
	}
}
