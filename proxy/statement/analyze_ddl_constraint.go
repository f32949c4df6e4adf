package statement

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

var byteaType = logical.Type{Kind: logical.Bytea, Typmod: -1}

// constraint analyses a constraint or default: of one column, or of the table if
// name is "".
func (x *analysis) constraint(t *table, c *pg.Constraint, name string) {
	sealed := t.sealed[name]
	token := x.token(c.Location)
	keys := stringNodes(c.Keys)
	if name != "" {
		keys = []string{name}
	}
	switch c.Contype {
	case pg.ConstrType_CONSTR_DEFAULT:
		x.setDefault(sealed, c.RawExpr)
	case pg.ConstrType_CONSTR_CHECK:
		x.check(t, c.RawExpr)
	case pg.ConstrType_CONSTR_IDENTITY:
		if sealed != nil {
			x.fail(refuseGenerated(sealed, "IDENTITY"), token)
		}
	case pg.ConstrType_CONSTR_GENERATED:
		if sealed != nil {
			x.fail(refuseGenerated(sealed, "GENERATED"), token)
		}
		x.defined(c.RawExpr, t.scope(), func(c *schema.Column) *pgerror.Error { return refuseUse(c, "a generated column") })
	case pg.ConstrType_CONSTR_PRIMARY, pg.ConstrType_CONSTR_UNIQUE:
		word := "UNIQUE"
		if c.Contype == pg.ConstrType_CONSTR_PRIMARY {
			word = "PRIMARY KEY"
		}
		for _, key := range keys {
			k := t.sealed[key]
			if k != nil && k.Mode != schema.Deterministic {
				x.fail(refuseGroup(k, word), token)
			}
			x.tells(t, k, Match)
		}
	case pg.ConstrType_CONSTR_NOTNULL:
		x.tells(t, sealed, NullTest)
	case pg.ConstrType_CONSTR_EXCLUSION:
		for _, n := range c.Exclusions {
			x.exclusion(t, n, token)
		}
		x.defined(c.WhereClause, t.scope(), func(c *schema.Column) *pgerror.Error { return refuseUse(c, "a constraint") })
	case pg.ConstrType_CONSTR_FOREIGN:
		if len(c.FkAttrs) > 0 {
			keys = stringNodes(c.FkAttrs)
		}
		x.foreignKey(t, c, keys, token)
	}
}

// setDefault analyses DEFAULT: a constant is sealed, once and for all rows.
func (x *analysis) setDefault(c *schema.Column, n *pg.Node) {
	if n == nil {
		return
	}
	if c == nil {
		none := &scope{items: []*item{{unnamed: true, open: true}}} // the server refuses any column
		x.defined(n, none, func(c *schema.Column) *pgerror.Error { return refuseUse(c, "DEFAULT") })
		return
	}
	x.used = true
	x.noParams(n)
	if !isNull(withoutCasts(n)) {
		x.touch(c, Assign)
	}
	if !x.seal(n, c, logical.Assign, false) {
		x.fail(refuseDefault(c), x.token(locationOf(n)))
	}
}

// check analyses a CHECK constraint, which must work on sealed values.
func (x *analysis) check(t *table, n *pg.Node) {
	for name, c := range t.sealed {
		if x.ownCheck(n, c, name) {
			x.skip(n)
			return
		}
	}
	before := len(x.touches)
	x.defined(n, t.scope(), func(c *schema.Column) *pgerror.Error { return refuseUse(c, "CHECK") })
	if t.it.of == nil { // no row violates it yet
		x.kept(before)
	}
}

// exclusion analyses one element of EXCLUDE.
func (x *analysis) exclusion(t *table, n *pg.Node, token int32) {
	for _, item := range n.GetList().GetItems() {
		e := item.GetIndexElem()
		if e == nil {
			continue // the operator
		}
		if c := t.sealed[e.Name]; c != nil {
			x.fail(refuseUse(c, "EXCLUDE"), token)
		}
		x.defined(e.Expr, t.scope(), func(c *schema.Column) *pgerror.Error { return refuseUse(c, "EXCLUDE") })
	}
}

// foreignKey asks that each pair of columns is sealed into the same values.
func (x *analysis) foreignKey(t *table, c *pg.Constraint, keys []string, token int32) {
	far := stringNodes(c.PkAttrs)
	to := t
	if c.Pktable.Relname != t.name || x.differs(c.Pktable, t) {
		if to = x.existingOrAny(c.Pktable); to == nil {
			return
		}
	} else {
		delete(x.left.relations, c.Pktable)
	}
	if len(far) == 0 {
		far = x.primaryKey(t, to, c.Pktable, keys)
	}
	if len(far) == 0 {
		for _, key := range keys {
			if k := t.sealed[key]; k != nil {
				x.fail(refuse(k, "use FOREIGN KEY on", "").WithHint("Name the column that it references: REFERENCES %s (…).", c.Pktable.Relname), token)
			}
		}
		return
	}
	for i := range min(len(keys), len(far)) {
		a, b := t.sealed[keys[i]], to.sealed[far[i]]
		switch {
		case a == nil && b == nil:
		case a == nil || b == nil:
			if a == nil {
				a = b
			}
			x.fail(refuse(a, "use FOREIGN KEY on", "").
				WithHint("One side of the key is sealed and the other is not. Tag both columns with one domain in the schema file."), token)
		case a.Mode != schema.Deterministic:
			x.fail(refuseGroup(a, "FOREIGN KEY"), token)
		case b.Mode != schema.Deterministic || a.Context != b.Context || a.Key != b.Key:
			x.fail(refuseDomain(a, b, "FOREIGN KEY"), token)
		}
		x.tells(t, a, Match)
	}
}

// primaryKey gives the columns that REFERENCES means without naming any, and names them
// in the text, so that the server takes no others. It is nil if they are not known or no
// column of the key is sealed.
func (x *analysis) primaryKey(t, to *table, rv *pg.RangeVar, keys []string) []string {
	sealed := slices.ContainsFunc(keys, func(key string) bool { return t.sealed[key] != nil })
	first := x.token(rv.Location)
	last := first
	if rv.Schemaname != "" {
		last += 2
	}
	if !sealed || to.it.of == nil || rv.Catalogname != "" || !x.qualifiedName(first, last) {
		return nil
	}
	columns := to.it.of.PrimaryKey()
	if len(columns) != len(keys) {
		return nil
	}
	quoted := make([]string, len(columns))
	for i, name := range columns {
		quoted[i] = quoteIdent(name)
	}
	x.edits = append(x.edits, edit{kind: editAfter, first: last, last: last, token: last, text: " (" + strings.Join(quoted, ", ") + ")"})
	return columns
}

// differs reports whether a name of a table's own does not mean the table.
func (x *analysis) differs(rv *pg.RangeVar, t *table) bool {
	if rv.Schemaname != "" {
		return rv.Schemaname != t.schemaName
	}
	r, temporary := x.a.lookup(x.env, "", rv.Relname)
	return temporary || r != nil && r.Schema != t.schemaName
}

// isOwnConstraint finds the column of a table whose CHECK constraint of pgveil's
// has that name.
func (t *table) isOwnConstraint(name string) *schema.Column {
	if !strings.HasPrefix(name, "pgveil_") {
		return nil
	}
	for column, c := range t.sealed {
		in := *c
		in.Name = column
		if in.ConstraintName() == name {
			return c
		}
	}
	return nil
}
