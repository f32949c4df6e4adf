package differential

import (
	"fmt"
	"strings"
)

// condition makes a truth value.
func (g *generator) condition(s *scope, depth int) *node {
	if depth > 0 && g.chance(3) {
		return seq("(", list(oneOf(g, " AND ", " OR "), 1, g.condition(s, depth-1), g.condition(s, depth-1)), ")")
	}
	if g.chance(12) {
		return seq("NOT (", g.condition(s, 0), ")")
	}
	if c, ok := g.some(s, (*column).tagged); ok && g.refuse(2) {
		if n := g.refusedCondition(s, c); n != nil {
			return n
		}
	}
	if c, ok := g.some(s, func(c *column) bool { return c.mode == deterministic }); ok && g.chance(2) {
		return g.search(s, c)
	}
	if c, ok := g.some(s, (*column).tagged); ok && g.chance(5) {
		return text(g.write(s, c) + oneOf(g, " IS NULL", " IS NOT NULL", " IS NOT DISTINCT FROM NULL"))
	}
	if g.chance(6) && s.depth() < 2 {
		return g.exists(s)
	}
	if c, ok := g.some(s, func(c *column) bool { return !c.tagged() }); ok {
		return g.plainCondition(s, c)
	}
	return text("true")
}

// search compares a deterministic column with a value or an equal column.
func (g *generator) search(s *scope, c col) *node {
	name := g.write(s, c)
	switch g.pick(12) {
	case 0, 1, 2:
		return seq(name, oneOf(g, " = ", "=", " <> ", " != "), g.value(c.column))
	case 3:
		return seq(g.value(c.column), oneOf(g, " = ", " <> "), name)
	case 4:
		return seq(name, oneOf(g, " IS DISTINCT FROM ", " IS NOT DISTINCT FROM "), g.value(c.column))
	case 5, 6:
		var all []*node
		for range 1 + g.pick(4) {
			all = append(all, seq(g.value(c.column)))
		}
		return seq(name, oneOf(g, " IN (", " NOT IN ("), list(", ", 1, all...), ")")
	case 7:
		return seq(name, oneOf(g, " = ANY (", " <> ALL ("), g.array(c.column), ")")
	case 8:
		if sub, columns := g.subquery(s, func(k *column) bool { return comparable(c.column, k) }); columns != nil && s.depth() < 2 {
			return seq(name, oneOf(g, " IN (", " = ANY (", " NOT IN ("), sub, ")")
		}
	case 9:
		if k, ok := g.some(s, func(k *column) bool { return comparable(c.column, k) }); ok {
			return seq(name, oneOf(g, " = ", " <> ", " IS DISTINCT FROM "), g.write(s, k))
		}
	case 10:
		if o := s.outer; o != nil {
			if k, ok := g.some(o, func(k *column) bool { return comparable(c.column, k) }); ok {
				return seq(name, " = ", quoteName(k.rel.name), ".", k.quoted())
			}
		}
	case 11:
		if k, ok := g.some(s, func(k *column) bool { return k.mode == deterministic }); ok {
			if g.chance(2) {
				return seq("(", name, ", ", g.write(s, k), ") = (", g.value(c.column), ", ", g.value(k.column), ")")
			}
			return seq("(", name, ", ", g.write(s, k), ") IN ((", g.value(c.column), ", ", g.value(k.column), "), (",
				g.value(c.column), ", ", g.value(k.column), "))")
		}
	}
	return seq(name, " = ", g.value(c.column))
}

// array makes an array of values of a column.
func (g *generator) array(c *column) *hole {
	var items []string
	for range g.pick(4) {
		v := g.values.of(c)
		items = append(items, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v)+`"`)
	}
	if g.chance(6) {
		items = append(items, "NULL")
	}
	h := &hole{typ: c.typ, value: "{" + strings.Join(items, ",") + "}", array: true, param: !g.chance(3)}
	if g.chance(4) {
		h.cast = "::" + c.typ.array
		if c.typ.base == "bpchar" || c.typ.base == "varchar" {
			h.cast = "::text[]"
		}
	}
	return h
}

// exists is a correlated subquery.
func (g *generator) exists(s *scope) *node {
	from, inner := g.from(s)
	conditions := []*node{g.condition(inner, 1)}
	if a, ok := g.some(s, func(c *column) bool { return c.key || c.ref != "" }); ok {
		if b, ok := g.some(inner, func(c *column) bool { return c.key || c.ref != "" }); ok && a.rel.name != b.rel.name {
			conditions = append(conditions, text(g.write(inner, b)+" = "+quoteName(a.rel.name)+"."+a.quoted()))
		}
	}
	return seq(oneOf(g, "EXISTS (SELECT 1 FROM ", "NOT EXISTS (SELECT * FROM ", "EXISTS (SELECT FROM "), from, " WHERE ",
		list(" AND ", 1, conditions...), ")")
}

// plainCondition asks of an untagged column.
func (g *generator) plainCondition(s *scope, c col) *node {
	name := g.write(s, c)
	switch c.typ {
	case typInt4:
		switch g.pick(6) {
		case 0:
			return seq(name, " BETWEEN ", g.id(), " AND ", g.id())
		case 1:
			return seq(name, " IN (", list(", ", 1, seq(g.id()), seq(g.id()), seq(g.id())), ")")
		case 2:
			return seq(name, " % 3 = ", g.id())
		default:
			return seq(name, oneOf(g, " = ", " < ", " > ", " <= ", " >= ", " <> "), g.id())
		}
	case typText:
		switch g.pick(4) {
		case 0:
			return seq(name, " LIKE ", g.hole(typText, "%"+g.word(1)+"%", nil))
		case 1:
			return text("lower(" + name + ") IS NOT NULL")
		case 2:
			return seq("length(", name, ") > ", g.id())
		default:
			return seq(name, oneOf(g, " = ", " < ", " >= "), g.value(c.column))
		}
	}
	if g.chance(3) {
		return text(name + oneOf(g, " IS NULL", " IS NOT NULL"))
	}
	return seq(name, oneOf(g, " < ", " = ", " >= "), g.value(c.column))
}

// refusedCondition asks of a sealed column what cannot be asked.
func (g *generator) refusedCondition(s *scope, c col) *node {
	name := g.write(s, c)
	isText := c.typ.base == "text" || c.typ.base == "varchar" || c.typ.base == "bpchar"
	switch g.pick(8) {
	case 0:
		if c.typ == typBool || c.typ == typJSONB {
			return nil
		}
		return refusing("<, >, BETWEEN", seq(name, oneOf(g, " < ", " >= ", " > "), g.value(c.column)))
	case 1:
		if c.typ == typBool || c.typ == typJSONB {
			return nil
		}
		return refusing("<, >, BETWEEN", seq(name, " BETWEEN ", g.value(c.column), " AND ", g.value(c.column)))
	case 2:
		if !isText {
			return nil
		}
		return refusing("LIKE and patterns", seq(name, oneOf(g, " LIKE ", " ILIKE ", " ~ ", " SIMILAR TO "), g.hole(typText, g.word(3)+"%", c.column)))
	case 3:
		if !isText {
			return nil
		}
		return refusing("a function", seq(oneOf(g, "lower(", "upper(", "trim(", "md5("), name, ") = ", g.hole(typText, g.word(4), c.column)))
	case 4:
		if c.mode != randomized || c.typ == typJSONB {
			return nil
		}
		return refusing("search of a randomized column", seq(name, oneOf(g, " = ", " <> ", " IS DISTINCT FROM "), g.value(c.column)))
	case 5:
		if c.mode != randomized || c.typ == typJSONB {
			return nil
		}
		return refusing("search of a randomized column", seq(name, " IN (", g.value(c.column), ", ", g.value(c.column), ")"))
	case 6:
		if k, ok := g.some(s, func(k *column) bool { return !k.tagged() && k.typ == typText }); ok && isText {
			return refusing("comparison with an untagged column", seq(name, " = ", g.write(s, k)))
		}
	case 7:
		if c.typ.base[0:3] != "int" && c.typ != typNumeric {
			return nil
		}
		return refusing("arithmetic", text(fmt.Sprintf("%s + 1 = %d", name, g.pick(5))))
	}
	return nil
}
