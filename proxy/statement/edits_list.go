package statement

import "github.com/pgveil/pgveil/schema/logical"

// ListType gives the type that the server gives an undeclared parameter which is one of a
// list of numbers: the widest of the column's and of theirs, declared being the types of
// the client's parameters, 0 for unknown. It is 0 for any other parameter. Source:
// transformAExprIn and select_common_type of PostgreSQL's parser.
func (e *Edits) ListType(p *Param, declared []uint32) uint32 {
	if p.list == 0 || p.From != 0 {
		return 0
	}
	widest := p.Column.Type.OID()
	wider := func(oid uint32) {
		if widthOf(oid) > widthOf(widest) {
			widest = oid
		}
	}
	for i := range e.Values {
		if v := &e.Values[i]; v.list == p.list && !v.Null {
			wider(v.From)
		}
	}
	for i := range e.Params {
		if o := &e.Params[i]; o.list == p.list && o.From != 0 {
			wider(o.From)
		} else if o.list == p.list && o.Number > 0 {
			wider(declared[o.Number-1])
		}
	}
	return widest
}

// widthOf orders the types of numbers that a sealed column can be compared by, as one is
// cast to another without being asked for; 0 of any other type.
func widthOf(oid uint32) int {
	switch logical.KindOf(oid) {
	case logical.Int2:
		return 1
	case logical.Int4:
		return 2
	case logical.Int8:
		return 3
	case logical.Numeric:
		return 4
	}
	return 0
}
