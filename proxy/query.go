package proxy

import (
	"bytes"
	"unicode/utf8"

	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// query treats a simple Query, which may hold several statements.
func (c *conn) query(body []byte) error {
	sql, err := wire.DecodeQuery(body)
	if err != nil {
		return err
	}
	err = c.queryText(sql, nil)
	for err != nil {
		at := c.apart(sql, err)
		if at == 0 {
			return err
		}
		first := &part{answered: make(chan struct{})}
		if err := c.queryText(sql[:at], first); err != nil {
			return err
		}
		if err := c.flushServer(); err != nil {
			return err
		}
		select {
		case <-first.answered:
		case <-c.ctx.Done():
			return errClosed
		}
		if first.failed {
			return nil
		}
		// Positions stay as they are.
		sql = append(bytes.Repeat([]byte(" "), utf8.RuneCount(sql[:at])), sql[at:]...)
		err = c.queryText(sql, &part{last: true})
	}
	return nil
}

// part is a part of a Query that is sent as a message of its own, because what stands
// behind it can be planned only once it has run.
type part struct {
	last     bool          // the client gets the ReadyForQuery
	failed   bool          // as it does now; set before answered is closed
	answered chan struct{} // closed with the ReadyForQuery
}

// ready notes ReadyForQuery, and reports whether the client gets it. The nil part is a
// whole message.
func (p *part) ready(failed bool) bool {
	if p == nil || p.last {
		return true
	}
	p.failed = p.failed || failed
	close(p.answered)
	return p.failed
}

// skip notes that the message is not run, or not for the client.
func (p *part) skip() {
	if p != nil && !p.last {
		p.failed = true
		close(p.answered)
	}
}

// fail notes an error of the server's.
func (p *part) fail() {
	if p != nil {
		p.failed = true
	}
}

// apart gives the byte at which a Query that was refused with err is cut into two
// messages; 0 if that is no help, or not the same to the server. It is the same within a
// transaction block, and where one begins or ends: what has no block of its own is undone
// with all of its message.
func (c *conn) apart(sql []byte, err error) int {
	if e, ok := pgerror.As(err); !ok || !e.Apart && e.Code != pgerror.InFailedTransaction {
		return 0
	}
	text := c.lexer.Lex(sql)
	commands := text.Commands()
	if len(commands) < 2 || text.Odd() || !statement.IsASCII(sql) && c.state != nil && c.state.encoding != nil {
		return 0
	}
	end := 0
	switch verb := commands[0].Verb; {
	case verb.EndsTransaction():
	case verb == statement.VerbBegin || c.inBlock():
		// To ask the session would be a query, before which SET TRANSACTION has to come.
		for !c.pooled() && end+2 < len(commands) && commands[end+1].Verb == statement.VerbSet {
			end++
		}
	default:
		for end = 1; end < len(commands) && !commands[end].Verb.EndsTransaction(); end++ {
		}
	}
	if end >= len(commands)-1 {
		return 0
	}
	for i := range commands[:end+1] {
		if commands[i].Verb == statement.VerbCopy { // its data would have to be read meanwhile
			return 0
		}
	}
	return commands[end+1].Start
}

// inBlock reports whether the session is in a transaction block, once the server has
// answered all that was sent. Behind messages without Sync, which may have begun or ended
// one, that is not known, and it reports false.
func (c *conn) inBlock() bool {
	c.mu.Lock()
	open := c.queue.ClientInSequence()
	c.mu.Unlock()
	if open {
		return false
	}
	if !c.idle() {
		if c.pooled() {
			return false
		}
		if _, err := c.askSession(`SELECT`); err != nil && !hasFailed(err) {
			return false
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.Idle() && c.queue.Status() != 'I'
}

// queryText treats the text of a Query, or of a part of one.
func (c *conn) queryText(sql []byte, part *part) error {
	text, plan, s, err := c.plan(sql)
	commands := text.Commands()
	if err != nil {
		return err
	}
	edits := &c.rewriter.edits
	edits.Reset()
	edits.Bound = false
	c.rewriter.searched.take()
	if plan != nil {
		if err := plan.Edits(text, edits); err != nil {
			return positioned(err, text.SQL())
		}
	}
	var l *layout
	overlaid := plan != nil && !plan.Tagged()
	if overlaid {
		plan = nil // all that follows is as if nothing had been changed
	} else if plan != nil {
		if l, err = c.layoutOf(text); err != nil {
			return positioned(err, text.SQL())
		}
	}
	w, err := c.answers(text, plan, s, l)
	if err != nil {
		c.abandon(w)
		return err
	}
	untouched := plan == nil && !overlaid && len(edits.Splices) == 0
	if w == nil && untouched && part == nil {
		c.noteChanges(commands)
		return c.forward(pipeline.Query, nil)
	}
	if w == nil {
		w = &work{}
	}
	w.part = part
	sent := sql
	if !untouched {
		if s == nil { // EXECUTE has asked for it
			s = c.state
		}
		sent, w.remap, err = c.rewrite(text, s, l)
		if w.failsLater(err, text, edits) {
			sent, w.remap, err = c.rewrite(text, s, l)
		}
		if err != nil {
			err = positioned(err, text.SQL())
		} else if plan != nil {
			err = c.confirmCopies(plan, w.results, s, sent, w.remap)
		}
		if err != nil {
			c.abandon(w)
			return err
		}
	}
	if err := c.beginAudits(w, text); err != nil {
		return err
	}
	c.noteChanges(commands)
	if untouched && part == nil {
		return c.forward(pipeline.Query, w)
	}
	if formats := c.binaryFormats(text, w); formats != nil {
		return c.sendExtended(w, sent, formats)
	}
	w.copies = newCopies(w.results)
	return c.sendCopies(w, func() error {
		c.push(pipeline.Entry[*work]{Kind: pipeline.Query, Data: w})
		return wire.WriteQuery(c.sw, sent)
	})
}

// beginAudits enters the intents of the commands of a Query. After an error it is not
// sent.
func (c *conn) beginAudits(w *work, text *statement.Text) error {
	for _, r := range w.results {
		if r.refusal != nil { // nor does anything after it run
			break
		}
		if err := c.beginAudit(r, text); err != nil {
			c.abandon(w)
			return err
		}
	}
	return nil
}

// failsLater reports that err is of a value in a statement of the text that is not its
// first: those before it run, and what is sent in its place fails, as it would have.
func (w *work) failsLater(err error, text *statement.Text, edits *statement.Edits) bool {
	bad, ok := err.(badValue)
	if !ok || len(w.results) == 0 {
		return false
	}
	commands := text.Commands()
	i := len(commands) - 1
	for i > 0 && bad.at < commands[i].Start {
		i--
	}
	if i == 0 {
		return false
	}
	w.results[i].refusal, _ = pgerror.As(positioned(bad, text.SQL()))
	edits.Cut(commands[i].Start, len(text.SQL()), failingSQL)
	return true
}
