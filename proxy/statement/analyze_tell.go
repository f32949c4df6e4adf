package statement

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A statement that shows something of rows which are of somebody, and not of whom, can be made to tell
// pgveil: it gets the subjects of its rows as further outputs, the last, which the client does not see.

// telling is what a statement needs to tell.
type telling struct {
	outputs []Output
	needs   []origin // the columns that its role then has to be able to read
	edit    edit
}

// tellName is what the server calls such an output, so that no ORDER BY means it.
const tellName = "pgveil subject "

// ownTargets gives the list of what a statement shows: nil where one more would change the others.
func (x *analysis) ownTargets(n *pg.Node) []*pg.Node {
	switch st := n.GetNode().(type) {
	case *pg.Node_SelectStmt:
		s := st.SelectStmt
		if len(s.DistinctClause)+len(s.GroupClause) > 0 || s.HavingClause != nil || s.IntoClause != nil || x.aggregates(s.TargetList) || x.aggregates(s.SortClause) {
			return nil
		}
		x.selects = true
		return s.TargetList
	case *pg.Node_InsertStmt:
		return st.InsertStmt.ReturningList
	case *pg.Node_UpdateStmt:
		return st.UpdateStmt.ReturningList
	case *pg.Node_DeleteStmt:
		return st.DeleteStmt.ReturningList
	}
	return nil
}

// aggregates reports whether there may be an aggregate in a list.
func (x *analysis) aggregates(list []*pg.Node) bool {
	return slices.ContainsFunc(list, func(n *pg.Node) bool { return x.aggregated(n.ProtoReflect()) })
}

func (x *analysis) aggregated(m protoreflect.Message) bool {
	switch n := m.Interface().(type) {
	case *pg.FuncCall:
		names := stringNodes(n.Funcname)
		if n.Over == nil && (len(names) == 0 || x.a.catalog.Aggregate(names[len(names)-1])) {
			return true
		}
	case *pg.JsonObjectAgg, *pg.JsonArrayAgg, *pg.GroupingFunc:
		return true
	}
	found := false
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				found = found || x.aggregated(v.List().Get(i).Message())
			}
		default:
			found = x.aggregated(v.Message())
		}
		return !found
	})
	return found
}

// tell finds how a statement tells of whom its rows are.
func (x *analysis) tell(targets []target) {
	if x.err != nil || x.ownScope == nil {
		return
	}
	t := &telling{}
	var text strings.Builder
	asked := make(map[int32]bool)
	for i := range targets {
		from := &targets[i]
		if !from.ofOneRow() || from.tagged.InFile().Subject == nil || x.outputs[i].Subject != 0 || asked[from.row] {
			continue
		}
		asked[from.row] = true
		it, c := x.subjectIn(x.ownScope, from)
		if it == nil {
			continue
		}
		if it.of != nil {
			t.needs = append(t.needs, c.origin)
		}
		text.WriteString(", " + quoteName(it.name) + "." + quoteName(c.name) + " AS " + quoteName(tellName+string(rune('a'+len(t.outputs)))))
		t.outputs = append(t.outputs, (&target{column: *c}).output())
		if len(t.outputs) > 'z'-'a' {
			return
		}
	}
	at := x.listEnd()
	if len(t.outputs) == 0 || at < 0 || len(targets)+len(t.outputs) > maxTargets {
		return
	}
	t.edit = edit{kind: editAfter, first: at, last: at, token: at, text: text.String()}
	x.telling = t
}

// subjectIn finds the subject of the row that a result column is of among what can be named beside it.
func (x *analysis) subjectIn(s *scope, of *target) (*item, *column) {
	subject := of.tagged.InFile().Subject
	for _, it := range s.items {
		if it.unnamed || it.open || !x.spend(len(it.columns)) {
			continue
		}
		for i := range it.columns {
			c := &it.columns[i]
			if c.row != of.row || c.tagged == nil || c.tagged.InFile() != subject || c.computed || c.supply != nil || !(&target{column: *c}).ofOneRow() {
				continue
			}
			if _, n := it.find(c.name); n == 1 && s.called(it.name) == 1 && (it.of == nil || c.origin.table == it.of.OID) {
				return it, c
			}
		}
	}
	return nil, nil
}

// called counts the items of a name.
func (s *scope) called(name string) int {
	n := 0
	for _, it := range s.items {
		if !it.unnamed && it.name == name {
			n++
		}
	}
	return n
}

// listEnd gives the last token of the list of what a statement shows, -1 if it is not found.
func (x *analysis) listEnd() int32 {
	first := x.token(x.ownList[len(x.ownList)-1].GetResTarget().GetLocation())
	if first < 0 {
		return -1
	}
	depth, tokens := 0, x.text.Tokens()
	i := int(first)
	for ; i < len(tokens); i++ {
		switch k := tokens[i]; {
		case k.Kind == LeftParen || k.Kind == LeftBracket:
			depth++
		case depth > 0 && (k.Kind == RightParen || k.Kind == RightBracket):
			depth--
		case depth > 0:
		case k.Kind == RightParen:
			return -1
		case k.Kind == Semicolon:
			if x.selects {
				return -1
			}
			return int32(i) - 1
		case x.selects && k.Word == WordFrom && !x.insideExpression(i):
			return int32(i) - 1
		}
	}
	if x.selects {
		return -1
	}
	return int32(i) - 1
}

// insideExpression reports whether FROM at a token belongs to IS DISTINCT FROM, or is a name.
func (x *analysis) insideExpression(i int) bool {
	switch x.text.Word(i - 1) {
	case WordDistinct:
		return x.text.Word(i-2) == WordIs || x.text.Word(i-2) == WordNot && x.text.Word(i-3) == WordIs
	case WordAs:
		return true
	}
	return x.text.Token(i-1).Kind == Dot
}

// tell gives p its plan with subjects, from what its statements need for it; nil entries need nothing.
func (p *Plan) tell(by []*telling) {
	if !slices.ContainsFunc(by, func(t *telling) bool { return t != nil }) {
		return
	}
	told := &Plan{Statements: slices.Clone(p.Statements), analyzer: p.analyzer, edits: slices.Clone(p.edits), tells: true}
	told.rows.whole = p.rows.whole
	for i, t := range by {
		if t == nil {
			continue
		}
		s := &told.Statements[i]
		s.Outputs = append(slices.Clip(s.Outputs), t.outputs...)
		s.Hidden = len(t.outputs)
		told.needs = append(told.needs, t.needs...)
		told.edits = append(told.edits, t.edit)
	}
	slices.SortStableFunc(told.edits, compareEdits)
	p.telling = told
}

// WithSubjects gives the plan by which the statements tell pgveil of whom their rows are, where they do not by
// themselves and can: with outputs that are [Statement.Hidden]. Else it is p.
func (p *Plan) WithSubjects() *Plan {
	if p == nil || p.telling == nil {
		return p
	}
	return p.telling
}

// Tells reports whether p is what WithSubjects gave in the place of another.
func (p *Plan) Tells() bool { return p != nil && p.tells }

// TellsTo reports whether roles, by their rights on the server, may read what p has statements read
// beyond what the client wrote.
func (p *Plan) TellsTo(roles []string) bool {
	if !p.Tells() {
		return true
	}
	catalog := p.analyzer.catalog
	return !slices.ContainsFunc(p.needs, func(o origin) bool { return !catalog.Readable(o.table, o.attribute, roles) })
}

// Shown gives the outputs that the client sees.
func (s *Statement) Shown() []Output { return s.Outputs[:len(s.Outputs)-s.Hidden] }
