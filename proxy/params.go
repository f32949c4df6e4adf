package proxy

import (
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// Type OIDs of pg_type that the server sees in place of logical types.
const (
	byteaOID      = 17
	byteaArrayOID = 1001
)

// target is one parameter as the server sees it.
type target struct {
	client int            // number of the client's parameter, from 1; 0: of none
	column *schema.Column // nil: not sealed
	use    logical.Use
	array  bool
	from   uint32 // type OID that an explicit cast gives it, or 0
	chars  int    // length of an explicit cast to varchar(n) or char(n), or 0
	// implied says that from is no cast's: an undeclared parameter has that type here.
	implied bool
	both    bool // it is compared as well as stored
	// computed gives the value out of the parameters in it; client is the first of these.
	computed *statement.Computed
	// unused says that the text that is sent does not have it: the server gets NULL.
	unused bool

	as       logical.Type // the type that the value is read as; zero: the column's
	unpadded bool

	by       *statement.By    // which of its column's keys by value seals it; nil: that has one key
	constant *statement.Value // it is that, and no client's
	picks    *statement.By    // it is the texts by which the server picks one of the sealed forms
}

// spread reports whether the value is sealed with each key of keys by value.
func (t *target) spread() bool { return t.by != nil && t.by.SQL != "" }

// layout says how the client's parameters become the server's. Parameter $n keeps
// its number; where it is needed in several forms (for a tagged and an untagged
// column, or for two tagged ones) further parameters are added at the end.
type layout struct {
	server []target
	client int // how many parameters the client has
	// types are those of the client's parameters: as declared, or as the server deduces
	// them, from the first use in the text. 0 where that use is not of a tagged column.
	types []uint32
	// deduced says that the server must tell a type of types before a value of
	// that parameter can be sealed.
	deduced bool
}

// newLayout lays the parameters out. The error, a *pgerror.Error, says that a declared
// type does not fit.
func newLayout(edits *statement.Edits, text *statement.Text, declared []uint32) (*layout, error) {
	l := &layout{client: max(edits.MaxParam, len(declared))}
	l.types = make([]uint32, l.client)
	for n, oid := range declared {
		if oid != unknownOID {
			l.types[n] = oid
		}
	}
	if err := l.deduce(edits, text); err != nil {
		return nil, err
	}
	l.server = make([]target, l.client)
	taken := make([]bool, l.client)
	for n := 1; n <= l.client; n++ {
		l.server[n-1].client = n
		taken[n-1] = edits.PlainParam(n)
	}
	for i := range edits.Params {
		t := targetOf(&edits.Params[i])
		switch {
		case t.client > 0 && !taken[t.client-1]:
			taken[t.client-1] = true
			l.server[t.client-1] = t
		case l.find(t) == 0:
			l.server = append(l.server, t)
		}
	}
	for i := range edits.Params {
		if by := edits.Params[i].By; by != nil && by.SQL != "" {
			l.server = append(l.server, target{picks: by})
		}
	}
	for n := range l.client {
		l.server[n].unused = !taken[n]
	}
	return l, l.check(edits)
}

// check refuses declared types of which no value can be stored in, or compared with, the
// columns that the parameters are for.
func (l *layout) check(edits *statement.Edits) error {
	for i := range edits.Params {
		p := &edits.Params[i]
		if p.Computed != nil || p.Constant != nil || p.From != 0 && !p.Implied || l.types[p.Number-1] == 0 {
			continue
		}
		oid := l.types[p.Number-1]
		if own := ownOID(p); p.As.Kind != 0 && oid != own && !(isString(oid) && isString(own)) {
			return refuseMixedParam(p)
		}
		if p.Array {
			oid = logical.ElementOf(oid)
		}
		if e, ok := pgerror.As(p.Column.Type.Accepts(oid, p.Use)); ok {
			e = sealError(e, p.Column)
			e.Position = p.Start + 1
			return e
		}
	}
	return nil
}

// refuseMixedParam refuses a parameter whose declared type would give the values that
// it is mixed with another type than the analysis has given them.
func refuseMixedParam(p *statement.Param) error {
	e := pgerror.New(pgerror.FeatureNotSupported, "parameter $%d cannot be used beside column %s: it is of another type", p.Number, p.Column.QualifiedName()).
		WithHint("Cast the parameter to the type of the column, or let its type be deduced.")
	return nameColumn(e, p.Column).At(p.Start + 1)
}

func targetOf(p *statement.Param) target {
	if p.Computed != nil {
		t := target{column: p.Column, use: p.Use, computed: p.Computed, both: p.Both, by: p.By}
		if params := p.Computed.Params(); len(params) > 0 {
			t.client = params[0]
		}
		return t
	}
	return target{
		client: p.Number, column: p.Column, use: p.Use, array: p.Array, from: statement.Listed(p.Column, p.From, p.Listed),
		chars: p.Chars, implied: p.Implied, both: p.Both, as: p.As, unpadded: p.Unpadded,
		by: p.By, constant: p.Constant,
	}
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

// deduce finds the types of the parameters that are not declared but used for tagged
// columns.
func (l *layout) deduce(edits *statement.Edits, text *statement.Text) error {
	for i := range edits.Params {
		p := &edits.Params[i]
		for _, n := range p.By.Params() { // they are an untagged column's: the server knows them
			l.deduced = l.deduced || l.types[n-1] == 0
		}
		if p.Computed != nil {
			if err := l.infer(p, edits, text); err != nil {
				return err
			}
			continue
		}
		if p.Constant != nil {
			continue
		}
		n := p.Number
		if l.types[n-1] != 0 {
			continue
		}
		if edits.PlainParam(n) && firstUse(text, n) < edits.Params[i].Start {
			l.deduced = true
			continue
		}
		if l.types[n-1] = edits.ListType(p, l.types); l.types[n-1] == 0 {
			l.types[n-1] = ownOID(p)
		}
	}
	return nil
}

// infer finds the types of the parameters in a computed expression.
func (l *layout) infer(p *statement.Param, edits *statement.Edits, text *statement.Text) error {
	var told []int // by the server, from an earlier use
	for _, n := range p.Computed.Params() {
		if l.types[n-1] == 0 && edits.PlainParam(n) && firstUse(text, n) < p.Start {
			l.deduced = true
			l.types[n-1] = textOID // whatever it is, the others do not depend on it
			told = append(told, n)
		}
	}
	err := p.Computed.Infer(l.types)
	for _, n := range told {
		l.types[n-1] = 0
	}
	if e, ok := pgerror.As(err); ok {
		at := sealError(e, p.Column)
		at.Position = p.Start + 1
		return at
	}
	return err
}

// firstUse gives the byte at which $n first stands.
func firstUse(text *statement.Text, n int) int {
	for i, token := range text.Tokens() {
		if token.Kind == statement.Parameter && text.Param(i) == n {
			return int(token.Start)
		}
	}
	return len(text.SQL())
}

// oids gives the parameter types for the Parse message.
func (l *layout) oids(dst []uint32) []uint32 {
	for i, t := range l.server {
		switch {
		case t.picks != nil, t.column != nil && (t.array || t.spread()):
			dst = append(dst, byteaArrayOID)
		case t.column != nil:
			dst = append(dst, byteaOID)
		default:
			dst = append(dst, l.types[i])
		}
	}
	return dst
}

// clientOID gives the type of the client's parameter n as the client knows it: as
// it declared it, or as the server would have deduced it.
func (l *layout) clientOID(n int, server uint32) uint32 {
	if oid := l.types[n-1]; oid != 0 {
		return oid
	}
	return server
}

// ownOID gives the type that an undeclared parameter has if this is its first use:
// varchar has no operator of its own, so that what it is compared with is text.
func ownOID(p *statement.Param) uint32 {
	t := p.Column.Type
	switch {
	case p.From != 0:
		return p.From
	case p.Unpadded:
		t = logical.Type{Kind: logical.Bpchar, Typmod: -1}
	case p.As.Kind != 0:
		t = p.As
	case t.Kind == logical.Varchar && p.Use == logical.Compare && !p.Listed:
		t = logical.Type{Kind: logical.Text, Typmod: -1}
	}
	if p.Array {
		return t.ArrayOID()
	}
	return t.OID()
}

const (
	textOID = 25

	unknownOID = 705
	bpcharOID  = 1042
)

// isString reports whether a type, or the element type of an array type, is a
// string type. Its binary form is its text form.
func isString(oid uint32) bool {
	switch oid {
	case 19, 25, 1042, 1043, 1003, 1009, 1014, 1015: // name, text, char(n), varchar, their arrays
		return true
	}
	return false
}

// seal appends the server's form of a parameter to dst: a bytea in binary format, or a
// bytea[] in the format arrays. source is the type that the client sends.
func (t target) seal(dst []byte, scratch *rewriter, sealer Sealer, value []byte, format int16, source uint32, arrays int16, settings *logical.Settings) ([]byte, error) {
	if t.array {
		source, element := t.readAs(source, format)
		f := t.reading()
		sealed, err := sealArray(sealer, &f, value, logical.ElementOf(source), format, element, settings)
		if err != nil {
			return dst, err
		}
		return logical.AppendByteaArray(dst, arrays, sealed), nil
	}
	var err error
	scratch.canonical, err = t.plaintext(scratch.canonical[:0], value, format, source, settings)
	if err != nil {
		return dst, err
	}
	return sealer.Seal(dst, scratch.canonical)
}

// plaintext appends the canonical form of a parameter that is no array. format and source are
// those of the client's value.
func (t target) plaintext(dst, value []byte, format int16, source uint32, settings *logical.Settings) ([]byte, error) {
	source, format = t.readAs(source, format)
	if isString(source) {
		value = statement.Cut(value, t.chars)
	}
	f := t.reading()
	return f.canonical(dst, value, source, format, settings)
}

func (t target) reading() reading {
	return reading{column: t.column, use: t.use, both: t.both, as: t.as, unpadded: t.unpadded}
}

// readAs gives the type and format that a value, or an element of an array, is read in: the cast
// of a string reads it as a literal.
func (t target) readAs(source uint32, format int16) (uint32, int16) {
	if isString(source) && t.from != 0 && !t.implied {
		return t.from, 0
	}
	return source, format
}
