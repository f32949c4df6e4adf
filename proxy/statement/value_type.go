package statement

import (
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// castType is the type of a cast, if it is a logical type or an array of one.
type castType struct {
	logical.Type
	array    bool
	modified bool // it has a type modifier
}

// castTypeOf reads a type's name; ok is false for any other type.
func (x *analysis) castTypeOf(n *pg.TypeName) (t castType, ok bool) {
	names := stringNodes(n.Names)
	if n.Setof || n.PctType || len(n.ArrayBounds) > 1 || len(names) == 0 || len(names) != len(n.Names) {
		return t, false
	}
	name := names[len(names)-1]
	switch {
	case len(names) > 2 || len(names) == 2 && names[0] != "pg_catalog":
		return t, false
	case len(names) == 1 && !x.env.catalogFirst():
		return t, false
	}
	var b strings.Builder
	b.WriteString("pg_catalog." + name)
	for i, m := range n.Typmods {
		c, ok := m.GetAConst().GetVal().(*pg.A_Const_Ival)
		if !ok {
			return t, false
		}
		b.WriteString(map[bool]string{true: "(", false: ","}[i == 0])
		b.WriteString(strconv.Itoa(int(c.Ival.GetIval())))
	}
	if len(n.Typmods) > 0 {
		b.WriteByte(')')
	}
	lt, err := logical.ParseType(b.String())
	if err != nil {
		return t, false
	}
	return castType{lt, len(n.ArrayBounds) == 1, len(n.Typmods) > 0}, true
}

// characters gives n of varchar(n) and char(n), 0 for any other type.
func characters(t logical.Type) int32 {
	if (t.Kind == logical.Varchar || t.Kind == logical.Bpchar) && t.Typmod > 4 {
		return t.Typmod - 4
	}
	return 0
}

// constantKind is what stands at the bottom of a chain of casts.
type constantKind uint8

const (
	constantString constantKind = iota
	constantInteger
	constantDecimal
	constantBool
	constantNull
	constantParam
	constantArray // ARRAY[…]
)

// castEffect says what a chain of casts does to a value that is to be sealed;
// the innermost cast comes first. from is the type the value is read as: an
// array's if array is set. ok is false if pgveil cannot do exactly what the
// casts do.
func castEffect(chain []castType, kind constantKind, array bool, c *schema.Column, use logical.Use) (from uint32, chars int32, ok bool) {
	if len(chain) == 0 {
		return 0, 0, true
	}
	first := chain[0]
	for i, t := range chain {
		if t.array != array || i > 0 && (t.modified || first.modified || !sameValues(first.Kind, t.Kind)) {
			return 0, 0, false
		}
	}
	if !castKeeps(kind, first.Kind) {
		return 0, 0, false
	}
	if first.modified {
		if array {
			return 0, 0, false
		}
		if chars, ok = modifier(first.Type, kind, c, use); !ok {
			return 0, 0, false
		}
	}
	if array {
		return first.ArrayOID(), 0, true
	}
	return first.OID(), chars, true
}

// sameValues reports whether a cast between two types changes no value.
func sameValues(a, b logical.Kind) bool {
	return a == b || (a == logical.Text || a == logical.Varchar) && (b == logical.Text || b == logical.Varchar)
}

// castKeeps reports whether the text of a constant of that kind, read as a value
// of the type, is what a cast gives.
func castKeeps(kind constantKind, to logical.Kind) bool {
	switch kind {
	case constantInteger:
		switch to {
		case logical.Int2, logical.Int4, logical.Int8, logical.Numeric, logical.Float4, logical.Float8,
			logical.Text, logical.Varchar, logical.Bpchar:
			return true
		}
		return false
	case constantDecimal:
		return to == logical.Numeric || to == logical.Float4 || to == logical.Float8
	case constantBool:
		return to == logical.Bool
	}
	return true
}

// modifier decides about a cast with a type modifier: an explicit cast cuts
// strings and rounds numbers without an error.
func modifier(t logical.Type, kind constantKind, c *schema.Column, use logical.Use) (chars int32, ok bool) {
	if n := characters(t); n > 0 {
		// The proxy cuts a parameter; cut below the column's own length it would
		// not even be refused if it did not.
		ok = kind != constantParam || characters(c.Type) > 0 && n >= characters(c.Type)
		return n, ok
	}
	// What the column's type does to an assigned value, the same cast does.
	return 0, use == logical.Assign && t == c.Type
}

// typeText writes a type's name for a message.
func typeText(n *pg.TypeName) string {
	name := lastName(n.GetNames())
	if len(n.GetArrayBounds()) > 0 {
		name += "[]"
	}
	return name
}
