package statement

// Escapes says by what a text may reach a table that it does not name, which nothing then follows: a
// command that runs or makes code of users, or the call of a function that known refuses. "" is
// nothing of the kind. schemaName is nil for an unqualified name; both are given as the catalog stores
// them and must not be kept.
//
// computed reports whether a name behind a dot may be that of a function of the row before it.
//
// What runs unnamed, such as a trigger, an operator or the default of a column, is none of the text's.
func (t *Text) Escapes(known func(schemaName, name []byte) bool, computed func(name []byte) bool) string {
	if t.Odd() {
		return "a text that cannot be read exactly"
	}
	if i := t.RunsSQL(); i >= 0 {
		return "function " + string(t.AppendIdent(nil, i))
	}
	commands := t.Commands()
	for i := range commands {
		if c := &commands[i]; !t.contained(c) {
			return c.Verb.String()
		}
	}
	for i, k := range t.tokens {
		if !k.Kind.IsName() {
			continue
		}
		t.scratch = t.AppendIdent(t.scratch[:0], i)
		if readsStorage[string(t.scratch)] || t.Token(i-1).Kind == Dot && computed(t.scratch) || t.callsOther(i, known) {
			return "function " + string(t.AppendIdent(nil, i))
		}
	}
	return ""
}

// readsStorage are the functions of the server's own that give what is stored, past all tables.
// Source: PostgreSQL manual, "System Administration Functions".
var readsStorage = map[string]bool{
	"pg_logical_slot_get_changes": true, "pg_logical_slot_peek_changes": true,
	"pg_logical_slot_get_binary_changes": true, "pg_logical_slot_peek_binary_changes": true,
	"pg_read_file": true, "pg_read_binary_file": true, "lo_import": true,
}

// contained reports whether a command runs and makes no code of users, its calls left aside.
func (t *Text) contained(c *Command) bool {
	switch c.Verb {
	case VerbUnknown, VerbDo, VerbCall, VerbLoad, VerbImport, VerbSecurityLabel:
		return false
	case VerbCreate, VerbAlter:
	default:
		return true
	}
	object := Word(0)
	for i := c.First + 1; i < c.Last; i++ {
		w := t.Word(i)
		if object == 0 {
			switch w {
			case WordOr, WordReplace, WordTemp, WordTemporary, WordGlobal, WordLocal, WordUnlogged, WordUnique, WordRecursive, WordMaterialized:
				continue
			case WordTable, WordIndex, WordSequence, WordView, WordSchema, WordDomain, WordRole, WordUser, WordStatistics, WordPolicy:
				object = w
				continue
			}
			return false
		}
		switch w { // within CREATE SCHEMA, and what a table's columns are made of
		case WordFunction, WordProcedure, WordTrigger, WordOperator, WordExtension, WordLanguage, WordRule:
			return false
		}
	}
	return object != 0
}

// callsOther reports whether token i is the name of a function that is called, as far as the words
// tell, and that known refuses.
func (t *Text) callsOther(i int, known func(schemaName, name []byte) bool) bool {
	k := t.tokens[i]
	if t.Token(i+1).Kind != LeftParen {
		return false
	}
	start := i
	for start >= 2 && t.tokens[start-1].Kind == Dot {
		start -= 2
	}
	before := t.Token(start - 1)
	switch before.Word {
	case WordInto, WordCopy, WordPrepare, WordExecute, WordReferences: // a table's columns, parameters
		return false
	case WordUpdate:
		if k.Word == WordSet { // SET (a, b) = …
			return false
		}
	case WordTable, WordExists:
		if t.Word(0) == WordCreate {
			return false
		}
	case WordWith, WordRecursive:
		if start == i {
			return false
		}
	}
	if before.Kind == RightParen && !t.has(WordDistinct) { // an alias; DISTINCT ON (…) is followed by an expression
		return false
	}
	if start == i && k.Kind == Ident && words[k.Word].category >= colName && words[k.Word].category != typeFuncName {
		return false // part of the grammar
	}
	if k.Word != 0 && t.clauseWord(i, k.Word) || k.Word == WordSet && start == i && t.setsFirst(i) {
		return false
	}
	var schemaName []byte
	if start != i {
		schemaName = t.AppendIdent(nil, i-2)
	}
	t.scratch = t.AppendIdent(t.scratch[:0], i)
	return !known(schemaName, t.scratch)
}

// setsFirst reports whether token i is the first SET of an UPDATE.
func (t *Text) setsFirst(i int) bool {
	for at := i - 1; at >= 0; at-- {
		switch t.tokens[at].Word {
		case WordUpdate:
			return t.Token(at-1).Kind != Dot && (at == 0 || t.tokens[at-1].Kind == Semicolon)
		case WordSet:
			return false
		}
	}
	return false
}

func (t *Text) has(word Word) bool {
	for i := range t.tokens {
		if t.tokens[i].Word == word {
			return true
		}
	}
	return false
}
