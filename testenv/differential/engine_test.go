package differential

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgtype"
)

// engine runs statements on both sides and holds the answers against each other.
type engine struct {
	jobs   *atomic.Int32 // that have ended beside it
	beside bool          // jobs run beside it
	*generator
	ctx        context.Context
	veil, twin *side
	report     report
	chooser    *rand.Rand // of protocols and formats
	pending    []*statement
	taken      bool // both sides ran the last statement
}

// mismatch is a fault: the two sides gave different answers.
type mismatch struct {
	kind, detail string
	statement    int // which of the run
	sql          string
	params       []string
	count        int
}

func (m *mismatch) String() string {
	return fmt.Sprintf("%s (%d times, first in statement %d)\n    %s\n    %s\n    %s", m.kind, m.count, m.statement, m.sql, strings.Join(m.params, ", "), m.detail)
}

// step makes a statement and runs it.
func (e *engine) step(number int) {
	st := e.following()
	if e.twin.conn.TxStatus() == 'E' && st.kind != sessionKind && e.chance(2) {
		st = e.session()
		st.kind = sessionKind
	}
	c := e.call(st)
	e.report.statements++
	e.report.kinds[st.kind]++
	kind, detail := e.judge(st, c)
	if kind != "" {
		e.fault(number, st, c, kind, detail)
	} else if e.taken {
		e.pending = append(st.then, e.pending...)
	}
	e.follow(e.twin.conn.TxStatus())
}

// following gives what follows a statement that was taken, or a new one.
func (e *engine) following() *statement {
	if len(e.pending) == 0 {
		return e.next()
	}
	st := e.pending[0]
	e.pending = e.pending[1:]
	st.kind = followingKind
	return st
}

// call chooses how the statement is sent.
func (e *engine) call(st *statement) *call {
	c := &call{protocol: e.chooser.IntN(3), data: st.data}
	if st.copy != 0 {
		c.protocol = st.copy
	}
	c.rendering = st.tree.render(c.protocol == params || c.protocol == prepared)
	if c.protocol == simple && e.chooser.IntN(20) == 0 {
		c.sql += ";"
	}
	if e.chooser.IntN(2) == 0 {
		c.results = []int16{pgtype.BinaryFormatCode}
	}
	declare := e.chooser.IntN(3) == 0
	for _, h := range c.params {
		var oid uint32
		if declare && h.cast == "" && !h.array {
			if t, ok := e.veil.types.TypeForName(h.typ.base); ok {
				oid = t.OID
			}
		}
		c.declared = append(c.declared, oid)
		c.binary = append(c.binary, e.chooser.IntN(2) == 0)
	}
	return c
}

// judge runs a statement on both sides and says what is wrong, if anything.
func (e *engine) judge(st *statement, c *call) (kind, detail string) {
	reasons := st.tree.reasons()
	e.taken = false
	before := e.veil.conn.TxStatus()
	veil := e.veil.run(e.ctx, c)
	if (veil.refused() || e.beside && veil.err != nil && veil.err.Code == "40001") && before != 'E' {
		if len(reasons) > 0 {
			e.report.refuse(reasons[0], veil.err, len(reasons) == 1)
			e.align()
			return "", ""
		}
		if e.beside && besideJob(veil.err) {
			e.report.refuse("beside a job: "+nameless(veil.err.Message), veil.err, true)
			e.align()
			return "", ""
		}
		twin := e.aside(c, before)
		e.align()
		if twin.err != nil && twin.err.Code != "0A000" {
			e.report.invalid++
			return "", ""
		}
		if waited(veil.err.Message) {
			e.report.refuse("not yet: "+nameless(veil.err.Message), veil.err, true)
			return "", ""
		}
		if twin.err == nil {
			return "refused without need: " + nameless(veil.err.Message), veil.err.Message
		}
		return "", "" // the server refuses it, too
	}
	twin := e.twin.run(e.ctx, c)
	if st.blind {
		veil.hide()
		twin.hide()
	}
	if st.faulty && veil.err != nil && twin.err != nil && veil.err.Code != twin.err.Code {
		e.report.first++ // two things are wrong, and the other is told
		return "", ""
	}
	if kind, detail = compare(veil, twin, st.ordered); kind != "" {
		return kind, detail
	}
	if veil.err != nil {
		e.report.fail(veil.err, twin.err)
		return "", ""
	}
	if len(reasons) > 0 {
		return "not refused: " + reasons[0], ""
	}
	e.report.same++
	e.taken = true
	return "", ""
}

// aside runs a statement on the twin and takes it back.
func (e *engine) aside(c *call, before byte) *answer {
	open, undo := "BEGIN", "ROLLBACK"
	if before == 'T' {
		open, undo = "SAVEPOINT aside", "ROLLBACK TO aside"
	}
	e.must(e.twin, open)
	a := e.twin.run(e.ctx, c)
	e.must(e.twin, undo)
	return a
}

// align fails the twin's transaction as a refusal has failed pgveil's.
func (e *engine) align() {
	if e.veil.conn.TxStatus() == 'E' && e.twin.conn.TxStatus() == 'T' {
		e.twin.run(e.ctx, &call{rendering: rendering{sql: "a refused statement"}})
	}
}

func (e *engine) must(s *side, sql string) {
	if _, err := s.conn.Exec(e.ctx, sql).ReadAll(); err != nil {
		panic(fmt.Sprintf("%s: %v", sql, err))
	}
}

// fault notes a mismatch, cut as small as it gets, and makes both sides equal.
func (e *engine) fault(number int, st *statement, c *call, kind, detail string) {
	e.report.faults++
	e.settle()
	detail += e.contents()
	if known := e.report.mismatches[kind]; known != nil {
		known.count++
	} else {
		e.shrink(st, c, kind, &detail)
		m := &mismatch{kind: kind, detail: detail, statement: number, sql: c.sql, count: 1}
		for _, h := range c.params {
			m.params = append(m.params, fmt.Sprintf("%q", h.value))
		}
		e.report.mismatches[kind] = m
	}
	if !strings.HasPrefix(kind, "refused without need") {
		e.fill()
	}
}

// shrink leaves out of a statement what the mismatch does not need.
func (e *engine) shrink(st *statement, c *call, kind string, detail *string) {
	tries := 0
	st.tree.smaller(func() bool {
		if tries++; tries > 200 {
			return false
		}
		cut := *c
		cut.rendering = st.tree.render(c.protocol == params || c.protocol == prepared)
		// The types of the parameters that are left are no longer known.
		cut.declared, cut.binary = nil, make([]bool, len(cut.params))
		e.must(e.veil, "BEGIN")
		e.must(e.twin, "BEGIN")
		saved := e.report
		e.report = newReport()
		k, d := e.judge(st, &cut)
		e.report = saved
		e.settle()
		if k == kind {
			*c, *detail = cut, d
		}
		return k == kind
	})
}

// settle ends the transactions of both sides.
func (e *engine) settle() {
	for _, s := range []*side{e.veil, e.twin} {
		if !s.conn.IsClosed() && s.conn.TxStatus() != 'I' {
			e.must(s, "ROLLBACK")
		}
	}
	e.follow('I')
}

// fill empties all tables and fills them anew, on both sides.
func (e *engine) fill() {
	var names []string
	for _, t := range tables {
		if t.view == "" {
			names = append(names, t.qualified())
		}
	}
	for _, s := range []*side{e.veil, e.twin} {
		e.must(s, "DELETE FROM "+strings.Join(reversed(names), "; DELETE FROM "))
	}
	for _, t := range tables {
		if t.view != "" {
			continue
		}
		for id := 1; id <= 24; id++ {
			e.holes, e.bad, e.wrong = nil, false, false
			var values []*node
			for _, c := range t.columns {
				if c.key {
					values = append(values, text(fmt.Sprint(id)))
				} else {
					values = append(values, e.assigned(c))
				}
			}
			n := seq("INSERT INTO ", t.qualified(), " VALUES (", list(", ", -1, values...), ") ON CONFLICT DO NOTHING")
			st := &statement{tree: n}
			c := &call{rendering: n.render(false)}
			if kind, detail := e.judge(st, c); kind != "" {
				m := &mismatch{kind: "filling: " + kind, detail: detail, sql: c.sql, count: 1}
				e.report.mismatches[m.kind] = m
			}
		}
	}
}

// most is how many rows a table may have grown to: joins of several multiply them.
const most = 60

// bound fills the tables anew once one of them has too many rows.
func (e *engine) bound() {
	if e.twin.conn.TxStatus() == 'E' {
		return
	}
	for _, t := range tables {
		r, err := e.twin.conn.Exec(e.ctx, "SELECT count(*) > "+strconv.Itoa(most)+" FROM "+t.qualified()).ReadAll()
		if err != nil {
			panic(err)
		}
		if string(r[0].Rows[0][0]) == "t" {
			e.settle()
			e.fill()
			return
		}
	}
}

// same compares the contents of all tables.
func (e *engine) same(number int) {
	if e.twin.conn.TxStatus() == 'E' {
		return
	}
	if detail := e.contents(); detail != "" {
		c := &call{}
		e.fault(number, &statement{tree: text("")}, c, "contents of the tables", detail)
	}
}

// contents tells in what the tables differ.
func (e *engine) contents() (all string) {
	for _, t := range tables {
		st := &statement{tree: text("SELECT * FROM " + t.qualified())}
		c := &call{rendering: st.tree.render(false), protocol: params, results: []int16{pgtype.BinaryFormatCode}}
		if kind, detail := compare(e.veil.run(e.ctx, c), e.twin.run(e.ctx, c), false); kind != "" {
			all += fmt.Sprintf("\n    contents of %s: %s: %s", t.qualified(), kind, detail)
		}
	}
	return all
}

// notYet are the beginnings of messages that refuse what the design does not: forms
// that are still to be done. They are counted apart.
var notYet = []string{
	"cannot use column … in a FULL JOIN's merged column",
	"cannot cast column … to bytea",
}

func waited(message string) bool {
	return slices.ContainsFunc(notYet, func(s string) bool { return strings.HasPrefix(nameless(message), s) })
}

var (
	quotedName = regexp.MustCompile(`"[^"]*"`)
	oddNames   = strings.NewReplacer(`\"`, ``, `"Mixed Case"`, "", `"Nir"`, "", `"a ""b"""`, "")
)

// nameless leaves the names out of a message.
func nameless(s string) string { return quotedName.ReplaceAllString(oddNames.Replace(s), "…") }

func reversed(s []string) []string {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}
