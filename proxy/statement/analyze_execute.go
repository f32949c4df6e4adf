package statement

import (
	"bytes"
	"reflect"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// Slot is a parameter of a prepared statement as the server knows it, which EXECUTE
// fills.
type Slot struct {
	Argument int            // number of the argument of EXECUTE, from 1
	Column   *schema.Column // nil: not sealed
	Array    bool
	Type     uint32 // OID of the type that the client gives the parameter
}

// PlanExecute plans the arguments of EXECUTE, or of EXPLAIN EXECUTE, which is command
// i of a text. The first slots are those of the arguments, in their order; further
// ones need an argument in another form, too. The values of the plan's edits have the
// number of their slot. The error is a *pgerror.Error.
func (a *Analyzer) PlanExecute(t *Text, i int, slots []Slot, arguments int, env *Env) (*Plan, error) {
	if err := checkBounds(t); err != nil {
		return nil, err
	}
	sql, tokens := t.Folded()
	tree, err := parse(string(sql))
	if err != nil {
		return nil, syntaxError(err, sql, t).at(t)
	}
	folded := new(Lexer).Lex(sql)
	if t.Odd() || len(folded.Tokens()) != len(tokens) || i >= len(tree.Stmts) {
		return nil, refuseOdd()
	}
	raw := tree.Stmts[i]
	st := unwrap(raw.Stmt).GetExecuteStmt()
	x := &analysis{a: a, env: env, text: folded, verb: VerbExecute, first: int32(folded.At(int(raw.StmtLocation)))}
	switch {
	case st == nil:
		return nil, refuseOdd()
	case len(st.Params) != arguments:
		return nil, pgerror.New(pgerror.SyntaxError, "wrong number of parameters for prepared statement \"%s\"", st.Name).
			WithDetail("Expected %d parameters but got %d.", arguments, len(st.Params))
	}
	for _, h := range x.survey(raw, true) {
		x.fail(h.err, x.token(h.location))
	}
	for n, slot := range slots {
		if slot.Column != nil && x.err == nil {
			x.argument(st.Params[slot.Argument-1], slot, int32(n+1), n >= arguments)
		}
	}
	if x.err != nil {
		return nil, x.err.at(t)
	}
	return &Plan{analyzer: a, Statements: make([]Statement, len(tree.Stmts)), edits: x.edits}, nil
}

// argument plans that an argument arrives sealed for a slot, in its own place or, if
// extra is set, behind the last argument.
func (x *analysis) argument(n *pg.Node, slot Slot, number int32, extra bool) {
	leaf := withoutCasts(n)
	kind, ok := kindOf(leaf)
	v := &value{x: x, column: slot.Column, form: form{use: logical.Assign, array: slot.Array}, kind: kind, leaf: leaf, token: -1}
	if !ok && !slot.Array && !extra && x.computedArgument(n, slot, number) {
		return
	}
	if !ok || kind == constantParam || kind == constantArray {
		v.refuse("this expression")
		return
	}
	s, ok := v.locate()
	casts := castsOf(n)
	chain := make([]castType, 0, len(casts))
	for i := len(casts) - 1; i >= 0 && ok; i-- {
		var t castType
		if t, ok = x.castTypeOf(casts[i].TypeName); ok {
			s, _, ok = v.cast(s, casts[i])
			chain = append(chain, t)
		}
	}
	if !ok {
		v.refuse("this form of constant")
		return
	}
	e := v.edit(editLiteral, s)
	e.slot = number
	element := slot.Type
	if slot.Array {
		element = logical.ElementOf(slot.Type)
	}
	to := logical.KindOf(element)
	switch {
	case kind == constantNull:
		e.kind = editNull
		if extra {
			e = edit{kind: editBefore, text: ", NULL"}
		}
	case len(chain) == 0:
		ok = kind == constantString || !slot.Array && v.numberKeeps(to)
		e.from = slot.Type
	default:
		e.from, e.chars, ok = castEffect(chain, kind, slot.Array, slot.Column, logical.Assign)
		ok = ok && sameValues(chain[len(chain)-1].Kind, to)
	}
	if !ok || to == 0 {
		v.refuse("a value of another type than the parameter's")
		return
	}
	if extra {
		end, ok := x.argumentsEnd()
		if !ok {
			x.fail(refuseOdd(), v.token)
			return
		}
		e.first, e.last, e.extra = end, end, true
	}
	x.edits = append(x.edits, e)
}

// computedArgument plans that the value of an expression over constants arrives sealed for
// a slot. It reports false if pgveil does not compute it, or not with the type that the
// server would give it.
func (x *analysis) computedArgument(n *pg.Node, slot Slot, number int32) bool {
	e, s := x.compile(n)
	if e == nil || slices.ContainsFunc(e.leaves, func(n *node) bool { return n.op == opParam }) {
		return false
	}
	from, to := logical.KindOf(e.root.static()), logical.KindOf(slot.Type)
	text := isText(from) && isText(to) && (from != logical.Bpchar || to == logical.Bpchar)
	if from == 0 || from != to && !text {
		return false
	}
	x.edits = append(x.edits, edit{kind: editComputed, pick: x.pickFor(slot.Column, s.first), use: logical.Assign, first: s.first, last: s.last, token: s.first, column: slot.Column, computed: e, slot: number})
	return true
}

// numberKeeps reports whether the text of a number or truth value, read as a value of
// a type, is what an assignment to it gives.
func (v *value) numberKeeps(to logical.Kind) bool {
	text := v.x.text.Bytes(int(v.token))
	kind := v.kind
	if kind == constantDecimal && len(bytes.Trim(text, "0123456789")) == 0 {
		kind = constantInteger // an int8, or a numeric without a fraction
	}
	isText := to == logical.Text || to == logical.Varchar || to == logical.Bpchar
	return castKeeps(kind, to) && !(isText && len(text) > 1 && text[0] == '0')
}

// argumentsEnd finds the parenthesis behind the arguments of EXECUTE.
func (x *analysis) argumentsEnd() (int32, bool) {
	t := x.text
	for i := int(x.first); i+2 < len(t.Tokens()); i++ {
		if t.Word(i) == WordExecute && t.Token(i+2).Kind == LeftParen {
			end, ok := t.bracketEnd(i + 2)
			return int32(end), ok
		}
	}
	return 0, false
}

// Same reports whether two plans of one text do the same to it and to its rows.
func (p *Plan) Same(o *Plan) bool {
	if p == nil || o == nil {
		return p == o
	}
	if len(p.Statements) != len(o.Statements) {
		return false
	}
	if !reflect.DeepEqual(p.edits, o.edits) {
		return false
	}
	for i := range p.Statements {
		a, b := p.Statements[i], o.Statements[i]
		if !a.Later.Same(b.Later) {
			return false
		}
		a.Later, b.Later = nil, nil
		a.Outputs, b.Outputs = withoutOrigins(a.Outputs), withoutOrigins(b.Outputs)
		if !reflect.DeepEqual(a, b) {
			return false
		}
	}
	return true
}

func withoutOrigins(outputs []Output) []Output {
	outputs = slices.Clone(outputs)
	for i := range outputs {
		outputs[i].origin = origin{}
	}
	return outputs
}
