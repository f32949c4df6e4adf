package proxy

import (
	"slices"

	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// layoutOf gives the layout of the parameters of a text's PREPARE, once its edits are
// known, and has the declared types changed to those of the sealed ones. Nil if the
// text has no parameters.
func (c *conn) layoutOf(text *statement.Text) (*layout, error) {
	edits := &c.rewriter.edits
	if edits.MaxParam == 0 && len(edits.Declared) == 0 {
		return nil, nil
	}
	commands := text.Commands()
	holder := -1
	for i := range commands {
		switch {
		case !text.HasParams(&commands[i]):
		case commands[i].Verb != statement.VerbPrepare:
			first := text.FirstParam(&commands[i])
			return nil, pgerror.New("42P02", "there is no parameter %s", text.Bytes(first)).At(int(text.Token(first).Start) + 1)
		case holder >= 0:
			return nil, pgerror.New(pgerror.FeatureNotSupported, "several statements with parameters cannot be prepared in one message with a tagged table").
				WithHint("Send the statements one by one.")
		default:
			holder = i
		}
	}
	if len(edits.Params) == 0 {
		return newLayout(edits, text, nil)
	}
	declared := make([]uint32, len(edits.Declared))
	for i, d := range edits.Declared {
		declared[i] = d.OID
	}
	l, err := newLayout(edits, text, declared)
	if err != nil {
		return nil, err
	}
	if l.keyed() {
		return nil, errKeyed()
	}
	if l.computes() {
		return nil, errComputes()
	}
	if l.deduced {
		return nil, pgerror.New(pgerror.FeatureNotSupported, "a parameter that stands before an untagged expression first is of no known type").
			WithHint("Declare the types of the parameters: PREPARE name (type, …) AS ….")
	}
	for i, t := range l.server {
		if t.column != nil && i < len(edits.Declared) && edits.Declared[i].OID == 0 {
			return nil, pgerror.New(pgerror.FeatureNotSupported, "parameter $%d is a value for column %s and cannot be of its declared type", i+1, t.column.QualifiedName()).
				WithHint("Declare it as %s.", t.column.Type).At(edits.Declared[i].Start + 1)
		}
	}
	declareTypes(edits, l)
	return l, nil
}

// computes reports whether pgveil computes a parameter of the server's out of the
// client's.
func (l *layout) computes() bool {
	return slices.ContainsFunc(l.server, func(t target) bool { return t.computed != nil })
}

func errComputes() *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "an expression over parameters cannot be a value for a sealed column in a statement that EXECUTE runs").
		WithHint("Use a parameter alone, or prepare and bind the statement through the extended query protocol.")
}

// declareTypes splices the types of sealed parameters into the list of PREPARE.
func declareTypes(edits *statement.Edits, l *layout) {
	last := len(edits.Declared)
	for i, t := range l.server {
		if t.column != nil {
			last = max(last, i+1)
		}
	}
	more := ""
	for i := range last {
		name := "pg_catalog.unknown"
		switch t := l.server[i]; {
		case t.column != nil && t.array:
			name = "pg_catalog.bytea[]"
		case t.column != nil:
			name = "pg_catalog.bytea"
		case i < len(edits.Declared):
			continue
		}
		if i < len(edits.Declared) {
			d := edits.Declared[i]
			edits.Splices = append(edits.Splices, statement.Splice{Start: d.Start, End: d.End, Text: name})
			continue
		}
		if i > 0 {
			more += ", "
		}
		more += name
	}
	if more != "" {
		if len(edits.Declared) == 0 {
			more = " (" + more + ")"
		}
		edits.Splices = append(edits.Splices, statement.Splice{Start: edits.DeclareAt, End: edits.DeclareAt, Text: more})
	}
}

// preparedBy is what PREPARE, command i of a text, makes.
func (c *conn) preparedBy(text *statement.Text, plan *statement.Plan, s *state, l *layout, i int) (*prepared, error) {
	command := &text.Commands()[i]
	p := &prepared{state: s, watched: s != nil, changes: command.Changes, text: string(text.SQL()[command.Start:command.End])}
	p.redacted, p.mark = string(text.AppendRedacted(nil)), text.Fingerprint()
	if p.seen = c.tracked.current.Load(); s != nil {
		p.seen = s.snapshot
	}
	p.ambiguous = s != nil && p.seen.analyzer.PathDependent(text)
	if p.seen != nil {
		p.escape = p.seen.escape(text)
	}
	if plan == nil || plan.Statements[i].Later == nil {
		return p, nil
	}
	if l == nil {
		l = &layout{}
	}
	p.plan, p.layout, p.whole = plan.Statements[i].Later, l, plan
	p.literals = c.sealedLiterals(&c.rewriter.edits, command.Start, command.End, s.roles)
	if len(text.Commands()) > 1 { // by itself, as it is looked at again
		var alone statement.Lexer
		var err error
		if p.whole, err = c.planOf(alone.Lex([]byte(p.text)), s); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// still gives what a prepared statement is now: since the catalog or search_path has
// changed, the server plans it again by itself. It is refused if it then does something
// else with tagged columns than before.
func (c *conn) still(v *version[prepared]) (*prepared, error) {
	p := v.value
	if p.seen == nil { // it names nothing
		return p, nil
	}
	if err := c.literalsChanged(p); hasFailed(err) {
		return nil, err
	} else if err != nil {
		if p.source != nil && p.named == nil {
			return nil, errStoredOtherwise
		}
		return nil, err
	}
	look := c.watching
	if p.plan != nil {
		look = c.snapshot
	}
	now, err := look()
	if err != nil {
		return nil, err
	}
	s := p.state
	if p.ambiguous {
		c.changed.Store(true) // a trigger may have changed search_path, which nothing tells
		if s, err = c.fresh(); err != nil {
			return nil, err
		}
	}
	if p.seen == now && (s == nil || slices.Equal(s.env.SearchPath, p.state.env.SearchPath)) {
		return p, nil
	}
	var lexer statement.Lexer
	text := lexer.Lex([]byte(p.text))
	if p.plan == nil && !now.analyzer.Reaches(text) && !now.analyzer.Doubtful(text) {
		p.seen, p.escape = now, now.escape(text)
		return p, nil
	}
	if s, err = c.fresh(); err != nil {
		return nil, err
	}
	whole, err := c.planOf(text, s)
	if !whole.Tagged() {
		whole = nil
	}
	if p.whole.Tells() {
		whole = whole.WithSubjects()
	}
	if err != nil || !whole.Same(p.whole) {
		if p.source != nil && p.named == nil && looksAlike(p.seen.catalog, s.snapshot.catalog) {
			return nil, errStoredOtherwise
		}
		return nil, errChangedSince()
	}
	next := &prepared{
		plan: p.plan, whole: whole, state: s, ambiguous: p.ambiguous, watched: p.watched, alone: p.alone, escape: s.snapshot.escape(text), text: p.text, seen: s.snapshot,
		layout: p.layout, literals: p.literals, source: p.source, encoding: p.encoding, spelt: p.spelt, changes: p.changes, named: p.named, redacted: p.redacted, mark: p.mark,
	}
	if p.plan != nil {
		if next.plan = whole; whole.Statements[0].Later != nil && p.named == nil {
			next.plan = whole.Statements[0].Later
		}
	}
	if p.layout != nil && p.layout.deduced { // the answer stays with p
		types, err := c.awaitTypes(p)
		if err != nil {
			return nil, err
		}
		told := *p.layout
		told.types, told.deduced = types, false
		next.layout = &told
	}
	if p.named != nil && p.named.cursor.planned() { // a DECLARE
		named, cursor, declared := *p.named, *p.named.cursor, *p.named.cursor.prepared
		declared.plan, declared.state = whole.Statements[0].Later, s
		cursor.prepared, cursor.plan = &declared, declared.plan
		named.cursor, next.named = &cursor, &named
	}
	v.value = next
	return next, nil
}

// sealArguments has the arguments of EXECUTE, command i of a text, sealed for the
// parameters of a prepared statement.
func (c *conn) sealArguments(text *statement.Text, i int, p *prepared, s *state) error {
	types := p.layout.types
	if p.layout.keyed() {
		return errKeyed()
	}
	if p.layout.computes() {
		return errComputes()
	}
	if p.layout.deduced {
		var err error
		if types, err = c.awaitTypes(p); err != nil {
			return err
		}
	}
	slots := make([]statement.Slot, len(p.layout.server))
	sealed := false
	for n, t := range p.layout.server {
		slots[n] = statement.Slot{Argument: t.client, Column: t.column, Array: t.array, Type: types[t.client-1]}
		sealed = sealed || t.column != nil
	}
	if !sealed { // the server counts the arguments
		return nil
	}
	plan, err := s.snapshot.analyzer.PlanExecute(text, i, slots, p.layout.client, &s.env)
	if err != nil {
		return positioned(err, text.SQL())
	}
	var edits statement.Edits
	if err := plan.Edits(text, &edits); err != nil {
		return positioned(err, text.SQL())
	}
	ours := &c.rewriter.edits
	ours.Splices = append(ours.Splices, edits.Splices...)
	for n := range edits.Values {
		v := &edits.Values[n]
		literal, err := c.argument(v, p.layout, types, s)
		if err != nil {
			return positioned(err, text.SQL())
		}
		ours.Splices = append(ours.Splices, statement.Splice{Start: v.Start, End: v.End, Text: literal})
	}
	return nil
}

// argument gives the sealed form of one argument of EXECUTE.
func (c *conn) argument(v *statement.Value, l *layout, types []uint32, s *state) (string, error) {
	if v.Null {
		return "NULL", nil
	}
	t := l.server[v.Slot-1]
	source := types[t.client-1]
	if v.From != 0 {
		source = v.From
	}
	text, format := v.Text, int16(0)
	var err error
	if v.Computed != nil {
		var result statement.Result
		if result, err = v.Computed.Eval(nil, nil, nil, &s.settings); err == nil && result.Null {
			return "NULL", nil
		}
		text, format, source = result.Value, 1, result.From
	}
	var sealed []byte
	if err == nil {
		sealed, err = t.seal(nil, &c.rewriter, c.sealerFor(t.column, t.use, t.both, s), text, format, source, 0, &s.settings)
	}
	if err != nil {
		e := sealError(err, t.column)
		if !afterReading(e) {
			e.Position = v.Start + 1
		}
		return "", e
	}
	literal := []byte{'\''}
	if v.Extra {
		literal = []byte(", '")
	}
	if t.array {
		return string(append(append(literal, sealed...), "'::pg_catalog.bytea[]"...)), nil
	}
	return string(append(logical.AppendByteaHex(literal, sealed), "'::pg_catalog.bytea"...)), nil
}

// parseLayouts gives p, a statement of the extended protocol whose edits are known,
// the layout of its parameters and what it does with a name. The layout that its text
// is rewritten with is that of the statement inside of a PREPARE, else the same.
func (c *conn) parseLayouts(text *statement.Text, p *prepared, declared []uint32) (inner *layout, err error) {
	edits := &c.rewriter.edits
	commands := text.Commands()
	if len(commands) == 1 && p.plan != nil && commands[0].Verb == statement.VerbPrepare {
		if inner, err = c.layoutOf(text); err != nil {
			return nil, err
		}
		if p.layout, err = plainLayout(text, declared); err != nil {
			return nil, err
		}
	} else if p.plan != nil {
		if inner, err = newLayout(edits, text, declared); err != nil {
			return nil, err
		}
		p.layout = inner
	}
	if len(commands) != 1 {
		return inner, nil
	}
	if p.named, err = c.namedOf(text, p.plan, p.state, inner, 0); err != nil || !p.named.runs() {
		return inner, err
	}
	p.redacted, p.mark = string(text.AppendRedacted(nil)), text.Fingerprint()
	if p.named.verb == statement.VerbFetch || p.named.verb == statement.VerbMove {
		return inner, nil
	}
	from, err := c.source(p.named)
	if err != nil || from.plan == nil {
		return inner, err
	}
	s, err := c.mayRun(from)
	if err != nil {
		return inner, err
	}
	p.named.sealed = from.origin
	if p.layout, err = plainLayout(text, declared); err != nil {
		return nil, err
	}
	for _, t := range from.owner.layout.server {
		p.literals = c.addLiteral(p.literals, t.column, s.roles)
	}
	return p.layout, c.sealArguments(text, 0, from.owner, s)
}

// plainLayout is the layout of a text none of whose parameters are sealed.
func plainLayout(text *statement.Text, declared []uint32) (*layout, error) {
	var none statement.Edits
	none.Reset()
	return newLayout(&none, text, declared)
}
