package statement

import (
	"bytes"
	"hash/maphash"
	"slices"
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
	overlaid func(ident []byte) bool
	relevant func(ident []byte) bool // watched or overlaid
	overlays overlays
	plans    cache
	// controlled are the controlled columns of the tables of a name; controls says that there
	// are any.
	controlled map[string][]*schema.Column
	controls   bool

	viewsMu sync.Mutex
	views   map[uint32]*view
}

// Why a name makes a text relevant.
const (
	watchedName  uint8 = 1 << iota // it may reach a tagged table
	overlaidName                   // it may be of the server's catalog, which has an overlay
)

// NewAnalyzer returns an Analyzer over a catalog.
func NewAnalyzer(c *schema.Catalog) *Analyzer {
	a := &Analyzer{catalog: c, views: make(map[uint32]*view)}
	a.plans.seed = maphash.MakeSeed()
	a.readControlled()
	names := make(map[string]uint8)
	if slices.ContainsFunc(c.Reaching(), hasTagged) {
		for _, name := range overlayWords {
			names[name] = overlaidName
		}
	}
	for _, name := range c.WatchedNames() {
		names[name] |= watchedName
		a.wide = a.wide || !IsASCII([]byte(name))
	}
	a.watched = func(ident []byte) bool { return names[string(ident)]&watchedName != 0 }
	a.overlaid = func(ident []byte) bool { return names[string(ident)]&overlaidName != 0 }
	a.relevant = func(ident []byte) bool { return names[string(ident)] != 0 }
	a.tagged = func(ident []byte) bool { return c.TaggedSchema(string(ident)) }
	a.repeated = func(ident []byte) bool {
		name := string(ident)
		return len(c.Named(name)) > 1 || c.Awaited(name)
	}
	return a
}

// Relevant reports whether the text may reach a tagged table, or read of the server's
// catalog how the columns of one are stored. If it does not, it can be forwarded
// untouched, without a plan. It does not allocate.
func (a *Analyzer) Relevant(t *Text) bool { return t.Mentions(a.relevant) || a.altersSchema(t) }

// Reaches reports whether the text may reach a tagged table.
func (a *Analyzer) Reaches(t *Text) bool { return t.Mentions(a.watched) || a.altersSchema(t) }

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
	ascii := IsASCII(t.sql)
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

// Plan analyses a relevant text. A nil plan without an error means that it
// touches nothing tagged after all and can be forwarded untouched. The error is
// a *pgerror.Error whose position is in bytes of the text.
//
// Of a text that cannot reach a tagged table there is no error, and a plan only if it
// reads the server's catalog: see [Plan.Tagged].
func (a *Analyzer) Plan(t *Text, env *Env) (*Plan, error) {
	plan, err := a.plan(t, env)
	if err != nil && !a.Reaches(t) {
		return nil, nil
	}
	return plan, err
}

// Seen reports whether Plan has an answer for the text's shape without analysing it. It
// does not allocate.
func (a *Analyzer) Seen(t *Text, env *Env) bool {
	return !t.Odd() && a.plans.get(t.Shape(), env) != nil
}

func (a *Analyzer) plan(t *Text, env *Env) (*Plan, error) {
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
