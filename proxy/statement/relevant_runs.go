package statement

// givenAsConstant reports whether every function that runs SQL, or reads what it is
// told by name, is told so by a constant that can be looked into.
func (t *Text) givenAsConstant() bool {
	for i, k := range t.tokens {
		w := k.Word
		if k.Kind == QuotedIdent {
			w = t.quotedWord(i)
		}
		if w.runsSQL() && !t.constantCall(i, w) {
			return false
		}
	}
	return true
}

// constantCall looks at the call of such a function whose name is token i.
func (t *Text) constantCall(i int, w Word) bool {
	if t.Token(i+1).Kind != LeftParen {
		return false
	}
	if w != WordTsRewrite {
		end := t.constantArgument(i + 2)
		return end > 0 && (t.Token(end).Kind == Comma || t.Token(end).Kind == RightParen)
	}
	// ts_rewrite(tsquery, text) runs SQL; with three arguments it does not.
	level, commas, last := 0, 0, 0
	for at := i + 2; at < len(t.tokens); at++ {
		switch t.tokens[at].Kind {
		case LeftParen, LeftBracket:
			level++
		case RightBracket:
			level--
		case RightParen:
			if level > 0 {
				level--
				continue
			}
			return commas == 2 || commas == 1 && t.constantArgument(last) == at
		case Comma:
			if level == 0 {
				commas++
				last = at + 1
			}
		}
	}
	return false
}

// constantArgument returns the index after a string constant at token i and its cast
// to a type of one word, or -1.
func (t *Text) constantArgument(i int) int {
	if !t.Token(i).Kind.IsString() {
		return -1
	}
	if t.Token(i+1).Kind == TypeCast && t.Token(i+2).Kind.IsName() {
		return i + 3
	}
	return i + 1
}
