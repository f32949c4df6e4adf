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
		case statement.VerbCommit: // ends what SET LOCAL has set
			c.mu.Lock()
			if c.lastChange != 0 {
				command.Changes |= statement.ChangesSession
			}
			c.mu.Unlock()
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
	case statement.VerbExplain:
		hidden = command.Name == "" && text.Mentions(runsNames) && text.Mentions(c.taggedName)
	case statement.VerbCreate:
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

func errChangedSince() *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cached plan must not change result type").
		WithDetail("A tagged table that the statement uses has changed since it was prepared.").WithHint("Prepare it again.")
}
