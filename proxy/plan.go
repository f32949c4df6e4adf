package proxy

import (
	"bytes"

	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// plan analyses a text. The nil plan means that it may pass untouched. The text is
// valid until the next call.
func (c *conn) plan(raw []byte) (*statement.Text, *statement.Plan, *state, error) {
	sql, err := c.decodeText(raw)
	if err != nil {
		return c.lexer.Lex(raw), nil, nil, err
	}
	// While it is not known that standard_conforming_strings is on, a backslash may
	// move the end of a string: the text then counts as relevant, and is cut again
	// once the session has said.
	c.lexer.BackslashQuotes = c.state == nil || c.state.backslashes || c.changed.Load()
	text := c.lexer.Lex(sql)
	if endsTransaction(text) { // that can be done whatever is amiss
		return text, nil, nil, nil
	}
	if locksOnly(text) { // to ask the session first would give its transaction an older snapshot
		return text, nil, nil, nil
	}
	snapshot, err := c.watching()
	if err != nil {
		return text, nil, nil, err
	}
	c.noteHidden(text, snapshot)
	if err := c.checkNames(text, text.Commands()); err != nil {
		if c.lexer.BackslashQuotes && text.Odd() { // perhaps only because of that
			s, e := c.fresh()
			if e != nil {
				return text, nil, nil, e
			}
			if !s.backslashes {
				return c.plan(raw)
			}
		}
		return text, nil, nil, err
	}
	escape := snapshot.escape(text)
	if escape == "" && !snapshot.analyzer.Relevant(text) && !c.doubtful(text, snapshot) && !c.runsTagged(text) {
		return text, nil, nil, nil
	}
	begins := len(text.Commands()) > 1 && text.Commands()[0].Verb == statement.VerbBegin
	if begins && c.pooled() {
		return text, nil, nil, errChanged() // to ask the session would begin the transaction
	}
	if text.SetsTransaction() && c.inBlock() {
		return text, nil, nil, errChanged()
	}
	if snapshot.analyzer.PathDependent(text) {
		c.changed.Store(true) // a trigger may have changed search_path, which nothing tells
	}
	if !text.StandsAlone() {
		if err = c.renew(); err == nil && c.guards(c.tracked.current.Load()) && (begins || text.EndsMidway()) {
			return text, nil, nil, errChanged() // what comes behind is not guarded any more
		}
		if err == nil {
			err = c.guard()
		}
	}
	var s *state
	if err == nil {
		s, err = c.fresh()
	}
	if hasFailed(err) {
		if e := text.SyntaxError(); e != nil { // the server parses before it looks at the transaction
			err = precedes{error: e}
		}
		return text, nil, nil, positioned(err, text.SQL())
	}
	if err != nil {
		return text, nil, nil, err
	}
	decoded, err := s.encoding.decode(raw)
	if err != nil {
		return text, nil, nil, err
	}
	if c.lexer.BackslashQuotes != s.backslashes || !bytes.Equal(decoded, sql) {
		c.lexer.BackslashQuotes = s.backslashes
		text = c.lexer.Lex(decoded)
		c.noteHidden(text, s.snapshot)
	}
	if refusal := s.mayEscape(s.snapshot.escape(text)); refusal != nil {
		return text, nil, nil, refusal
	}
	if s.problem != nil && s.snapshot.analyzer.Doubtful(text) {
		return text, nil, nil, s.problem
	}
	if !s.snapshot.analyzer.Reaches(text) {
		return text, c.overlay(text, s), s, nil
	}
	text.NoteWatched()
	if s.backslashes && text.PlainBackslash() {
		return text, nil, nil, errBackslashes()
	}
	if c.own.snapshot == nil && c.uncommitted() == 0 && !s.snapshot.analyzer.Seen(text, &s.env) && c.changedBeside(s.snapshot) {
		return c.plan(raw)
	}
	plan, err := c.planOf(text, s)
	if namesNothing(err) && c.own.snapshot == nil {
		// What is missing may have been made meanwhile, by others.
		newer, e := c.tracked.compare(c.ctx)
		if e != nil {
			return text, nil, nil, e
		}
		if newer != s.snapshot {
			return c.plan(raw)
		}
	}
	if !plan.Tagged() && (s.problem != nil || changesMidway(text.Commands(), plan)) {
		plan = nil // the catalog then shows what is stored
	}
	switch {
	case err == nil && !plan.Tagged() && !(changesMidway(text.Commands(), plan) && s.snapshot.analyzer.Ambiguous(text)):
		return text, plan, s, nil
	case changesBefore(text.Commands(), plan.Last(), plan) && (err == nil || namesNothing(err)):
		return text, nil, nil, errChanged()
	case s.problem != nil:
		return text, nil, nil, s.problem
	case err != nil:
		return text, nil, nil, positioned(err, text.SQL())
	}
	for i := range plan.Statements {
		if refusal := c.mayTouch(&plan.Statements[i], s); refusal != nil {
			return text, nil, nil, refusal
		}
	}
	return text, c.withSubjects(plan, s), s, nil
}

// hasFailed reports that err is what is said of a transaction that has failed.
func hasFailed(err error) bool {
	e, ok := pgerror.As(err)
	return ok && e.Code == pgerror.InFailedTransaction
}

func errInFailedTransaction() *pgerror.Error {
	return pgerror.New(pgerror.InFailedTransaction, "current transaction is aborted, commands ignored until end of transaction block")
}

// namesNothing reports that a text has the name of something that is not in the catalog,
// or is there twice. Source: PostgreSQL manual, "PostgreSQL Error Codes".
func namesNothing(err error) bool {
	e, ok := pgerror.As(err)
	if !ok {
		return false
	}
	switch e.Code {
	case "42P01", "42703", "42702", "3F000":
		return true
	}
	return false
}

// endsTransaction reports that a text is COMMIT or ROLLBACK and nothing else.
func endsTransaction(text *statement.Text) bool {
	commands := text.Commands()
	return len(commands) == 1 && !text.Odd() && commands[0].Verb.EndsTransaction()
}

// locksOnly reports that a text is LOCK and nothing else.
func locksOnly(text *statement.Text) bool {
	commands := text.Commands()
	return len(commands) == 1 && !text.Odd() && commands[0].Verb == statement.VerbLock
}

// changesMidway reports that a statement may change, for a later one of the same
// message, what its names mean or whose rights count.
func changesMidway(commands []statement.Command, plan *statement.Plan) bool {
	return changesBefore(commands, len(commands)-1, plan)
}

// changesBefore reports the same of the statements before command n. What plan, which
// may be nil, accounts for does not count.
func changesBefore(commands []statement.Command, n int, plan *statement.Plan) bool {
	for i := range commands[:max(min(n, len(commands)-1), 0)] {
		if plan != nil && plan.Statements[i].Settled {
			continue
		}
		if commands[i].Changes&statement.ChangesSession != 0 {
			return true
		}
	}
	return false
}

// checkNames refuses SQL that reaches, by its name, a prepared statement or portal
// of the extended protocol whose rows pgveil would have to open.
func (c *conn) checkNames(text *statement.Text, commands []statement.Command) error {
	for i := range commands {
		if err := c.checkHiddenNames(text, &commands[i]); err != nil {
			return err
		}
	}
	return nil
}

// noteChanges remembers what the statements about to be sent may change.
func (c *conn) noteChanges(commands []statement.Command) {
	for i := range commands {
		c.noteChange(commands[i].Changes)
		if commands[i].Verb == statement.VerbRollback && c.uncommitted() != 0 { // TO SAVEPOINT undoes some of it
			c.noteChange(statement.ChangesCatalog | statement.ChangesWatched)
		}
		if commands[i].Verb == statement.VerbCommit {
			c.noteCommit()
		}
	}
}

// noteCommit remembers that the message about to be sent ends a transaction, and with it
// what SET LOCAL has set. Another transaction may begin before ReadyForQuery tells.
func (c *conn) noteCommit() {
	c.commits = true
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lastChange != 0 {
		c.changed.Store(true)
	}
}

func (c *conn) noteChange(changes statement.Changes) {
	c.noted |= changes
	if changes != 0 {
		c.changed.Store(true)
	}
}
