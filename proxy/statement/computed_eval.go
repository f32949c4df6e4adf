package statement

import (
	"bytes"
	"strconv"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// Computed is an expression over constants and parameters of one text, which pgveil
// computes: the server gets the sealed result. It holds copies of the constants and
// is immutable.
type Computed struct {
	root   *node
	column *schema.Column
	use    logical.Use
	leaves []computedLeaf
	params []int // the numbers of the parameters in it, in the order of the text
	asks   bool
}

// computedLeaf is a constant or parameter in a text.
type computedLeaf struct {
	text   []byte // of a constant, escapes resolved
	number int    // of a parameter
}

// Argument is the value of a parameter as the client sends it; nil is NULL.
type Argument struct {
	Value  []byte
	Format int16
}

// Params gives the numbers of the parameters in the expression.
func (c *Computed) Params() []int { return c.params }

// Asks reports whether the expression has to do with the moment at which it is computed.
func (c *Computed) Asks() bool { return c.asks }

// Infer sets those of the parameters' types, by number from 1, that are 0 and that the
// expression asks for. The error, a *pgerror.Error, says that the types do not fit one
// another or the column.
func (c *Computed) Infer(types []uint32) error {
	f := inference{c: c, types: types}
	k, err := f.kind(c.root, 0)
	switch {
	case err != nil:
		return err
	case k == 0:
		return errMisfit()
	}
	if err := c.column.Type.Accepts(logical.Type{Kind: k, Typmod: -1}.OID(), c.use); err != nil {
		return err
	}
	if f.open != 0 {
		return pgerror.New(pgerror.IndeterminateDatatype, "could not determine data type of parameter $%d", f.open)
	}
	return nil
}

// Result is what an expression gives: a value in binary format of the type From, to
// be made canonical for the column that it is for.
type Result struct {
	Value []byte
	From  uint32
	Null  bool
}

// Eval computes the expression. types are those of the parameters, all known, and
// argument gives the value of one. moments may be nil unless the expression asks for
// them. The error is a *pgerror.Error; the server's own
// where the server would fail.
func (c *Computed) Eval(types []uint32, argument func(number int) Argument, moments *Moments, s *logical.Settings) (Result, error) {
	f := inference{c: c, types: types}
	if err := c.Infer(types); err != nil {
		return Result{}, err
	}
	e := evaluation{f, argument, moments, s}
	v, err := e.eval(c.root, 0)
	if err != nil || v.null {
		return Result{Null: v.null}, err
	}
	t := logical.Type{Kind: v.kind, Typmod: -1}
	binary, err := t.Append(nil, v.data, 1, s)
	return Result{Value: binary, From: t.OID()}, err
}

// datum is a value on the way: in its canonical encoding.
type datum struct {
	kind logical.Kind
	data []byte
	null bool
}

type evaluation struct {
	inference
	argument func(int) Argument
	moments  *Moments
	settings *logical.Settings
}

// negate computes the minus sign before a number.
func (e *evaluation) negate(n *node) (datum, error) {
	v, err := e.eval(n.args[0], 0)
	if err != nil || v.null {
		return v, err
	}
	text, err := logical.Type{Kind: v.kind, Typmod: -1}.Append([]byte("-"), v.data, 0, e.settings)
	if err != nil || string(text) == "-NaN" {
		return v, err
	}
	return e.read(bytes.TrimPrefix(text, []byte("--")), v.kind, 0)
}

// eval computes a node. want is the type of one that has none of its own.
func (e *evaluation) eval(n *node, want logical.Kind) (datum, error) {
	switch n.op {
	case opString:
		if want == 0 {
			want = logical.Text
		}
		return e.read(e.c.leaves[n.leaf].text, want, 0)
	case opNumber:
		text := e.c.leaves[n.leaf].text
		return e.read(text, logical.KindOf(numberType(text)), 0)
	case opBool:
		return e.read(e.c.leaves[n.leaf].text, logical.Bool, 0)
	case opNull:
		return datum{null: true}, nil
	case opParam:
		return e.param(n)
	case opCast:
		v, err := e.eval(n.args[0], n.to.Kind)
		if err != nil {
			return v, err
		}
		return e.castTo(v, n.to)
	case opNegate:
		return e.negate(n)
	case opMoment:
		return e.moment(n)
	case opCall:
		return e.call(n)
	case opConcat:
		return e.concat(n)
	case opCoalesce:
		return e.coalesce(n)
	case opNullif:
		return e.nullif(n)
	case opCase:
		return e.choice(n)
	}
	return e.condition(n)
}

func (e *evaluation) read(value []byte, k logical.Kind, format int16) (datum, error) {
	data, err := logical.Type{Kind: k, Typmod: -1}.Canonical(nil, value, 0, format, logical.Assign, e.settings)
	return datum{kind: k, data: data}, err
}

func (e *evaluation) param(n *node) (datum, error) {
	number := e.c.leaves[n.leaf].number
	k := logical.KindOf(e.types[number-1])
	a := e.argument(number)
	if a.Value == nil {
		return datum{kind: k, null: true}, nil
	}
	v, err := e.read(a.Value, k, a.Format)
	return v, logical.NameParameter(err, number)
}

// castTo does an explicit cast.
func (e *evaluation) castTo(v datum, to castType) (datum, error) {
	if v.null {
		return datum{kind: to.Kind, null: true}, nil
	}
	var err error
	switch {
	case v.kind == to.Kind || isText(v.kind) && isText(to.Kind):
		v.kind = to.Kind
	case isText(v.kind):
		v, err = e.read(v.data, to.Kind, 0)
	default:
		v, err = e.convert(v, to.Kind)
	}
	if err != nil || !to.modified {
		return v, err
	}
	if n := characters(to.Type); n > 0 {
		v.data = Cut(v.data, int(n))
		if to.Kind == logical.Bpchar {
			v.data = bytes.TrimRight(v.data, " ")
		}
		return v, nil
	}
	binary, err := logical.Type{Kind: to.Kind, Typmod: -1}.Append(nil, v.data, 1, e.settings)
	if err != nil {
		return v, err
	}
	v.data, err = to.Canonical(nil, binary, 0, 1, logical.Assign, e.settings)
	return v, err
}

// convert brings a value to another type as an assignment would.
func (e *evaluation) convert(v datum, k logical.Kind) (datum, error) {
	from := logical.Type{Kind: v.kind, Typmod: -1}
	binary, err := from.Append(nil, v.data, 1, e.settings)
	if err != nil {
		return v, err
	}
	data, err := logical.Type{Kind: k, Typmod: -1}.Canonical(nil, binary, from.OID(), 1, logical.Assign, e.settings)
	return datum{kind: k, data: data}, err
}

// text evaluates an argument that is a string, or a number where its text counts.
func (e *evaluation) text(n *node) (datum, error) {
	v, err := e.eval(n, logical.Text)
	if err != nil || v.null || isText(v.kind) {
		return v, err
	}
	return e.convert(v, logical.Text)
}

func (e *evaluation) call(n *node) (datum, error) {
	var texts [][]byte
	var numbers []int64
	null := false
	for i, arg := range n.args {
		if n.call.numbers(i) {
			number, err := strconv.ParseInt(string(e.c.leaves[arg.leaf].text), 10, 32)
			if err != nil {
				return datum{}, errMisfit()
			}
			numbers = append(numbers, number)
			continue
		}
		v, err := e.text(arg)
		switch {
		case err != nil:
			return v, err
		case !v.null:
			texts = append(texts, v.data)
		case !n.call.lax:
			null = true
		}
	}
	if null {
		return datum{kind: logical.Text, null: true}, nil
	}
	out, err := n.call.apply(texts, numbers)
	return datum{kind: logical.Text, data: out}, err
}

func (e *evaluation) concat(n *node) (datum, error) {
	l, err := e.text(n.args[0])
	if err != nil {
		return l, err
	}
	r, err := e.text(n.args[1])
	if err != nil || l.null || r.null {
		return datum{kind: logical.Text, null: true}, err
	}
	return datum{kind: logical.Text, data: append(append([]byte{}, l.data...), r.data...)}, nil
}

// coalesce reads all constants, as the server does, before it chooses.
func (e *evaluation) coalesce(n *node) (datum, error) {
	k, err := e.common(n.args)
	found := datum{kind: k, null: true}
	for _, arg := range n.args {
		if err != nil {
			return found, err
		}
		if !found.null && arg.op != opString {
			continue
		}
		var v datum
		if v, err = e.eval(arg, k); err == nil && found.null && !v.null {
			found = datum{kind: k, data: v.data}
		}
	}
	return found, err
}

// equal compares two strings. null says that one of them is NULL.
func (e *evaluation) equal(n *node) (l datum, same, null bool, err error) {
	if l, err = e.text(n.args[0]); err != nil {
		return l, false, false, err
	}
	r, err := e.text(n.args[1])
	return l, bytes.Equal(l.data, r.data), l.null || r.null, err
}

func (e *evaluation) nullif(n *node) (datum, error) {
	v, same, null, err := e.equal(n)
	v.kind = logical.Text
	if !null && same {
		v = datum{kind: logical.Text, null: true}
	}
	return v, err
}

func (e *evaluation) choice(n *node) (datum, error) {
	k, err := e.kind(n, 0)
	if err != nil {
		return datum{}, err
	}
	for i := 0; i+1 < len(n.args); i += 2 {
		holds, err := e.eval(n.args[i], logical.Bool)
		if err != nil {
			return holds, err
		}
		if isTrue(holds) {
			return e.result(n.args[i+1], k)
		}
	}
	if len(n.args)%2 == 1 {
		return e.result(n.args[len(n.args)-1], k)
	}
	return datum{kind: k, null: true}, nil
}

func (e *evaluation) result(n *node, k logical.Kind) (datum, error) {
	v, err := e.eval(n, k)
	v.kind = k
	return v, err
}

func isTrue(v datum) bool { return !v.null && len(v.data) == 1 && v.data[0] != 0 }

func truth(v bool) datum {
	if v {
		return datum{kind: logical.Bool, data: []byte{1}}
	}
	return datum{kind: logical.Bool, data: []byte{0}}
}

// condition computes a truth value; NULL is that of three.
func (e *evaluation) condition(n *node) (datum, error) {
	unknown := datum{kind: logical.Bool, null: true}
	switch n.op {
	case opEqual, opUnequal:
		_, same, null, err := e.equal(n)
		if err != nil || null {
			return unknown, err
		}
		return truth(same == (n.op == opEqual)), nil
	case opIsNull, opIsNotNull:
		v, err := e.eval(n.args[0], logical.Text)
		return truth(v.null == (n.op == opIsNull)), err
	case opNot:
		v, err := e.eval(n.args[0], logical.Bool)
		if err != nil || v.null {
			return unknown, err
		}
		return truth(!isTrue(v)), nil
	case opAnd, opOr:
		result := truth(n.op == opAnd)
		for _, arg := range n.args {
			v, err := e.eval(arg, logical.Bool)
			switch {
			case err != nil:
				return v, err
			case v.null:
				result = unknown
			case isTrue(v) == (n.op == opOr):
				return v, nil
			}
		}
		return result, nil
	}
	return datum{}, pgerror.New(pgerror.InternalError, "an expression of no known form")
}
