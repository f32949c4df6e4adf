package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// supply is a column of VALUES or of a subquery that holds nothing but constants and
// parameters. What they are for shows where the column is used: met by a sealed column,
// they are sealed for it. Those used in any other way stay as they are, and then
// cannot be sealed.
type supply struct {
	nodes  []*pg.Node
	column *schema.Column // they are sealed for it, nil if they are not
	plain  bool           // they are used as they are
	uses   uses
}

// uses says what sealed values are for.
type uses struct{ assign, compare bool }

// supplies gives the supply that expressions are, nil if not all of them are
// constants, parameters or computed of these.
func (x *analysis) supplies(nodes ...*pg.Node) *supply {
	if x.text == nil {
		return nil
	}
	for _, n := range nodes {
		kind, known := kindOf(withoutCasts(n))
		if known && kind != constantArray {
			continue
		}
		if e, _ := x.compile(n); e == nil {
			return nil
		}
	}
	return &supply{nodes: nodes}
}

// operandOf is expr for a place where the column of a supply may be met by a sealed
// one: it does not count as used.
func (x *analysis) operandOf(n *pg.Node, s *scope) operand {
	if ref := n.GetColumnRef(); ref != nil {
		return x.columnRef(ref, s).current()
	}
	return x.expr(n, s)
}

// current gives the operand as it is by now: that of a supply may have been sealed.
func (o operand) current() operand {
	if o.column == nil || o.column.supply == nil || o.column.supply.column == nil {
		return o
	}
	c := *o.column
	c.tagged, c.made = c.supply.column, true
	return operand{&c, o.token}
}

// plainUse notes that the column of a supply is used as it is.
func (o operand) plainUse() operand {
	if o.column != nil && o.column.supply != nil && o.column.supply.column == nil {
		o.column.supply.plain = true
	}
	return o.current()
}

// supplied seals the values of a supply for a sealed column that meets them. It
// reports false if the operand is no supply's.
func (x *analysis) supplied(o operand, c *schema.Column, use logical.Use) bool {
	if o.column == nil || o.column.supply == nil {
		return false
	}
	v := o.column.supply
	switch {
	case c.KeyBy != nil: // the values of several rows may be meant
		x.fail(refuseKeyless(c, "the value is that of a list or of a subquery"), o.token)
	case v.plain:
		x.fail(refuseSupply(c), o.token)
	case v.column == nil:
		v.column = c
		b := choice{x: x, column: c, goals: &goals{settled: true}, use: use}
		for _, n := range v.nodes {
			b.look(n)
		}
		x.supplying = v
		b.seal()
		x.supplying = nil
	case !interchangeable(v.column, c):
		x.fail(refuseDomain(c, v.column, "="), o.token)
	}
	if use == logical.Assign {
		v.uses.assign = true
	} else {
		v.uses.compare = true
	}
	return true
}

// meets analyses the comparison of a sealed column with the column of a supply. It
// reports false if it is none.
func (x *analysis) meets(name string, l, r operand) bool {
	if l.column != nil && l.column.supply != nil {
		l, r = r, l
	}
	if !l.sealed() || l.column.supply != nil || r.column == nil || r.column.supply == nil || !isEquality(name) {
		return false
	}
	c := l.column.tagged
	if c.Mode != schema.Deterministic {
		x.fail(refuseSearch(c, name), l.token)
		return true
	}
	if !x.compared(l.column) {
		x.fail(refuseCompared(c, name), l.token)
		return true
	}
	x.supplied(r, c, logical.Compare)
	x.touchAll(l.column, Search)
	return true
}

func refuseSupply(c *schema.Column) *pgerror.Error {
	return refuse(c, "use a value both in the clear and for", "").
		WithHint("Give the value a column of its own in VALUES, or a parameter of its own.")
}

func refuseShown(c *schema.Column) *pgerror.Error {
	return refuse(c, "show a value that is also meant for", "").WithHint("Show the column itself, or give the value a column of its own in VALUES.")
}

// usesNow gives what the values that are being sealed are for, nil if one use is all.
func (x *analysis) usesNow() *uses {
	if x.supplying == nil {
		return nil
	}
	return &x.supplying.uses
}

// usage is what the value of an edit is for; both says that it is compared, too.
func (e *edit) usage() logical.Use {
	if e.uses == nil {
		return e.use
	}
	if e.uses.assign {
		return logical.Assign
	}
	return logical.Compare
}

func (e *edit) both() bool { return e.uses != nil && e.uses.assign && e.uses.compare }
