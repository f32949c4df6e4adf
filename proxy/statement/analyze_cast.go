package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema/logical"
)

// cast analyses the cast of a sealed expression: it vanishes from the text, and is
// done with the opened values.
func (x *analysis) cast(n *pg.TypeCast, o operand) operand {
	if o.column.json != nil {
		return x.castJSON(n, o)
	}
	if o.column.tagged.Controlled() {
		x.fail(refuseCast(o.column.tagged, typeText(n.TypeName)), o.token)
		return o
	}
	t, ok := x.castTypeOf(n.TypeName)
	have := o.column.logicalType()
	repadded := t.Kind == logical.Bpchar && t.Typmod < 0 && have != o.column.tagged.Type
	if !ok || x.text == nil || t.array != o.column.array || !castable(t.Type, have) || repadded || !x.dropCast(n) {
		x.fail(refuseCast(o.column.tagged, typeText(n.TypeName)), o.token)
		return o
	}
	if t.Type == have {
		return o
	}
	c := *o.column
	c.shown, c.computed, c.recast = t.Type, true, true
	if c.lossy || !exactCast(t.Type, have) {
		if !c.lossy {
			c.casts = []logical.Type{have}
		}
		c.lossy = true
		c.casts = append(c.casts[:len(c.casts):len(c.casts)], t.Type)
	}
	return operand{&c, o.token}
}

// keepsCasts refuses what a definition would show, were the casts in it kept: they have
// vanished from its text.
func (x *analysis) keepsCasts(targets []target) {
	for i := range targets {
		x.keepsCast(&targets[i].column, targets[i].token)
	}
}

func (x *analysis) keepsCast(c *column, token int32) {
	if c.recast && x.defines {
		x.fail(refuseCast(c.tagged, "another type in a definition"), token)
	}
}

// dropCast plans that a cast is left out, and what it is of stays.
func (x *analysis) dropCast(n *pg.TypeCast) bool {
	at := x.token(n.Location)
	if at < 0 {
		return false
	}
	t := x.text
	if t.Token(int(at)).Kind == TypeCast {
		end, ok := x.typeEnd(at + 1)
		if ok {
			x.drop(at, end)
			x.castEnd = end
		}
		return ok
	}
	if t.Word(int(at)) != WordCast || t.Token(int(at+1)).Kind != LeftParen {
		return false
	}
	close, ok := t.bracketEnd(int(at + 1))
	first := x.token(n.TypeName.GetLocation())
	if !ok || first <= at || t.Word(int(first-1)) != WordAs {
		return false
	}
	if end, ok := x.typeEnd(first); !ok || int(end+1) != close {
		return false
	}
	x.drop(at, at)
	x.drop(first-1, int32(close-1))
	x.castEnd = int32(close)
	return true
}

func (x *analysis) drop(first, last int32) {
	x.edits = append(x.edits, edit{kind: editText, first: first, last: last})
}
