package differential

// merge makes MERGE: rows of another table, matched by their keys.
func (g *generator) merge() *statement {
	t := g.table(true)
	target := &relation{name: g.alias(), columns: t.columns}
	g.aliases++
	using, source := g.item(g.table(false))
	both := &scope{relations: []*relation{target, source}}
	n := seq("MERGE INTO ", g.name(t), " AS ", quoteName(target.name), " USING ", using, " ON ",
		quoteName(target.name), ".", t.columns[0].quoted(), " = ", quoteName(source.name), ".", source.columns[0].quoted())
	var actions []*node
	for more := 1 + g.pick(2); more > 0; more-- {
		when := seq(" WHEN MATCHED")
		if more > 1 || g.chance(2) { // none is reached behind one without a condition
			when = seq(when, " AND ", g.condition(both, 1))
		}
		if g.chance(4) {
			actions = append(actions, seq(when, oneOf(g, " THEN DELETE", " THEN DO NOTHING")))
			continue
		}
		var sets []*node
		c := t.columns[1+g.pick(len(t.columns)-1)]
		for c.unique { // whether values meet depends on the order in which the server finds the rows
			c = t.columns[1+g.pick(len(t.columns)-1)]
		}
		sets = append(sets, seq(c.quoted(), " = ", g.newValue(both, c)))
		actions = append(actions, seq(when, " THEN UPDATE SET ", list(", ", 1, sets...)))
	}
	if g.chance(2) {
		columns := append([]*column{}, t.columns...)
		if len(columns) > 6 {
			columns = columns[:6]
		}
		values := []*node{text(quoteName(source.name) + "." + source.columns[0].quoted())}
		for _, c := range columns[1:] {
			values = append(values, g.supplied(&scope{relations: []*relation{source}}, c))
		}
		actions = append(actions, seq(" WHEN NOT MATCHED THEN INSERT (", names(columns), ") VALUES (", list(", ", len(values), values...), ")"))
	}
	return &statement{tree: seq(n, list("", 1, actions...)), changes: true}
}

// supplied is what a row that is inserted has for a column: a value, or a column of the
// other table.
func (g *generator) supplied(s *scope, c *column) *node {
	if k, ok := g.some(s, func(k *column) bool { return assignable(c, k) && k.ref == c.ref && !k.key }); ok && g.chance(3) {
		return text(g.write(s, k))
	}
	return g.assigned(c)
}
