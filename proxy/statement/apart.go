package statement

// StandsAlone reports that the only command cannot run in a transaction that has begun, or ends
// it by itself; one of several is in a transaction with the others. Source: PostgreSQL's
// PreventInTransactionBlock.
func (t *Text) StandsAlone() bool {
	if len(t.Commands()) != 1 {
		return false
	}
	switch c := &t.Commands()[0]; c.Verb {
	case VerbVacuum, VerbCluster, VerbReindex, VerbCheckpoint, VerbCall, VerbDo:
		return true
	case VerbCreate, VerbDrop, VerbAlter, VerbRefresh:
		for j := c.First; j < c.Last; j++ {
			if t.Word(j) == WordConcurrently {
				return true
			}
		}
	}
	return false
}

// SetsTransaction reports that a command before the last, behind none but SETs, is SET TRANSACTION,
// which no query of the transaction may stand before.
func (t *Text) SetsTransaction() bool {
	commands := t.Commands()
	for i := range commands[:max(len(commands)-1, 0)] {
		if commands[i].Verb != VerbSet {
			return false
		}
		if commands[i].First+1 < commands[i].Last && t.Word(commands[i].First+1) == WordTransaction {
			return true
		}
	}
	return false
}

// EndsMidway reports that a command before the last ends a transaction.
func (t *Text) EndsMidway() bool {
	commands := t.Commands()
	for i := range commands[:max(len(commands)-1, 0)] {
		if commands[i].Verb.EndsTransaction() {
			return true
		}
	}
	return false
}
