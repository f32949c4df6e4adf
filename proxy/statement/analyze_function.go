package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// declared gives what the schema file says of the function that a call names, nil if
// nothing.
func (a *Analyzer) declared(names []string) *schema.Function {
	switch len(names) {
	case 1:
		return a.catalog.Declared("", names[0])
	case 2:
		return a.catalog.Declared(names[0], names[1])
	}
	return nil
}

// callDeclared analyses a call outside of FROM of a function that the schema file
// describes.
func (x *analysis) callDeclared(d *schema.Function, f *pg.FuncCall, s *scope) operand {
	x.arguments(d, f, s)
	if d.Table() {
		x.fail(refuseDeclared(d, "outside of FROM, as it returns a table"), x.token(f.Location))
		return operand{}
	}
	return operand{returned(&d.Columns[0]), x.token(f.Location)}
}

// returned is a column of a function's result. The server knows no modifier of its type.
func returned(r *schema.Returned) *column {
	c := &column{name: r.Name, tagged: r.Column}
	if r.Column != nil {
		c.computed = true
		c.shown = logical.Type{Kind: r.Column.Type.Kind, Typmod: -1}
	}
	return c
}

// arguments seals the arguments of a function that the schema file describes. What the
// function does with one that it gets may be a comparison.
func (x *analysis) arguments(d *schema.Function, f *pg.FuncCall, s *scope) {
	x.used = true
	token := x.token(f.Location)
	if f.AggStar || f.AggDistinct || f.AggWithinGroup || f.FuncVariadic || f.AggFilter != nil || f.Over != nil || len(f.AggOrder) > 0 {
		x.fail(refuseDeclared(d, "as an aggregate or window function, or with VARIADIC"), token)
		return
	}
	for i, n := range f.Args {
		if n.GetNamedArgExpr() != nil {
			x.fail(refuseDeclared(d, "with names of arguments"), token)
			return
		}
		if i >= len(d.Arguments) || d.Arguments[i] == nil {
			x.plainBut(n, s, func(c *schema.Column) *pgerror.Error { return refuseFunction(c, d.Name, d.QualifiedName()) })
			continue
		}
		c := d.Arguments[i]
		x.touch(c, Assign)
		if c.Mode == schema.Deterministic {
			x.touch(c, Search)
		}
		x.stored(n, c, s, &goals{})
	}
}

// declaredItem makes the item of FROM of such a function; nil if it is of a form that is
// not known.
func (x *analysis) declaredItem(n *pg.RangeFunction, s *scope) *item {
	if n.IsRowsfrom || len(n.Functions) != 1 || len(n.Coldeflist) > 0 {
		return nil
	}
	items := n.Functions[0].GetList().GetItems()
	if len(items) == 0 || items[0].GetFuncCall() == nil {
		return nil
	}
	f := items[0].GetFuncCall()
	d := x.a.declared(stringNodes(f.Funcname))
	if d == nil {
		return nil
	}
	it := &item{name: d.Name}
	var names []string
	if n.Alias != nil {
		it.name = n.Alias.Aliasname
		names = stringNodes(n.Alias.Colnames)
	}
	before := s.lateral
	s.lateral = true
	x.arguments(d, f, s)
	s.lateral = before
	for i := range d.Columns {
		c := *returned(&d.Columns[i])
		if !d.Table() {
			c.name = it.name
		}
		it.columns = append(it.columns, c)
	}
	x.nameRows(it, n, names)
	return it
}

func refuseDeclared(d *schema.Function, how string) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot call function %s %s: its arguments or result are sealed", d.QualifiedName(), how).
		WithHint("Call it with its arguments in their order; one that returns a table, in FROM.")
}
