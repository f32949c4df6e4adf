package proxy

import "github.com/pgveil/pgveil/schema/pgerror"

// What the server makes of a message that gives a name its meaning.
type outcome uint8

const (
	pending outcome = iota
	taken
	failed  // it was answered with an error
	skipped // the server ignored it
)

// naming is a Parse, Bind or Close on its way: it gives a name a meaning, or takes
// it away, if the server accepts it. Guarded by conn.mu.
type naming struct {
	outcome outcome
	order   uint64        // of its entry in the queue
	settled chan struct{} // made by whoever waits, closed when outcome is known
}

// settle records what the server made of the message. c.mu is held.
func (n *naming) settle(o outcome) {
	if n == nil || n.outcome != pending {
		return
	}
	n.outcome = o
	if n.settled != nil {
		close(n.settled)
	}
}

// version is one meaning of a name.
type version[T any] struct {
	naming
	value    *T     // nil: closed
	sequence uint64 // in which it was sent, counted by Sync
	older    *version[T]
	replaces bool // failing, it leaves nothing of what name meant before
	holds    bool // it outlives its transaction
}

// names follows which prepared statements or portals the server holds, although what
// was sent may fail, be skipped, or not be answered yet. It belongs to the frontend
// goroutine. Names are cut as the server's hash tables cut them: by bytes.
type names[T any] map[string]*version[T]

// set enters a new meaning, about to be sent.
func (n names[T]) set(c *conn, name string, value *T) *version[T] {
	name = cutName(name)
	v := &version[T]{value: value, sequence: c.sequence, older: n[name]}
	n[name] = v
	return v
}

// get gives what the server takes name for when it gets to a message that is sent
// now; nil when it is nothing that pgveil has seen. It waits only if an earlier
// sequence decides between two meanings and is not answered yet.
func (n names[T]) get(c *conn, name string) (*version[T], error) {
	name = cutName(name)
	for {
		v := n[name]
		if v == nil {
			return nil, nil
		}
		c.mu.Lock()
		switch {
		case v.outcome == taken:
			v.older = nil
			c.mu.Unlock()
			if v.value == nil {
				delete(n, name)
				return nil, nil
			}
			return v, nil
		case v.outcome == failed && v.replaces:
			v.older = nil
			c.mu.Unlock()
			return v, nil
		case v.outcome != pending && v.older != nil:
			n[name] = v.older
			c.mu.Unlock()
			continue
		case v.outcome != pending, v.older == nil:
			// There is nothing else that it could mean.
			c.mu.Unlock()
			if v.value == nil {
				delete(n, name)
				return nil, nil
			}
			return v, nil
		case v.sequence == c.sequence:
			// If it fails, the server skips what is sent now.
			c.mu.Unlock()
			return v, nil
		}
		settled := make(chan struct{})
		v.settled = settled
		c.mu.Unlock()
		if err := c.flushServer(); err != nil {
			return nil, err
		}
		select {
		case <-settled:
		case <-c.ctx.Done():
			return nil, errClosed
		}
	}
}

// any reports whether f holds for something that name may mean.
func (n names[T]) any(name string, f func(*T) bool) bool {
	for v := n[cutName(name)]; v != nil; v = v.older {
		if v.value != nil && f(v.value) {
			return true
		}
	}
	return false
}

// forget forgets what a name meant up to order, where a transaction ended, but for
// what outlives its transaction.
func (n names[T]) forget(c *conn, name string, order uint64) {
	name = cutName(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	v := n[name]
	if v == nil || v.order == 0 || v.order > order { // 0: not sent yet
		return
	}
	// All of it is answered.
	for v != nil && v.outcome != taken && !v.replaces {
		v = v.older
	}
	if v == nil || !v.holds || v.value == nil {
		delete(n, name)
		return
	}
	n[name] = v
}

// noStatement is what the server says of a prepared statement that it does not hold.
func noStatement(name []byte) *pgerror.Error {
	if len(name) == 0 {
		return pgerror.New(pgerror.InvalidStatementName, "unnamed prepared statement does not exist")
	}
	return pgerror.New(pgerror.InvalidStatementName, "prepared statement \"%s\" does not exist", name)
}
