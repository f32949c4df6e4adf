package differential

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// statement is a generated one, and what is expected of it.
type statement struct {
	tree    *node
	ordered bool // the order of the rows is told by the statement
	faulty  bool // it may be one that the server does not take
	changes bool
	kind    string
	blind   bool // rows are not compared
	copy    int  // copyOut, copyIn, 0 of what is no COPY
	data    string
	then    []*statement // what follows if it was taken
}

// generator makes statements. It follows what the session does, as far as its
// grammar has to know.
type generator struct {
	*values
	path      []string // search_path
	bad       bool     // the statement at hand may hold a form that is refused
	wrong     bool     // it may hold a mistake
	aliases   int
	inTx      bool
	savepoint []string
	holes     []*hole
	cte       *relation // of the statement at hand
	names     int       // of prepared statements and cursors
}

func newGenerator(r *rand.Rand) *generator {
	return &generator{values: newValues(r), path: []string{"lab", "public"}}
}

// chance says yes once in n times.
func (g *generator) chance(n int) bool { return g.pick(n) == 0 }

// refuse says whether a form that is refused is to be written.
func (g *generator) refuse(n int) bool { return g.bad && g.chance(n) }

// mistake says whether to make the statement's one mistake.
func (g *generator) mistake(n int) bool {
	if g.wrong && g.chance(n) {
		g.wrong = false
		return true
	}
	return false
}

func oneOf[T any](g *generator, all ...T) T { return all[g.pick(len(all))] }

// kinds are the kinds of statements, and how many of each there are to how many of the
// others.
var kinds = []struct {
	name   string
	weight int
	make   func(*generator) *statement
}{
	{"SELECT", 48, (*generator).query},
	{"UNION, INTERSECT, EXCEPT", 7, (*generator).setOperation},
	{"INSERT", 13, (*generator).insert},
	{"INSERT … SELECT", 4, (*generator).insertSelect},
	{"UPDATE", 12, (*generator).update},
	{"DELETE", 4, (*generator).remove},
	{"MERGE", 3, (*generator).merge},
	{"COPY", 4, (*generator).copied},
	{"PREPARE, DECLARE", 5, (*generator).held},
	{followingKind, 0, nil},
	{"EXPLAIN", 4, (*generator).explained},
	{sessionKind, 12, (*generator).session},
}

const (
	followingKind = "EXECUTE, FETCH, …" // what follows PREPARE and DECLARE
	sessionKind   = "session"
)

// next makes the next statement.
func (g *generator) next() *statement {
	g.bad, g.wrong, g.aliases, g.holes, g.cte = g.chance(7), g.chance(12), 0, nil, nil
	faulty := g.wrong
	var s *statement
	n := g.pick(116)
	for _, k := range kinds {
		if n -= k.weight; n < 0 {
			s = k.make(g)
			s.kind = k.name
			break
		}
	}
	s.faulty = faulty && !g.wrong
	return s
}

// alias gives a name of a relation that the statement has not used.
func (g *generator) alias() string {
	g.aliases++
	return oneOf(g, fmt.Sprintf("t%d", g.aliases), fmt.Sprintf("%c", 'a'+g.aliases%26)+fmt.Sprint(g.aliases), fmt.Sprintf("T%d_0", g.aliases))
}

// name writes a table's name, qualified if the search path does not find it, or
// at random.
func (g *generator) name(t *table) string {
	for _, s := range g.path {
		if s == t.schema && !g.chance(3) {
			return quoteName(t.name)
		}
		if findTable(s, t.name) != nil {
			break // another table of that name comes first
		}
	}
	return t.qualified()
}

func findTable(schema, name string) *table {
	for _, t := range tables {
		if t.schema == schema && t.name == name {
			return t
		}
	}
	return nil
}

func (g *generator) table(writable bool) *table {
	for {
		t := tables[g.pick(len(tables))]
		if !writable || t.view == "" {
			return t
		}
	}
}

// hole makes a value of a type; column, if not nil, is what it is assigned to or
// compared with.
func (g *generator) hole(t *typ, value string, c *column) *hole {
	h := &hole{typ: t, value: value, param: !g.chance(4), secret: c != nil && c.tagged()}
	for _, other := range g.holes {
		if other.typ == t && other.value == value && !other.array && other.secret == h.secret && g.chance(2) {
			h.same = other
			if other.same != nil {
				h.same = other.same
			}
			h.param = h.same.param
		}
	}
	switch t.base {
	case "text", "varchar", "bpchar":
		h.style = g.pick(7)
	case "int2", "int4":
		if g.chance(2) {
			h.bare = value
		}
	case "bool":
		if (value == "true" || value == "false") && g.chance(2) {
			h.bare = value
		}
	case "date", "uuid":
		if g.chance(8) {
			h.bare = t.base + " '" + value + "'"
		}
	}
	if h.same != nil {
		h.cast = h.same.cast
		if h.cast != "" && strings.HasPrefix(h.bare, "-") {
			h.bare = "" // the minus would be that of the cast
		}
	} else if h.bare == "" && g.chance(8) {
		h.cast = "::" + t.base
		if t.base == "bpchar" || t.base == "varchar" {
			h.cast = "::text"
		}
	}
	g.holes = append(g.holes, h)
	return h
}

// value makes a value for a column: one it takes, now and then one it does not.
func (g *generator) value(c *column) *hole {
	if g.mistake(4) {
		if bad := g.values.bad(c.typ); bad != "" {
			h := g.hole(c.typ, bad, c)
			h.bare, h.same, h.cast = "", nil, ""
			return h
		}
	}
	if g.chance(15) {
		return g.hole(c.typ, g.fresh(c.typ, c.tagged(), c.pool == "number"), c)
	}
	return g.hole(c.typ, g.values.of(c), c)
}

func (g *generator) null(c *column) *hole {
	h := g.hole(c.typ, "", c)
	h.null, h.same, h.cast, h.bare = true, nil, "", ""
	return h
}

// id makes a value for a key. Keys are few.
const ids = 60

func (g *generator) id() *hole {
	return g.hole(typInt4, fmt.Sprint(1+g.pick(ids)), nil)
}
