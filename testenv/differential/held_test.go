package differential

import (
	"fmt"
	"strings"
)

// held makes a statement that holds another one, which runs later: PREPARE and DECLARE.
// What runs it follows.
func (g *generator) held() *statement {
	if g.inTx && g.chance(2) || g.chance(3) {
		return g.cursor()
	}
	return g.preparedStatement()
}

// inner makes a statement to be held.
func (g *generator) inner() *statement {
	switch g.pick(6) {
	case 0:
		return g.insert()
	case 1:
		return g.update()
	case 2:
		return g.remove()
	case 3:
		return g.setOperation()
	}
	return g.query()
}

// preparedStatement makes PREPARE, with parameters or without, and what becomes of it.
func (g *generator) preparedStatement() *statement {
	g.wrong = false // a value that is too long is told by PREPARE, and by the server when the statement runs
	of := g.inner()
	g.names++
	name := fmt.Sprintf("ps%d", g.names)
	r := of.tree.render(g.chance(3) && g.noNulls())
	st := &statement{
		tree:    &node{text: "PREPARE " + name + " AS " + r.sql, least: -1, refused: strings.Join(of.tree.reasons(), "; ")},
		changes: of.changes,
	}
	var arguments []string
	for _, h := range r.params {
		var b strings.Builder
		plain := *h
		plain.cast = ""
		plain.literal(&b)
		arguments = append(arguments, b.String())
	}
	execute := "EXECUTE " + name
	if len(arguments) > 0 {
		execute += " (" + strings.Join(arguments, ", ") + ")"
	}
	for range 1 + g.pick(2) {
		st.then = append(st.then, &statement{tree: text(execute), ordered: of.ordered, changes: of.changes})
	}
	st.then = append(st.then, &statement{tree: text(oneOf(g, "DEALLOCATE "+name, "DEALLOCATE PREPARE "+name, "DEALLOCATE ALL"))})
	return st
}

// noNulls says that no parameter of the statement at hand is NULL: EXECUTE could not tell
// its type.
func (g *generator) noNulls() bool {
	for _, h := range g.holes {
		if h.null {
			return false
		}
	}
	return true
}

// cursor makes DECLARE, and what becomes of it.
func (g *generator) cursor() *statement {
	of := g.query()
	g.names++
	name := fmt.Sprintf("cu%d", g.names)
	hold := ""
	if !g.inTx || g.chance(4) {
		hold = " WITH HOLD"
	}
	st := &statement{tree: &node{
		text:  "DECLARE " + name + oneOf(g, "", " NO SCROLL") + " CURSOR" + hold + " FOR " + of.tree.render(false).sql,
		least: -1, refused: strings.Join(of.tree.reasons(), "; "),
	}}
	follow := func(sql string) { st.then = append(st.then, &statement{tree: text(sql), ordered: of.ordered}) }
	if of.ordered {
		for range g.pick(3) {
			follow(oneOf(g, "FETCH ", "FETCH NEXT FROM ", "FETCH 3 FROM ", "FETCH FORWARD 2 IN ", "MOVE 2 FROM ", "MOVE FORWARD IN ") + name)
		}
	}
	follow("FETCH ALL FROM " + name)
	follow("CLOSE " + name)
	return st
}

// explained makes EXPLAIN. What the server says of a plan over sealed columns differs in
// the types, so that the rows are not compared.
func (g *generator) explained() *statement {
	of := g.inner()
	// ANALYZE of a change would be rolled back by nobody.
	options := oneOf(g, "", "(COSTS OFF) ", "(FORMAT JSON) ", "VERBOSE ")
	return &statement{tree: seq("EXPLAIN "+options, of.tree), blind: true}
}
