package statement

import (
	"maps"
	"slices"
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
	if j.Binary {
		return 3802
	}
	return 114
}
