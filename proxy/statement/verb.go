package statement

// Verb is the kind of a statement, told by its words alone.
type Verb uint8

const (
	VerbUnknown Verb = iota
	VerbSelect       // SELECT, VALUES and TABLE too, with or without WITH and leading parentheses
	VerbInsert
	VerbUpdate
	VerbDelete
	VerbMerge
	VerbCopy
	VerbBegin // BEGIN, START TRANSACTION
	VerbCommit
	VerbRollback // ROLLBACK, ABORT, ROLLBACK TO
	VerbSavepoint
	VerbRelease
	VerbPrepareTransaction
	VerbCommitPrepared
	VerbRollbackPrepared
	VerbSet
	VerbReset
	VerbShow
	VerbDiscard
	VerbPrepare
	VerbExecute
	VerbDeallocate
	VerbDeclare
	VerbFetch
	VerbMove
	VerbClose
	VerbExplain
	VerbDo
	VerbCall
	VerbCreate
	VerbAlter
	VerbDrop
	VerbComment
	VerbSecurityLabel
	VerbGrant
	VerbRevoke
	VerbImport
	VerbReassign
	VerbRefresh
	VerbReindex
	VerbCluster
	VerbTruncate
	VerbLock
	VerbListen
	VerbUnlisten
	VerbNotify
	VerbVacuum
	VerbAnalyze
	VerbCheckpoint
	VerbLoad
	verbCount
)

var verbNames = [verbCount]string{
	"UNKNOWN", "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "BEGIN", "COMMIT", "ROLLBACK",
	"SAVEPOINT", "RELEASE", "PREPARE TRANSACTION", "COMMIT PREPARED", "ROLLBACK PREPARED", "SET", "RESET",
	"SHOW", "DISCARD", "PREPARE", "EXECUTE", "DEALLOCATE", "DECLARE", "FETCH", "MOVE", "CLOSE", "EXPLAIN",
	"DO", "CALL", "CREATE", "ALTER", "DROP", "COMMENT", "SECURITY LABEL", "GRANT", "REVOKE", "IMPORT",
	"REASSIGN", "REFRESH", "REINDEX", "CLUSTER", "TRUNCATE", "LOCK", "LISTEN", "UNLISTEN", "NOTIFY",
	"VACUUM", "ANALYZE", "CHECKPOINT", "LOAD",
}

// String returns the statement's command words, in capitals.
func (v Verb) String() string { return verbNames[v] }

// verb finds the verb of the statement that is the tokens [first, last).
func (t *Text) verb(first, last int) Verb {
	i := first
	for i < last && t.tokens[i].Kind == LeftParen {
		i++
	}
	next := Word(0)
	if i+1 < last {
		next = t.tokens[i+1].Word
	}
	switch w := t.Word(i); w {
	case WordWith:
		return t.verbAfterWith(i, last)
	case WordSelect, WordValues, WordTable:
		return VerbSelect
	case WordPrepare:
		if next == WordTransaction && t.Token(i+2).Kind.IsString() {
			return VerbPrepareTransaction
		}
		return VerbPrepare
	case WordCommit, WordEnd:
		if next == WordPrepared {
			return VerbCommitPrepared
		}
		return VerbCommit
	case WordRollback, WordAbort:
		if next == WordPrepared {
			return VerbRollbackPrepared
		}
		return VerbRollback
	default:
		if i > first { // parentheses begin queries only
			return VerbUnknown
		}
		return firstWords[w]
	}
}

// firstWords are the verbs told by the first word alone.
var firstWords = [wordCount]Verb{
	WordInsert: VerbInsert, WordUpdate: VerbUpdate, WordDelete: VerbDelete, WordMerge: VerbMerge,
	WordCopy: VerbCopy, WordBegin: VerbBegin, WordStart: VerbBegin, WordSavepoint: VerbSavepoint,
	WordRelease: VerbRelease, WordSet: VerbSet, WordReset: VerbReset, WordShow: VerbShow,
	WordDiscard: VerbDiscard, WordExecute: VerbExecute, WordDeallocate: VerbDeallocate,
	WordDeclare: VerbDeclare, WordFetch: VerbFetch, WordMove: VerbMove, WordClose: VerbClose,
	WordExplain: VerbExplain, WordDo: VerbDo, WordCall: VerbCall, WordCreate: VerbCreate,
	WordAlter: VerbAlter, WordDrop: VerbDrop, WordComment: VerbComment, WordSecurity: VerbSecurityLabel,
	WordGrant: VerbGrant, WordRevoke: VerbRevoke, WordImport: VerbImport, WordReassign: VerbReassign,
	WordRefresh: VerbRefresh, WordReindex: VerbReindex, WordCluster: VerbCluster,
	WordTruncate: VerbTruncate, WordLock: VerbLock, WordListen: VerbListen, WordUnlisten: VerbUnlisten,
	WordNotify: VerbNotify, WordVacuum: VerbVacuum, WordAnalyze: VerbAnalyze, WordAnalyse: VerbAnalyze,
	WordCheckpoint: VerbCheckpoint, WordLoad: VerbLoad,
}

// verbAfterWith finds the verb of the statement that begins with the WITH at i:
// the first that stands outside parentheses and is not the name of a query
// (after WITH, RECURSIVE or a comma) or of a column (after BY, SET, USING, TO).
func (t *Text) verbAfterWith(i, last int) Verb {
	level := 0
	for j := i + 1; j < last; j++ {
		switch k := t.tokens[j]; k.Kind {
		case LeftParen:
			if level == 0 && t.tokens[j-1].Kind == RightParen { // WITH … (SELECT …)
				return VerbSelect
			}
			level++
		case RightParen:
			level--
			if level < 0 {
				return VerbUnknown
			}
		case Ident:
			if level > 0 || k.Word == 0 || t.tokens[j-1].Kind == Comma {
				continue
			}
			switch t.tokens[j-1].Word {
			case WordWith, WordRecursive, WordBy, WordSet, WordUsing, WordTo:
				continue
			}
			switch k.Word {
			case WordSelect, WordValues, WordTable:
				return VerbSelect
			case WordInsert, WordUpdate, WordDelete, WordMerge:
				return firstWords[k.Word]
			}
		}
	}
	return VerbUnknown
}

// EndsTransaction reports whether the statement can be run in a transaction that has
// failed. What it is followed by may work again.
func (v Verb) EndsTransaction() bool { return v == VerbCommit || v == VerbRollback }
