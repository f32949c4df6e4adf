package statement

import (
	"slices"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// sealing says how the values of a sealed expression differ from those of the
// tagged column itself. The zero sealing is that of the column.
type sealing struct {
	also  []*schema.Column // further columns that a value may come from: its header tells
	casts []logical.Type   // what it is cast to, one after the other, once it is open
	// shown is the type that the client sees, of the elements if it is an array; the
	// zero Type is the column's.
	shown logical.Type
	array bool  // it is an array of such values
	json  *JSON // it is JSON of rows, whose sealed values are of the columns; else nil
	lossy bool  // the casts may make equal what was not, so that the server cannot compare
	// mixed: constants are among the values that are not sealed as a stored value is.
	mixed bool
	// marks are the edits that seal those constants; none once the expression is a
	// column of a query.
	marks  []int
	recast bool // a cast to another type has vanished from the text
	// row is the same number for columns of the same row of the same table of FROM, 0 where it is
	// not known which row a value is of.
	row int32
	// computed: the server would describe it as an expression, although it is a column
	// once its cast is gone.
	computed bool
}

// columns gives all columns that a sealed value may come from.
func (c *column) columns() []*schema.Column {
	return append([]*schema.Column{c.tagged}, c.also...)
}

// logicalType gives the type that the client sees.
func (c *column) logicalType() logical.Type {
	if c.shown.Kind != 0 {
		return c.shown
	}
	return c.tagged.Type
}

// touchAll notes a use of all columns that a sealed value may come from.
func (x *analysis) touchAll(c *column, how How) {
	for _, t := range c.columns() {
		x.touch(t, how)
	}
}

// comparable reports whether the server can tell by the sealed values alone
// whether two values of the expression are equal.
func (c *column) comparable() bool {
	for _, t := range c.columns() {
		if t.Mode != schema.Deterministic || !oneDomain(t, c.tagged) {
			return false
		}
	}
	return !c.array && c.json == nil && !c.lossy && !c.mixed
}

// compared reports whether an expression can be compared, which is what becomes of it
// in this place: then the constants in it are sealed as stored values are.
func (x *analysis) compared(c *column) bool {
	if c.comparable() {
		return true
	}
	stored := *c
	stored.mixed = false
	if len(c.marks) == 0 || !stored.comparable() {
		return false
	}
	for _, i := range c.marks {
		e := &x.edits[i]
		e.use, e.as, e.unpadded = logical.Compare, logical.Type{}, false
	}
	return true
}

// oneDomain reports whether equal values of two deterministic columns are equal sealed.
func oneDomain(a, b *schema.Column) bool {
	return a == b || a.Domain == b.Domain && a.Context == b.Context && a.Key == b.Key
}

// add notes that the values of another sealed expression are among those of c.
func (c *column) add(o *column) {
	for _, t := range o.columns() {
		if t != c.tagged && !slices.Contains(c.also, t) {
			c.also = append(slices.Clip(c.also), t)
		}
	}
	c.mixed = c.mixed || o.mixed
	c.marks = append(c.marks, o.marks...)
}

// exactCast reports whether a cast keeps every value, so that two are equal after it
// just if they were before.
func exactCast(to, from logical.Type) bool {
	have, room := characters(from), characters(to)
	switch {
	case to == from:
		return true
	case isInteger(to.Kind):
		return isInteger(from.Kind) && to.Size() >= from.Size()
	case to.Kind == logical.Bpchar:
		return from.Kind == logical.Bpchar && (room == 0 || have > 0 && have <= room)
	case isText(to.Kind):
		return isText(from.Kind) && (room == 0 || have > 0 && have <= room)
	}
	return false
}

// castable reports whether pgveil makes of an opened value what the cast makes of it.
func castable(to, from logical.Type) bool {
	if to == from && to.Kind == logical.Bytea {
		return true
	}
	if to.Kind == logical.Bpchar && to.Typmod < 0 {
		return from.Kind == logical.Bpchar // else blanks at the end would count
	}
	return from.Kind != logical.Bytea && logical.Castable(to.Kind, from.Kind)
}

// commonType gives the type that the server gives to an expression whose parts have
// these types, the first of them first (select_common_type), where the sealed form
// of all of them is the same. ok is false elsewhere.
func commonType(a, b logical.Type) (t logical.Type, ok bool) {
	switch {
	case a == b:
		return a, true
	case a.Kind == b.Kind:
		return logical.Type{Kind: a.Kind, Typmod: -1}, true
	case isInteger(a.Kind) && isInteger(b.Kind):
		if a.Size() < b.Size() {
			a = b
		}
		return a, true
	case isText(a.Kind) && isText(b.Kind):
		return logical.Type{Kind: a.Kind, Typmod: -1}, true
	}
	return t, false
}

// output gives the result column that a target is.
func (t *target) output() Output {
	if t.json != nil {
		return Output{JSON: t.json, origin: t.origin}
	}
	o := Output{Column: t.tagged, origin: t.origin}
	if t.tagged != nil {
		o.Also, o.Type, o.Casts, o.Array, o.Computed = t.also, t.logicalType(), t.casts, t.array, t.computed
		o.Row = t.ownRow()
	}
	return o
}

// storable reports whether all values of a sealed expression can be stored in a column
// as they are.
func (c *column) storable(to *schema.Column) bool {
	for _, from := range c.columns() {
		if !interchangeable(to, from) {
			return false
		}
	}
	return !c.array && c.json == nil && !c.lossy && !c.mixed
}
