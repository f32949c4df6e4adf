package statement

import (
	"cmp"
	"math"
	"slices"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// How says what a statement does with a tagged column.
type How uint8

const (
	Read     How = iota + 1 // its value leaves the statement
	Search                  // it is compared with a value
	Match                   // the server sees which values are equal: join, GROUP BY, DISTINCT, IN (subquery)
	NullTest                // IS NULL, count(column)
	Assign                  // a value is stored in it
	Copy                    // its value is stored in another column, sealed as it is
	Derive                  // something is made of its value, of a controlled column: see [schema.Column.Controlled]
)

var howNames = [...]string{"none", "read", "search", "match", "null test", "assign", "copy", "derive"}

// String returns the use in words.
func (h How) String() string { return howNames[h] }

// Touch is one way in which a statement uses a tagged column.
type Touch struct {
	Column *schema.Column
	How    How
}

// Output is a result column of a statement. Column is nil if it is not sealed, nor a controlled
// column, whose values come as they are shown.
type Output struct {
	Column *schema.Column
	// Also are further columns that a value may come from; [schema.Column.Header] of
	// the value tells. Several columns may have the same.
	Also []*schema.Column
	// Type is what the client sees: of the elements if the output is an Array of sealed
	// values. Where it is char(n) without n, a value has the length of its column.
	Type  logical.Type
	Array bool
	// Casts are the types that an opened value goes through, the first of them the one
	// that it has; none if it can be written as a value of Type as it is.
	Casts []logical.Type
	// Computed says that for the client it is an expression, not a table's column.
	Computed bool
	// Subject is the number, from 1, of the result column that holds the [schema.Column.Subject] of
	// the same row of the same table; 0 for none.
	Subject int
	// Row tells which outputs are of one and the same row of a table: those of one number.
	// 0 is not known.
	Row  int32
	JSON *JSON // of JSON with sealed values in it; else nil

	origin origin
}

// Columns returns all tagged columns that the output's values may come from.
func (o *Output) Columns() []*schema.Column {
	return append([]*schema.Column{o.Column}, o.Also...)
}

// Statement is what a Plan says of one statement of the text.
type Statement struct {
	Verb Verb
	// Outputs are the result columns; nil if the statement gives no rows, or
	// touches nothing tagged and is none of the plan's business.
	Outputs   []Output
	Hidden    int     // so many of Outputs, the last, are for pgveil alone: see [Plan.WithSubjects]
	Touches   []Touch // without repetitions, in the order of the text
	Returning bool    // it has a RETURNING clause
	Writes    bool    // it changes tables in a WITH clause or as the query of a COPY
	Explains  bool    // its rows are a query plan, in which sealed values may stand
	// Later is the plan of what FETCH or EXECUTE will run, of DECLARE and PREPARE of a
	// statement that uses a tagged table.
	Later *Plan
	Copy  *CopyPlan // a COPY whose data has sealed columns; else nil
	// Settled says that what it changes is accounted for in the statements behind it.
	Settled bool
	// Beside are the controlled columns of the tables that it uses, whether it uses these or not:
	// an error of the server may quote a row.
	Beside []*schema.Column
	// Free says that its rows are not followed, but for what Outputs says of sealed columns, if
	// anything: any of them may hold what is made of the columns that it derives from.
	Free bool
	// Keeps says of a Free one that it may store what it makes, or that nobody knows.
	Keeps bool

	planned bool // it uses a relation that is or reaches a tagged table
}

// Plan is the analysis of a text: immutable but for what NoteRows notes, shared by all
// texts of its shape, free of their constants.
type Plan struct {
	Statements []Statement // one for each of Text.Commands

	analyzer *Analyzer
	edits    []edit // in the order of the text, not overlapping
	rows     abundance
	telling  *Plan // see WithSubjects; nil: p itself
	tells    bool
	needs    []origin // see TellsTo
}

// Tagged reports whether a statement uses a relation that is or reaches a tagged table.
// If none does, the plan only makes the server's catalog show logical types: nothing is
// to be opened, checked or recorded. The nil plan has no such statement.
func (p *Plan) Tagged() bool {
	return p != nil && slices.ContainsFunc(p.Statements, func(s Statement) bool { return s.planned })
}

// Last gives the last statement that uses a tagged table. Without a plan it may be any.
func (p *Plan) Last() int {
	last := math.MaxInt
	if p == nil {
		return last
	}
	for i := range p.Statements {
		if p.Statements[i].planned {
			last = i
		}
	}
	return last
}

// origin is what RowDescription says of a column: the table named in FROM and
// the attribute's number there. The zero origin is that of an expression.
type origin struct {
	table     uint32
	attribute int16
}

// editKind says what an edit puts in the place of its tokens.
type editKind uint8

const (
	editLiteral   editKind = iota // the sealed value of a constant
	editNull                      // NULL, its cast dropped
	editNullArray                 // an array of nothing but NULLs
	editParam                     // a parameter that arrives sealed
	editNullTest                  // the same, if the parameter has a sealed form anyway
	editComputed                  // the sealed value of an expression
	editTruth                     // nothing: the sealed true stands before them, and =
	editText                      // a text of the plan's, possibly none
	editBefore                    // nothing: a text of the plan's stands before them
	editAfter                     // nothing: a text of the plan's stands after them
	editType                      // itself, or another type: the declared type of a parameter
	editTypes                     // itself: further declared types go behind or before it
	editFree                      // itself: a parameter whose value is an untagged column's, too
)

// edit is one replacement, by tokens of the folded text.
type edit struct {
	kind     editKind
	array    bool  // the value is an array of the column's type
	listed   uint8 // of how many values in a list it is one: 2 for more; 0 in none
	list     int32 // of which list of numbers it is one; 0 of none
	negative bool  // a minus sign stands before the number
	bare     bool  // as in Value
	use      logical.Use
	first    int32 // the tokens replaced,
	last     int32 // both included
	token    int32 // of the constant or parameter
	from     uint32
	chars    int32 // an explicit cast cuts the value to so many characters; 0: it does not
	elements int32 // of editNullArray
	slot     int32 // of an argument of EXECUTE: number of the parameter, from 1
	extra    bool  // it stands before its token, as an argument more
	column   *schema.Column
	computed *expression  // of editComputed
	implied  bool         // from is no cast's: it is the type that the server deduces
	uses     *uses        // what the value is for, if that is not use alone
	as       logical.Type // the type the value is read as; zero: the column's
	unpadded bool
	pick     *pick  // of a column with keys by value: which of them
	text     string // of editText, editBefore and editAfter
}

// begin and end are the folded tokens [begin, end) that an edit replaces: none of
// one that inserts.
func (e *edit) begin() int32 {
	if e.kind == editAfter {
		return e.last + 1
	}
	return e.first
}

func (e *edit) end() int32 {
	if e.kind == editBefore || e.kind == editTruth || e.extra {
		return e.first
	}
	return e.last + 1
}

// compareEdits is the order of the text. Between two tokens, what stands after the
// one comes before what stands before the other.
func compareEdits(a, b edit) int {
	after := func(e *edit) int {
		if e.kind == editAfter {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.begin(), b.begin()), cmp.Compare(a.end(), b.end()), cmp.Compare(after(&a), after(&b)))
}
