package statement

import (
	"maps"
	"slices"

	"github.com/pgveil/pgveil/schema/logical"
)

// JSON says where in the JSON that the server makes of rows sealed values stand. The
// nil JSON is a value without any.
type JSON struct {
	Value *Output // the value is a string: the bytea of the sealed value
	// The value is an object: by the key of each member, or in the order of its members.
	Members map[string]*JSON
	Ordered []*JSON
	Element *JSON // the value is an array of these
	Binary  bool  // of the whole: the type is jsonb, not json
	Text    bool  // of the whole: it is cast to text
}

// Values calls f for each place of a sealed value in it.
func (j *JSON) Values(f func(*Output)) {
	if j == nil {
		return
	}
	if j.Value != nil {
		f(j.Value)
	}
	for _, key := range slices.Sorted(maps.Keys(j.Members)) {
		j.Members[key].Values(f)
	}
	for _, m := range j.Ordered {
		m.Values(f)
	}
	j.Element.Values(f)
}

// typeOID is the type of the whole, as pg_type has it.
func (j *JSON) typeOID() uint32 {
	switch {
	case j.Text:
		return textOID
	case j.Binary:
		return jsonbOID
	}
	return jsonOID
}

// withoutRows gives the same JSON, of values of which it is not known what rows they are of.
func (j *JSON) withoutRows() *JSON {
	if j == nil {
		return nil
	}
	c := *j
	if j.Value != nil {
		value := *j.Value
		value.Row = 0
		c.Value = &value
	}
	c.Element = j.Element.withoutRows()
	if j.Members != nil {
		c.Members = make(map[string]*JSON, len(j.Members))
		for key, m := range j.Members {
			c.Members[key] = m.withoutRows()
		}
	}
	if j.Ordered != nil {
		c.Ordered = make([]*JSON, len(j.Ordered))
		for i, m := range j.Ordered {
			c.Ordered[i] = m.withoutRows()
		}
	}
	return &c
}

// merge gives the JSON that is of either shape. ok is false if a sealed value of one
// would stand where the other has none.
func (j *JSON) merge(o *JSON) (both *JSON, ok bool) {
	switch {
	case j == nil || o == nil:
		return nil, j == o
	case (j.Value == nil) != (o.Value == nil), (j.Element == nil) != (o.Element == nil), (j.Members == nil) != (o.Members == nil),
		len(j.Ordered) != len(o.Ordered), j.Binary != o.Binary, j.Text != o.Text:
		return nil, false
	}
	both = &JSON{Binary: j.Binary, Text: j.Text}
	if j.Value != nil {
		a, b := *j.Value, o.Value
		if a.Type != b.Type {
			if a.Type, ok = commonType(a.Type, b.Type); !ok {
				return nil, false
			}
		}
		padded := a.Type.Kind == logical.Bpchar || b.Type.Kind == logical.Bpchar
		if padded && a.Type != b.Type || !slices.Equal(a.Casts, b.Casts) {
			return nil, false
		}
		if a.Row != b.Row {
			a.Row = 0
		}
		for _, c := range b.Columns() {
			if !slices.Contains(a.Columns(), c) {
				a.Also = append(slices.Clip(a.Also), c)
			}
		}
		both.Value = &a
	}
	if j.Element != nil {
		if both.Element, ok = j.Element.merge(o.Element); !ok {
			return nil, false
		}
	}
	for i := range j.Ordered {
		m, ok := j.Ordered[i].merge(o.Ordered[i])
		if !ok {
			return nil, false
		}
		both.Ordered = append(both.Ordered, m)
	}
	if j.Members == nil {
		return both, true
	}
	both.Members = maps.Clone(j.Members)
	for key, m := range o.Members {
		if have, twice := j.Members[key]; twice {
			if m, ok = have.merge(m); !ok {
				return nil, false
			}
		}
		both.Members[key] = m
	}
	return both, true
}

// inBinary reports whether jsonb of it would have the same places.
func (j *JSON) inBinary() bool {
	switch {
	case j == nil:
		return true
	case len(j.Ordered) > 0, j.Value != nil && isFloat(j.Value.Type.Kind), !j.Element.inBinary():
		return false
	}
	for _, m := range j.Members {
		if !m.inBinary() {
			return false
		}
	}
	return true
}

// isFloat tells the types whose values jsonb writes otherwise than json.
func isFloat(k logical.Kind) bool { return k == logical.Float4 || k == logical.Float8 }
