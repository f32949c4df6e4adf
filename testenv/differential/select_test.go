package differential

import "fmt"

// relation is an item of FROM, as the rest of a statement sees it.
type relation struct {
	name    string
	columns []*column
	total   bool // its key columns tell its rows apart
}

// scope is what names a part of a statement may use.
type scope struct {
	relations []*relation
	outer     *scope
	merged    bool // USING or NATURAL: unqualified names only of merged columns, so none
}

// col is a column as a statement names it.
type col struct {
	*column
	rel *relation
}

// find gives the columns of the scope that fit.
func (s *scope) find(fits func(c *column) bool) (all []col) {
	for _, r := range s.relations {
		for _, c := range r.columns {
			if fits(c) {
				all = append(all, col{c, r})
			}
		}
	}
	return all
}

func (g *generator) some(s *scope, fits func(c *column) bool) (col, bool) {
	all := s.find(fits)
	if len(all) == 0 {
		return col{}, false
	}
	return all[g.pick(len(all))], true
}

// write names a column: by its table, or alone if that is unambiguous.
func (g *generator) write(s *scope, c col) string {
	if !s.merged && g.chance(2) {
		n := 0
		for _, r := range s.relations {
			for _, k := range r.columns {
				if k.name == c.name {
					n++
				}
			}
		}
		if n == 1 {
			return c.quoted()
		}
	}
	return quoteName(c.rel.name) + "." + c.quoted()
}

// item is a FROM item of one relation.
func (g *generator) item(t *table) (*node, *relation) {
	r := &relation{name: t.name, columns: t.columns, total: true}
	n := text(g.name(t))
	if t.view == "" && g.chance(20) && t.name != "journal" {
		n = text("ONLY " + n.text)
	}
	g.aliases++
	if g.aliases > 1 || g.chance(2) {
		r.name = g.alias()
		n = seq(n, oneOf(g, " AS ", " "), quoteName(r.name))
		if g.chance(12) {
			names := ""
			var columns []*column
			for i, c := range t.columns {
				renamed := *c
				renamed.name = fmt.Sprintf("c%d", i)
				columns = append(columns, &renamed)
				if i > 0 {
					names += ", "
				}
				names += renamed.name
			}
			r.columns = columns
			n = seq(n, "("+names+")")
		}
	}
	return n, r
}

// from makes a FROM clause.
func (g *generator) from(outer *scope) (*node, *scope) {
	s := &scope{outer: outer}
	n, r := g.fromItem(s)
	s.relations = append(s.relations, r)
	for more := oneOf(g, 0, 0, 0, 1, 1, 2); more > 0; more-- {
		right, other := g.fromItem(s)
		joined := &scope{relations: append(append([]*relation{}, s.relations...), other), merged: s.merged, outer: outer}
		if common, refused := usable(s, other); len(common) > 0 && !s.merged && g.chance(5) && (refused == "" || g.refuse(2)) {
			word := oneOf(g, " JOIN ", " LEFT JOIN ", " FULL JOIN ")
			name := common[g.pick(len(common))]
			n = seq(n, word, right, " USING ("+quoteName(name)+")")
			joined.merged = true
			s = joined
			continue
		}
		if g.chance(10) && len(s.relations) == 1 && r.total && other.total {
			word := " CROSS JOIN "
			if more == 1 { // the condition of a join behind a comma does not see what stands before
				word = oneOf(g, word, ", ")
			}
			n = seq(n, word, right)
			s = joined
			continue
		}
		on := g.joinCondition(s, other, joined)
		n = seq(n, oneOf(g, " JOIN ", " JOIN ", " INNER JOIN ", " LEFT JOIN ", " RIGHT OUTER JOIN ", " FULL JOIN "), right, " ON ", on)
		s = joined
	}
	return n, s
}

// usable gives the names by which USING can join.
func usable(s *scope, other *relation) (names []string, refused string) {
	for _, r := range s.relations {
		for _, a := range r.columns {
			for _, b := range other.columns {
				if a.name == b.name && comparable(a, b) && a.typ == b.typ && len(s.relations) == 1 {
					names = append(names, a.name)
				}
			}
		}
	}
	return names, ""
}

// comparable says that an equality of two columns runs.
func comparable(a, b *column) bool {
	if a.tagged() || b.tagged() {
		return a.mode == deterministic && b.mode == deterministic && a.domain == b.domain
	}
	return a.typ == b.typ
}

// joinCondition joins by a key, by a domain, or, when something refused is to be
// written, by what cannot be compared.
func (g *generator) joinCondition(s *scope, other *relation, all *scope) *node {
	type pair struct{ a, b col }
	var keys, domains, bad []pair
	for _, r := range s.relations {
		for _, a := range r.columns {
			for _, b := range other.columns {
				p := pair{col{a, r}, col{b, other}}
				switch {
				case a.tagged() && b.tagged() && a.typ.base == b.typ.base && !comparable(a, b):
					bad = append(bad, p)
				case a.tagged() && comparable(a, b):
					domains = append(domains, p)
				case !a.tagged() && !b.tagged() && a.typ == typInt4 && b.typ == typInt4:
					keys = append(keys, p)
				}
			}
		}
	}
	equal := func(p pair) *node {
		return seq(g.write(all, p.a), " = ", g.write(all, p.b))
	}
	var n *node
	switch {
	case len(bad) > 0 && g.refuse(2):
		n = refusing("comparison of columns that share no domain", equal(bad[g.pick(len(bad))]))
	case len(domains) > 0 && g.chance(2):
		n = equal(domains[g.pick(len(domains))])
	case len(keys) > 0:
		n = equal(keys[g.pick(len(keys))])
	default:
		return text("false") // or the results would grow without bound
	}
	if g.chance(5) {
		n = list(" AND ", 1, n, g.condition(all, 1))
	}
	return n
}

func (g *generator) fromItem(s *scope) (*node, *relation) {
	if g.cte != nil && g.chance(2) {
		r := &relation{name: g.alias(), columns: g.cte.columns}
		name := quoteName(g.cte.name)
		g.cte = nil // once, or the results would grow
		return text(name + " AS " + quoteName(r.name)), r
	}
	if g.chance(8) && s.depth() < 2 {
		return g.derived(s)
	}
	return g.item(g.table(false))
}

func (s *scope) depth() (n int) {
	for o := s.outer; o != nil; o = o.outer {
		n++
	}
	return n
}

// derived is a subquery in FROM.
func (g *generator) derived(s *scope) (*node, *relation) {
	g.aliases++ // its own items get aliases
	outer, lateral := &scope{outer: s.outer}, ""
	if len(s.relations) > 0 && g.chance(3) {
		outer, lateral = s, "LATERAL "
	}
	body, columns := g.subquery(outer, nil)
	r := &relation{name: g.alias(), columns: renamed(columns)}
	return seq(lateral+"(", body, ") AS "+quoteName(r.name)+" ("+names(r.columns)+")"), r
}

// subquery makes a query whose columns fit, or any; it knows no order.
func (g *generator) subquery(outer *scope, fits func(c *column) bool) (*node, []*column) {
	from, s := g.from(outer)
	var columns []*column
	var items []*node
	for range 1 + g.pick(3) {
		c, ok := g.some(s, func(c *column) bool { return fits == nil || fits(c) })
		if !ok {
			break
		}
		columns = append(columns, c.column)
		items = append(items, text(g.write(s, c)))
		if fits != nil {
			break
		}
	}
	if len(items) == 0 {
		return nil, nil
	}
	word := "SELECT "
	if g.chance(6) {
		word = "SELECT DISTINCT "
		for _, c := range columns {
			if c.mode == randomized || c.typ == typJSONB {
				word = "SELECT "
			}
		}
	}
	return seq(word, list(", ", len(items), items...), " FROM ", from, g.where(s, 3)), columns
}

func (g *generator) where(s *scope, n int) *node {
	if g.chance(n) {
		return nil
	}
	return maybe(seq(" WHERE ", g.condition(s, 2)))
}

// query makes a whole SELECT.
func (g *generator) query() *statement {
	st := &statement{}
	var with *node
	if g.chance(6) {
		with = g.with()
	}
	from, s := g.from(nil)
	switch {
	case g.chance(5):
		st.tree = seq(with, g.grouped(from, s))
		return st
	case g.chance(7):
		st.tree = seq(with, g.distinct(from, s))
		return st
	}
	items := g.items(s)
	var order, limit, lock *node
	if g.chance(2) {
		order, st.ordered = g.orderBy(s)
		if st.ordered && g.chance(2) {
			limit = maybe(seq(fmt.Sprintf(" LIMIT %d", g.pick(9)), maybe(text(oneOf(g, "", "", fmt.Sprintf(" OFFSET %d", g.pick(4)))))))
		}
	}
	if len(s.relations) == 1 && s.relations[0].total && g.chance(12) {
		lock = maybe(text(oneOf(g, " FOR UPDATE", " FOR SHARE", " FOR NO KEY UPDATE", " FOR KEY SHARE NOWAIT")))
	}
	st.tree = seq(with, "SELECT ", items, " FROM ", from, g.where(s, 4), order, limit, lock)
	return st
}

// orderBy orders by untagged columns; total says that they tell all rows apart.
func (g *generator) orderBy(s *scope) (n *node, total bool) {
	if c, ok := g.some(s, (*column).tagged); ok && g.refuse(2) {
		return refusing("ORDER BY", maybe(seq(" ORDER BY ", quoteName(c.rel.name)+"."+c.quoted(), oneOf(g, "", " DESC", " NULLS FIRST")))), false
	}
	var keys []*node
	if c, ok := g.some(s, func(c *column) bool { return !c.tagged() }); ok && g.chance(3) {
		// With its table, or it could be the name of an item.
		keys = append(keys, text(quoteName(c.rel.name)+"."+c.quoted()+oneOf(g, "", " DESC", " ASC NULLS FIRST")))
	}
	total = true
	for _, r := range s.relations {
		found := false
		for _, c := range r.columns {
			if c.key {
				keys = append(keys, text(quoteName(r.name)+"."+c.quoted()+oneOf(g, "", "", " DESC")))
				found = true
			}
		}
		total = total && found && r.total
	}
	if len(keys) == 0 {
		return nil, false
	}
	return seq(" ORDER BY ", list(", ", len(keys), keys...)), total
}

// distinct makes SELECT DISTINCT.
func (g *generator) distinct(from *node, s *scope) *node {
	var items []*node
	for range 1 + g.pick(3) {
		bad := g.refuse(2)
		if c, ok := g.some(s, func(c *column) bool { return bad == (c.mode == randomized) && (bad || c.typ != typJSONB) }); ok {
			n := text(g.write(s, c))
			if bad {
				n = refusing("DISTINCT, GROUP BY on a randomized column", n)
			}
			items = append(items, n)
		}
	}
	if len(items) == 0 {
		items = append(items, text("1"))
	}
	return seq("SELECT DISTINCT ", list(", ", 1, items...), " FROM ", from, g.where(s, 4))
}
