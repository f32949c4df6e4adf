package statement

import (
	"errors"
	"slices"
	"sync"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v6"
	"github.com/pganalyze/pg_query_go/v6/parser"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// Bounds of what is given to the parser. Its output recurses in C on the stack
// of a thread, and copies each subtree once per level above it, so that time
// grows with depth times size.
const (
	maxDepth  = 3000
	maxTokens = 400_000
	maxWork   = 40_000_000 // depth times tokens
	// maxSteps bounds the names looked at to resolve those of a statement.
	maxSteps = 50_000_000
	// maxCopies bounds the tokens that SET (a, b, …) = (…) becomes: the tree has
	// the right side once for each column.
	maxCopies = 200_000
	// maxUnclosed bounds, in bytes, a text that ends inside something.
	maxUnclosed = 16 << 10
)

// parsing keeps parses one at a time: pg_query redirects the process's standard
// error meanwhile and, in two threads at once, may not restore it.
var parsing sync.Mutex

func parse(sql string) (*pg.ParseResult, error) {
	parsing.Lock()
	defer parsing.Unlock()
	return pg.Parse(sql)
}

// checkBounds refuses what the parser should not be given.
func checkBounds(t *Text) *pgerror.Error {
	_, tokens := t.Folded()
	depth := t.Depth()
	switch {
	case depth > maxDepth:
		return errDepth()
	case len(tokens) > maxTokens, depth*len(tokens) > maxWork, copies(t) > maxCopies:
		return errSize()
	}
	return nil
}

// copies estimates the tokens that multiple assignments multiply.
func copies(t *Text) int {
	t.classify()
	n := 0
	for i, k := range t.tokens {
		if k.Kind != LeftParen || t.Word(i-1) != WordSet && t.Token(i-1).Kind != Comma {
			continue
		}
		end := int(t.pairs[i])
		if string(t.Bytes(end+1)) != "=" {
			continue
		}
		columns := 1
		for at := i + 1; at < end; at = t.over(at) {
			if t.tokens[at].Kind == Comma {
				columns++
			}
		}
		if columns == 1 {
			continue
		}
		at := end + 2
		for at < len(t.tokens) && !endsAssignment(t.tokens[at]) {
			at = t.over(at)
		}
		if n += columns * (at - end - 2); n > maxCopies {
			return n
		}
	}
	return n
}

// over returns the index after a token, or after the brackets that it opens.
func (t *Text) over(i int) int {
	if k := t.tokens[i].Kind; k == LeftParen || k == LeftBracket {
		i = int(t.pairs[i])
	}
	return i + 1
}

func endsAssignment(k Token) bool {
	switch k.Kind {
	case Comma, Semicolon, RightParen, RightBracket:
		return true
	}
	return k.Word == WordFrom || k.Word == WordWhere || k.Word == WordReturning
}

// analyze does the work of Plan on a miss.
func (a *Analyzer) analyze(t *Text, env *Env) *outcome {
	if err := checkBounds(t); err != nil {
		return &outcome{refusal: &refusal{*err, -1}, private: true}
	}
	sql, tokens := t.Folded()
	tree, err := parse(string(sql))
	if err != nil {
		return &outcome{refusal: syntaxError(err, sql, t), private: true}
	}
	if i := t.RunsSQL(); i >= 0 {
		return &outcome{refusal: &refusal{*refuseRunsSQL(string(t.AppendIdent(nil, i))), -1}, private: true}
	}
	// The parse tree's locations are offsets in the folded text.
	folded := new(Lexer).Lex(sql)
	commands := t.Commands()
	if t.Odd() || len(folded.Tokens()) != len(tokens) || len(tree.Stmts) != len(commands) {
		return &outcome{refusal: &refusal{*refuseOdd(), -1}, private: true}
	}
	plan := &Plan{analyzer: a, Statements: make([]Statement, len(commands))}
	used, private := false, false
	overlays := folded.Mentions(a.overlaid)
	changed, path := VerbUnknown, false
	spread := false // something may reach a tagged table by a name that is not watched yet
	tellings := make([]*telling, len(commands))
	now := a // as the definitions before leave the catalog
	for i, raw := range tree.Stmts {
		c := &commands[i]
		x := &analysis{a: now, env: env, text: folded, verb: c.Verb, first: int32(folded.At(int(raw.StmtLocation)))}
		x.statement(raw)
		private = private || x.private
		x.keepSettings(&folded.Commands()[i])
		switch {
		case x.err != nil:
		case spread && raw.Stmt.GetTransactionStmt() == nil:
			x.fail(refuseChanged(changed.String()), x.first)
		case !x.used:
		case changed != VerbUnknown:
			x.fail(refuseChanged(changed.String()), x.first)
		case path && x.loose(raw.Stmt), now != a && (x.outputs != nil || x.later != nil || x.copying != nil):
			x.fail(refuseChanged("a definition"), x.first)
		}
		if x.err != nil {
			return &outcome{refusal: x.err, private: private}
		}
		s := &plan.Statements[i]
		s.Verb = c.Verb
		if x.used {
			used = true
			s.Outputs, s.Touches, s.Returning, s.Writes, s.planned = x.outputs, x.touches, x.returning, x.writes, true
			s.Explains, s.Later = x.explains, x.later
			s.Copy, s.Beside = x.copying, x.beside
			plan.edits = append(plan.edits, x.edits...)
			tellings[i] = x.telling
		}
		if changed == VerbUnknown && overlays {
			plan.edits = append(plan.edits, x.overlay(raw)...)
		}
		if i == len(commands)-1 || c.Changes == 0 && c.Verb != VerbCreate && c.Verb != VerbAlter && c.Verb != VerbDrop {
			continue
		}
		next, newPath, ok := x.after(raw.Stmt)
		switch {
		case ok && changed == VerbUnknown:
			now, path, s.Settled = next, path || newPath, true
		case c.Changes != 0 || x.used && x.defines:
			changed, spread = c.Verb, spread || x.used && x.defines
		}
	}
	plan.rows.whole = len(tree.Stmts) == 1 && isWhole(tree.Stmts[0].Stmt)
	if !used && len(plan.edits) == 0 {
		return &outcome{private: private}
	}
	slices.SortStableFunc(plan.edits, compareEdits)
	for i := 1; i < len(plan.edits); i++ {
		if plan.edits[i].begin() < plan.edits[i-1].end() {
			return &outcome{refusal: &refusal{*refuseOdd(), -1}, private: true}
		}
	}
	plan.tell(tellings)
	return &outcome{plan: plan, private: private}
}

// SyntaxError gives the server's error for a text that does not parse, its position in
// bytes of the text. nil for any other, and for one that the parser is not given.
func (t *Text) SyntaxError() *pgerror.Error {
	if t.Odd() || checkBounds(t) != nil {
		return nil
	}
	sql, _ := t.Folded()
	_, err := parse(string(sql))
	if err == nil {
		return nil
	}
	if e, ok := pgerror.As(syntaxError(err, sql, t).at(t)); ok && e.Code == pgerror.SyntaxError {
		return e
	}
	return nil
}

// unclosed gives the error for a text that ends inside a string, a comment or a
// name: the server's own, if the parser finds it too.
func unclosed(t *Text) *pgerror.Error {
	// PostgreSQL's lexer takes quadratic time over comments begun within comments.
	if checkBounds(t) != nil || len(t.SQL()) > maxUnclosed {
		return refuseOdd()
	}
	if _, err := parse(string(t.SQL())); err != nil {
		if e, ok := pgerror.As(syntaxError(err, t.SQL(), nil).at(t)); ok {
			return e
		}
	}
	return refuseOdd()
}

// syntaxError gives the parser's error. sql is what it was given: the folded form
// of t, or the text itself if t is nil.
func syntaxError(err error, sql []byte, t *Text) *refusal {
	var p *parser.Error
	if !errors.As(err, &p) {
		// The tree was too deep for protobuf.
		return &refusal{*errDepth(), -1}
	}
	e := pgerror.New(pgerror.SyntaxError, "%s", p.Message)
	if p.Cursorpos > 0 {
		at := 0
		for n := p.Cursorpos - 1; n > 0 && at < len(sql); n-- {
			_, size := utf8.DecodeRune(sql[at:])
			at += size
		}
		if t != nil {
			at = t.Original(at)
		}
		e.Position = at + 1
	}
	return &refusal{*e, -1}
}

// analysis is the work on one statement. The first refusal stays; the work goes
// on after it to no effect.
type analysis struct {
	a     *Analyzer
	env   *Env
	text  *Text // the folded text; nil in a view
	view  *schema.Relation
	deep  int // views within views
	steps int
	verb  Verb
	err   *refusal

	shown     map[*pg.ResTarget]bool // the items of scalar subqueries whose JSON becomes a part of jsonb
	left      survey                 // what the statement names and the analysis has not come to
	rows      int32                  // of how many tables of FROM the rows have a number
	ranges    []*item                // the relations of all FROM clauses
	goals     *goals                 // of the query analysed next
	supplying *supply                // what is being sealed
	row       *row                   // in which it is stored; nil where that is not known

	used       bool
	private    bool
	ruled      bool // it reads a view that rules change
	beside     []*schema.Column
	defines    bool // it is a definition, whose constants may be sealed already
	harmless   bool // one that holds no value and gives no row
	outputs    []Output
	ownList    []*pg.Node // of what the statement itself shows, if it can be made longer
	ownScope   *scope     // in which it stands
	selects    bool       // it is a select list
	telling    *telling   // nil: it tells, or cannot
	touches    []Touch
	edits      []edit
	nullTested bool // what is analysed is only asked whether it is NULL
	returning  bool
	writes     bool
	explains   bool
	later      *Plan
	first      int32 // token of the folded text with which the statement begins
	copying    *CopyPlan

	lists     int32 // of numbers, that have been analysed
	castEnd   int32 // the last token of the cast that was dropped last
	recursive *cte  // whose query is to be analysed next
	defining  *cte  // the innermost whose query is being analysed
}

// fail refuses the statement at a token.
func (x *analysis) fail(err *pgerror.Error, token int32) {
	if x.err != nil {
		return
	}
	x.err = &refusal{*err, token}
	if err.Code == pgerror.InsufficientPrivilege {
		x.err.err.Hint = hintControlled
	}
}

// spend counts names looked at. It reports false once the analysis is to stop.
func (x *analysis) spend(n int) bool {
	if x.steps += n; x.steps > maxSteps {
		x.fail(errSize(), -1)
	}
	return x.err == nil
}

// token gives the token of a location of the parse tree, -1 for none.
func (x *analysis) token(location int32) int32 {
	if x.text == nil || location < 0 {
		return -1
	}
	return int32(x.text.At(int(location)))
}

// touch notes a use of a tagged column.
func (x *analysis) touch(c *schema.Column, how How) {
	if c.Controlled() && how == Search && x.a.catalog.OwnComparison() {
		x.fail(refuseOwnEquality(c), -1)
	}
	if (how == Search || how == Match) && x.a.catalog.OwnEquality() && !x.env.catalogFirst() {
		x.fail(refuseOwnEquality(c), -1)
	}
	t := Touch{c, how}
	if !slices.Contains(x.touches, t) {
		x.touches = append(x.touches, t)
	}
}
