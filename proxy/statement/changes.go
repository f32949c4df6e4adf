package statement

// Changes is a set of what a statement may change for those that follow.
//
// It is told from the statement's own words, so three things are left to the
// session: the end of a transaction in which something changed changes it again
// (SET LOCAL ends at COMMIT, and ROLLBACK undoes DDL too); a cursor or prepared
// statement changes when it runs what its DECLARE or PREPARE would; and any
// function, trigger, rule or operator that is not built in may hide a change
// (see NoteUnknownCalls for those called by name).
type Changes uint8

const (
	ChangesSession Changes = 1 << iota // search_path, role or another setting; temporary relations
	ChangesCatalog                     // relations, columns, functions, roles
	ChangesWatched                     // with that, maybe, which names are watched, although its own text has none of them

	changesAll = ChangesSession | ChangesCatalog | ChangesWatched
)

// changes tells what a command may change.
func (t *Text) changes(c *Command) Changes {
	switch c.Verb {
	case VerbSelect, VerbExplain, VerbDeclare, VerbPrepare, VerbCopy:
		if t.createsTable(c) {
			return changesAll
		}
	case VerbInsert, VerbUpdate, VerbDelete, VerbMerge, VerbBegin, VerbCommit, VerbSavepoint, VerbRelease, VerbShow,
		VerbDeallocate, VerbFetch, VerbMove, VerbClose, VerbLock, VerbListen, VerbUnlisten, VerbNotify, VerbTruncate:
	case VerbSet, VerbReset:
		if t.setsCalm(c) {
			return 0
		}
		return ChangesSession
	case VerbDiscard, VerbExecute, VerbRollback, VerbPrepareTransaction, VerbVacuum, VerbAnalyze, VerbCheckpoint:
		return ChangesSession
	case VerbDrop, VerbComment, VerbSecurityLabel, VerbGrant, VerbRevoke, VerbReindex, VerbCluster, VerbRefresh:
		return ChangesSession | ChangesCatalog // no name is watched that was not before
	case VerbCreate, VerbAlter:
		if t.namesAll(c) {
			return ChangesSession | ChangesCatalog
		}
		return changesAll
	default:
		return changesAll
	}
	for i := c.First; i < c.Last; i++ {
		var w Word
		switch t.tokens[i].Kind {
		case Ident:
			w = t.tokens[i].Word
		case QuotedIdent:
			w = t.quotedWord(i)
		case UnicodeIdent, Invalid:
			return ChangesSession
		}
		if w == WordSetConfig || w == WordPgSettings || w.runsSQL() {
			return ChangesSession
		}
	}
	return 0
}

// setsWhileRunning reports whether a command may change the session's settings while it gives rows.
func (t *Text) setsWhileRunning(c *Command) bool {
	for i := c.First; i < c.Last; i++ {
		w := t.tokens[i].Word
		if t.tokens[i].Kind == QuotedIdent {
			w = t.quotedWord(i)
		}
		if w == WordSetConfig || w == WordPgSettings {
			return true
		}
	}
	return false
}

// namesAll reports whether CREATE or ALTER of a table, index, sequence, view, type,
// trigger, role, publication, policy or statistics names all that it reaches: if no name in it is watched, none becomes
// so by it. That is not so where a whole schema is renamed, where the command runs
// something, or where it makes a function, which may hide a built-in one.
func (t *Text) namesAll(c *Command) bool {
	if t.odd {
		return false
	}
	creates := c.Verb == VerbCreate
	object := Word(0)
	for i := c.First + 1; i < c.Last && object == 0; i++ {
		switch w := t.Word(i); w {
		case WordOr, WordReplace, WordTemp, WordTemporary, WordGlobal, WordLocal, WordUnlogged, WordUnique, WordRecursive, WordMaterialized, WordForeign:
		case WordTable, WordIndex, WordSequence, WordView, WordPublication, WordPolicy, WordStatistics:
			object = w
		case WordTrigger, WordRule, WordType, WordDomain, WordRole, WordUser:
			if !creates {
				return false
			}
			object = w
		default:
			return false
		}
	}
	for i := c.First; i < c.Last; i++ {
		if t.Word(i) == WordExecute && object != WordTrigger {
			return false
		}
	}
	return object != 0
}

// NoteWatched adds ChangesWatched to the commands that change the catalog: the text has
// a watched name.
func (t *Text) NoteWatched() {
	commands := t.Commands()
	for i := range commands {
		if commands[i].Changes&ChangesCatalog != 0 {
			commands[i].Changes |= ChangesWatched
		}
	}
}

// createsTable reports whether a query may create a table (SELECT INTO,
// EXPLAIN ANALYZE CREATE TABLE AS) or run something prepared.
func (t *Text) createsTable(c *Command) bool {
	for i := c.First + 1; i < c.Last; i++ {
		switch t.tokens[i].Word {
		case WordInto:
			if before := t.Word(i - 1); before != WordInsert && before != WordMerge {
				return true
			}
		case WordCreate, WordExecute, WordRefresh:
			if c.Verb == VerbExplain {
				return true
			}
		}
	}
	return false
}

// NoteUnknownCalls adds ChangesSession to the commands that may call a function by
// a name that known refuses: one that is qualified with a schema other than
// pg_catalog, or not known. The name is given as the catalog stores it and must
// not be kept. Names of types with modifiers and of tables with a list of columns
// (but after INTO and COPY) may be asked for as well.
func (t *Text) NoteUnknownCalls(known func(ident []byte) bool) {
	commands := t.Commands()
	for i := range commands {
		c := &commands[i]
		if c.Changes&ChangesSession == 0 && t.callsUnknown(c.First, c.Last, known) {
			c.Changes |= ChangesSession
		}
	}
}

// CallsUnknown reports whether NoteUnknownCalls finds something.
func (t *Text) CallsUnknown(known func(ident []byte) bool) bool {
	return t.callsUnknown(0, len(t.tokens), known)
}

func (t *Text) callsUnknown(first, last int, known func(ident []byte) bool) bool {
	for i := first; i < last; i++ {
		k := t.tokens[i]
		if !k.Kind.IsName() && k.Kind != UnicodeIdent || t.Token(i+1).Kind != LeftParen {
			continue
		}
		start := i
		for start >= 2 && t.tokens[start-1].Kind == Dot {
			start -= 2
		}
		switch t.Word(start - 1) {
		case WordInto, WordCopy, WordPrepare, WordExecute: // a table's columns, parameters
			continue
		}
		if start == i && k.Kind == Ident && words[k.Word].category >= colName && words[k.Word].category != typeFuncName {
			continue // part of the grammar
		}
		if k.Word != 0 && t.clauseWord(i, k.Word) {
			continue
		}
		if start != i && (start != i-2 || !t.isNamed(start, WordPgCatalog)) {
			return true
		}
		t.scratch = t.AppendIdent(t.scratch[:0], i)
		if !known(t.scratch) {
			return true
		}
	}
	return false
}

// clauseWord reports whether the word i before a parenthesis belongs to a
// clause, where as a name it could not stand.
func (t *Text) clauseWord(i int, w Word) bool {
	before := t.Token(i - 1)
	switch w {
	case WordConflict:
		return before.Word == WordOn
	case WordMaterialized:
		return before.Word == WordAs || before.Word == WordNot
	case WordOver, WordFilter:
		return before.Kind == RightParen
	}
	return false
}

// isNamed reports whether token i is a name equal to the word.
func (t *Text) isNamed(i int, w Word) bool {
	switch t.Token(i).Kind {
	case Ident:
		return t.tokens[i].Word == w
	case QuotedIdent:
		return t.quotedWord(i) == w
	}
	return false
}
