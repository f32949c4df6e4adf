package proxy

import (
	"errors"
	"strings"

	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// source is what a FETCH, MOVE or EXECUTE runs: the cursor or prepared statement of
// that name. The zero source is one without tagged columns, or unknown.
type source struct {
	plan    *statement.Plan
	owner   *prepared // whose text the plan is of
	portal  *portal   // the cursor
	origin  any       // tells it from others that have had the name
	fetched []int16   // formats of its rows when a Query fetches them
}

// runs reports whether a command runs what a name means.
func (n *named) runs() bool {
	if n == nil {
		return false
	}
	switch n.verb {
	case statement.VerbFetch, statement.VerbMove, statement.VerbExecute, statement.VerbExplain, statement.VerbCreate:
		return true
	}
	return false
}

// source finds what a command runs.
func (c *conn) source(n *named) (source, error) {
	if n.verb == statement.VerbFetch || n.verb == statement.VerbMove {
		cursor, err := c.portal([]byte(n.name))
		if err == nil && cursor != nil {
			err = c.mayEscapeBy(cursor.prepared)
		}
		if err != nil || !cursor.planned() {
			return source{}, err
		}
		return source{plan: cursor.plan, owner: cursor.prepared, portal: cursor, origin: cursor, fetched: cursor.fetched}, nil
	}
	v, err := c.prepared.get(c, n.name)
	if err != nil || v == nil || v.value == nil || v.value.refused || c.notAccepted(&v.naming) {
		if err == nil && c.pooled() {
			e := preparedElsewhere([]byte(n.name))
			e.Code = pgerror.FeatureNotSupported
			return source{}, e
		}
		if err == nil && n.given {
			err = c.exists(n.name)
		}
		return source{}, err
	}
	if err := c.guardRun(v.value); err != nil {
		return source{}, err
	}
	p, err := c.still(v)
	if err == nil {
		err = c.mayEscapeBy(p)
	}
	switch {
	case errors.Is(err, errStoredOtherwise):
		return source{}, errChangedSince()
	case err != nil:
		return source{}, err
	case p.named != nil:
		return source{}, pgerror.New(pgerror.FeatureNotSupported, "%s cannot run prepared statement %q: it is a %s", n.verb, n.name, p.named.verb).
			WithHint("Send the statement itself.")
	case p.plan == nil:
		return source{}, nil
	case n.verb == statement.VerbCreate || n.creates:
		return source{}, pgerror.New(pgerror.FeatureNotSupported, "CREATE TABLE AS EXECUTE cannot run prepared statement %q: it uses a tagged table", n.name).
			WithHint("Nothing would know that the copies are sealed. Create the table, and insert the rows through the application.")
	}
	s := source{plan: p.plan, owner: p, origin: p.layout}
	if n.verb == statement.VerbExplain {
		s.plan = p.plan.Explained()
	}
	return s, nil
}

// exists asks the session for a prepared statement that pgveil has not seen: a function
// may have made it. If there is none, the server must not get the values that are meant for
// it: PREPARE may have been refused, or made it in a session that is over.
func (c *conn) exists(name string) error {
	sql := `SELECT 1 FROM pg_catalog.pg_prepared_statements WHERE name OPERATOR(pg_catalog.=) ` + constantSQL(cutName(name))
	if c.state != nil {
		encoded, err := c.state.encoding.encode([]byte(sql), 0)
		if err != nil {
			return err
		}
		sql = string(encoded)
	}
	p, err := c.askSession(sql)
	if err == nil && len(p.values) == 0 {
		return precedes{error: noStatement([]byte(name))}
	}
	return err
}

// withoutValues gives the EXECUTE that a Parse sends in place of one whose prepared
// statement, by this error, is not there: the server finds that out when it runs it. Empty
// for anything else.
func withoutValues(text *statement.Text, n *named, err error) string {
	e, ok := pgerror.As(err)
	if !ok || e.Code != pgerror.InvalidStatementName || n == nil || n.verb != statement.VerbExecute || !statement.IsASCII([]byte(n.name)) || text.HasParams(&text.Commands()[0]) {
		return ""
	}
	return `EXECUTE "` + strings.ReplaceAll(n.name, `"`, `""`) + `"`
}

// runNamed readies the answer to a command of a Query that runs what a name means.
func (c *conn) runNamed(text *statement.Text, i int, n *named, r *result) error {
	from, err := c.source(n)
	if err != nil {
		return err
	}
	if from.plan == nil {
		r.guard = n.verb != statement.VerbCreate && n.verb != statement.VerbExplain
		return nil
	}
	if changesBefore(text.Commands(), i, nil) {
		return errChanged()
	}
	s, err := c.mayRun(from)
	if err != nil {
		return err
	}
	if n.verb == statement.VerbExecute || n.verb == statement.VerbExplain {
		if err := c.sealArguments(text, i, from.owner, s); err != nil {
			return err
		}
	}
	if n.verb == statement.VerbExecute {
		text.Commands()[i].Changes = from.owner.changes
	}
	*r = result{plan: from.plan, state: s, owner: from.owner, portal: from.portal, moves: n.verb == statement.VerbMove}
	r.formats, r.asked = from.fetched, from.fetched
	return nil
}

// mayRun gives the session's present state, if its role may run what a name means.
func (c *conn) mayRun(from source) (*state, error) {
	s, err := c.fresh()
	if err != nil {
		return nil, err
	}
	if s.problem != nil {
		return nil, s.problem
	}
	if refusal := c.mayTouch(&from.plan.Statements[0], s); refusal != nil {
		return nil, refusal
	}
	if from.portal == nil && !from.owner.plan.TellsTo(s.roles) { // another role has prepared it
		return nil, errChangedSince()
	}
	if from.portal != nil {
		if refusal := from.portal.mayGoOn(s); refusal != nil {
			return nil, refusal
		}
	}
	return s, nil
}

// What a FETCH or EXECUTE of the extended protocol runs is known when it is bound: that
// fixes the columns of its rows. The server describes the portal then, so that the
// analysis is confirmed even if the client asks for no description.

// bindRun treats the Bind of a statement that runs what a name means.
func (c *conn) bindRun(m *wire.BindMessage, p *prepared) error {
	from, err := c.source(p.named)
	if err != nil {
		return err
	}
	bound := &portal{prepared: p, from: from, formats: appendFormats(nil, m.ResultFormats)}
	if p.named.sealed != nil && p.named.sealed != from.origin || p.named.sealed == nil && from.plan != nil && p.named.verb != statement.VerbFetch && p.named.verb != statement.VerbMove {
		return p.named.errOther()
	}
	bound.asked = bound.formats
	if from.plan != nil {
		if err := checkASCII("portal", m.Portal); err != nil {
			return err
		}
		if err := checkFormats(&from.plan.Statements[0], bound.formats); err != nil {
			return err
		}
		if bound.state, err = c.mayRun(from); err != nil {
			return err
		}
		if p.named.verb != statement.VerbMove {
			bound.plan = from.plan
			bound.asked = serverFormats(&from.plan.Statements[0], bound.formats)
		}
	}
	c.bound = c.bound[:0]
	for params, i := m.Params, 0; params.Next(); i++ {
		c.bound = append(c.bound, boundParam{value: params.Value(), format: m.ParamFormats.Of(i)})
	}
	c.restless = c.restless || p.changes != 0
	c.send.Lock()
	defer c.send.Unlock()
	c.push(pipeline.Entry[*work]{Kind: pipeline.Bind, Data: &work{naming: c.newPortal(string(m.Portal), bound)}})
	if err := writeBind(c.sw, m, c.bound, bound.asked); err != nil {
		return err
	}
	return c.describeOwn(bound, m.Portal)
}

// errOther is the error for a name that means something else than before.
func (n *named) errOther() *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "%q is not what it was when this %s was prepared", n.name, n.verb).
		WithHint("Prepare the statement again.")
}

// describeRun treats the Describe of a prepared statement that runs what a name means.
func (c *conn) describeRun(p *prepared) error {
	from, err := c.source(p.named)
	if err != nil {
		return err
	}
	if from.plan == nil || p.named.verb == statement.VerbMove {
		return c.forward(pipeline.Describe, nil)
	}
	return c.forward(pipeline.Describe, &work{results: []*result{{plan: from.plan, owner: from.owner}}})
}

// describeOwn has the server describe a portal for pgveil itself. c.send is held.
func (c *conn) describeOwn(p *portal, name []byte) error {
	c.push(pipeline.Entry[*work]{Kind: pipeline.Describe, Own: true, Data: &work{confirms: p}})
	return wire.WriteDescribe(c.sw, 'P', string(name))
}

// confirmPortal treats the answer to describeOwn.
func (c *conn) confirmPortal(p *portal, typ byte) error {
	var body []byte
	switch typ {
	case 'E': // the client's sequence has failed with it
		return c.receiveError(nil, typ)
	case 'T':
		var err error
		if body, err = c.sr.Body(); err != nil {
			return err
		}
	}
	if p.planned() {
		p.bad = c.confirm(p.plan, 0, body)
	} else {
		p.bad = c.confirmPlain(body)
	}
	return nil
}

// confirmPlain checks a RowDescription of rows that pgveil knows no plan of: none of
// their columns may be sealed.
func (c *conn) confirmPlain(body []byte) *pgerror.Error {
	snapshot := c.tracked.current.Load()
	if snapshot == nil || body == nil {
		return nil
	}
	if err := c.readFields(body); err != nil {
		return err
	}
	return c.disagrees(snapshot.analyzer.VerifyPlain(c.fields))
}

// executeNamed treats the Execute of a bound command that has to do with names.
func (c *conn) executeNamed(p *portal) error {
	n := p.prepared.named
	r := p.result()
	if n.runs() {
		err := c.executeRun(p, r)
		if hasFailed(err) {
			return c.forwardFailed(err)
		}
		if err != nil {
			return err
		}
		if err := c.beginAudit(r, nil); err != nil {
			return err
		}
	}
	c.enter(n, r)
	c.noteChange(p.prepared.changes)
	return c.forward(pipeline.Execute, &work{results: []*result{r}})
}

// executeRun readies the answer to the Execute of what bindRun has bound.
func (c *conn) executeRun(p *portal, r *result) error {
	n := p.prepared.named
	from, err := c.source(n)
	if err != nil {
		return err
	}
	if from.origin != p.from.origin {
		return n.errOther()
	}
	if from.plan == nil {
		r.guard = n.verb != statement.VerbCreate
		return nil
	}
	if r.state, err = c.mayRun(from); err != nil {
		return err
	}
	r.plan, r.owner, r.via = from.plan, from.owner, p.prepared
	r.moves = n.verb == statement.VerbMove
	return nil
}

// executeUnknown treats the Execute of a cursor that pgveil has not seen declared: the
// server describes it first.
func (c *conn) executeUnknown(name []byte) error {
	p := &portal{}
	c.send.Lock()
	err := c.describeOwn(p, name)
	c.send.Unlock()
	if err != nil {
		return err
	}
	return c.forward(pipeline.Execute, &work{results: []*result{{portal: p, guard: true}}})
}
