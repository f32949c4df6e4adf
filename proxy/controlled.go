package proxy

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// Controlled columns are stored in the clear. Whoever may decrypt them may have the server compute
// with them; for all others a statement is followed as if they were sealed, and what cannot be
// followed is refused: the server would show them.

// escape says by what a text may reach controlled columns without naming their tables; "" if by
// nothing, or if there are none.
func (s *snapshot) escape(text *statement.Text) string {
	if s.free == nil {
		return ""
	}
	return text.Escapes(func(schemaName, name []byte) bool {
		return (schemaName == nil || string(schemaName) == "pg_catalog") && s.calm(name) || s.trusted.Trusts(schemaName, name)
	}, func(name []byte) bool {
		_, ok := s.computed[string(name)]
		return ok && !s.trusted.Trusts(nil, name)
	})
}

// mayEscape refuses a text that does so for a role that may not decrypt all controlled columns.
func (s *state) mayEscape(escape string) *pgerror.Error {
	if escape == "" {
		return nil
	}
	if s.problem != nil {
		return s.problem
	}
	roles := s.own() // break-glass is for what is followed
	at := slices.IndexFunc(s.snapshot.controlled, func(column *schema.Column) bool {
		return column.AccessFor(roles).Verdict != schema.Decrypt
	})
	if at < 0 {
		return nil
	}
	column := s.snapshot.controlled[at]
	return nameColumn(pgerror.New(pgerror.InsufficientPrivilege, "permission denied: role %q may not run %s in a database whose column %s it may not decrypt",
		s.user, escape, column.QualifiedName()).
		WithHint("The column is stored in the clear, and what this does in the server is not followed. pgveil's schema file can name functions that give nothing of it: trusted_functions."), column)
}

// mayEscapeBy is mayEscape of what was prepared or opened before, under another role perhaps.
func (c *conn) mayEscapeBy(p *prepared) error {
	if p == nil || p.escape == "" {
		return nil
	}
	s, err := c.fresh()
	if err != nil {
		return err
	}
	if refusal := s.mayEscape(p.escape); refusal != nil {
		return refusal
	}
	return nil
}

// planOf plans a text for the roles of a session.
func (c *conn) planOf(text *statement.Text, s *state) (*statement.Plan, error) {
	plan, err := s.snapshot.analyzer.Plan(text, &s.env)
	if s.snapshot.free != nil && err != nil {
		return c.planFree(text, s, err)
	}
	return plan, err
}

// planFree plans a text that was refused with err, because something is made of a controlled column
// or the text is of a form that is not followed, for a role that may decrypt all of these columns
// that the text may reach.
func (c *conn) planFree(text *statement.Text, s *state, err error) (*statement.Plan, error) {
	e, ok := pgerror.As(err)
	if !ok || e.Code != pgerror.FeatureNotSupported && e.Code != pgerror.InsufficientPrivilege {
		return nil, err
	}
	derives := s.snapshot.analyzer.Derived(text)
	if slices.ContainsFunc(derives, func(t statement.Touch) bool { return t.Column.AccessFor(s.roles).Verdict != schema.Decrypt }) {
		return nil, err
	}
	plan, err := s.snapshot.free.Plan(text, &s.env)
	if err != nil || len(derives) == 0 {
		return plan, err
	}
	if budget, _ := c.budget(s); budget != nil {
		return nil, nameColumn(pgerror.New(pgerror.InsufficientPrivilege, "permission denied: role %q has a budget, and what a statement makes of column %s cannot be counted",
			s.user, derives[0].Column.QualifiedName()).WithHint("Select the column as it is."), derives[0].Column)
	}
	free, refusal := statement.FreePlan(text, plan, derives)
	if refusal != nil {
		return nil, refusal
	}
	return free, nil
}

// checkControlled is checkAccess of the use of a controlled column. A value that equals another may
// be told by a unique constraint, so that storing one needs the search right.
func checkControlled(touch statement.Touch, access schema.Access, roles []string) *pgerror.Error {
	switch {
	case access.Verdict == schema.Decrypt:
		return nil
	case touch.How == statement.Read && access.Verdict != schema.Deny,
		touch.How == statement.NullTest && (access.Search || access.Verdict >= schema.Mask):
		return nil
	case (touch.How == statement.Search || touch.How == statement.Assign) && access.Search && access.Verdict != schema.Pseudonymize:
		return nil
	}
	action := map[statement.How]string{
		statement.Read: "read", statement.NullTest: "test", statement.Search: "search", statement.Assign: "write",
	}[touch.How]
	if action == "" {
		action = "compute with"
	}
	e := refuseAccess(roles[0], action, touch.Column)
	if access.Verdict == schema.Pseudonymize && touch.How != statement.Read {
		e = e.WithHint("Pseudonyms of a column that is stored in the clear are shown, not taken back.")
	}
	return e
}

// openControlled appends what the client sees of a value of a controlled column, as [conn.open] does.
func (c *conn) openControlled(dst []byte, col *column, value []byte, st *state) ([]byte, int64, *pgerror.Error) {
	from, s := &col.sources[0], st.settings
	switch from.access.Verdict {
	case schema.Hide:
		return dst, hiddenValue, nil
	case schema.Decrypt:
		c.did.opened[schema.Decrypt].Add(1)
		return append(dst, value...), 1, nil
	}
	t := from.tagged.Type
	var err error
	if c.plain, err = c.plainControlled(c.plain[:0], col, value, st); err != nil {
		return dst, 0, notShown(from.tagged)
	}
	plain := c.plain
	switch from.access.Verdict {
	case schema.Mask:
		if c.masked, err = from.access.Mask.Apply(c.masked[:0], plain, t); err != nil {
			return dst, 0, notShown(from.tagged)
		}
		plain = c.masked
	case schema.Pseudonymize:
		shown, ok, fault := c.showPseudonym(from, plain)
		if !ok {
			return dst, hiddenValue, fault
		}
		plain = shown
	default:
		return dst, 0, refuseAccess("", "read", from.tagged)
	}
	start := len(dst)
	if dst, err = t.Append(dst, plain, wireFormat(col), &s); err != nil {
		return dst[:start], 0, notShown(from.tagged)
	}
	c.did.opened[from.access.Verdict].Add(1)
	dst, e := st.encoding.encodeValue(dst, start, col)
	return dst, 1, e
}

func wireFormat(col *column) int16 {
	if col.binary {
		return 1
	}
	return 0
}

// plainControlled appends the canonical form of a value of a controlled column.
func (c *conn) plainControlled(dst []byte, col *column, value []byte, st *state) ([]byte, error) {
	tagged, s := col.sources[0].tagged, st.settings
	t := tagged.Type
	if t.Kind == logical.Timestamptz && !col.binary && !strings.HasPrefix(s.DateStyle, "ISO") {
		return dst, notShown(tagged) // some zones' abbreviations are not read: which would tell of the value
	}
	if isTextual(t.Kind) {
		var err error
		if value, err = st.encoding.decode(value); err != nil {
			return dst, err
		}
	}
	return t.Canonical(dst, value, 0, wireFormat(col), logical.Assign, &s)
}

// notShown is the error of a value of a controlled column that pgveil cannot read as the type that
// the schema file gives it.
func notShown(column *schema.Column) *pgerror.Error {
	return nameColumn(pgerror.New(pgerror.DataCorrupted, "a value of column %s cannot be shown by verdict", column.QualifiedName()).
		WithHint("It is none of the type that pgveil's schema file gives the column, or DateStyle is not ISO."), column)
}

// free reports whether the rows of the result may hold what the server has made of controlled columns.
func (r *result) free() bool {
	return r.plan != nil && !r.moves && r.plan.Statements[r.index].Free
}

// countFree counts a row of such a result, which leaves only once the audit record is durable.
func (c *conn) countFree(r *result) *pgerror.Error {
	if e := r.waitAudit(); e != nil {
		return e
	}
	c.opensFor(r)
	r.rows++
	r.opened++
	c.did.rows.Add(1)
	c.did.opened[schema.Decrypt].Add(1)
	r.endRow()
	return nil
}

// conceals reports whether the texts of an error or notice may quote values of controlled columns
// that the roles may not decrypt: of a statement that uses their table, about a row of it, or out of
// a function or trigger.
func (c *conn) conceals(w *work, fields wire.ErrorFields) bool {
	snapshot := c.tracked.current.Load()
	if snapshot == nil || snapshot.free == nil {
		return false
	}
	var roles []string
	if seen := c.seen.Load(); seen != nil {
		if roles = seen.roles; c.changed.Load() || seen.glass.over() { // it may have been taken back
			roles = seen.own()
		}
	} else {
		roles = snapshot.members.of(c.params.user, c.params.user)
	}
	withheld := func(column *schema.Column) bool { return column.AccessFor(roles).Verdict != schema.Decrypt }
	if w != nil {
		if r := w.result(); r != nil && r.plan != nil && slices.ContainsFunc(r.plan.Statements[r.index].Beside, withheld) {
			return true
		}
		if p := w.prepared; p != nil && p.plan != nil && slices.ContainsFunc(p.plan.Statements[0].Beside, withheld) {
			return true
		}
	}
	if insideCode(fields.Get(wire.FieldWhere)) && slices.ContainsFunc(snapshot.controlled, withheld) {
		return true
	}
	return c.concerns(fields, func(schemaName, table string) bool {
		return slices.ContainsFunc(snapshot.analyzer.ControlledIn(schemaName, table), withheld)
	})
}

// insideCode reports whether the context of an error is more than where in the client's own data it is.
// Source: CopyFromErrorCallback and bind_param_error_callback of the server.
func insideCode(context []byte) bool {
	if len(context) == 0 {
		return false
	}
	for _, own := range []string{"COPY ", "unnamed portal ", "portal "} {
		if bytes.HasPrefix(context, []byte(own)) && bytes.IndexByte(context, '\n') < 0 {
			return false
		}
	}
	return true
}

// concealedText stands for a text of the server that may hold values.
const concealedText = "an error or notice of the server, whose text may hold values of columns that the role may not decrypt"

// writeConcealed is [writeUnsealed] of an error or notice whose texts may quote values of controlled
// columns. The message itself stays where the server's own words hold none.
func writeConcealed(w *wire.Writer, typ byte, fields wire.ErrorFields, position int) error {
	code := string(fields.Get(wire.FieldCode))
	own := len(code) == 5
	if own {
		switch class := code[:2]; class {
		case "22", "38", "39", "P0", "F0", "XX", "00", "01", "02":
			own = class == "22" && position > 0 // the parser's: of a constant in the text
		}
	}
	w.Message(typ)
	for fields.Next() {
		field, value := fields.Field()
		switch field {
		case wire.FieldDetail, wire.FieldHint, wire.FieldWhere, wire.FieldInternalQuery, wire.FieldInternalPosition:
			continue
		case wire.FieldPosition:
			continue
		case wire.FieldMessage:
			if !own {
				value = []byte(concealedText)
			}
		}
		w.Byte(field)
		w.CString(hideSealed(value))
	}
	if position > 0 {
		w.Byte(wire.FieldPosition)
		w.String(strconv.Itoa(position))
	}
	w.Byte(0)
	return w.End()
}
