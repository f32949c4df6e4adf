package proxy

import (
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// named is a command of SQL that gives a meaning to the name of a cursor, takes it
// away, or runs what has the name. Cursors share their names with portals.
type named struct {
	verb    statement.Verb
	name    string
	all     bool      // CLOSE ALL, DEALLOCATE ALL
	creates bool      // EXPLAIN CREATE TABLE AS EXECUTE
	given   bool      // a constant or a parameter is in it
	cursor  *portal   // DECLARE: what the name will mean
	makes   *prepared // PREPARE: the same
	sealed  any       // EXECUTE: the origin of what its arguments are sealed for
}

// namedOf gives what command i of a text does with a name, nil if nothing that pgveil
// must know.
func (c *conn) namedOf(text *statement.Text, plan *statement.Plan, s *state, l *layout, i int) (n *named, err error) {
	command := &text.Commands()[i]
	n = &named{verb: command.Verb, name: command.Name, all: command.All, given: text.HasValues(command)}
	switch command.Verb {
	case statement.VerbDeclare:
		n.cursor = c.declared(text, plan, s, i)
	case statement.VerbPrepare:
		n.makes, err = c.preparedBy(text, plan, s, l, i)
	case statement.VerbFetch, statement.VerbMove, statement.VerbClose, statement.VerbExecute, statement.VerbDeallocate:
	case statement.VerbExplain, statement.VerbCreate:
		if command.Name == "" {
			return nil, nil
		}
		n.creates = text.Creates(command)
	default:
		return nil, nil
	}
	return n, err
}

// declared is the cursor that a DECLARE makes.
func (c *conn) declared(text *statement.Text, plan *statement.Plan, s *state, i int) *portal {
	command := &text.Commands()[i]
	binary, holds := text.CursorOptions(command)
	p := &portal{prepared: &prepared{changes: command.Changes}, state: s, cursor: true, holds: holds}
	if binary {
		p.fetched = []int16{1}
	}
	if snapshot := c.tracked.current.Load(); snapshot != nil {
		p.prepared.escape = snapshot.escape(text)
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
	case n.verb == statement.VerbPrepare:
		r.names = append(r.names, &c.prepared.set(c, n.name, n.makes).naming)
	case n.verb == statement.VerbDeallocate && n.all:
		for name := range c.prepared {
			if name == "" { // not ALL to the server
				continue
			}
			r.names = append(r.names, &c.prepared.set(c, name, nil).naming)
		}
	case n.verb == statement.VerbDeallocate:
		if c.prepared[cutName(n.name)] != nil {
			r.names = append(r.names, &c.prepared.set(c, n.name, nil).naming)
		}
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
func (c *conn) answers(text *statement.Text, plan *statement.Plan, s *state, l *layout) (*work, error) {
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
		n, err := c.namedOf(text, plan, s, l, i)
		if err != nil {
			return w, err
		}
		if n == nil {
			continue
		}
		begin()
		r := w.results[i]
		if n.runs() {
			if err := c.runNamed(text, i, n, r); err != nil {
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

func errChanged() *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported,
		"a statement that changes the session cannot stand before one that uses a tagged table in the same message").
		RunsApart()
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

// runsTagged reports whether a command of the text may run what uses a tagged table by
// its name.
func (c *conn) runsTagged(text *statement.Text) bool {
	for _, command := range text.Commands() {
		switch command.Verb {
		case statement.VerbExecute, statement.VerbExplain, statement.VerbFetch, statement.VerbMove:
			if command.Name != "" && c.taggedName([]byte(command.Name)) {
				return true
			}
		}
	}
	return false
}
