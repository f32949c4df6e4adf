package statement

// Command is one statement of a text: the bytes [Start, End) and the tokens
// [First, Last), its semicolon left out.
type Command struct {
	Start, End  int
	First, Last int
	Verb        Verb

	// Name is the prepared statement or cursor of PREPARE, EXECUTE, DEALLOCATE,
	// DECLARE, FETCH, MOVE and CLOSE, and the prepared statement that EXPLAIN
	// or CREATE TABLE AS runs with EXECUTE; as the catalog stores names.
	// All says that it is ALL: DEALLOCATE ALL, CLOSE ALL.
	Name string
	All  bool

	Changes Changes
}

// Commands returns the statements of the text, empty ones left out, told apart
// by the semicolons outside brackets and outside the BEGIN ATOMIC … END body of
// a function. It is valid until the next Lex. A body without a clear end makes the
// text Odd.
func (t *Text) Commands() []Command {
	if t.commandsSet {
		return t.commands
	}
	t.commandsSet = true
	t.commands = t.commands[:0]
	s := splitter{t: t}
	for i, k := range t.tokens {
		switch k.Kind {
		case LeftParen, LeftBracket:
			s.level++
		case RightParen, RightBracket:
			s.level = max(s.level-1, 0)
		case Semicolon:
			if s.level == 0 && s.body == 0 {
				s.end(i)
			}
		case Ident:
			if t.atomic {
				s.word(i, k.Word)
			}
		}
	}
	s.end(len(t.tokens))
	return t.commands
}

// splitter cuts a text into commands.
type splitter struct {
	t      *Text
	first  int
	level  int  // open brackets
	atomic bool // a body was met
	body   int  // depth of CASE … END in such a body, plus one; 0 outside
}

// word follows the words that begin and end the body of a function.
func (s *splitter) word(i int, w Word) {
	t := s.t
	if s.body == 0 {
		if w == WordAtomic && t.Word(i-1) == WordBegin && t.Token(i-2).Kind != Dot && t.Word(s.first) == WordCreate {
			s.atomic, s.body = true, 1
		}
		return
	}
	if w != WordCase && w != WordEnd {
		return
	}
	if t.Token(i-1).Kind == Dot || t.Word(i-1) == WordAs { // a name
		t.odd = true
		return
	}
	if w == WordCase {
		s.body++
		return
	}
	s.body--
	if next := t.Token(i + 1).Kind; s.body == 0 && i+1 < len(t.tokens) && next != Semicolon {
		t.odd = true
	}
}

// end appends the command that ends before token last.
func (s *splitter) end(last int) {
	t, first := s.t, s.first
	if s.body > 0 {
		t.odd = true
	}
	s.first = last + 1
	if first >= last {
		return
	}
	if s.atomic && t.Word(first) == WordEnd { // or the body ended before, at a label
		t.odd = true
	}
	if n := len(t.commands); n < cap(t.commands) {
		t.commands = t.commands[:n+1]
	} else {
		t.commands = append(t.commands, Command{})
	}
	c := &t.commands[len(t.commands)-1]
	name := c.Name // of an earlier text: reused if it is the same
	*c = Command{
		Start: int(t.tokens[first].Start), End: int(t.tokens[last-1].End),
		First: first, Last: last, Verb: t.verb(first, last),
	}
	if i := t.nameOf(c); i >= 0 {
		c.All = t.tokens[i].Kind == Ident && t.tokens[i].Word == WordAll
		if !c.All {
			t.scratch = t.AppendIdent(t.scratch[:0], i)
			if name != string(t.scratch) {
				name = string(t.scratch)
			}
			c.Name = name
		}
	}
	c.Changes = t.changes(c)
}

// nameOf returns the token that is the command's Name, or -1.
func (t *Text) nameOf(c *Command) int {
	at := -1
	switch c.Verb {
	case VerbExecute, VerbPrepare, VerbDeclare, VerbClose:
		at = c.First + 1
	case VerbDeallocate:
		at = c.First + 1
		if t.Word(at) == WordPrepare && at+1 < c.Last {
			at++
		}
	case VerbFetch, VerbMove:
		at = c.Last - 1
	case VerbExplain, VerbCreate:
		for i := c.First + 1; i < c.Last-1; i++ {
			if t.Word(i) == WordExecute && t.Word(i+1) != WordFunction && t.Word(i+1) != WordProcedure {
				at = i + 1
				break
			}
		}
	}
	if at <= c.First || at >= c.Last || !t.tokens[at].Kind.IsName() {
		return -1
	}
	return at
}

// CursorOptions reports whether a DECLARE has the options BINARY and WITH HOLD.
func (t *Text) CursorOptions(c *Command) (binary, holds bool) {
	for i := c.First + 2; i < c.Last && t.Word(i) != WordFor; i++ {
		switch {
		case t.Word(i) == WordBinary:
			binary = true
		case t.Word(i) == WordHold && t.Word(i-1) == WordWith:
			holds = true
		}
	}
	return binary, holds
}

// HasParams reports whether a parameter stands in the command.
func (t *Text) HasParams(c *Command) bool { return t.FirstParam(c) >= 0 }

// FirstParam gives the token of the command's first parameter, -1 without one.
func (t *Text) FirstParam(c *Command) int {
	for i := c.First; i < c.Last; i++ {
		if t.tokens[i].Kind == Parameter {
			return i
		}
	}
	return -1
}

// HasValues reports whether a constant or a parameter stands in the command.
func (t *Text) HasValues(c *Command) bool {
	for i := c.First; i < c.Last; i++ {
		switch k := t.tokens[i].Kind; k {
		case Parameter, Integer, Decimal, BitString:
			return true
		default:
			if k.IsString() {
				return true
			}
		}
	}
	return false
}

// Creates reports whether an EXPLAIN is of a statement that creates something.
func (t *Text) Creates(c *Command) bool {
	for i := c.First + 1; i < c.Last; i++ {
		if t.Word(i) == WordCreate {
			return true
		}
	}
	return false
}
