package proxy

import (
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// withSubjects gives the plan by which a text is run: with the subjects of its rows among what the server gives, where
// somebody asks for them and the role may read them. It could fail for want of a right only because of pgveil otherwise.
func (c *conn) withSubjects(plan *statement.Plan, s *state) *statement.Plan {
	if c.config.Subjects == nil && !c.tracked.database.Load().Budgeted() {
		return plan
	}
	if told := plan.WithSubjects(); told.TellsTo(s.roles) {
		return told
	}
	return plan
}

// noteHiddenOutput looks at the subject of a row that the client does not see.
func (c *conn) noteHiddenOutput(r *result, i int, row *wire.Values) {
	if row.Null() {
		return
	}
	if r.spends != nil {
		r.spends.see(i, row.Value(), r.columns[i].binary)
	}
	c.noteUnseen(&r.columns[i], row.Value())
}

// checkFormats refuses a number of result formats that the server would take, with the outputs that the client does not
// know of. Source of the message: exec_bind_message of the server.
func checkFormats(planned *statement.Statement, formats []int16) error {
	if shown := len(planned.Shown()); planned.Hidden > 0 && len(formats) > 1 && len(formats) != shown {
		return pgerror.New(pgerror.ProtocolViolation, "bind message has %d result formats but query has %d columns", len(formats), shown)
	}
	return nil
}
