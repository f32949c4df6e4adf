package statement

import (
	"bytes"
	"hash/maphash"
	"sync"

	"github.com/pgveil/pgveil/schema"
)

// Analyzer makes plans for one catalog snapshot. It is safe for concurrent use
// and keeps plans by shape, within bounds.
type Analyzer struct {
	catalog  *schema.Catalog
	watched  func(ident []byte) bool
	repeated func(ident []byte) bool
	tagged   func(ident []byte) bool // schemas that tags are in
	wide     bool                    // a watched name is not ASCII
	plans    cache

	viewsMu sync.Mutex
	views   map[uint32]*view
}

// NewAnalyzer returns an Analyzer over a catalog.
func NewAnalyzer(c *schema.Catalog) *Analyzer {
	a := &Analyzer{catalog: c, views: make(map[uint32]*view)}
	a.plans.seed = maphash.MakeSeed()
	names := make(map[string]struct{})
	for _, name := range c.WatchedNames() {
		names[name] = struct{}{}
		a.wide = a.wide || !isASCII([]byte(name))
	}
	a.watched = func(ident []byte) bool {
		_, ok := names[string(ident)]
		return ok
	}
	a.tagged = func(ident []byte) bool { return c.TaggedSchema(string(ident)) }
	a.repeated = func(ident []byte) bool {
		name := string(ident)
		return len(c.Named(name)) > 1 || c.Awaited(name)
	}
	return a
}

// Relevant reports whether the text may reach a tagged table. If it does not,
// it can be forwarded untouched, without a plan. It does not allocate.
func (a *Analyzer) Relevant(t *Text) bool { return t.Mentions(a.watched) || a.altersSchema(t) }

// altersSchema reports whether the text has ALTER SCHEMA with the name of a schema
// that tags are in.
func (a *Analyzer) altersSchema(t *Text) bool {
	for i, k := range t.tokens {
		if k.Word == WordAlter && t.Word(i+1) == WordSchema {
			return t.Mentions(a.tagged)
		}
	}
	return false
}

// Ambiguous reports whether the text has a name that relations of several
// schemas share: what it means then depends on the search path, so that Env must
// be up to date.
func (a *Analyzer) Ambiguous(t *Text) bool { return t.Mentions(a.repeated) }

// PathDependent reports whether the text has a name, not after a dot, that
// relations of several schemas share: only the search path of the moment tells
// which of them it means.
func (a *Analyzer) PathDependent(t *Text) bool {
	if t.Odd() {
		return a.Ambiguous(t)
	}
	for i, k := range t.tokens {
		if !k.Kind.IsName() || k.Word.Reserved() || t.Token(i-1).Kind == Dot {
			continue
		}
		t.scratch = t.AppendIdent(t.scratch[:0], i)
		if a.repeated(t.scratch) {
			return true
		}
	}
	return false
}

// Doubtful reports whether the text, read as it is under another client_encoding
// or with standard_conforming_strings off, may reach a tagged table: it has a
// backslash or a byte that is not ASCII, and somewhere, be it within a constant,
// what could be a watched name. It does not allocate.
func (a *Analyzer) Doubtful(t *Text) bool {
	ascii := isASCII(t.sql)
	switch {
	case ascii && bytes.IndexByte(t.sql, '\\') < 0:
		return false
	case ascii && (!t.Odd() || t.unicodeNames()): // no plain constant has a backslash: it reads the same
		return t.Mentions(a.watched)
	}
	if !ascii && a.wide || t.mentionsAnywhere(a.watched) {
		return true
	}
	for i, k := range t.tokens { // a body whose escapes are read
		if k.Kind == Ident && holdsSQL(k.Word) && (i == 0 || t.Token(i-1).Kind == Semicolon) {
			return true
		}
	}
	return false
}

func isASCII(s []byte) bool {
	for _, c := range s {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// Plan analyses a relevant text. A nil plan without an error means that it
// touches nothing tagged after all and can be forwarded untouched. The error is
// a *pgerror.Error whose position is in bytes of the text.
func (a *Analyzer) Plan(t *Text, env *Env) (*Plan, error) {
	switch {
	case t.Odd() && t.unclosed:
		return nil, unclosed(t)
	case t.Odd():
		return nil, refuseOdd()
	}
	shape := t.Shape()
	o := a.plans.get(shape, env)
	if o == nil {
		o = a.analyze(t, env)
		o.env = env.clone()
		a.plans.put(shape, o)
	}
	if o.refusal != nil {
		return nil, o.refusal.at(t)
	}
	return o.plan, nil
}
