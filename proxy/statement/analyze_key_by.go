package statement

import (
	"fmt"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/proxy/copydata"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// row is the row in which values are stored, as far as the statement tells which keys of
// keys by value its columns have.
type row struct {
	relation *schema.Relation
	values   map[string]*pg.Node // what the statement stores, by column
	stored   *item               // the row is there already, and this names it; else nil
	agrees   []string            // columns that are equal in excluded and in the row that is there
}

// pick says which key of keys by value a value is sealed with: that of another value of the
// statement or, if there is none, the one that the server picks by an expression.
type pick struct {
	value *expression
	as    logical.Type
	sql   string
}

// pickFor tells by what the key of a value for a column is picked, nil for a column that has
// one key. It refuses the statement if the row's is not known.
func (x *analysis) pickFor(c *schema.Column, token int32) *pick {
	if c.KeyBy == nil {
		return nil
	}
	r := x.row
	if r == nil || r.relation.Kind == 'v' {
		x.fail(refuseKeyless(c, "the statement does not say it here"), token)
		return nil
	}
	as, err := r.relation.KeyedBy(c)
	if err != nil {
		x.fail(refuseKeyless(c, err.Error()), token)
		return nil
	}
	n, ok := r.values[c.KeyBy.Column]
	switch {
	case !ok && r.stored != nil:
		return &pick{as: as, sql: c.KeyBy.SQL(quoteName(r.stored.name)+"."+quoteName(c.KeyBy.Column), as.Kind)}
	case !ok:
		x.fail(refuseKeyless(c, "the server would choose it"), token)
		return nil
	}
	e, _ := x.compile(n)
	if e == nil || e.asks {
		x.fail(refuseKeyless(c, "the server would compute it"), token)
		return nil
	}
	return &pick{value: e, as: as}
}

// setRow is the row of SET: what the list stores, and what is in the row beside it. It refuses a
// change of what keys are by that leaves values under the key of another.
func (x *analysis) setRow(list []*pg.Node, r *schema.Relation, it *item) *row {
	made := &row{relation: r, values: make(map[string]*pg.Node), stored: it}
	for _, n := range list {
		t := n.GetResTarget()
		value := t.Val
		if m := value.GetMultiAssignRef(); m != nil {
			value = m.Source
			if args := m.Source.GetRowExpr().GetArgs(); m.Colno >= 1 && int(m.Colno) <= len(args) {
				value = args[m.Colno-1]
			}
		}
		made.values[t.Name] = value
	}
	if r.Kind == 'v' && len(list) > 0 && x.a.view(r, x.deep+1).keyed {
		x.fail(refuseForm("a change of a view over a table with keys by value").
			WithHint("Change the table itself."), x.token(list[0].GetResTarget().GetLocation()))
	}
	for i := range r.Attributes {
		c := r.Attributes[i].Tagged
		if c == nil || c.KeyBy == nil {
			continue
		}
		_, moved := made.values[c.KeyBy.Column]
		if _, set := made.values[r.Attributes[i].Name]; moved && !set {
			x.fail(refuse(c, "change "+c.KeyBy.Column+", which picks the key of", "").
				WithHint("Its value would stay under the key of another %[1]s: set %[2]s in the same statement, to a value.", c.KeyBy.Column, c.Name), x.token(list[0].GetResTarget().GetLocation()))
		}
	}
	return made
}

// hasKeyBy reports whether columns of a relation have keys by value.
func hasKeyBy(r *schema.Relation) bool {
	return slices.ContainsFunc(r.Attributes, func(a schema.Attribute) bool { return a.Tagged != nil && a.Tagged.KeyBy != nil })
}

// said gives the relation whose rows have the values that a statement inserts: none where the
// server may put others in their place.
func said(r *schema.Relation, o pg.OverridingKind) *schema.Relation {
	if o == pg.OverridingKind_OVERRIDING_USER_VALUE {
		return nil
	}
	return r
}

// insertRow is a row of values for columns of a relation, nil of none.
func insertRow(r *schema.Relation, attributes []*schema.Attribute, values []*pg.Node) *row {
	if r == nil {
		return nil
	}
	made := &row{relation: r, values: make(map[string]*pg.Node)}
	for i, n := range values {
		if i < len(attributes) {
			made.values[attributes[i].Name] = n
		}
	}
	return made
}

// selectRow is the row that a select list makes, nil where the list is not of values alone.
func (g *goals) selectRow(list []*pg.Node) *row {
	if g == nil || g.relation == nil {
		return nil
	}
	var attributes []*schema.Attribute
	var values []*pg.Node
	for i, n := range list {
		r := n.GetResTarget()
		ref := r.GetVal().GetColumnRef()
		if a := g.of(i); a != nil {
			attributes, values = append(attributes, a), append(values, r.GetVal())
		}
		if ref != nil && len(stringNodes(ref.Fields)) < len(ref.Fields) { // *
			return nil
		}
	}
	return insertRow(g.relation, attributes, values)
}

// inferred gives the columns by which ON CONFLICT finds the row that is there.
func inferred(c *pg.InferClause) []string {
	var names []string
	for _, n := range c.GetIndexElems() {
		if name := n.GetIndexElem().GetName(); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// inRow does work on values of a row.
func (x *analysis) inRow(r *row, work func()) {
	before := x.row
	x.row = r
	work()
	x.row = before
}

// nested is the row as a query within it may know it: a name there may be another's.
func (r *row) nested() *row {
	if r == nil || r.stored == nil {
		return r
	}
	return &row{relation: r.relation, values: r.values}
}

// carried reports whether a sealed value of a column, stored in the same column, stays in its row
// or comes with what its key is picked by.
func (x *analysis) carried(c *schema.Column, o operand) bool {
	r, by := x.row, c.KeyBy.Column
	if o.column.excluded {
		if r == nil {
			return false
		}
		n, set := r.values[by]
		if !set {
			return slices.Contains(r.agrees, by)
		}
		names := stringNodes(n.GetColumnRef().GetFields())
		return len(names) == 2 && names[0] == "excluded" && names[1] == by
	}
	if o.column.made {
		return true
	}
	if r == nil || r.stored == nil {
		return false
	}
	if _, set := r.values[by]; set {
		return false
	}
	for i := range r.stored.columns {
		if &r.stored.columns[i] == o.column {
			return true
		}
	}
	return false
}

func refuseKeyless(c *schema.Column, why string) *pgerror.Error {
	return refuse(c, "store a value in", ", whose key is that of the row's "+c.KeyBy.Column+": "+why).
		WithHint("Give the value of %s as a constant or a parameter in the same row: VALUES, or SET.", c.KeyBy.Column)
}

func refuseCarry(c *schema.Column) *pgerror.Error {
	return refuse(c, "copy", " from another row, whose key may be that of another "+c.KeyBy.Column).
		WithHint("Read the value and store it as a value. In ON CONFLICT DO UPDATE, set %[1]s = excluded.%[1]s as well, or have it among the columns that conflict.", c.KeyBy.Column)
}

// copyKeys finds the columns of a COPY that pick the keys of others.
func (x *analysis) copyKeys(rv *pg.RangeVar, c *CopyPlan) {
	for i, tagged := range c.Tagged {
		if tagged == nil || tagged.KeyBy == nil || x.err != nil {
			continue
		}
		r := x.relation(rv)
		if r == nil {
			return
		}
		as, err := r.KeyedBy(tagged)
		at := slices.IndexFunc(c.Columns, func(o copydata.Column) bool { return o.Name == tagged.KeyBy.Column })
		switch {
		case r.Kind == 'v':
			x.fail(refuseKeyless(tagged, "a view does not say it"), -1)
		case err != nil:
			x.fail(refuseKeyless(tagged, err.Error()), -1)
		case at < 0:
			x.fail(refuse(tagged, "copy", fmt.Sprintf(" without %s, by which its keys are", tagged.KeyBy.Column)).
				WithHint("Have %s among the columns of the COPY.", tagged.KeyBy.Column), -1)
		case at > i && c.Options.Format == copydata.Binary:
			x.fail(refuse(tagged, "copy", fmt.Sprintf(" in binary format before %s, by which its keys are", tagged.KeyBy.Column)).
				WithHint("List %s before it, or use the text format.", tagged.KeyBy.Column), -1)
		default:
			if c.KeyOf == nil {
				c.KeyOf, c.KeyTypes = make([]int, len(c.Columns)), make([]logical.Type, len(c.Columns))
			}
			c.Columns[at].Note = true
			c.KeyOf[i], c.KeyTypes[at] = at, as
		}
	}
}
