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
