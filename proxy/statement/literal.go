package statement

// literal says what a token is to Groups and Shape: byToken, or a constant
// whose value does not change the analysis, by its class.
type literal uint8

const (
	byToken     literal = iota // compared by kind and bytes
	stringClass                // any spelling of a string of unknown type
	integerClass
	decimalClass
	paramClass
	bitClass
	unicodeClass
	boolClass // TRUE, FALSE
)

// literalOf returns the class of a token whose value is free.
func literalOf(kind TokenKind) literal {
	switch kind {
	case String, EscapeString, DollarString:
		return stringClass
	case Integer:
		return integerClass
	case Decimal:
		return decimalClass
	case Parameter:
		return paramClass
	case BitString:
		return bitClass
	case UnicodeString:
		return unicodeClass
	}
	return byToken
}

// classify finds, for each token, whether its value matters. These do, and are
// compared byte by byte:
//
//   - constants in statements other than SELECT, INSERT, UPDATE, DELETE, MERGE
//     and DECLARE, where a constant can be an option, a name or a body of SQL;
//   - everything in a text that calls a function which runs SQL given to it;
//   - integers after BY and in DISTINCT ON (…): they are positions in the
//     select list (over-approximated up to a word that ends the clause);
//   - integers that may be type modifiers, as in varchar(15);
//   - TRUE and FALSE where they may be a name.
//
// Everywhere else PostgreSQL's grammar gives the same tree for every constant
// of a class but for the value in it.
func (t *Text) classify() {
	if t.classified {
		return
	}
	t.classified = true
	t.pair()
	t.literals = t.literals[:0]
	exact := t.RunsSQL() >= 0
	c := classifier{t: t, exact: exact, free: !exact}
	for i, k := range t.tokens {
		t.literals = append(t.literals, c.next(i, k))
	}
}

// pair finds the closing bracket of each opening one; an opening bracket
// without one is closed by the end of the text.
func (t *Text) pair() {
	pairs, open := t.pairs[:0], t.open[:0]
	for i, k := range t.tokens {
		pairs = append(pairs, int32(len(t.tokens)))
		switch k.Kind {
		case LeftParen, LeftBracket:
			open = append(open, int32(i))
		case RightParen, RightBracket:
			if n := len(open); n > 0 {
				pairs[open[n-1]] = int32(i)
				open = open[:n-1]
			}
		}
	}
	t.pairs, t.open = pairs, open
}

type classifier struct {
	t        *Text
	exact    bool // all of the text is by token
	begun    bool // inside a statement
	free     bool // the statement is of a kind whose constants are free
	level    int  // open brackets
	byLevel  int  // level of the BY or DISTINCT ON in force, plus one; 0 if none
	modifier int  // tokens before this index may be type modifiers
}

func (c *classifier) next(i int, k Token) literal {
	switch k.Kind {
	case Semicolon:
		if c.level == 0 {
			c.begun, c.byLevel = false, 0
		}
		return byToken
	case LeftParen, LeftBracket:
		c.level++
		if k.Kind == LeftParen {
			c.leftParen(i)
		}
	case RightParen, RightBracket:
		c.level = max(c.level-1, 0)
		if c.level < c.byLevel-1 {
			c.byLevel = 0
		}
	case Ident:
		return c.word(i, k.Word)
	}
	class := literalOf(k.Kind)
	switch {
	case class == byToken, class == paramClass && !c.exact:
		return class
	case !c.free:
		return byToken
	case class == integerClass && (c.byLevel > 0 || i < c.modifier):
		return byToken
	}
	return class
}

// word follows the words that decide what constants mean.
func (c *classifier) word(i int, w Word) literal {
	if !c.begun {
		c.begun = true
		c.free = !c.exact && freeConstants(w)
		return byToken
	}
	if w == 0 || c.t.Token(i-1).Kind == Dot {
		return byToken
	}
	switch w {
	case WordBy:
		if c.byLevel == 0 {
			c.byLevel = c.level + 1
		}
	case WordLimit, WordOffset, WordFetch, WordFor, WordHaving, WordWindow, WordUnion, WordIntersect, WordExcept:
		if c.level == c.byLevel-1 {
			c.byLevel = 0
		}
	case WordTrue, WordFalse:
		if c.free && startsOperand(c.t, i-1) {
			return boolClass
		}
	}
	return byToken
}

// freeConstants reports whether the constants of a statement that begins with
// that word are only values.
func freeConstants(w Word) bool {
	switch w {
	case WordSelect, WordInsert, WordUpdate, WordDelete, WordMerge, WordValues, WordWith, WordTable, WordDeclare:
		return true
	}
	return false
}

// leftParen looks whether the parenthesis at i opens positions (DISTINCT ON) or
// type modifiers.
func (c *classifier) leftParen(i int) {
	t := c.t
	before := t.Token(i - 1)
	if before.Word == WordOn && t.Word(i-2) == WordDistinct {
		if c.byLevel == 0 {
			c.byLevel = c.level + 1
		}
		return
	}
	if !before.Kind.IsName() && before.Kind != UnicodeIdent {
		return
	}
	start := i - 1 // of the qualified name
	for t.Token(start-1).Kind == Dot && start >= 2 {
		start -= 2
	}
	if start == i-1 && before.Kind == Ident && neverType(before.Word) {
		return
	}
	end := i + 1
	for ; ; end++ {
		if k := t.Token(end).Kind; k != Integer && k != Comma && k != Operator {
			break
		}
	}
	if t.Token(end).Kind != RightParen {
		return
	}
	// A call of a function, f(1, 2), if nothing stands after it that makes it a
	// typed constant: pg_query takes a parameter there, too.
	after := t.Token(end + 1).Kind
	if before.Word != WordTime && before.Word != WordTimestamp && startsOperand(t, start-1) &&
		!after.IsString() && after != Parameter {
		return
	}
	c.modifier = end
}

// neverType reports whether a word before a parenthesis cannot name a type.
func neverType(w Word) bool {
	switch w {
	case WordValues, WordRow, WordCoalesce, WordGreatest, WordLeast, WordNullif, WordGrouping, WordExists:
		return true
	}
	return w.Reserved()
}

// startsOperand reports whether after token i only an expression can begin:
// what follows is neither a label nor a type nor part of a name.
func startsOperand(t *Text, i int) bool {
	k := t.Token(i)
	switch k.Kind {
	case LeftParen, Comma, Operator, LeftBracket, EqualsGreater:
		return true
	case Ident:
		if t.Token(i-1).Kind == Dot {
			return false
		}
		switch k.Word {
		case WordSelect, WordWhere, WordAnd, WordOr, WordNot, WordOn, WordThen, WordElse, WordWhen, WordHaving,
			WordFrom, WordIn, WordDistinct, WordAll:
			return true
		case WordIs:
			return true
		}
	}
	return false
}
