package proxy

import (
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// noteHidden adds to the commands of a text what their words do not tell: a function
// of the user's may change the session, and so may a cursor when it runs.
func (c *conn) noteHidden(text *statement.Text, s *snapshot) {
	text.NoteUnknownCalls(s.calm)
	commands := text.Commands()
	for i := range commands {
		command := &commands[i]
		switch command.Verb {
		case statement.VerbDeclare:
			c.restless = c.restless || command.Changes != 0
		case statement.VerbFetch, statement.VerbMove:
			if c.restless {
				command.Changes |= statement.ChangesSession
			}
		}
	}
}

// doubtful reports whether a text may mean something else to the server than to the
// lexer, as far as the session is known: see [statement.Analyzer.Doubtful].
func (c *conn) doubtful(text *statement.Text, s *snapshot) bool {
	known := c.state != nil && c.state.problem == nil && !c.changed.Load()
	return !known && s.analyzer.Doubtful(text)
}

// checkPrepare refuses to PREPARE by SQL what names a table of several schemas:
// EXECUTE would find another one under another search_path, unseen.
func checkPrepare(text *statement.Text, s *snapshot) error {
	for _, command := range text.Commands() {
		if command.Verb == statement.VerbPrepare && s.analyzer.PathDependent(text) {
			return pgerror.New(pgerror.FeatureNotSupported, "cannot PREPARE a statement with the name of a tagged table that exists in several schemas").
				WithHint("Qualify the table's name with its schema.")
		}
	}
	return nil
}

// runsNames are the words with which SQL inside a string reaches prepared statements
// and portals by name.
func runsNames(word []byte) bool {
	switch string(word) {
	case "execute", "fetch", "move":
		return true
	}
	return false
}

// taggedName reports whether a name may be that of a prepared statement or portal of
// the extended protocol whose rows pgveil would have to open.
func (c *conn) taggedName(word []byte) bool {
	if len(word) == 0 {
		return false // SQL cannot say the name of the unnamed ones
	}
	name := string(word)
	return c.prepared.any(name, (*prepared).guarded) || c.portals.any(name, (*portal).planned)
}

// guarded reports whether SQL must not run a statement behind pgveil's back: what it
// names is tagged, or may be under another search_path.
func (p *prepared) guarded() bool { return p.plan != nil || p.ambiguous }

// checkHiddenNames refuses texts that may run such a statement or read such a portal
// otherwise than by EXECUTE, FETCH and MOVE: inside a string, or within another
// command.
func (c *conn) checkHiddenNames(text *statement.Text, command *statement.Command) error {
	if len(c.prepared)+len(c.portals) == 0 {
		return nil
	}
	hidden := false
	switch command.Verb {
	case statement.VerbExplain, statement.VerbCreate:
		hidden = command.Name != "" && c.taggedName([]byte(command.Name))
		hidden = hidden || text.Mentions(runsNames) && text.Mentions(c.taggedName)
	case statement.VerbDo, statement.VerbUnknown:
		hidden = text.Mentions(runsNames) && text.Mentions(c.taggedName)
	default:
		hidden = (text.RunsSQL() >= 0 || text.Odd()) && text.Mentions(c.taggedName)
	}
	if hidden {
		return pgerror.New(pgerror.FeatureNotSupported, "cannot run %s here: it may reach a prepared statement or portal that uses a tagged table", command.Verb).
			WithHint("Run that through the extended query protocol, or send the statement itself.")
	}
	return nil
}

// checkASCII refuses the name of a prepared statement or portal that would be another
// sequence of bytes under another client_encoding.
func checkASCII(what string, name []byte) error {
	for _, b := range name {
		if b >= 0x80 {
			return pgerror.New(pgerror.FeatureNotSupported, "the name of a %s that uses a tagged table must be ASCII", what).
				WithHint("Name it with letters, digits and underscores.")
		}
	}
	return nil
}

// checkStill refuses a statement that touched nothing tagged when it was prepared and
// may do so since the catalog has changed: the server plans it again by itself.
func (c *conn) checkStill(p *prepared) error {
	if p.seen == nil {
		return nil
	}
	now, err := c.watching()
	if err != nil || p.seen == now {
		return err
	}
	text := c.lexer.Lex([]byte(p.text))
	if now.analyzer.Reaches(text) || c.doubtful(text, now) {
		s, err := c.fresh()
		if err != nil {
			return err
		}
		decoded, err := s.encoding.decode([]byte(p.text))
		if err != nil {
			return err
		}
		text = c.lexer.Lex(decoded)
		if plan, err := s.snapshot.analyzer.Plan(text, &s.env); plan.Tagged() || err != nil {
			return errChangedSince()
		}
	}
	p.seen = now
	return nil
}

func errChangedSince() *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cached plan must not change result type").
		WithDetail("A tagged table that the statement uses has changed since it was prepared.").WithHint("Prepare it again.")
}
