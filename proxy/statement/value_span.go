package statement

// This file finds where a cast of a constant begins and ends. The parse tree
// has one location for each node; the rest is in the tokens.

// span is a run of tokens, both ends included.
type span struct{ first, last int32 }

// expand includes the parentheses directly around a span, as long as the token
// after them is not the one at stop.
func (x *analysis) expand(s span, stop int32) span {
	for s.last+1 != stop && x.text.Token(int(s.first-1)).Kind == LeftParen && x.text.Token(int(s.last+1)).Kind == RightParen {
		s.first--
		s.last++
	}
	return s
}

// colonCast extends a span to the cast whose :: is the given token.
func (x *analysis) colonCast(s span, cast int32) (whole span, ok bool) {
	s = x.expand(s, cast)
	if s.last+1 != cast || x.text.Token(int(cast)).Kind != TypeCast {
		return s, false
	}
	end, ok := x.typeEnd(cast + 1)
	return span{s.first, end}, ok
}

// wordCast extends a span to CAST(… AS type); cast is the token CAST. inner is
// what stands before AS.
func (x *analysis) wordCast(s span, cast int32) (whole, inner span, ok bool) {
	for x.text.Word(int(s.last+1)) != WordAs {
		if s.first-1 <= cast+1 || x.text.Token(int(s.first-1)).Kind != LeftParen || x.text.Token(int(s.last+1)).Kind != RightParen {
			return s, s, false
		}
		s.first--
		s.last++
	}
	if x.text.Word(int(cast)) != WordCast || s.first != cast+2 {
		return s, s, false
	}
	end, ok := x.typeEnd(s.last + 2)
	if !ok || x.text.Token(int(end+1)).Kind != RightParen {
		return s, s, false
	}
	return span{cast, end + 1}, s, true
}

// typeEnd finds the last token of a type's name that begins at token i.
// Source: the rule Typename of PostgreSQL's grammar.
func (x *analysis) typeEnd(i int32) (last int32, ok bool) {
	t := x.text
	at := int(i)
	if !t.Token(at).Kind.IsName() {
		return 0, false
	}
	w := t.Word(at)
	if t.Token(at+1).Kind == Dot {
		w = 0 // a qualified name has no further words
	}
	at++
	for t.Token(at).Kind == Dot {
		if !t.Token(at + 1).Kind.IsName() {
			return 0, false
		}
		at += 2
	}
	switch w {
	case WordDouble:
		at = t.after(at, WordPrecision)
	case WordNational:
		if next := t.Word(at); next == WordCharacter || next == WordChar {
			at++
		}
		at = t.after(at, WordVarying)
	case WordCharacter, WordChar, WordNchar, WordBit:
		at = t.after(at, WordVarying)
	}
	if at, ok = t.afterParentheses(at); !ok {
		return 0, false
	}
	if w == WordTimestamp || w == WordTime {
		if next := t.Word(at); (next == WordWith || next == WordWithout) && t.Word(at+1) == WordTime && t.Word(at+2) == WordZone {
			at += 3
		}
	}
	if t.Word(at) == WordArray {
		at++
	}
	for t.Token(at).Kind == LeftBracket {
		if t.Token(at+1).Kind == Integer {
			at++
		}
		if t.Token(at+1).Kind != RightBracket {
			return 0, false
		}
		at += 2
	}
	return int32(at - 1), true
}

// after skips a word.
func (t *Text) after(i int, w Word) int {
	if t.Word(i) == w {
		return i + 1
	}
	return i
}

// afterParentheses skips the type modifiers.
func (t *Text) afterParentheses(i int) (int, bool) {
	if t.Token(i).Kind != LeftParen {
		return i, true
	}
	for i++; ; i++ {
		switch t.Token(i).Kind {
		case RightParen:
			return i + 1, true
		case Integer, Comma, Operator:
		default:
			return i, false
		}
	}
}

// bracketEnd finds the bracket that closes the one at i.
func (t *Text) bracketEnd(i int) (int, bool) {
	open := 0
	for ; i < len(t.tokens); i++ {
		switch t.tokens[i].Kind {
		case LeftBracket, LeftParen:
			open++
		case RightBracket, RightParen:
			if open--; open == 0 {
				return i, true
			}
		}
	}
	return i, false
}
