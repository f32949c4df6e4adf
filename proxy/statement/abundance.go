package statement

import (
	"sync/atomic"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// abundance is what is known of how many rows the texts of a plan give. It is a guess that
// only the way of asking depends on.
type abundance struct {
	whole bool          // no WHERE and no LIMIT keep any back
	last  atomic.Uint32 // run: 0 before the first
}

const (
	fewRows uint32 = iota + 1
	manyRows
)

// many is from how many rows on it pays to ask otherwise.
const many = 256

// NoteRows tells how many rows a statement, alone in its text, has given.
func (p *Plan) NoteRows(n int64) {
	last := fewRows
	if n >= many {
		last = manyRows
	}
	if p.rows.last.Load() != last { // shared by sessions: read by all, rarely written
		p.rows.last.Store(last)
	}
}

// GivesMany reports whether a statement, alone in its text, most likely gives many rows.
func (p *Plan) GivesMany() bool {
	last := p.rows.last.Load()
	return last == manyRows || last == 0 && p.rows.whole
}

// isWhole reports whether a statement reads what it reads without picking rows.
func isWhole(stmt *pg.Node) bool {
	s := stmt.GetSelectStmt()
	return s != nil && s.WhereClause == nil && s.LimitCount == nil
}
