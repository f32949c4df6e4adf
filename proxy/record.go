package proxy

import (
	"slices"
	"time"

	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// howNames are the words of the audit log for what a statement does with a column.
var howNames = map[statement.How]string{
	statement.Read:     "read",
	statement.Search:   "search",
	statement.Match:    "match",
	statement.NullTest: "null test",
	statement.Assign:   "assign",
	statement.Copy:     "copy",
	statement.Derive:   "derive",
}

// beginAudit enters the intent of a statement that opens or searches tagged values.
// text is nil for a prepared statement. One that writes and returns opened values
// is sent only after its record is durable, so that nothing is committed whose rows
// then have to be withheld.
func (c *conn) beginAudit(r *result, text *statement.Text) error {
	if r.plan == nil {
		return nil
	}
	planned := &r.plan.Statements[r.index]
	if planned.Later != nil { // what it names has its record when it runs
		return nil
	}
	record := c.newRecord(r.state)
	reads := false
	for _, touch := range planned.Touches {
		verdict := touch.Column.AccessFor(r.state.roles).Verdict
		opens := (touch.How == statement.Read || touch.How == statement.Derive) && verdict != schema.Hide
		reads = reads || opens
		r.subjects.expected = r.subjects.expected || opens && touch.Column.Subject != nil && c.config.Subjects != nil
		if opens || touch.How == statement.Search || touch.How == statement.Match || touch.How == statement.Copy {
			record.Columns = append(record.Columns, audit.Column{
				Column: touch.Column.QualifiedName(), Verdict: verdict.String(), How: howNames[touch.How],
			})
		}
	}
	if len(record.Columns) == 0 {
		r.durable = true
		return nil
	}
	switch {
	case r.owner == nil:
		record.Statement, record.Fingerprint = string(text.AppendRedacted(nil)), text.Fingerprint()
	case text != nil:
		record.Statement, record.Fingerprint = string(text.AppendRedacted(nil))+": "+r.owner.redacted, r.owner.mark
	case r.via != nil:
		record.Statement, record.Fingerprint = r.via.redacted+": "+r.owner.redacted, r.owner.mark
	default:
		record.Statement, record.Fingerprint = r.owner.redacted, r.owner.mark
	}
	r.started = time.Now()
	searched := c.searchedBy(r, text != nil)
	record.Searched = searched[:min(len(searched), audit.MaxTags)]
	r.intent = c.config.Audit.Begin(record)
	for rest := range slices.Chunk(searched[len(record.Searched):], audit.MaxTags) {
		r.intent.Searched(rest)
	}
	r.durable = !reads
	if reads && (planned.Verb != statement.VerbSelect && planned.Verb != statement.VerbCopy || planned.Writes) {
		if e := r.waitAudit(); e != nil {
			r.end(e.Code)
			return e
		}
	}
	return nil
}

// waitAudit waits until the intent is durable, once.
func (r *result) waitAudit() *pgerror.Error {
	if r.durable {
		return nil
	}
	if r.intent == nil {
		return pgerror.New(pgerror.InternalError, "a statement that opens tagged columns has no audit record")
	}
	if err := r.intent.Wait(); err != nil {
		return pgerror.New(pgerror.IOError, "the audit record of this statement cannot be written, so nothing is decrypted").
			WithHint("Statements that open no tagged column go on working. See pgveil's log for the cause.")
	}
	r.durable = true
	return nil
}

// end enters the outcome: "ok", a SQLSTATE, or why there is none. Only the first
// call counts.
func (r *result) end(how string) {
	if r.intent == nil || r.ended {
		return
	}
	r.ended = true
	s := &r.subjects
	if s.expected && r.stream != nil && !s.told {
		s.unnamed = r.rows // of a COPY, whose rows are not looked at one by one
	}
	r.recordTags(audit.MaxTags + 1)
	r.intent.End(audit.Outcome{
		Rows: r.rows, Opened: r.opened, Erased: r.erased, Subjects: s.total, Unnamed: s.unnamed, Tags: s.tags,
		Duration: time.Since(r.started), Ended: how,
	})
}

// auditRefusal records that a role was refused what it asked for.
func (c *conn) auditRefusal(e *pgerror.Error) {
	if e.Code != pgerror.InsufficientPrivilege || c.state == nil {
		return
	}
	column := e.Column
	if e.Table != "" {
		column = (&schema.Column{Schema: e.Schema, Table: e.Table, Name: e.Column}).QualifiedName()
	}
	record := c.newRecord(c.state)
	record.Columns = []audit.Column{{Column: column, Verdict: schema.Deny.String()}}
	c.config.Audit.Refused(record, e.Code)
	c.alertRefused()
}

// loggedIn is who has logged in, where no statement is at hand.
func (c *conn) loggedIn() *state {
	return &state{user: c.params.user, session: c.params.user, roles: []string{c.params.user}}
}

// newRecord begins a record with who asks.
func (c *conn) newRecord(s *state) *audit.Record {
	broken := ""
	if s.glass != nil {
		broken = s.glass.id
	}
	return &audit.Record{
		Session: c.id, SessionUser: s.session, Role: s.user, Roles: s.own(), BreakGlass: broken,
		Client: c.params.address, TLS: c.params.certificate, Application: c.params.application, EndUser: s.endUser,
		Database: c.params.database, Backend: c.params.pid,
	}
}
