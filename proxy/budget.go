package proxy

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// spent is what a statement has used of its budget: in all Executes of a portal, and all FETCHes
// of a cursor. It belongs to the backend goroutine.
type spent struct{ rows, values int64 }

// spending counts what the rows of a result open, before they leave. nil: nothing bounds it.
type spending struct {
	*spent
	budget *schema.Budget
	ledger *ledger
	groups []rowGroup
	of     []int // the group of each output, -1 for none
	last   int   // output at hand, of a COPY

	values  int64 // of the row at hand
	unknown int64 // patients of it that nothing tells apart
	rows    int64 // with opened values, and not settled
	tags    []subjectTag
	decoded []byte
}

// rowGroup are the outputs that are of one row of a table.
type rowGroup struct {
	number  int32
	subject int // the output that tells whom it is about, -1 for none
	opened  bool
	known   bool
	tag     subjectTag
}

// spends readies the counting for a result with these outputs. binary says how their values come.
func (c *conn) spends(r *result, outputs []statement.Output) *spending {
	budget, key := c.budget(r.state)
	if budget == nil {
		return nil
	}
	s := &spending{budget: budget, of: make([]int, len(outputs)), last: -1, spent: r.spentBefore()}
	if budget.Counts() {
		s.ledger = c.tracked.ledger(key)
	}
	for i := range outputs {
		o := &outputs[i]
		s.of[i] = -1
		if o.Row == 0 || o.Column == nil {
			continue
		}
		s.of[i] = s.group(o.Row)
		if subject := o.Column.Subject; subject != nil && o.Column.Mode == schema.Deterministic && subject == o.Column.InFile() {
			s.groups[s.of[i]].subject = i
		}
	}
	return s
}

// spentBefore gives what the portal or cursor that gives the rows has used.
func (r *result) spentBefore() *spent {
	p := r.portal
	if p != nil && p.from.portal != nil {
		p = p.from.portal
	}
	if p == nil {
		return new(spent)
	}
	if p.spent == nil {
		p.spent = new(spent)
	}
	return p.spent
}

// group gives the index of the group of a row's number.
func (s *spending) group(number int32) int {
	for i := range s.groups {
		if s.groups[i].number == number {
			return i
		}
	}
	s.groups = append(s.groups, rowGroup{number: number, subject: -1})
	return len(s.groups) - 1
}

// see looks at the sealed value of an output before it is opened. binary says how it came.
func (s *spending) see(output int, value []byte, binary bool) {
	if s == nil || s.of[output] < 0 {
		return
	}
	g := &s.groups[s.of[output]]
	if g.subject != output {
		return
	}
	if !binary {
		var err error
		if s.decoded, err = logical.DecodeByteaText(s.decoded[:0], value); err != nil {
			return // then nothing of it opens either
		}
		value = s.decoded
	}
	sum := sha256.Sum256(value)
	g.known, g.tag = true, subjectTag(sum[:len(g.tag)])
}

// opened notes that n values of an output were opened: of as many patients, unless the output
// is a column of a row.
func (s *spending) opened(output int, n int64) {
	if s == nil || n <= 0 {
		return
	}
	s.values += n
	if s.of[output] < 0 {
		s.unknown += n
		return
	}
	s.groups[s.of[output]].opened = true
}

// field notes that a field of a COPY is at hand, of the row at hand or the next one.
func (s *spending) field(output int) {
	if s == nil {
		return
	}
	if output <= s.last {
		s.endRow()
	}
	s.last = output
}

// endRow notes that nothing more of the row at hand comes.
func (s *spending) endRow() {
	if s.values > 0 {
		s.rows++
	}
	s.spent.values += s.values
	s.values = 0
	for i := range s.groups {
		g := &s.groups[i]
		switch {
		case g.opened && g.known:
			s.tags = append(s.tags, g.tag)
		case g.opened:
			s.unknown++
		}
		g.opened, g.known = false, false
	}
	s.last = -1
}

// settle counts what was opened since the last time, and gives why that may not leave.
func (c *conn) settle(s *spending) *pgerror.Error {
	if s == nil {
		return nil
	}
	s.endRow()
	s.spent.rows += s.rows
	s.rows = 0
	tags, unknown := s.tags, s.unknown
	s.tags, s.unknown = s.tags[:0], 0
	switch b := s.budget; {
	case b.Rows > 0 && s.spent.rows > b.Rows:
		return c.exceeds("rows", b.Rows)
	case b.Values > 0 && s.spent.values > b.Values:
		return c.exceeds("values", b.Values)
	case s.ledger == nil:
		return nil
	}
	tags = c.uncounted(s.ledger, tags)
	if len(tags) == 0 && unknown == 0 {
		return nil
	}
	over, err := s.ledger.admit(c.ctx, *s.budget, tags, unknown)
	switch {
	case err != nil && c.ctx.Err() != nil:
		return pgerror.New(pgerror.SystemError, "the session ends")
	case err != nil:
		c.config.Log.Error("patients cannot be counted: what a budget bounds is not opened", "role", c.params.user, "database", c.params.database, "error", err)
		return pgerror.New(pgerror.SystemError, "the patients that role %q sees cannot be counted, so nothing is decrypted", c.params.user).
			WithHint("The tables of the schema pgveil that hold the counts are missing or cannot be written: pgveil schema sql --form budgets prints them. pgveil's log has the cause.")
	case over == "patients_per_hour":
		return c.exceeds(over, s.budget.PatientsHour)
	case over != "":
		return c.exceeds(over, s.budget.PatientsDay)
	}
	for _, tag := range tags {
		c.counted.tags[tag] = struct{}{}
	}
	return nil
}

// counted are patients that a session has been counted for in this hour, so that what it sees
// again takes no lock.
type counted struct {
	ledger *ledger
	hour   time.Time
	tags   map[subjectTag]struct{}
}

// uncounted gives those of tags that were not counted for the session in this hour.
func (c *conn) uncounted(l *ledger, tags []subjectTag) []subjectTag {
	if hour := time.Now().UTC().Truncate(time.Hour); c.counted.ledger != l || !c.counted.hour.Equal(hour) {
		c.counted = counted{ledger: l, hour: hour, tags: make(map[subjectTag]struct{})}
	}
	fresh := tags[:0]
	for _, tag := range tags {
		if _, ok := c.counted.tags[tag]; !ok {
			fresh = append(fresh, tag)
		}
	}
	return fresh
}

// exceeds gives the error of a statement that would exceed its budget.
func (c *conn) exceeds(bound string, limit int64) *pgerror.Error {
	c.did.exceeded.Add(1)
	return pgerror.New(pgerror.ConfigurationLimitExceeded, "the budget of role %q is used up: %s is %d", c.params.user, bound, limit).
		WithHint("The bound is in pgveil's schema file; ask whoever keeps it. Patients are counted anew each hour and day of UTC.")
}

// ledgerKey says whose ledger one is.
type ledgerKey struct {
	role  string // that has logged in
	glass bool   // of what it reads by break-glass, where that has a budget of its own
}

// ledger gives the ledger of a login role.
func (t *tracked) ledger(key ledgerKey) *ledger {
	t.ledgers.mu.Lock()
	defer t.ledgers.mu.Unlock()
	if t.ledgers.of == nil {
		t.ledgers.of = make(map[ledgerKey]*ledger)
	}
	if t.ledgers.of[key] == nil {
		t.ledgers.of[key] = newLedger(t, key)
	}
	return t.ledgers.of[key]
}

// releaseBudgets gives back what was reserved and not used.
func (s *Server) releaseBudgets(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	for _, t := range s.tracked {
		t.ledgers.mu.Lock()
		for _, l := range t.ledgers.of {
			l.release(ctx)
		}
		t.ledgers.mu.Unlock()
	}
}
