package proxy

import (
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// named is a command of SQL that gives a meaning to the name of a cursor, takes it
// away, or runs what has the name. Cursors share their names with portals.
type named struct {
	verb   statement.Verb
	name   string
	all    bool    // CLOSE ALL
	cursor *portal // DECLARE: what the name will mean
}

// namedOf gives what command i of a text does with a name, nil if nothing that pgveil
// must know.
func (c *conn) namedOf(text *statement.Text, plan *statement.Plan, s *state, i int) *named {
	command := &text.Commands()[i]
	n := &named{verb: command.Verb, name: command.Name, all: command.All}
	switch command.Verb {
	case statement.VerbDeclare:
		n.cursor = c.declared(text, plan, s, i)
	case statement.VerbFetch, statement.VerbMove, statement.VerbClose:
	default:
		return nil
	}
	return n
}

// declared is the cursor that a DECLARE makes.
func (c *conn) declared(text *statement.Text, plan *statement.Plan, s *state, i int) *portal {
	command := &text.Commands()[i]
	binary, holds := text.CursorOptions(command)
	p := &portal{prepared: &prepared{changes: command.Changes}, state: s, cursor: true, holds: holds}
	if binary {
		p.fetched = []int16{1}
	}
	if plan == nil || plan.Statements[i].Later == nil {
		return p
	}
	p.prepared.plan, p.prepared.state, p.prepared.watched = plan.Statements[i].Later, s, true
	p.prepared.redacted, p.prepared.mark = string(text.AppendRedacted(nil)), text.Fingerprint()
	p.plan = p.prepared.plan
	return p
}

// enter enters what a command, about to be sent, makes of a name; r is its answer.
func (c *conn) enter(n *named, r *result) {
	switch {
	case n.verb == statement.VerbDeclare:
		cursor := *n.cursor // a prepared DECLARE makes one each time
		c.newPortal(n.name, &cursor)
		v := c.portals[cutName(n.name)]
		v.holds = n.cursor.holds
		r.names = append(r.names, &v.naming)
	case n.verb == statement.VerbClose && n.all:
		for name := range c.portals {
			r.names = append(r.names, &c.portals.set(c, name, nil).naming)
		}
	case n.verb == statement.VerbClose:
		if c.portals[cutName(n.name)] != nil {
			r.names = append(r.names, &c.portals.set(c, n.name, nil).naming)
		}
	}
}

// answers readies the answers to the commands of a Query. Nil means that all of them
// pass untouched. After an error or when it is not sent, abandon must be called.
func (c *conn) answers(text *statement.Text, plan *statement.Plan, s *state) (*work, error) {
	commands := text.Commands()
	var w *work
	begin := func() {
		if w == nil {
			w = &work{results: make([]*result, len(commands))}
			for i := range w.results {
				w.results[i] = &result{plan: plan, index: i, state: s}
			}
		}
	}
	if plan != nil {
		begin()
	}
	for i := range commands {
		n := c.namedOf(text, plan, s, i)
		if n == nil {
			continue
		}
		begin()
		r := w.results[i]
		if n.verb == statement.VerbFetch || n.verb == statement.VerbMove {
			if err := c.reads(n, r, changesBefore(commands, i)); err != nil {
				return w, err
			}
		}
		c.enter(n, r)
	}
	return w, nil
}

// abandon says that what was entered for the answers of a message is not sent.
func (c *conn) abandon(w *work) {
	if w == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range w.results {
		r.settle(skipped)
		r.end("not run")
	}
}

// reads readies the answer to FETCH or MOVE.
func (c *conn) reads(n *named, r *result, changed bool) error {
	cursor, err := c.portal([]byte(n.name))
	if err != nil {
		return err
	}
	if !cursor.planned() {
		r.guard = true
		return nil
	}
	if changed {
		return errChanged()
	}
	s, err := c.mayRead(cursor)
	if err != nil {
		return err
	}
	*r = result{plan: cursor.plan, state: s, owner: cursor.prepared, portal: cursor, moves: n.verb == statement.VerbMove}
	r.formats, r.asked = cursor.fetched, cursor.fetched
	return nil
}

// mayRead gives the session's present state, if its role may have the rows of a portal.
func (c *conn) mayRead(p *portal) (*state, error) {
	s, err := c.fresh()
	if err != nil {
		return nil, err
	}
	if s.problem != nil {
		return nil, s.problem
	}
	if refusal := checkAccess(p.plan.Statements[0].Touches, s.roles); refusal != nil {
		return nil, refusal
	}
	return s, nil
}

func errChanged() *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported,
		"a statement that changes the session cannot stand before one that uses a tagged table in the same message").
		WithHint("Send the statements one by one.")
}

// settle records what the server made of the names that a command gives a meaning.
// c.mu is held.
func (r *result) settle(o outcome) {
	for _, n := range r.names {
		n.settle(o)
	}
}

// settle records what the server made of the names in a message, as its answer tells.
// c.mu is held.
func (w *work) settle(typ byte, done bool) {
	if done {
		o := taken
		if typ == 'E' {
			o = failed
		}
		w.naming.settle(o)
	}
	switch typ {
	case 'C', 's', 'I':
		if r := w.result(); r != nil {
			r.settle(taken)
		}
	case 'E', 'Z':
		for _, r := range w.results[min(w.current, len(w.results)):] {
			r.settle(failed)
		}
	}
}

// placed notes the order of the message in the queue. c.mu is held.
func (w *work) placed(order uint64) {
	if w.naming != nil {
		w.naming.order = order
	}
	for _, r := range w.results {
		for _, n := range r.names {
			n.order = order
		}
	}
}
