package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// constants are expressions that can be sealed, in the place of one value: those of
// one column of a VALUES list or a set operation, or just one.
type constants struct {
	nodes  []*pg.Node
	typ    logical.Type // the type that the server gives them; zero: unknown
	number bool         // typ is not zero, and the least that a number without a cast may have
	array  bool         // typ is that of the elements
}

// branch is one of the expressions whose values meet in one column.
type branch struct {
	operand
	constants *constants // nil if it is sealed or neither
}

// constantsOf tells whether an expression can be sealed. Nil means that it cannot.
func (x *analysis) constantsOf(n *pg.Node) *constants {
	kind, ok := kindOf(withoutCasts(n))
	if !ok || kind == constantArray {
		return nil
	}
	c := &constants{nodes: []*pg.Node{n}}
	if casts := castsOf(n); len(casts) > 0 && (x.text != nil || kind != constantNull) { // in a view NULL is cast to bytea
		t, ok := x.castTypeOf(casts[0].TypeName)
		if !ok {
			return nil
		}
		c.typ, c.array = t.Type, t.array
		return c
	}
	switch kind {
	case constantInteger, constantDecimal:
		c.typ, c.number = logical.Type{Kind: logical.Int4, Typmod: -1}, true
	case constantBool:
		c.typ = logical.Type{Kind: logical.Bool, Typmod: -1}
	}
	return c
}

// branchOf analyses an expression whose value may meet sealed ones.
func (x *analysis) branchOf(n *pg.Node, s *scope) branch {
	if o, ok := x.jsonOperand(n, s, false); ok {
		return branch{operand: o}
	}
	b := branch{operand: x.expr(n, s)}
	if !b.sealed() {
		b.constants = x.constantsOf(n)
	}
	return b
}

// mixedType gives the type of a column in which the branches meet, in the order in
// which the server looks at them. ok is false if the sealed form of one would not be
// that of the others.
func mixedType(branches []branch) (t logical.Type, ok bool) {
	constant, numbers := false, false // numbers: t is that of numbers only
	for i := range branches {
		b := &branches[i]
		var next logical.Type
		number := false
		if b.sealed() {
			next = b.column.logicalType()
		} else {
			next, number, constant = b.constants.typ, b.constants.number, true
		}
		switch {
		case next.Kind == 0:
		case t.Kind == 0:
			t, numbers = next, number
		case number && isFraction(t.Kind):
		case numbers && isFraction(next.Kind):
			t, numbers = next, false
		default:
			if t, ok = commonType(t, next); !ok {
				return t, false
			}
			numbers = numbers && number
		}
	}
	if constant {
		t.Typmod = -1
	}
	return t, true
}

func isFraction(k logical.Kind) bool {
	return k == logical.Numeric || k == logical.Float4 || k == logical.Float8
}

// mix analyses expressions whose values meet in one column: of a set operation, of
// CASE, COALESCE or VALUES. Constants are sealed as values of the first tagged column
// among the others; they need not be values of its type with its modifier. The result
// has no name, and is not sealed if no branch is.
func (x *analysis) mix(branches []branch, where string) operand {
	var first operand
	for i := range branches {
		if branches[i].sealed() {
			first = branches[i].operand
			break
		}
	}
	if !first.sealed() {
		return operand{}
	}
	for i := range branches {
		if b := branches[i]; b.sealed() && b.column.tagged.Controlled() {
			return x.mixControlled(branches, b.operand, where)
		}
	}
	if first.column.json != nil {
		return x.mixJSON(branches, first, where)
	}
	tagged := first.column.tagged
	for i := range branches {
		if b := &branches[i]; !b.sealed() && b.constants == nil {
			x.fail(refuseMix(tagged, where), first.token)
			return first
		}
	}
	t, ok := mixedType(branches)
	if !ok {
		x.fail(refuseMixedTypes(tagged, where), first.token)
		return first
	}
	out := &column{tagged: tagged, sealing: sealing{shown: t, array: first.column.array, computed: true}}
	for i := range branches {
		b := &branches[i]
		if !b.sealed() {
			x.mixConstants(b.constants, out)
			continue
		}
		c := b.column
		padded := t.Kind == logical.Bpchar && c.shown.Kind == logical.Bpchar && c.shown.Typmod > 0 && c.shown != c.tagged.Type
		if c.supply != nil || c.lossy || c.array != out.array || c.json != nil || padded && t != c.shown {
			x.fail(refuseMixedTypes(c.tagged, where), b.token)
			return first
		}
		out.add(c)
		out.recast = out.recast || c.recast
	}
	return operand{out, first.token}
}

// mixConstants seals what meets a sealed column.
func (x *analysis) mixConstants(c *constants, with *column) {
	f := form{use: logical.Assign, array: with.array, as: logical.Type{Kind: with.shown.Kind, Typmod: -1}}
	switch with.shown.Kind {
	case logical.Bpchar:
		if c.typ.Kind == logical.Bpchar && c.typ.Typmod > 0 {
			x.fail(refuseMixedTypes(with.tagged, "an expression"), x.token(locationOf(c.nodes[0])))
		}
		// The server fills up stored values of char(n) only.
		f.as.Kind, f.unpadded = logical.Text, with.tagged.Type.Kind == logical.Bpchar
		with.mixed = with.mixed || !onlyNulls(c)
	case logical.Numeric:
		with.mixed = with.mixed || !onlyNulls(c) // its scale is its own
	}
	first := len(x.edits)
	for _, n := range c.nodes {
		if x.text == nil && isNull(withoutCasts(n)) {
			continue
		}
		if !x.sealAs(n, with.tagged, f) {
			x.fail(refuseMix(with.tagged, "an expression"), x.token(locationOf(n)))
		}
	}
	for i := first; i < len(x.edits) && with.mixed; i++ {
		with.marks = append(with.marks, i)
	}
}

func refuseMix(c *schema.Column, where string) *pgerror.Error {
	return refuse(c, "use", " in "+where+" beside an expression or an untagged column").
		WithHint("Beside it may be sealed columns, constants, parameters and NULL. For anything else select both and choose between the opened values.")
}

func refuseMixedTypes(c *schema.Column, where string) *pgerror.Error {
	return refuse(c, "use", " in "+where+" beside values of another type").
		WithHint("Give all of them the logical type %s; a parameter may need a cast.", c.Type)
}
