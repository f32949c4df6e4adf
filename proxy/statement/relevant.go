package statement

// RunsSQL returns the index of the first name of a function that runs SQL, or
// reads tables, given to it as a string (query_to_xml and the like), or -1.
func (t *Text) RunsSQL() int {
	for i, k := range t.tokens {
		if k.Kind == Ident && k.Word.runsSQL() || k.Kind == QuotedIdent && t.quotedWord(i).runsSQL() {
			return i
		}
	}
	return -1
}

// quotedWord returns the word that a quoted identifier is the name of.
func (t *Text) quotedWord(i int) Word {
	raw := t.Bytes(i)
	if len(raw) < 2 {
		return 0
	}
	raw = raw[1 : len(raw)-1]
	if w := findWord(raw); w != 0 && w.String() == string(raw) {
		return w
	}
	return 0
}
