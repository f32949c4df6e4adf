package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"
)

// unwrap gives the statement within EXPLAIN, DECLARE and PREPARE, or the statement
// itself.
func unwrap(n *pg.Node) *pg.Node {
	for {
		switch w := n.GetNode().(type) {
		case *pg.Node_ExplainStmt:
			n = w.ExplainStmt.Query
		case *pg.Node_DeclareCursorStmt:
			n = w.DeclareCursorStmt.Query
		case *pg.Node_PrepareStmt:
			n = w.PrepareStmt.Query
		default:
			return n
		}
	}
}

// wrap turns the analysis of the statement within another one into that of the
// whole: EXPLAIN gives rows of its own; what DECLARE and PREPARE give, FETCH and
// EXECUTE will.
func (x *analysis) wrap(whole, inner *pg.Node) {
	switch w := whole.GetNode().(type) {
	case *pg.Node_ExplainStmt:
		x.outputs, x.returning, x.explains = []Output{{}}, false, true
		for _, t := range x.touches { // the server's estimates are made of samples of its values
			if t.Column.Controlled() {
				x.fail(refuse(t.Column, "EXPLAIN a statement with", ""), -1)
			}
		}
	case *pg.Node_DeclareCursorStmt:
		x.postpone(inner)
	case *pg.Node_PrepareStmt:
		x.postpone(inner)
		x.declaredTypes(w.PrepareStmt)
	}
}

func (x *analysis) postpone(inner *pg.Node) {
	x.later = &Plan{analyzer: x.a, Statements: []Statement{{
		Verb: verbOf(inner), Outputs: x.outputs, Touches: x.touches, Returning: x.returning, Writes: x.writes, Beside: x.beside, planned: true,
	}}}
	x.outputs, x.returning, x.writes = nil, false, false
}

func verbOf(n *pg.Node) Verb {
	switch n.GetNode().(type) {
	case *pg.Node_SelectStmt:
		return VerbSelect
	case *pg.Node_InsertStmt:
		return VerbInsert
	case *pg.Node_UpdateStmt:
		return VerbUpdate
	case *pg.Node_DeleteStmt:
		return VerbDelete
	case *pg.Node_MergeStmt:
		return VerbMerge
	}
	return VerbUnknown
}

// Explained gives the plan of EXPLAIN EXECUTE of what p is the plan of.
func (p *Plan) Explained() *Plan {
	s := p.Statements[0]
	s.Verb, s.Outputs, s.Hidden, s.Returning, s.Explains = VerbExplain, []Output{{}}, 0, false, true
	return &Plan{analyzer: p.analyzer, Statements: []Statement{s}}
}

// Declared is a type that PREPARE gives for a parameter, at the bytes [Start, End).
type Declared struct {
	Start, End int
	// OID is the type's, 0 if it is none of the logical types nor an array of one.
	OID uint32
}

// declaredTypes notes where the types of the parameters of PREPARE stand.
func (x *analysis) declaredTypes(st *pg.PrepareStmt) {
	if x.text == nil {
		return
	}
	name := int32(-1)
	for i := range x.text.Tokens() {
		if int32(i) >= x.first && x.text.Word(i) == WordPrepare {
			name = int32(i) + 1
			break
		}
	}
	end := name
	for _, n := range st.Argtypes {
		t := n.GetTypeName()
		first := x.token(t.GetLocation())
		last, ok := x.typeEnd(first)
		if first < 0 || !ok {
			x.fail(refuseForm("this form of type"), first)
			return
		}
		x.edits = append(x.edits, edit{kind: editType, first: first, last: last, token: first, from: x.declaredOID(t)})
		end = last + 1
	}
	if name < 0 || len(st.Argtypes) > 0 && x.text.Token(int(end)).Kind != RightParen {
		x.fail(refuseOdd(), name)
		return
	}
	x.edits = append(x.edits, edit{kind: editTypes, first: end, last: end, token: end})
}

// declaredOID is the OID of a type that a parameter is declared with.
func (x *analysis) declaredOID(n *pg.TypeName) uint32 {
	if names := stringNodes(n.Names); len(n.ArrayBounds) == 0 && len(names) > 0 && names[len(names)-1] == "unknown" &&
		(len(names) == 1 && x.env.catalogFirst() || len(names) == 2 && names[0] == "pg_catalog") {
		return unknownOID
	}
	t, ok := x.castTypeOf(n)
	switch {
	case !ok:
		return 0
	case t.array:
		return t.ArrayOID()
	}
	return t.OID()
}

const unknownOID = 705

// addDeclared resolves an edit of declaredTypes.
func (e *Edits) addDeclared(d *edit, start, end int) {
	switch {
	case d.kind == editType:
		e.Declared = append(e.Declared, Declared{Start: start, End: end, OID: d.from})
	case len(e.Declared) == 0: // after the name
		e.DeclareAt = end
	default: // before the parenthesis
		e.DeclareAt = start
	}
}
