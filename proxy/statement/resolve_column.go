package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"
)

// operand is what an expression is to the analysis.
type operand struct {
	column *column // if it is just a column
	token  int32   // where it stands
}

// sealed reports whether the operand's value is sealed.
func (o operand) sealed() bool { return o.column != nil && o.column.tagged != nil }

// columnRef resolves a reference to a column inside an expression.
func (x *analysis) columnRef(ref *pg.ColumnRef, s *scope) operand {
	delete(x.left.columns, ref)
	token := x.token(ref.Location)
	names := stringNodes(ref.Fields)
	if len(names) != len(ref.Fields) { // the last is *
		if len(names) == 0 {
			x.fail(refuseForm("* inside an expression"), token)
			return operand{}
		}
		if it := x.table(names, s, token); it != nil {
			x.wholeRow(it, token)
		}
		return operand{}
	}
	if len(names) == 1 {
		return operand{x.unqualified(names[0], s, token), token}
	}
	if len(names) > 4 {
		x.fail(errDottedName(names), token)
		return operand{}
	}
	it := x.table(names[:len(names)-1], s, token)
	if it == nil {
		return operand{}
	}
	return operand{x.columnOf(it, names, token), token}
}

// columnOf finds a column of an item; names are its qualified name.
func (x *analysis) columnOf(it *item, names []string, token int32) *column {
	name := names[len(names)-1]
	if !x.spend(len(it.columns)) {
		return nil
	}
	c, count := it.find(name)
	switch {
	case count > 1:
		x.fail(errAmbiguous(name), token)
		return nil
	case count == 0 && it.open:
		if x.a.catalog.Function(name) {
			x.fail(refuseWatchedFunction(name), token)
		}
		return nil
	case count == 0:
		x.fail(errColumn(names...), token)
		return nil
	}
	return c
}

// unqualified resolves a bare name: a column of the innermost query that has
// one, else a whole row. Nil without an error is a column of unknown kind that
// cannot be sealed.
func (x *analysis) unqualified(name string, s *scope, token int32) *column {
	open := false
	for level := s; level != nil; level = level.outer {
		c, it := x.findHere(name, level, token)
		if x.err != nil {
			return nil
		}
		if c == nil {
			for _, it := range level.items {
				open = open || it.open && level.visible(it)
			}
			continue
		}
		switch {
		case c.tagged != nil && open:
			// A column of a function's result, nearer, may have the name.
			x.fail(errAmbiguous(name).WithHint("Qualify the column with its table."), token)
			return nil
		case c.tagged == nil && it.loose && x.env.temporary():
			x.checkLoose(name, level.outer, token)
		}
		return c
	}
	if it := x.findTable(name, s, token); it != nil {
		x.wholeRow(it, token)
	} else if !open {
		x.fail(errColumn(name), token)
	}
	return nil
}

// findHere looks for a column by its bare name in one query.
func (x *analysis) findHere(name string, s *scope, token int32) (*column, *item) {
	var found *column
	var in *item
	for _, it := range s.items {
		if it.qualifiedOnly || !s.visible(it) {
			continue
		}
		if !x.spend(len(it.columns) + 1) {
			return nil, nil
		}
		c, count := it.find(name)
		if count == 0 {
			continue
		}
		if count > 1 || found != nil {
			x.fail(errAmbiguous(name), token)
			return nil, nil
		}
		if it.lateralDenied {
			x.fail(errLateral(it.name), token)
			return nil, nil
		}
		found, in = c, it
	}
	return found, in
}

// checkLoose refuses an untagged column where, if a temporary table hid its own,
// a tagged column of an outer query would be meant.
func (x *analysis) checkLoose(name string, outer *scope, token int32) {
	for level := outer; level != nil; level = level.outer {
		for _, it := range level.items {
			if c, _ := it.find(name); c != nil && c.tagged != nil {
				x.fail(refuseLoose(c.tagged, name), token)
				return
			}
		}
	}
}

// table finds the item that qualifies a column: table, schema.table or
// database.schema.table. Nil comes with an error.
func (x *analysis) table(names []string, s *scope, token int32) *item {
	name := names[len(names)-1]
	var it *item
	if len(names) == 1 {
		it = x.findTable(name, s, token)
	} else {
		it = x.findQualified(names[len(names)-2], name, s, token)
	}
	if it == nil {
		x.fail(errMissingFrom(name, x.inRange(names)), token)
	}
	return it
}

// inRange reports whether something in a FROM clause has the name, though it
// cannot be used by it.
func (x *analysis) inRange(names []string) bool {
	name, schemaName := names[len(names)-1], ""
	if len(names) > 1 {
		schemaName = names[len(names)-2]
	}
	r, _ := x.a.lookup(x.env, schemaName, name)
	for _, it := range x.ranges {
		if schemaName == "" && it.name == name || r != nil && it.of == r {
			return true
		}
	}
	return false
}

// findTable finds an item by the name that qualifies its columns.
func (x *analysis) findTable(name string, s *scope, token int32) *item {
	return x.findItem(s, token, func(it *item) bool { return it.name == name })
}

// findQualified finds a table by its schema and name; it must have no alias.
func (x *analysis) findQualified(schemaName, name string, s *scope, token int32) *item {
	r, _ := x.a.lookup(x.env, schemaName, name)
	if r == nil {
		return nil
	}
	return x.findItem(s, token, func(it *item) bool { return it.relation == r })
}

func (x *analysis) findItem(s *scope, token int32, match func(*item) bool) *item {
	for level := s; level != nil; level = level.outer {
		var found *item
		if !x.spend(len(level.items)) {
			return nil
		}
		for _, it := range level.items {
			if it.unnamed || !level.visible(it) || !match(it) {
				continue
			}
			if found != nil {
				x.fail(errAmbiguousTable(it.name), token)
				return nil
			}
			if it.lateralDenied {
				x.fail(errLateral(it.name), token)
				return nil
			}
			found = it
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// wholeRow refuses the row of an item as a value if a sealed column is in it.
func (x *analysis) wholeRow(it *item, token int32) {
	x.visibleOnly(it, token)
	for i := range it.columns {
		if o := (operand{&it.columns[i], token}).plainUse(); o.sealed() {
			x.fail(refuseWholeRow(o.column.tagged, it.name), token)
			return
		}
	}
}
