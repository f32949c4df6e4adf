package proxy

import (
	"bytes"
	"errors"

	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema"
)

// errStoredOtherwise is that the columns of a prepared statement are stored otherwise than
// when it was prepared, and are the same to the client.
var errStoredOtherwise = errors.New("columns are stored otherwise")

// upToDate gives what a prepared statement is by the catalog of the moment, once no job can change
// that before the transaction ends. Where its columns are stored otherwise by now, or where it
// was prepared before the schema file named its table, it is prepared again.
func (c *conn) upToDate(v *version[prepared]) (*prepared, error) {
	was := v.value
	reached, err := c.reachedSince(was)
	if err != nil {
		return nil, err
	}
	if reached && was.source != nil && was.named == nil && looksAlike(was.seen.catalog, c.tracked.current.Load().catalog) {
		return c.prepareAgain(v)
	}
	if err := c.guardRun(v.value); err != nil {
		return nil, err
	}
	p, err := c.still(v)
	if errors.Is(err, errStoredOtherwise) {
		return c.prepareAgain(v)
	}
	return p, err
}

// reachedSince reports whether a prepared statement that named nothing of the schema file may
// name something of it by now. From then on it is watched.
func (c *conn) reachedSince(p *prepared) (bool, error) {
	if p.watched || p.seen == nil {
		return false, nil
	}
	now, err := c.watching()
	if err != nil || now == p.seen {
		return false, err
	}
	var lexer statement.Lexer
	p.watched = now.analyzer.Reaches(lexer.Lex([]byte(p.text)))
	return p.watched, nil
}

// prepareAgain prepares a statement of the client's, whose columns are stored otherwise by
// now, once more under its name, before the message at hand.
func (c *conn) prepareAgain(v *version[prepared]) (*prepared, error) {
	was := v.value
	m, err := wire.DecodeParse(was.source)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	failed := c.queue.Idle() && c.queue.Status() == 'E'
	c.mu.Unlock()
	if failed { // else the statement would be gone behind the transaction
		return nil, errInFailedTransaction()
	}
	if m.SQL, err = c.spellAgain(m.SQL, was); err != nil {
		return nil, err
	}
	again := &probe{inSequence: true, done: make(chan struct{})}
	if err := c.sendParse(&m, was.source, again); err != nil {
		return nil, err
	}
	p := c.prepared[cutName(string(m.Name))].value
	p.encoding, p.spelt = was.encoding, was.spelt // of the same source
	return p, nil
}

// spellAgain gives the text of a statement that was prepared, as the client would spell it by now:
// client_encoding may be another than it was.
func (c *conn) spellAgain(sql []byte, p *prepared) ([]byte, error) {
	s, err := c.fresh()
	if err != nil || statement.IsASCII(sql) || p.spelt && p.encoding == s.encoding {
		return sql, err
	}
	if !p.spelt {
		return nil, errChangedSince()
	}
	text, err := p.encoding.decode(sql)
	if err != nil {
		return nil, err
	}
	return s.encoding.encode(bytes.Clone(text), 0)
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
