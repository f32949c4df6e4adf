package statement

import (
	"bytes"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// By tells which key of keys by value a value of one text is sealed with.
type By struct {
	// SQL, if it is not empty, gives the text that picks the key in the server: the value is
	// sealed with each of them.
	SQL string

	column *schema.Column
	as     logical.Type
	value  *Computed
}

// Params gives the numbers of the parameters by which the key is picked.
func (b *By) Params() []int {
	if b == nil || b.value == nil {
		return nil
	}
	return b.value.params
}

// Keyset gives the name of the keyset that the value picks. types and argument are as for
// [Computed.Eval]. The error is a *pgerror.Error.
func (b *By) Keyset(types []uint32, argument func(number int) Argument, s *logical.Settings) (string, error) {
	var canonical []byte
	var err error
	read := func(value []byte, from uint32, format int16) {
		if from != 0 {
			if err = b.as.Accepts(from, logical.Assign); err != nil {
				return
			}
		}
		canonical, err = b.as.Canonical([]byte{}, value, from, format, logical.Assign, s)
	}
	switch root := b.value.root; root.op {
	case opNull:
	case opString:
		read(b.value.leaves[root.leaf].text, 0, 0)
	case opParam:
		n := b.value.leaves[root.leaf].number
		if a := argument(n); a.Value != nil {
			read(a.Value, types[n-1], a.Format)
		}
	default:
		var result Result
		if result, err = b.value.Eval(types, argument, nil, s); err == nil && !result.Null {
			read(result.Value, result.From, 1)
		}
	}
	if err != nil {
		return "", logical.NameColumn(err, b.column.KeyBy.Column)
	}
	return KeysetFor(b.column, b.as, canonical)
}

// KeysetFor gives the name of the keyset of a column for a value, in canonical form, of what its
// keys are by; nil is NULL. The error is a *pgerror.Error.
func KeysetFor(c *schema.Column, as logical.Type, canonical []byte) (string, error) {
	why := "it is NULL"
	if canonical != nil {
		text, err := c.KeyBy.Text(as, canonical)
		if err == nil {
			var keyset string
			if keyset, err = c.Keyset(text); err == nil {
				return keyset, nil
			}
		}
		why = err.Error()
	}
	return "", pgerror.New(pgerror.ObjectNotInPrerequisiteState, "a value for column %s cannot be sealed: no key is that of the row's %s: %s", c.QualifiedName(), c.KeyBy.Column, why)
}

// by resolves what picks the key of an edit on a text; nil if nothing does. first is the shift of
// the edit's first token.
func (r *resolver) by(d *edit, first int32, group bool) (*By, error) {
	if d.pick == nil {
		return nil, nil
	}
	b := &By{SQL: d.pick.sql, column: d.column, as: d.pick.as}
	if d.pick.value == nil {
		return b, nil
	}
	key := &schema.Column{Schema: d.column.Schema, Table: d.column.Table, Name: d.column.KeyBy.Column, Type: d.pick.as}
	c := &Computed{root: d.pick.value.root, column: key, use: logical.Assign, leaves: make([]computedLeaf, len(d.pick.value.leaves))}
	for i, l := range d.pick.value.leaves {
		at, ok := r.anywhere(l.token, first, group)
		if !ok {
			return nil, errMisfit()
		}
		leaf := &c.leaves[i]
		switch l.op {
		case opNull:
		case opParam:
			if leaf.number = r.t.Param(int(at)); leaf.number == 0 {
				return nil, errMisfit()
			}
			c.params = append(c.params, leaf.number)
		default:
			var v Value
			if err := r.e.constant(r.t, int(at), &edit{negative: l.negative}, &v); err != nil {
				return nil, err
			}
			leaf.text = append([]byte{}, v.Text...)
		}
	}
	b.value = c
	return b, nil
}

// anywhere gives the token of the text that a folded one stands for, wherever that is: in the
// repetition at hand of a group, or in none.
func (r *resolver) anywhere(token, first int32, group bool) (int32, bool) {
	if group && r.inside(token) {
		return token + first, true
	}
	fresh := resolver{t: r.t, e: r.e, groups: r.t.Groups()}
	fresh.reach(token)
	return token + fresh.shift, !fresh.inside(token) || fresh.groups[0].Count == 1
}

// constantParam makes a parameter of pgveil's own of a constant whose key a parameter picks.
func (e *Edits) constantParam(v *Value) {
	constant := *v
	constant.Text = bytes.Clone(v.Text)
	e.Params = append(e.Params, Param{Start: v.Start, End: v.End, Column: v.Column, Use: v.Use, By: v.By, Constant: &constant})
	e.tokens = append(e.tokens, -1)
}
