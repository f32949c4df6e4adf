package differential

import "fmt"

// with makes a CTE, which FROM clauses that follow may name.
func (g *generator) with() *node {
	body, columns := g.subquery(&scope{}, nil)
	if columns == nil {
		return nil
	}
	r := &relation{name: fmt.Sprintf("cte%d", g.pick(9)), columns: renamed(columns)}
	g.cte = r
	return seq("WITH ", quoteName(r.name), " (", names(r.columns), ") AS ", oneOf(g, "", "MATERIALIZED ", "NOT MATERIALIZED "), "(", body, ") ")
}

// renamed are the columns of a query under new names.
func renamed(columns []*column) (all []*column) {
	for i, c := range columns {
		named := *c
		named.name, named.key = fmt.Sprintf("x%d", i+1), false
		all = append(all, &named)
	}
	return all
}

// setOperation combines two queries of columns that are sealed alike.
func (g *generator) setOperation() *statement {
	left, s := g.from(nil)
	right, other := g.from(nil)
	word := oneOf(g, " UNION ALL ", " UNION ALL ", " UNION ", " INTERSECT ", " EXCEPT ", " EXCEPT ALL ")
	var a, b []*node
	for range 1 + g.pick(3) {
		c, ok := g.some(s, func(*column) bool { return true })
		if !ok {
			break
		}
		k, ok := g.some(other, func(k *column) bool { return assignable(c.column, k) })
		if !ok || c.mode == randomized && word != " UNION ALL " && !g.refuse(1) {
			continue
		}
		n := text(g.write(s, c))
		if c.mode == randomized && word != " UNION ALL " {
			n = refusing("UNION, INTERSECT, EXCEPT of a randomized column", n)
		}
		a, b = append(a, n), append(b, text(g.write(other, k)))
	}
	if len(a) == 0 {
		a, b = []*node{text("1")}, []*node{text("2")}
	}
	query := func(items []*node, from *node, s *scope) *node {
		return seq("SELECT ", list(", ", len(items), items...), " FROM ", from, g.where(s, 3))
	}
	l, r := query(a, left, s), query(b, right, other)
	if g.chance(3) {
		l, r = seq("(", l, ")"), seq("(", r, ")")
	}
	return &statement{tree: seq(l, word, r)}
}

// itself is an item that is nothing but a sealed column, said in a longer way.
func (g *generator) itself(s *scope) *node {
	c, ok := g.some(s, (*column).tagged)
	if !ok {
		return nil
	}
	name := g.write(s, c)
	other := "NULL"
	if k, ok := g.some(s, func(k *column) bool { return assignable(c.column, k) }); ok && g.chance(2) {
		other = g.write(s, k)
	}
	switch g.pick(4) {
	case 0:
		condition := g.condition(s, 0)
		if condition.text == "true" {
			return nil // as below
		}
		return seq("CASE WHEN ", condition, " THEN ", name, " ELSE ", other, " END")
	case 1:
		if other == "NULL" {
			return nil // the planner leaves the other out, and the type has a modifier again
		}
		return text("COALESCE(" + name + ", " + other + ")")
	case 2:
		return text("CAST(" + name + " AS " + c.typ.name + ")")
	}
	return text(name + "::" + c.typ.name)
}

// arrayOf gathers a sealed column, in an order that is told.
func (g *generator) arrayOf(s *scope) *node {
	order := ""
	for _, r := range s.relations {
		for _, c := range r.columns {
			if c.key && r.total {
				if order != "" {
					order += ", "
				}
				order += quoteName(r.name) + "." + c.quoted()
			}
		}
		if !r.total {
			return nil
		}
	}
	c, ok := g.some(s, (*column).tagged)
	if !ok || order == "" {
		return nil
	}
	return text("array_agg(" + g.write(s, c) + " ORDER BY " + order + ")")
}

// insertSelect makes INSERT … SELECT, in the order of the source's keys.
func (g *generator) insertSelect() *statement {
	t, source := g.table(true), g.table(false)
	from, r := g.item(source)
	s := &scope{relations: []*relation{r}}
	key := quoteName(r.name) + "." + r.columns[0].quoted()
	columns := []*column{t.columns[0]}
	items := []*node{text(fmt.Sprintf("%s + %d", key, g.pick(30)))}
	for _, c := range t.columns[1:] {
		if len(columns) > 5 {
			break
		}
		k, ok := g.some(s, func(k *column) bool { return assignable(c, k) && k.ref == c.ref && !k.key })
		switch {
		case ok:
			columns, items = append(columns, c), append(items, text(g.write(s, k)))
		case c.ref == "" && g.chance(4):
			h := g.hole(c.typ, g.values.of(c), c)
			h.param, h.same = false, nil
			columns, items = append(columns, c), append(items, seq(h))
		}
	}
	n := seq("INSERT INTO ", g.name(t), " (", names(columns), ") SELECT ", list(", ", len(items), items...), " FROM ", from, g.where(s, 3), " ORDER BY ", key)
	if !g.chance(3) {
		n = seq(n, g.conflict(t))
	}
	return &statement{tree: seq(n, g.returning(&relation{name: t.name, columns: t.columns})), changes: true}
}

// conflictUpdate makes ON CONFLICT DO UPDATE.
func (g *generator) conflictUpdate(t *table, target string) *node {
	var sets []*node
	for range 1 + g.pick(2) {
		c := t.columns[1+g.pick(len(t.columns)-1)]
		n := seq(c.quoted(), " = ")
		switch g.pick(3) {
		case 0:
			n = seq(n, g.assigned(c))
		case 1:
			n = seq(n, quoteName(target), ".", c.quoted())
		default:
			n = seq(n, "excluded.", c.quoted())
		}
		if len(sets) == 0 || sets[0].kids[0].text != n.kids[0].text {
			sets = append(sets, n)
		}
	}
	return seq(" ON CONFLICT (", t.columns[0].quoted(), ") DO UPDATE SET ", list(", ", 1, sets...))
}
