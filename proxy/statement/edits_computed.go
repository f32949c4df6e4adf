package statement

import "bytes"

// computed resolves a computed expression on a text. first is the shift of its first
// token.
func (r *resolver) computed(d *edit, start, end int, first int32, group bool, by *By) error {
	t, e := r.t, r.e
	c := &Computed{root: d.computed.root, column: d.column, use: d.usage(), asks: d.computed.asks, leaves: make([]computedLeaf, len(d.computed.leaves))}
	for i, l := range d.computed.leaves {
		shift := first
		if !group {
			shift = r.later(l.token)
		}
		token := int(l.token + shift)
		leaf := &c.leaves[i]
		switch l.op {
		case opNull:
		case opParam:
			leaf.number = t.Param(token)
			if leaf.number == 0 {
				return errMisfit()
			}
			c.params = append(c.params, leaf.number)
			e.within = append(e.within, int32(token))
		default:
			var v Value
			if err := e.constant(t, token, &edit{negative: l.negative}, &v); err != nil {
				return err
			}
			leaf.text = bytes.Clone(v.Text)
			if leaf.text == nil {
				leaf.text = []byte{}
			}
		}
	}
	if len(c.params) > 0 || len(by.Params()) > 0 || c.asks && e.Bound {
		e.Params = append(e.Params, Param{Start: start, End: end, Column: d.column, Use: d.usage(), Computed: c, Both: d.both(), By: by})
		e.tokens = append(e.tokens, -1)
		return nil
	}
	e.Values = append(e.Values, Value{Start: start, End: end, Column: d.column, Use: d.usage(), Computed: c, Both: d.both(), Slot: int(d.slot), By: by})
	return nil
}
