package differential

import (
	"fmt"
	"strings"
)

// items makes the select list of a query or the one of RETURNING.
func (g *generator) items(s *scope) *node {
	if g.chance(6) {
		return text("*")
	}
	var all []*node
	for range 1 + g.pick(4) {
		n := g.outputItem(s)
		if g.chance(5) && !strings.HasSuffix(n.text, ".*") {
			n = seq(n, oneOf(g, " AS ", " AS ", " "), oneOf(g, fmt.Sprintf("o%d", g.pick(9)), `"Out put"`, `"nir"`, `"t0_c1"`))
		}
		all = append(all, n)
	}
	return list(", ", 1, all...)
}

func (g *generator) outputItem(s *scope) *node {
	if c, ok := g.some(s, (*column).tagged); ok {
		if g.refuse(3) {
			if n := g.refusedItem(s, c); n != nil {
				return n
			}
		}
		if g.chance(2) {
			return text(g.write(s, c))
		}
	}
	switch g.pick(10) {
	case 8, 9:
		if n := g.itself(s); n != nil {
			return n
		}
	case 0:
		if s.depth() < 1 {
			return g.scalar(s)
		}
	case 1:
		if r := s.relations[g.pick(len(s.relations))]; !s.merged {
			return text(quoteName(r.name) + ".*")
		}
	case 2:
		if c, ok := g.some(s, (*column).tagged); ok {
			return text(g.write(s, c) + oneOf(g, " IS NULL", " IS NOT NULL"))
		}
	case 3:
		return g.expression(s)
	case 4:
		if g.mistake(3) {
			return text("no_such_column")
		}
	}
	all := s.find(func(*column) bool { return true })
	if len(all) == 0 {
		return text("1")
	}
	return text(g.write(s, all[g.pick(len(all))]))
}

// expression is one of untagged columns and values.
func (g *generator) expression(s *scope) *node {
	if c, ok := g.some(s, func(c *column) bool { return c.typ == typInt4 && !c.tagged() }); ok {
		name := g.write(s, c)
		switch g.pick(4) {
		case 0:
			return seq(name, " * 2 + ", g.id())
		case 1:
			return seq("CASE WHEN ", name, " > ", g.id(), " THEN 'big' ELSE 'small' END")
		case 2:
			return seq("coalesce(", name, ", ", g.id(), ")")
		default:
			return text("(" + name + ")::text || ' x'")
		}
	}
	return text(oneOf(g, "1", "'a'::text", "NULL", "now() IS NULL"))
}

// scalar is a subquery that gives one value: by a key.
func (g *generator) scalar(s *scope) *node {
	t := g.table(false)
	for t.view != "" || t.columns[0].name != "id" {
		t = g.table(false)
	}
	alias := g.alias()
	c := t.columns[g.pick(len(t.columns))]
	n := seq("(SELECT ", quoteName(alias), ".", c.quoted(), " FROM ", g.name(t), " ", quoteName(alias), " WHERE ", quoteName(alias), ".id = ")
	if k, ok := g.some(s, func(c *column) bool { return c.key || c.ref != "" }); ok && g.chance(2) {
		return seq(n, quoteName(k.rel.name), ".", k.quoted(), ")")
	}
	return seq(n, g.id(), ")")
}

// refusedItem makes of a sealed column what the server would have to see.
func (g *generator) refusedItem(s *scope, c col) *node {
	name := g.write(s, c)
	switch g.pick(6) {
	case 0:
		if c.typ.base == "text" || c.typ.base == "varchar" || c.typ.base == "bpchar" {
			return refusing("a function", text(oneOf(g, "upper(", "length(", "quote_literal(")+name+")"))
		}
	case 1:
		if c.typ.base == "text" || c.typ.base == "varchar" || c.typ.base == "bpchar" {
			return refusing("an operator", text(name+" || 'x'"))
		}
	case 2:
		if c.typ.base == "int4" || c.typ == typNumeric || c.typ == typFloat8 {
			return refusing("arithmetic", text(oneOf(g, "-", "2 * ", "1 + ")+name))
		}
	case 3:
		if c.typ == typDate || c.typ == typTimestamp {
			return refusing("a function", text(oneOf(g, "extract(year FROM ", "date_trunc('year', ")+name+")"))
		}
	case 4:
		if c.typ == typDate {
			return text("CAST(" + name + " AS timestamp)")
		}
		if c.typ == typJSONB {
			return refusing("an operator", text(name+oneOf(g, " -> 'a'", " ->> 'a'")))
		}
	}
	return nil
}

// grouped makes an aggregating query.
func (g *generator) grouped(from *node, s *scope) *node {
	var by, items []*node
	for range g.pick(3) {
		bad := g.refuse(2)
		c, ok := g.some(s, func(c *column) bool { return bad == (c.mode == randomized) })
		if !ok {
			continue
		}
		name := text(g.write(s, c))
		if bad {
			name = refusing("DISTINCT, GROUP BY on a randomized column", name)
		}
		by = append(by, name)
		if !g.chance(4) {
			items = append(items, name)
		}
	}
	for range 1 + g.pick(2) {
		items = append(items, g.aggregate(s))
	}
	n := seq("SELECT ", list(", ", 1, items...), " FROM ", from, g.where(s, 3))
	if len(by) > 0 {
		n = seq(n, " GROUP BY ", list(", ", len(by), by...))
		if g.chance(4) {
			n = seq(n, maybe(text(fmt.Sprintf(" HAVING count(*) > %d", g.pick(3)))))
		}
	}
	return n
}

func (g *generator) aggregate(s *scope) *node {
	if c, ok := g.some(s, (*column).tagged); ok {
		name := g.write(s, c)
		if g.refuse(2) {
			if c.typ == typBool || c.typ == typJSONB || c.typ == typBytea || c.typ == typUUID {
				name = "count(DISTINCT " + name + ")"
				if c.mode == randomized && c.typ != typJSONB {
					return refusing("DISTINCT, GROUP BY on a randomized column", text(name))
				}
			} else {
				return refusing("an aggregate function", text(oneOf(g, "min(", "max(")+name+")"))
			}
		}
		switch g.pick(6) {
		case 5:
			if n := g.arrayOf(s); n != nil {
				return n
			}
		case 0:
			return text("count(" + name + ")")
		case 1:
			if c.mode == deterministic {
				return text("count(DISTINCT " + name + ")")
			}
		case 2:
			return seq("count(*) FILTER (WHERE ", g.condition(s, 0), ")")
		}
	}
	if c, ok := g.some(s, func(c *column) bool { return c.typ == typInt4 && !c.tagged() }); ok {
		return text(oneOf(g, "sum(", "max(", "min(", "count(") + g.write(s, c) + ")")
	}
	return text("count(*)")
}
