package statement

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// A controlled column is stored in the clear: the server can do anything with it. It is followed like
// a randomized one, so that what leaves a statement is the column itself, by the verdict of who asks.
// Anything made of it is refused here with 42501; who may read all of it is served by another
// Analyzer, to which the column is one like any other, and a plan of [FreePlan].

const hintControlled = "The column is stored in the clear and read by verdict. A role with the verdict decrypt may do this; any other can select the column as it is and, with the search right, compare it with values."

func refuseDerived(c *schema.Column, before, after string) *pgerror.Error {
	e := pgerror.New(pgerror.InsufficientPrivilege, "permission denied: cannot %s column %q%s without the right to decrypt it", before, c.QualifiedName(), after)
	e.Schema, e.Table, e.Column = c.Schema, c.Table, c.Name
	return e
}

func refuseDefinition(verb Verb) *pgerror.Error {
	return pgerror.New(pgerror.InsufficientPrivilege, "permission denied: cannot run %s of what names a tagged table in a database with controlled columns without the right to decrypt these", verb)
}

// isSealed reports whether what is stored in an attribute is sealed.
func isSealed(a *schema.Attribute) bool { return a.Tagged != nil && !a.Tagged.Controlled() }

func (a *Analyzer) readControlled() {
	a.controlled = make(map[string][]*schema.Column)
	for _, r := range a.catalog.Reaching() {
		if list := r.Controlled(); len(list) > 0 {
			a.controlled[r.Name] = append(a.controlled[r.Name], list...)
			a.controls = true
		}
	}
}

// Controlled gives the controlled columns of all tables, without repetitions.
func (a *Analyzer) Controlled() []*schema.Column {
	var all []*schema.Column
	for _, r := range a.catalog.Reaching() {
		for _, c := range r.Controlled() {
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return all
}

// ControlledIn gives the controlled columns of a table.
func (a *Analyzer) ControlledIn(schemaName, table string) []*schema.Column {
	if r := a.catalog.Relation(schemaName, table); r != nil {
		return r.Controlled()
	}
	return nil
}

// Derived gives the uses of controlled columns by a text of which no more is known than its words:
// of the tables that it names, or of all where it names anything else that may reach one.
func (a *Analyzer) Derived(t *Text) []Touch {
	var columns []*schema.Column
	elsewhere := t.Mentions(func(ident []byte) bool {
		list, ok := a.controlled[string(ident)]
		columns = append(columns, list...)
		return !ok && a.watched(ident)
	})
	if elsewhere {
		columns = a.Controlled()
	}
	var touches []Touch
	for _, c := range columns {
		if touch := (Touch{c, Derive}); !slices.Contains(touches, touch) {
			touches = append(touches, touch)
		}
	}
	return touches
}

// FreePlan gives the plan of a text for those who may read all controlled columns that it derives
// from. plan is what an Analyzer makes of it to which these are columns like any other; it may be nil.
func FreePlan(t *Text, plan *Plan, derives []Touch) (*Plan, *pgerror.Error) {
	commands := t.Commands()
	free := &Plan{Statements: make([]Statement, len(commands))}
	if plan != nil {
		free.analyzer, free.edits, free.Statements = plan.analyzer, plan.edits, slices.Clone(plan.Statements)
	}
	keeps := t.keeps()
	for i := range free.Statements {
		s, verb := &free.Statements[i], commands[i].Verb
		s.Keeps = keeps
		switch verb {
		case VerbExecute: // its arguments are not followed
			return nil, pgerror.New(pgerror.FeatureNotSupported, "cannot run EXECUTE with arguments that are made of a controlled column").
				WithHint("Send the values.")
		case VerbPrepare, VerbDeclare: // what runs later is asked for then
			later := &Plan{Statements: make([]Statement, 1)}
			if s.Later != nil {
				later.analyzer, later.Statements = s.Later.analyzer, slices.Clone(s.Later.Statements)
			}
			later.Statements[0].Keeps = keeps
			later.Statements[0].derive(derives)
			s.Later = later
			s.derive(derives)
			s.Free = false
		default:
			s.derive(derives)
		}
		s.Verb = verb
	}
	return free, nil
}

// keeps reports whether a text may store anything, as far as its words tell: it is SELECT, or COPY or a
// cursor or prepared statement of one, unless it says so.
func (t *Text) keeps() bool {
	if t.Odd() || t.RunsSQL() >= 0 {
		return true
	}
	for _, command := range t.Commands() {
		switch command.Verb {
		case VerbSelect, VerbDeclare, VerbPrepare, VerbExplain, VerbFetch:
		case VerbCopy:
			if t.Token(command.First+1).Kind != LeftParen {
				return true
			}
		default:
			if !command.Verb.EndsTransaction() && command.Verb != VerbBegin && command.Verb != VerbDeallocate {
				return true
			}
		}
		for i := command.First; i < command.Last; i++ {
			switch t.Word(i) {
			case WordInsert, WordUpdate, WordDelete, WordMerge, WordInto, WordCreate:
				return true
			}
		}
	}
	return false
}

// derive says of a statement that its rows may hold what is made of columns.
func (s *Statement) derive(derives []Touch) {
	s.Touches = append(slices.Clip(s.Touches), derives...)
	for _, touch := range derives {
		s.Beside = append(slices.Clip(s.Beside), touch.Column)
	}
	s.Free, s.planned = true, true
	s.Writes = true // whatever it does, it is recorded before
}

// keepSettings refuses a statement that shows controlled columns and may change, from row to row, how the
// server writes them: whether they can then be read tells of their values.
func (x *analysis) keepSettings(c *Command) {
	for _, t := range x.touches {
		if t.How == Read && t.Column.Controlled() && x.text.setsWhileRunning(c) {
			x.fail(refuse(t.Column, "change settings of the session in a statement with", ""), -1)
			return
		}
	}
}

// searchControlled analyses the comparison of a controlled column with a value, which the server
// compares as it is.
func (x *analysis) searchControlled(name string, o operand, value *pg.Node) {
	c := o.column.tagged
	if o.column.computed || len(o.column.also) > 0 || o.column.array {
		x.fail(refuseCompared(c, name), o.token)
		return
	}
	if value == nil || !x.plainValue(value) {
		x.fail(refuseOperand(c, name), o.token)
		return
	}
	x.touch(c, Search)
}

// plainValue reports whether an expression is a constant, a parameter or an array of such, cast to
// types of the server's own or not.
func (x *analysis) plainValue(n *pg.Node) bool {
	for _, c := range castsOf(n) {
		if _, ok := x.castTypeOf(c.TypeName); !ok {
			return false
		}
	}
	leaf := withoutCasts(n)
	if _, ok := kindOf(leaf); !ok {
		return false
	}
	for _, e := range leaf.GetAArrayExpr().GetElements() {
		if !x.plainValue(e) {
			return false
		}
	}
	return true
}

// mixControlled is mix where a branch is a controlled column: all have to be, of one type.
func (x *analysis) mixControlled(branches []branch, first operand, where string) operand {
	out := &column{tagged: first.column.tagged, sealing: sealing{computed: true}}
	for i := range branches {
		b := &branches[i]
		if !b.sealed() || !b.column.tagged.Controlled() || b.column.array || b.column.logicalType() != out.logicalType() {
			x.fail(refuseMix(first.column.tagged, where), first.token)
			return first
		}
		out.add(b.column)
	}
	return operand{out, first.token}
}
