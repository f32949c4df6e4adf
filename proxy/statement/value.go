package statement

import (
	"encoding/hex"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// seal plans that a value arrives in the server sealed for a column, or, if
// array is set, an array of such values. It reports false if the expression is
// not a constant, a parameter or an array of them, with casts and parentheses
// or without, nor an expression that pgveil computes; for a value that it knows and
// cannot seal, it refuses the statement.
func (x *analysis) seal(n *pg.Node, c *schema.Column, use logical.Use, array bool) bool {
	return x.sealAs(n, c, form{use: use, array: array})
}

// form says how a value is sealed for a column.
type form struct {
	use      logical.Use
	array    bool
	as       logical.Type // the type that it is read as; zero: the column's
	base     uint32       // the type that the server gives it if it has none of its own, and NULL too; or 0
	unpadded bool         // it is one of char(n) that is not filled up with blanks
	outer    []castType   // the casts around what it is a part of: an array, a choice
}

// sealAs is seal for values that are read in another way than the column's own.
func (x *analysis) sealAs(n *pg.Node, c *schema.Column, f form) bool {
	leaf := withoutCasts(n)
	kind, known := kindOf(leaf)
	if known && kind == constantArray && !f.array {
		return false
	}
	if known && x.defines && kind != constantNull && sealedConstant(n, c, f.array) {
		return true // of pg_dump
	}
	if known && x.text == nil {
		if !sealedConstant(n, c, f.array) {
			x.fail(refuseViewConstant(c), -1)
		}
		return true
	}
	v := &value{x: x, column: c, form: f, kind: kind, leaf: leaf}
	if known && v.seal(castsOf(n)) {
		return true
	}
	if !f.array && f.as.Kind == 0 && len(f.outer) == 0 && x.compute(n, c, f.use) {
		return true
	}
	if known {
		v.refuse(v.problem)
	}
	return known
}

// sealedConstant reports whether the constants of an expression in a definition are
// values sealed for the column, as pgveil writes them when a view or a default is
// created, and pg_dump prints them.
func sealedConstant(n *pg.Node, c *schema.Column, array bool) bool {
	leaf := withoutCasts(n)
	if a := leaf.GetAArrayExpr(); a != nil && array {
		for _, e := range a.Elements {
			if !isNull(withoutCasts(e)) && !sealedConstant(e, c, false) {
				return false
			}
		}
		return true
	}
	if isNull(leaf) {
		return true
	}
	casts, header := castsOf(n), c.Header()
	return len(casts) == 1 && lastName(casts[0].TypeName.GetNames()) == "bytea" && strings.HasPrefix(leaf.GetAConst().GetSval().GetSval(), `\x`+hex.EncodeToString(header[:]))
}

// castsOf gives the casts around an expression, outermost first.
func castsOf(n *pg.Node) []*pg.TypeCast {
	var casts []*pg.TypeCast
	for ; n.GetTypeCast() != nil; n = n.GetTypeCast().Arg {
		casts = append(casts, n.GetTypeCast())
	}
	return casts
}

func withoutCasts(n *pg.Node) *pg.Node {
	for n.GetTypeCast() != nil {
		n = n.GetTypeCast().Arg
	}
	return n
}

// kindOf tells a constant from other expressions.
func kindOf(n *pg.Node) (constantKind, bool) {
	switch v := n.GetNode().(type) {
	case *pg.Node_ParamRef:
		return constantParam, true
	case *pg.Node_AArrayExpr:
		for _, e := range v.AArrayExpr.Elements {
			if kind, ok := kindOf(withoutCasts(e)); !ok || kind == constantArray {
				return 0, false
			}
		}
		return constantArray, true
	case *pg.Node_AExpr: // +5; the grammar makes -5 a constant itself
		e := v.AExpr
		if e.Kind != pg.A_Expr_Kind_AEXPR_OP || e.Lexpr != nil || operatorName(e.Name) != "+" {
			return 0, false
		}
		kind, ok := kindOf(e.Rexpr)
		return kind, ok && e.Rexpr.GetAConst() != nil && (kind == constantInteger || kind == constantDecimal)
	case *pg.Node_AConst:
		if v.AConst.Isnull {
			return constantNull, true
		}
		switch v.AConst.Val.(type) {
		case *pg.A_Const_Sval:
			return constantString, true
		case *pg.A_Const_Ival:
			return constantInteger, true
		case *pg.A_Const_Fval:
			return constantDecimal, true
		case *pg.A_Const_Boolval:
			return constantBool, true
		}
	}
	return 0, false
}

// value is a constant, parameter or array on its way to becoming edits.
type value struct {
	x      *analysis
	column *schema.Column
	form
	kind constantKind
	leaf *pg.Node

	problem  string // why it cannot be sealed
	token    int32  // of the constant itself
	negative bool
}

// refuse says that a value cannot be sealed as it is written.
func (v *value) refuse(what string) {
	v.x.fail(refuseConstant(v.column, what), v.token)
}

// seal plans the edits of a value with its casts. It reports false, and says why in
// v.problem, if what the casts do cannot be done so.
func (v *value) seal(casts []*pg.TypeCast) bool {
	s, ok := v.locate()
	if !ok {
		v.token = max(v.token, -1)
		return v.fails("this form of constant")
	}
	chain := make([]castType, 0, len(casts))
	var deletions []span
	for i := len(casts) - 1; i >= 0; i-- {
		t, ok := v.x.castTypeOf(casts[i].TypeName)
		if !ok {
			return v.fails("a cast to " + typeText(casts[i].TypeName))
		}
		whole, inner, ok := v.cast(s, casts[i])
		if !ok {
			return v.fails("this form of cast")
		}
		if inner.first > whole.first {
			deletions = append(deletions, span{whole.first, inner.first - 1})
		}
		deletions = append(deletions, span{inner.last + 1, whole.last})
		chain, s = append(chain, t), whole
	}
	if v.kind == constantArray {
		return v.sealElements(s, chain, deletions)
	}
	return v.add(s, append(chain, v.outer...))
}

func (v *value) fails(problem string) bool {
	v.problem = problem
	return false
}

// add plans the edit of one constant or parameter with its casts.
func (v *value) add(s span, chain []castType) bool {
	if v.kind == constantNull {
		if len(chain) > len(v.outer) || v.base != 0 {
			v.x.edits = append(v.x.edits, v.edit(editNull, s))
		}
		return true
	}
	from, chars, ok := castEffect(chain, v.kind, v.array, v.column, v.use)
	if !ok {
		return v.fails("a cast to " + chain[len(chain)-1].String())
	}
	kind := editLiteral
	if v.kind == constantParam {
		kind = editParam
	} else if v.array && v.kind != constantString {
		return v.fails("a number as an array of values")
	}
	e := v.edit(kind, s)
	e.from, e.chars = v.typeWithin(from), chars
	if len(chain) == 0 && (v.kind == constantString || v.kind == constantParam) {
		e.from, e.implied = v.base, v.base != 0
	}
	v.x.edits = append(v.x.edits, e)
	return true
}

// typeWithin gives the type that a value with the type of its casts is compared as.
func (v *value) typeWithin(from uint32) uint32 {
	text := logical.Type{Kind: logical.Text}
	switch {
	case v.base == text.OID() && from == (logical.Type{Kind: logical.Varchar}).OID():
		return v.base // there is no = of varchar
	}
	return from
}

func (v *value) edit(kind editKind, s span) edit {
	var by *pick
	if kind != editNull {
		by = v.x.pickFor(v.column, v.token)
	}
	return edit{
		pick: by,
		uses: v.x.usesNow(), kind: kind, array: v.array, negative: v.negative, use: v.use, as: v.as, unpadded: v.unpadded,
		first: s.first, last: s.last, token: v.token, column: v.column,
	}
}

// locate finds the tokens of the bare constant: its sign too, no parentheses.
func (v *value) locate() (span, bool) {
	x := v.x
	switch n := v.leaf.GetNode().(type) {
	case *pg.Node_ParamRef:
		v.token = x.token(n.ParamRef.Location)
		return span{v.token, v.token}, v.token >= 0 && x.text.Token(int(v.token)).Kind == Parameter
	case *pg.Node_AArrayExpr:
		v.token = x.token(n.AArrayExpr.Location)
		end, ok := x.text.bracketEnd(int(v.token) + 1)
		return span{v.token, int32(end)}, ok && v.token >= 0 && x.text.Word(int(v.token)) == WordArray
	case *pg.Node_AExpr:
		first := x.token(n.AExpr.Location)
		s, ok := v.locateConstant(x.token(n.AExpr.Rexpr.GetAConst().Location))
		return span{first, s.last}, ok && first >= 0 && first+1 == s.first
	case *pg.Node_AConst:
		return v.locateConstant(x.token(n.AConst.Location))
	}
	return span{}, false
}

// locateConstant finds the tokens of a constant that begins at a token.
func (v *value) locateConstant(first int32) (span, bool) {
	t := v.x.text
	v.token = first
	if first < 0 {
		return span{}, false
	}
	for t.Token(int(v.token)).Kind == Operator && string(t.Bytes(int(v.token))) == "-" {
		v.negative = !v.negative
		v.token++
	}
	k := t.Token(int(v.token))
	ok := false
	switch v.kind {
	case constantString:
		if ok = k.Kind.IsString(); k.Kind == UnicodeString && t.Word(int(v.token)+1) == WordUescape {
			return span{first, v.token + 2}, true
		}
	case constantInteger:
		ok = k.Kind == Integer
	case constantDecimal: // an int4 with a sign may be out of its range
		ok = k.Kind == Decimal || k.Kind == Integer
	case constantBool:
		ok = k.Word == WordTrue || k.Word == WordFalse
	case constantNull:
		ok = k.Word == WordNull
	}
	return span{first, v.token}, ok && (v.token == first || v.kind == constantInteger || v.kind == constantDecimal)
}

// cast extends a span to a cast around it. inner is what the cast is of, with
// its parentheses.
func (v *value) cast(s span, c *pg.TypeCast) (whole, inner span, ok bool) {
	x := v.x
	if c.Location >= 0 {
		at := x.token(c.Location)
		if x.text.Word(int(at)) == WordCast {
			return x.wordCast(s, at)
		}
		whole, ok = x.colonCast(s, at)
		return whole, span{whole.first, at - 1}, ok
	}
	// type 'constant'
	first := x.token(c.TypeName.GetLocation())
	if first < 0 || v.kind != constantString {
		return s, s, false
	}
	if x.text.Token(int(first)).Kind == National && first+1 == s.first {
		return span{first, s.last}, s, true
	}
	end, ok := x.typeEnd(first)
	return span{first, s.last}, s, ok && end+1 == s.first
}

// sealElements seals the elements of ARRAY[…] one by one and takes away the casts
// of the whole, which would no longer fit.
func (v *value) sealElements(s span, chain []castType, deletions []span) bool {
	outer := make([]castType, len(chain))
	for i, t := range chain {
		if !t.array || t.modified {
			return v.fails("a cast to " + t.String())
		}
		t.array = false
		outer[i] = t
	}
	elements := v.leaf.GetAArrayExpr().Elements
	typed := false
	for _, n := range elements {
		typed = typed || !isNull(withoutCasts(n))
	}
	if !typed {
		// Without a value in it the array would have no type.
		e := v.edit(editNullArray, s)
		e.elements = int32(len(elements))
		v.x.edits = append(v.x.edits, e)
		return true
	}
	base := logical.ElementOf(v.base)
	if len(outer) == 0 && base == 0 {
		base = v.x.elementType(elements)
	}
	for _, n := range elements {
		e := &value{x: v.x, column: v.column, form: v.form, leaf: withoutCasts(n)}
		e.outer = outer
		e.array, e.base = false, base
		e.kind, _ = kindOf(e.leaf)
		if !e.seal(castsOf(n)) {
			e.refuse(e.problem)
		}
	}
	for _, d := range deletions {
		v.x.edits = append(v.x.edits, edit{kind: editText, first: d.first, last: d.last})
	}
	return true
}

// elementType gives the type that the server gives to the elements of ARRAY[…] that have
// none of their own: that of the others, or text. 0 is that of numbers.
func (x *analysis) elementType(elements []*pg.Node) uint32 {
	for _, n := range elements {
		if casts := castsOf(n); len(casts) > 0 {
			if t, ok := x.castTypeOf(casts[0].TypeName); ok {
				return t.OID()
			}
		} else if kind, _ := kindOf(n); kind == constantInteger || kind == constantDecimal || kind == constantBool {
			return 0
		}
	}
	return textOID
}
