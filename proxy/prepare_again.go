package proxy

import (
	"errors"

	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema"
)

// errStoredOtherwise is that the columns of a prepared statement are stored otherwise than
// when it was prepared, and are the same to the client.
var errStoredOtherwise = errors.New("columns are stored otherwise")

// prepareAgain prepares a statement of the client's, whose columns are stored otherwise by
// now, once more under its name, before the message at hand.
func (c *conn) prepareAgain(v *version[prepared]) (*prepared, error) {
	m, err := wire.DecodeParse(v.value.source)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	failed := c.queue.Idle() && c.queue.Status() == 'E'
	c.mu.Unlock()
	if failed { // else the statement would be gone behind the transaction
		return nil, errInFailedTransaction()
	}
	again := &probe{inSequence: true, done: make(chan struct{})}
	if err := c.sendParse(&m, v.value.source, again); err != nil {
		return nil, err
	}
	return c.prepared[cutName(string(m.Name))].value, nil
}

// closeFirst closes a statement that is about to be prepared again. c.send is held.
func (c *conn) closeFirst(name string, again *probe) error {
	if again == nil || name == "" {
		return nil
	}
	c.push(pipeline.Entry[*work]{Kind: pipeline.Close, Own: true, Data: &work{probe: again, naming: &c.prepared.set(c, name, nil).naming}})
	return wire.WriteClose(c.sw, 'S', name)
}

// looksAlike reports whether the relations that reach tagged tables, or did, are to clients what
// they were before, however their columns are stored.
func looksAlike(before, now *schema.Catalog) bool {
	for _, r := range append(now.Reaching(), before.Reaching()...) {
		was, is := before.ByOID(r.OID), now.ByOID(r.OID)
		if was == nil || is == nil {
			return false
		}
		a, b := was.Visible(), is.Visible()
		if len(a) != len(b) || was.Definition != is.Definition {
			return false
		}
		for i := range a {
			if a[i].Name != b[i].Name || a[i].Num != b[i].Num || logicalOID(&a[i]) != logicalOID(&b[i]) {
				return false
			}
		}
	}
	return true
}

// logicalOID gives the type that clients see.
func logicalOID(a *schema.Attribute) uint32 {
	if a.Tagged != nil {
		return a.Tagged.Type.OID()
	}
	return a.TypeOID
}
