package statement

import "unicode/utf8"

// Mentions reports whether the text can reach something whose name is watched;
// the name is given as the catalog stores it and must not be kept. It looks at
// every token that can be a name, and at the words
//
//   - inside the constants of statements that can hold SQL or names in them:
//     DO, CREATE, ALTER and whatever has an unknown verb;
//   - inside the constants of a text that calls a function running SQL, which
//     must be given its SQL as a constant: anything else may hold any name;
//   - anywhere in the text, if it is Odd for more than readable U&"…" identifiers.
//
// It may be true without need, but never false if the text names the thing.
// It does not allocate.
func (t *Text) Mentions(watched func(ident []byte) bool) bool {
	if t.Odd() && !t.unicodeNames() {
		return t.mentionsAnywhere(watched)
	}
	runs := t.RunsSQL()
	if runs >= 0 && (t.readsAll() || !t.givenAsConstant()) {
		return true
	}
	inside := runs >= 0
	begun, level := false, 0
	for i, k := range t.tokens {
		switch k.Kind {
		case Ident:
			if !begun {
				begun = true
				inside = runs >= 0 || holdsSQL(k.Word)
			}
			if k.Word.Reserved() && t.Token(i-1).Kind != Dot {
				continue
			}
			t.scratch = t.AppendIdent(t.scratch[:0], i)
			if watched(t.scratch) {
				return true
			}
		case QuotedIdent:
			t.scratch = t.AppendIdent(t.scratch[:0], i)
			if watched(t.scratch) {
				return true
			}
		case UnicodeIdent:
			if t.unicodeWatched(i, watched) {
				return true
			}
		case String, EscapeString, DollarString, UnicodeString:
			if inside && t.mentionedIn(i, watched) {
				return true
			}
		case LeftParen:
			level++
		case RightParen:
			level--
		case Semicolon:
			if level <= 0 {
				begun = false
			}
		}
	}
	return false
}

// holdsSQL reports whether a statement that begins with that word may hold SQL
// or names inside its constants.
func holdsSQL(w Word) bool {
	switch w {
	case WordSelect, WordInsert, WordUpdate, WordDelete, WordMerge, WordValues, WordWith, WordTable, WordDeclare,
		WordCopy, WordBegin, WordStart, WordCommit, WordEnd, WordRollback, WordAbort, WordSavepoint, WordRelease,
		WordSet, WordReset, WordShow, WordDiscard, WordPrepare, WordExecute, WordDeallocate, WordFetch, WordMove,
		WordClose, WordExplain, WordListen, WordUnlisten, WordNotify, WordLock, WordTruncate, WordVacuum,
		WordAnalyze, WordAnalyse, WordCheckpoint, WordComment, WordCall, WordGrant, WordRevoke, WordDrop,
		WordReindex, WordCluster, WordRefresh:
		return false
	}
	return true
}

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

// readsAll reports whether a function is called that reads whole schemas or
// databases: no name of a table need be given.
func (t *Text) readsAll() bool {
	for i, k := range t.tokens {
		w := k.Word
		if k.Kind == QuotedIdent {
			w = t.quotedWord(i)
		}
		if w >= WordSchemaToXml && w <= WordDatabaseToXmlAndXmlschema {
			return true
		}
	}
	return false
}

// mentionedIn reports whether the constant i holds a watched name.
func (t *Text) mentionedIn(i int, watched func([]byte) bool) bool {
	value, err := t.AppendString(t.value[:0], i)
	if err != nil {
		return true
	}
	t.value = value
	return t.mentioned(value, watched)
}

// mentionsAnywhere looks at all bytes of a text that cannot be vouched for.
func (t *Text) mentionsAnywhere(watched func([]byte) bool) bool {
	invalid := !utf8.Valid(t.sql)
	for _, k := range t.tokens {
		switch {
		case k.Kind == UnicodeIdent, k.Word.runsSQL():
			return true
		case invalid && k.Kind.IsName() && !utf8.Valid(t.sql[k.Start:k.End]):
			return true // a name in another encoding
		}
	}
	return t.mentioned(t.sql, watched)
}
