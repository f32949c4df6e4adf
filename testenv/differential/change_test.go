package differential

import "fmt"

// insert makes an INSERT … VALUES.
func (g *generator) insert() *statement {
	t := g.table(true)
	columns := append([]*column{}, t.columns...)
	named := !g.chance(6)
	if named {
		g.rand.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
		if len(columns) > 9 {
			columns = columns[:9]
		}
		if g.chance(3) {
			columns = columns[:max(1, len(columns)-g.pick(3))]
		}
		if !hasKey(columns) && !g.mistake(2) {
			columns = append(columns, t.columns[0])
		}
	}
	var rows []*node
	for range oneOf(g, 1, 1, 1, 2, 3, 5) {
		var values []*node
		for _, c := range columns {
			values = append(values, g.assigned(c))
		}
		rows = append(rows, seq("(", list(", ", len(values), values...), ")"))
	}
	n := seq("INSERT INTO ", g.name(t))
	r := &relation{name: t.name, columns: t.columns}
	if g.chance(6) {
		r.name = g.alias()
		n = seq(n, " AS ", quoteName(r.name))
	}
	if named {
		n = seq(n, " (", names(columns), ")")
	}
	n = seq(n, " VALUES ", list(", ", 1, rows...))
	switch {
	case t.name != "journal" && g.chance(4):
		n = seq(n, g.conflictUpdate(t, r.name))
	case g.chance(2):
		n = seq(n, g.conflict(t))
	}
	return &statement{tree: seq(n, g.returning(r)), changes: true}
}

// conflict makes ON CONFLICT DO NOTHING, with or without what may be in conflict.
func (g *generator) conflict(t *table) *node {
	target := ""
	switch {
	case t.name == "journal":
	case g.chance(3):
		target = "(" + t.columns[0].quoted() + ") "
	case t.name == "patient" && t.schema == "lab" && g.chance(2):
		target = "(nir) "
	}
	return text(" ON CONFLICT " + target + "DO NOTHING")
}

func hasKey(columns []*column) bool {
	for _, c := range columns {
		if c.key {
			return true
		}
	}
	return false
}

func names(columns []*column) string {
	s := ""
	for i, c := range columns {
		if i > 0 {
			s += ", "
		}
		s += c.quoted()
	}
	return s
}

// assigned is a value for a column in VALUES or SET.
func (g *generator) assigned(c *column) *node {
	switch {
	case c.key, c.ref != "":
		if c.ref != "" && g.chance(3) {
			return seq(g.null(c))
		}
		return seq(g.id())
	case g.chance(12):
		return text(oneOf(g, "DEFAULT", "NULL"))
	case g.chance(14):
		return seq(g.null(c))
	case c.pool == "":
		return seq(g.id())
	}
	return seq(g.value(c))
}

func (g *generator) returning(r *relation) *node {
	if g.chance(3) {
		return maybe(seq(" RETURNING ", g.items(&scope{relations: []*relation{r}, outer: &scope{}})))
	}
	return nil
}

// update makes an UPDATE.
func (g *generator) update() *statement {
	t := g.table(true)
	r := &relation{name: t.name, columns: t.columns, total: true}
	n := seq("UPDATE ", g.name(t))
	if g.chance(3) {
		r.name = g.alias()
		n = seq(n, oneOf(g, " AS ", " "), quoteName(r.name))
	}
	s := &scope{relations: []*relation{r}}
	columns := append([]*column{}, t.columns[1:]...)
	g.rand.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
	columns = columns[:1+g.pick(min(3, len(columns)))]
	from, where := (*node)(nil), (*node)(nil)
	all := s
	if g.chance(6) {
		// One row for each: by the other's key.
		other := g.table(true)
		right, joined := g.item(other)
		if joined.name != r.name {
			from = seq(" FROM ", right)
			all = &scope{relations: []*relation{r, joined}}
			where = text(quoteName(r.name) + "." + t.columns[0].quoted() + " = " + quoteName(joined.name) + "." + joined.columns[0].quoted())
		}
	}
	var sets []*node
	for _, c := range columns {
		sets = append(sets, seq(c.quoted(), " = ", g.newValue(all, c)))
	}
	if len(columns) > 1 && g.chance(6) {
		var values []*node
		for _, c := range columns {
			values = append(values, g.assigned(c))
		}
		sets = []*node{seq("(", names(columns), ") = (", list(", ", len(values), values...), ")")}
	}
	conditions := []*node{g.condition(all, 1)}
	if where != nil {
		conditions = []*node{list(" AND ", 2, where, conditions[0])}
	} else if g.chance(2) {
		conditions = []*node{seq(g.write(s, col{t.columns[0], r}), " = ", g.id())}
	}
	return &statement{tree: seq(n, " SET ", list(", ", 1, sets...), from, " WHERE ", conditions[0], g.returning(r)), changes: true}
}

// newValue is what SET assigns: mostly a value, sometimes another column.
func (g *generator) newValue(s *scope, c *column) *node {
	if c.tagged() && g.refuse(3) {
		if k, ok := g.some(s, func(k *column) bool { return k.typ == c.typ && !assignable(c, k) }); ok {
			return refusing("assignment from a column of no common domain", text(g.write(s, k)))
		}
		if c.typ == typText || c.typ.base == "varchar" {
			return refusing("assignment of an expression over a sealed column", text(c.quotedIn(s)+" || 'x'"))
		}
	}
	if g.chance(5) {
		fits := func(k *column) bool { return assignable(c, k) && k.ref == c.ref && !k.key }
		if k, ok := g.some(s, fits); ok {
			return text(g.write(s, k))
		}
	}
	if c.typ == typInt4 && !c.tagged() && c.ref == "" && g.chance(3) {
		return seq(c.quotedIn(s), " % 1000 + ", g.id())
	}
	return g.assigned(c)
}

// quotedIn names the column of the statement's own table.
func (c *column) quotedIn(s *scope) string { return quoteName(s.relations[0].name) + "." + c.quoted() }

// remove makes a DELETE.
func (g *generator) remove() *statement {
	t := g.table(true)
	r := &relation{name: t.name, columns: t.columns}
	n := seq("DELETE FROM ", g.name(t))
	s := &scope{relations: []*relation{r}}
	if g.chance(5) {
		using, joined := g.item(g.table(false))
		if joined.name != r.name {
			both := &scope{relations: []*relation{r, joined}}
			on := seq(quoteName(r.name), ".", t.columns[0].quoted(), " = ", quoteName(joined.name), ".", joined.columns[0].quoted())
			where := list(" AND ", 2, on, g.condition(both, 1))
			return &statement{tree: seq(n, " USING ", using, " WHERE ", where, g.returning(r)), changes: true}
		}
	}
	condition := g.condition(s, 1)
	if g.chance(2) {
		condition = seq(t.columns[0].quoted(), fmt.Sprintf(" %% 7 = %d", g.pick(7)))
	}
	return &statement{tree: seq(n, " WHERE ", condition, g.returning(r)), changes: true}
}
