package proxy

import (
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// Type OIDs of pg_type that the server sees in place of logical types.
const (
	byteaOID      = 17
	byteaArrayOID = 1001
)

// target is one parameter as the server sees it.
type target struct {
	client int            // number of the client's parameter, from 1
	column *schema.Column // nil: not sealed
	use    logical.Use
	array  bool
	from   uint32 // type OID that an explicit cast gives it, or 0
	chars  int    // length of an explicit cast to varchar(n) or char(n), or 0
}

// layout says how the client's parameters become the server's. Parameter $n keeps
// its number; where it is needed in several forms (for a tagged and an untagged
// column, or for two tagged ones) further parameters are added at the end.
type layout struct {
	server   []target
	declared []uint32 // by the client in Parse; may be shorter
	client   int      // how many parameters the client has
}

func newLayout(edits *statement.Edits, declared []uint32) *layout {
	l := &layout{declared: declared, client: max(edits.MaxParam, len(declared))}
	l.server = make([]target, l.client)
	taken := make([]bool, l.client)
	for n := 1; n <= l.client; n++ {
		l.server[n-1].client = n
		taken[n-1] = edits.PlainParam(n)
	}
	for i := range edits.Params {
		t := targetOf(&edits.Params[i])
		switch {
		case !taken[t.client-1]:
			taken[t.client-1] = true
			l.server[t.client-1] = t
		case l.find(t) == 0:
			l.server = append(l.server, t)
		}
	}
	return l
}

func targetOf(p *statement.Param) target {
	return target{client: p.Number, column: p.Column, use: p.Use, array: p.Array, from: p.From, chars: p.Chars}
}

func (l *layout) find(t target) int {
	for i, have := range l.server {
		if have == t {
			return i + 1
		}
	}
	return 0
}

// number gives the server's number for an occurrence of a parameter.
func (l *layout) number(p *statement.Param) int { return l.find(targetOf(p)) }

// oids gives the parameter types for the Parse message.
func (l *layout) oids(dst []uint32) []uint32 {
	for i, t := range l.server {
		switch {
		case t.column != nil && t.array:
			dst = append(dst, byteaArrayOID)
		case t.column != nil:
			dst = append(dst, byteaOID)
		case i < len(l.declared):
			dst = append(dst, l.declared[i])
		default:
			dst = append(dst, 0)
		}
	}
	return dst
}

// clientOID gives the type of the client's parameter n as the client knows it: as
// it declared it, or as the server would have deduced it.
func (l *layout) clientOID(n int, server uint32) uint32 {
	t := l.server[n-1]
	if t.column == nil {
		return server
	}
	return l.sourceOID(t)
}

// sourceOID gives the type in which the client sends the value of a sealed target.
func (l *layout) sourceOID(t target) uint32 {
	switch declared := l.declaredOID(t.client); {
	case declared != 0 && declared != unknownOID:
		return declared
	case t.from != 0:
		return t.from
	case t.array:
		return t.column.Type.ArrayOID()
	}
	return t.column.Type.OID()
}

// declaredOID gives the type that the client declared for its parameter n, or 0.
func (l *layout) declaredOID(n int) uint32 {
	if n <= len(l.declared) {
		return l.declared[n-1]
	}
	return 0
}

const unknownOID = 705

// isString reports whether a type, or the element type of an array type, is a
// string type. Its binary form is its text form.
func isString(oid uint32) bool {
	switch oid {
	case 19, 25, 1042, 1043, 1003, 1009, 1014, 1015: // name, text, char(n), varchar, their arrays
		return true
	}
	return false
}

// seal appends the server's form of a parameter to dst: a bytea or bytea[] in
// binary format. source is the type that the client sends.
func (t target) seal(dst []byte, scratch *rewriter, sealer Sealer, value []byte, format int16, source uint32, settings *logical.Settings) ([]byte, error) {
	element := format
	if isString(source) && t.from != 0 { // the cast of a string reads it as a literal
		source, element = t.from, 0
	}
	if t.array {
		sealed, err := sealArray(sealer, t.column, value, logical.ElementOf(source), format, element, t.use, settings)
		if err != nil {
			return dst, err
		}
		return logical.AppendByteaArray(dst, 1, sealed), nil
	}
	if isString(source) {
		value = statement.Cut(value, t.chars)
	}
	var err error
	scratch.canonical, err = t.column.Type.Canonical(scratch.canonical[:0], value, source, element, t.use, settings)
	if err != nil {
		return dst, err
	}
	return sealer.Seal(dst, scratch.canonical)
}
