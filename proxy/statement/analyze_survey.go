package statement

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// survey is all that a statement names, found by a walk that knows nothing of
// the statement's form and so forgets nothing. The analysis crosses off what it
// has understood; whatever is left at its end refuses the statement.
type survey struct {
	columns   map[*pg.ColumnRef]struct{}
	relations map[*pg.RangeVar]struct{}
}

// hit is a name that is or reaches a tagged table.
type hit struct {
	err      *pgerror.Error // what to say if the statement is not of a form that is understood
	always   bool           // or in any case
	location int32
}

// surveyor walks a statement.
type surveyor struct {
	x       *analysis
	utility bool // not SELECT, INSERT, UPDATE or DELETE
	hits    []hit
	all     survey
}

// survey walks a statement and says what in it is or reaches a tagged table.
func (x *analysis) survey(raw *pg.RawStmt, utility bool) []hit {
	w := newSurveyor(x, utility)
	w.message(raw.Stmt.ProtoReflect())
	if utility {
		w.bodies(raw)
	}
	x.left = w.all
	return w.hits
}

func newSurveyor(x *analysis, utility bool) *surveyor {
	return &surveyor{x: x, utility: utility, all: survey{
		columns:   make(map[*pg.ColumnRef]struct{}),
		relations: make(map[*pg.RangeVar]struct{}),
	}}
}

func (w *surveyor) hit(err *pgerror.Error, always bool, location int32) {
	w.hits = append(w.hits, hit{err, always, location})
}

func (w *surveyor) message(m protoreflect.Message) {
	switch n := m.Interface().(type) {
	case *pg.LockingClause:
		return // its names are those of FROM
	case *pg.RangeVar:
		w.all.relations[n] = struct{}{}
		if w.x.reaches(n.Schemaname, n.Relname, true) {
			w.hit(refuseStatement(w.x.verb.String(), n.Relname), false, n.Location)
		}
	case *pg.ColumnRef:
		w.all.columns[n] = struct{}{}
		// a.f may be f(a).
		if names := stringNodes(n.Fields); len(n.Fields) > 1 && len(names) == len(n.Fields) {
			w.function(names, false, n.Location)
		}
		return
	case *pg.FuncCall:
		w.function(stringNodes(n.Funcname), true, n.Location)
	case *pg.A_Indirection:
		if names := stringNodes(n.Indirection); len(names) > 0 {
			w.function(names[len(names)-1:], true, -1)
		}
	case *pg.TypeName:
		w.typeName(n)
		if w.utility && n.PctType {
			w.names(stringNodes(n.Names))
		}
		w.list(n.Typmods)
		return
	case *pg.Constraint:
		if w.utility {
			w.constraint(n)
			return
		}
	case *pg.A_Const:
		return
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Kind() != protoreflect.MessageKind {
			return true
		}
		if !fd.IsList() {
			w.message(v.Message())
			return true
		}
		list := v.List()
		if w.utility {
			w.strings(list)
		}
		for i := range list.Len() {
			w.message(list.Get(i).Message())
		}
		return true
	})
	if n, ok := m.Interface().(*pg.DefElem); ok && w.utility {
		w.names(stringNodes([]*pg.Node{n.Arg}))
	}
}

func (w *surveyor) list(nodes []*pg.Node) {
	for _, n := range nodes {
		w.message(n.ProtoReflect())
	}
}

// strings looks at a list of a utility statement: bare strings there are the
// names of objects, such as those of DROP TABLE.
func (w *surveyor) strings(list protoreflect.List) {
	var names []string
	for i := range list.Len() {
		n, ok := list.Get(i).Message().Interface().(*pg.Node)
		if !ok {
			return
		}
		names = append(names, stringNodes([]*pg.Node{n})...)
	}
	w.names(names)
}

// names looks at the parts of a qualified name, or at several names: any of
// them may be a relation's or a function's.
func (w *surveyor) names(names []string) {
	for i, name := range names {
		before := ""
		if i > 0 {
			before = names[i-1]
		}
		r := w.x.a.catalog.Relation(before, name)
		if r != nil && r.Reaches || r == nil && w.x.reaches("", name, false) {
			w.hit(refuseStatement(w.x.verb.String(), name), true, -1)
		}
		if w.x.a.catalog.Function(name) {
			w.hit(refuseStatement(w.x.verb.String(), name), true, -1)
		}
	}
}

// constraint walks a constraint of a table: its lists of strings are columns.
func (w *surveyor) constraint(n *pg.Constraint) {
	for _, part := range []*pg.Node{n.RawExpr, n.WhereClause} {
		if part != nil {
			w.message(part.ProtoReflect())
		}
	}
	if n.Pktable != nil {
		w.message(n.Pktable.ProtoReflect())
	}
	w.list(n.Exclusions)
	w.list(n.Options)
}

func (w *surveyor) function(names []string, call bool, location int32) {
	if len(names) == 0 {
		return
	}
	name := names[len(names)-1]
	if len(names) > 1 && (names[0] == "pg_catalog" || names[0] == "information_schema") && call {
		return
	}
	if w.x.a.catalog.Function(name) {
		w.hit(refuseWatchedFunction(name), call && w.x.a.declared(names) == nil, location)
	}
}

func (w *surveyor) typeName(n *pg.TypeName) {
	names := stringNodes(n.Names)
	if len(names) == 0 {
		return
	}
	name, before := names[len(names)-1], ""
	if len(names) > 1 {
		before = names[len(names)-2]
	}
	if before != "pg_catalog" && w.x.reaches(before, name, false) {
		w.hit(refuseRowType(name), true, n.Location)
	}
}

// bodies looks for watched names inside the constants of a statement that can
// hold SQL in them: DO, CREATE FUNCTION, the arguments of a trigger.
func (w *surveyor) bodies(raw *pg.RawStmt) {
	t := w.x.text
	first := t.At(int(raw.StmtLocation))
	end := len(t.Tokens())
	if raw.StmtLen > 0 {
		end = t.At(int(raw.StmtLocation + raw.StmtLen))
	}
	if first >= end || !holdsSQL(t.Word(first)) {
		return
	}
	for i := first; i < end; i++ {
		if t.Token(i).Kind.IsString() && t.mentionedIn(i, w.x.a.watched) {
			w.hit(pgerror.New(pgerror.FeatureNotSupported, "cannot run %s: it names a table with sealed columns inside a string", w.x.verb).
				WithHint("It would run in the server, which holds sealed values only. Send its statements through pgveil instead."), true, t.Token(i).Start)
			return
		}
	}
}

// reaches reports whether a name is, as far as is known, that of a relation that
// is or reaches a tagged table. missing says what to answer for a watched name
// that leads to no relation.
func (x *analysis) reaches(schemaName, name string, missing bool) bool {
	if !x.a.watched([]byte(name)) {
		return false
	}
	r, temporary := x.a.lookup(x.env, schemaName, name)
	switch {
	case r != nil:
		return r.Reaches
	case temporary && (schemaName != "" || slices.Contains(x.env.TempNames, name)):
		return true
	}
	return missing
}

// leftover refuses the statement if the analysis has not come to all it names.
func (x *analysis) leftover() {
	if x.err != nil {
		return
	}
	for r := range x.left.relations {
		x.fail(refuseForm("this form of naming tables"), x.token(r.Location))
	}
	for c := range x.left.columns {
		x.fail(refuseForm("this form of naming columns"), x.token(c.Location))
	}
}

// stringNodes gives the strings of a list of nodes; others are left out.
func stringNodes(nodes []*pg.Node) []string {
	var names []string
	for _, n := range nodes {
		if s, ok := n.GetNode().(*pg.Node_String_); ok {
			names = append(names, s.String_.Sval)
		}
	}
	return names
}
