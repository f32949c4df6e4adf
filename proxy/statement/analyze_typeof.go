package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema/logical"
)

// typeOf analyses pg_typeof of a column: of a sealed one it is the logical type, which
// a NULL of that type tells as well. It reports whether the call is of that form.
func (x *analysis) typeOf(f *pg.FuncCall, names []string, s *scope) bool {
	if len(f.Args) != 1 || names[len(names)-1] != "pg_typeof" || x.text == nil ||
		len(names) > 1 && names[0] != "pg_catalog" || len(names) == 1 && !x.env.catalogFirst() {
		return false
	}
	ref := f.Args[0].GetColumnRef()
	if ref == nil || len(stringNodes(ref.Fields)) != len(ref.Fields) {
		return false
	}
	first := x.token(ref.Location)
	last := first + 2*int32(len(ref.Fields)) - 2
	if !x.qualifiedName(first, last) || x.text.Token(int(last)+1).Kind != RightParen {
		return false
	}
	o := x.expr(f.Args[0], s)
	if !o.sealed() {
		return true
	}
	brackets := ""
	if o.column.array {
		brackets = "[]"
	}
	x.touchAll(o.column, NullTest) // no value is looked at
	if o.column.json != nil {
		return true
	}
	if kind := o.column.logicalType().Kind; kind != logical.Bytea {
		x.edits = append(x.edits, edit{kind: editText, first: first, last: last, token: first, text: "NULL::pg_catalog." + storedTypes[kind].name + brackets})
	}
	return true
}
