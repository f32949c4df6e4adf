package proxy

import (
	"strconv"

	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// guardSQL takes the lock that keeps a job from changing how values are stored until the
// transaction ends, and says how many changes were made. See schema/apply.
const guardSQL = `SELECT g.n, g.last, pg_catalog.current_setting('transaction_isolation') FROM pgveil.guard() g`

// guards reports whether a statement that reaches a tagged table is to be guarded: while a
// job changes how values are stored, and where one has since the transaction began.
func (c *conn) guards(s *snapshot) bool {
	return s.catalog.Changing() || c.oldest != nil && c.oldest.catalog.Epoch() != s.catalog.Epoch()
}

// guard is called before a statement is planned that may reach a tagged table. While a job
// changes how values are stored it sees to it that the statement is planned by the catalog
// that it will run on: the change is either made already, or waits for the end of the
// transaction. What guards a Query, or messages up to a Sync, is in their own implicit
// transaction.
func (c *conn) guard() error {
	if c.guarded {
		return nil
	}
	snapshot, err := c.snapshot()
	if err != nil || !c.guards(snapshot) {
		return err
	}
	for range guardTries {
		p := &probe{inSequence: true, done: make(chan struct{})}
		if _, err := c.await(p, c.sendProbe(p, guardSQL)); err != nil {
			return err
		}
		if len(p.values) != 3 {
			return pgerror.New(pgerror.InternalError, "the server did not tell whether columns have changed")
		}
		if p.text(2) != "read committed" && (p.text(0) != p.text(1) || p.values[0] == nil) { // NULL: before the first job
			// A table that was rewritten is empty to an older snapshot.
			return errMoved("could not serialize access due to a change of how columns are stored")
		}
		n, err := strconv.ParseInt(p.text(0), 10, 64)
		if err != nil {
			return pgerror.New(pgerror.InternalError, "the server's count of changed columns cannot be read")
		}
		if n == snapshot.catalog.Epoch() {
			c.guarded = true
			return nil
		}
		if err := c.tracked.reread(c.ctx, n); err != nil {
			return err
		}
		if snapshot, err = c.snapshot(); err != nil {
			return err
		}
	}
	return errMoved("how columns are stored has changed again and again")
}

const guardTries = 5

// guardRun is guard for what is about to run a prepared statement.
func (c *conn) guardRun(p *prepared) error {
	if _, err := c.reachedSince(p); err != nil {
		return err
	}
	if !p.watched || p.alone || p.named.runs() {
		return nil
	}
	if err := c.renew(); err != nil {
		return err
	}
	return c.guard()
}

// errMoved asks a client to try again.
func errMoved(message string) *pgerror.Error {
	return pgerror.New(pgerror.SerializationFailure, "%s", message).WithHint("Run the transaction again.")
}

// unguard forgets, before a message that may end the transaction or a part of it, that the
// lock is held.
func (c *conn) unguard(kind pipeline.Kind) {
	switch kind {
	case pipeline.Query, pipeline.Sync, pipeline.FunctionCall, pipeline.Execute:
		c.guarded = false
	}
}
