package proxy

import (
	"time"

	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// The values of Upstreams.Pooler.
const (
	PoolerNone        = "none"
	PoolerSession     = "session"
	PoolerTransaction = "transaction"
)

// settled gives why nothing tagged can be handled on the server process that answers:
// it is not the one that the session began with. What pgveil knows of a session,
// where names lead and who acts, holds for one process only, so a pooler may
// stand between only if pgveil is told for how long it keeps one.
func (c *conn) settled(process uint32) *pgerror.Error {
	switch {
	case c.pooled(): // what is known of a transaction was asked in it
		return nil
	case c.process == process:
		return nil
	case c.process != 0:
		return pgerror.New(pgerror.FeatureNotSupported, "tagged columns cannot be used: the session has moved to another server process").
			WithHint("The connection pooler between pgveil and the server does not pool by session. If it pools by transaction, set server.pooler to transaction in pgveil's configuration.")
	case c.params.pid == process || c.config.Upstreams.Pooler == PoolerSession:
		c.process = process
		return nil
	}
	return pgerror.New(pgerror.FeatureNotSupported, "tagged columns cannot be used through a connection pooler between pgveil and the server").
		WithHint("Set server.pooler in pgveil's configuration to what it pools by, session or transaction. If it pools by statement, put it in front of pgveil instead.")
}

// pooled reports whether each transaction of the session may meet another server process.
func (c *conn) pooled() bool { return c.config.Upstreams.Pooler == PoolerTransaction }

// enterTransaction looks, before a message of the client's, whether it begins a
// transaction: with another server process, perhaps, of which nothing is known, and where
// names mean what other clients have made of them. It waits until the server has answered
// all before, for a pooler takes its process away at a ReadyForQuery whatever has come
// behind.
func (c *conn) enterTransaction() error {
	if !c.pooled() {
		return nil
	}
	for {
		entered, err := c.entered()
		if entered || err != nil {
			return err
		}
		if err := c.flushServer(); err != nil {
			return err
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// entered reports false while the server owes an answer.
func (c *conn) entered() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.boundary <= c.began:
		return true, nil
	case c.ctx.Err() != nil:
		return false, errClosed
	case !c.queue.Idle() && !c.queue.Copying():
		return false, nil
	}
	inBlock := c.queue.Status() != 'I' && c.endedAt.Load() <= c.began
	c.began = c.queue.Order()
	if !inBlock {
		c.changed.Store(true)
		clear(c.prepared)
		clear(c.portals)
	}
	return true, nil
}

// bounds notes a message that may end a transaction. c.mu is held.
func (c *conn) bounds(kind pipeline.Kind) {
	switch kind {
	case pipeline.Query, pipeline.Sync, pipeline.FunctionCall:
		c.boundary = c.queue.Order()
	}
}

// preparedElsewhere is what is said of a prepared statement that was not made in the transaction
// which is to run it.
func preparedElsewhere(name []byte) *pgerror.Error {
	return noStatement(name).WithHint("The connection pooler between pgveil and the server pools by transaction: prepare a statement in the transaction that runs it, or have the driver send unnamed ones.")
}
