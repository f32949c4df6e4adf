package statement

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// jsonForm is what a function that makes JSON makes of its arguments.
type jsonForm uint8

const (
	jsonValue jsonForm = iota + 1 // of the one argument: a row or a value
	jsonArray                     // an array of the argument, of all rows
	jsonPairs                     // an object of keys and values
)

var jsonFunctions = map[string]struct {
	form   jsonForm
	binary bool
}{
	"row_to_json": {jsonValue, false}, "to_json": {jsonValue, false}, "to_jsonb": {jsonValue, true},
	"json_agg": {jsonArray, false}, "jsonb_agg": {jsonArray, true},
	"json_build_object": {jsonPairs, false}, "jsonb_build_object": {jsonPairs, true},
}

// jsonCall gives the call of a function that makes JSON in a way that is understood,
// nil for anything else.
func (x *analysis) jsonCall(n *pg.Node) (f *pg.FuncCall, form jsonForm, binary bool) {
	f = n.GetFuncCall()
	if f == nil {
		return nil, 0, false
	}
	names := stringNodes(f.Funcname)
	known := jsonFunctions[names[len(names)-1]]
	switch {
	case known.form == 0, len(names) > 1 && names[0] != "pg_catalog", len(names) == 1 && !x.env.catalogFirst():
	case f.FuncVariadic, f.AggDistinct, f.AggWithinGroup, f.Over != nil, f.AggStar:
	case known.form != jsonPairs && len(f.Args) != 1, known.form == jsonPairs && len(f.Args)%2 != 0:
	case slices.ContainsFunc(f.Args, func(arg *pg.Node) bool { return arg.GetNamedArgExpr() != nil }):
	default:
		return f, known.form, known.binary
	}
	return nil, 0, false
}

// jsonOperand analyses an expression that is JSON of rows. binary says that jsonb is made
// of it. ok is false if it is of another form, which is then not analysed yet.
func (x *analysis) jsonOperand(n *pg.Node, s *scope, binary bool) (o operand, ok bool) {
	own, ok := x.makesJSON(n)
	if !ok {
		return o, false
	}
	j := x.jsonOf(n, s, binary || own)
	if j == nil {
		return o, true
	}
	whole := *j
	whole.Binary = own
	return operand{jsonColumn(&whole), x.token(locationOf(n))}, true
}

// jsonColumn is a column of JSON: sealed for the columns whose values are in it.
func jsonColumn(j *JSON) *column {
	c := &column{}
	j.Values(func(o *Output) {
		for _, t := range o.Columns() {
			if c.tagged == nil {
				c.tagged = t
			}
			c.add(&column{tagged: t})
		}
	})
	c.json, c.computed = j, true
	return c
}

// makesJSON reports whether an expression is JSON of rows as far as its form tells, and
// whether it is jsonb.
func (x *analysis) makesJSON(n *pg.Node) (binary, ok bool) {
	if c := n.GetCoalesceExpr(); c != nil { // json_agg(…) of no rows is NULL
		if len(c.Args) < 2 || slices.ContainsFunc(c.Args[1:], func(arg *pg.Node) bool { return !constantNode(arg) }) {
			return false, false
		}
		return x.makesJSON(c.Args[0])
	}
	if l := n.GetSubLink(); l != nil {
		if r := jsonItem(l); r != nil {
			return x.makesJSON(r.Val)
		}
		return false, false
	}
	f, _, binary := x.jsonCall(n)
	return binary, f != nil
}

// jsonItem gives the only item of a scalar subquery, nil if there are others.
func jsonItem(l *pg.SubLink) *pg.ResTarget {
	st := l.Subselect.GetSelectStmt()
	if l.SubLinkType != pg.SubLinkType_EXPR_SUBLINK || st.GetOp() > pg.SetOperation_SETOP_NONE || len(st.GetTargetList()) != 1 {
		return nil
	}
	return st.TargetList[0].GetResTarget()
}

// jsonSubquery analyses a scalar subquery whose result is JSON of rows.
func (x *analysis) jsonSubquery(l *pg.SubLink, s *scope, binary bool) *JSON {
	if x.shown == nil {
		x.shown = make(map[*pg.ResTarget]bool)
	}
	x.shown[jsonItem(l)] = binary
	targets := x.query(l.Subselect.GetSelectStmt(), s, useMatch)
	if len(targets) != 1 || targets[0].json == nil {
		return nil
	}
	return x.jsonPart(operand{&targets[0].column, targets[0].token}, binary)
}

// constantNode reports whether an expression is a constant, cast or not.
func constantNode(n *pg.Node) bool {
	if c := n.GetTypeCast(); c != nil {
		n = c.Arg
	}
	return n.GetAConst() != nil
}

// jsonOf analyses what becomes a part of JSON. binary says that jsonb is made of it.
func (x *analysis) jsonOf(n *pg.Node, s *scope, binary bool) *JSON {
	f, form, inner := x.jsonCall(n)
	if f == nil {
		if _, ok := x.makesJSON(n); !ok {
			return x.jsonLeaf(n, s, binary)
		}
		if l := n.GetSubLink(); l != nil {
			return x.jsonSubquery(l, s, binary)
		}
		j := x.jsonOf(n.GetCoalesceExpr().Args[0], s, binary)
		if j == nil {
			return nil
		}
		if j.Value != nil {
			for _, c := range j.Value.Columns() { // which values are NULL shows
				x.touch(c, NullTest)
			}
		}
		for _, arg := range n.GetCoalesceExpr().Args[1:] {
			x.besideJSON(arg, j, jsonColumn(j).tagged, "COALESCE", x.token(locationOf(n)))
		}
		return j
	}
	binary = binary || inner
	var j *JSON
	switch form {
	case jsonValue:
		j = x.jsonOf(f.Args[0], s, binary)
	case jsonArray:
		if e := x.jsonOf(f.Args[0], s, binary); e != nil {
			j = &JSON{Element: e}
		}
	case jsonPairs:
		j = x.jsonObject(f, s, binary)
	}
	x.condition(f.AggFilter, s, "FILTER")
	x.sort(f.AggOrder, s)
	return j
}

// jsonObject analyses json_build_object. The members of jsonb come in an order of its
// own, so that their keys must be known.
func (x *analysis) jsonObject(f *pg.FuncCall, s *scope, binary bool) *JSON {
	j := &JSON{}
	found := false
	members := make(map[string]*JSON)
	twice, unknown := false, false
	for i := 0; i < len(f.Args); i += 2 {
		x.plain(f.Args[i], s, "a key")
		value := x.jsonOf(f.Args[i+1], s, binary)
		found = found || value != nil
		j.Ordered = append(j.Ordered, value)
		name := f.Args[i]
		if c := name.GetTypeCast(); c != nil && jsonTypeOf(c.TypeName) == textOID && (len(c.TypeName.Names) > 1 || x.env.catalogFirst()) {
			name = c.Arg
		}
		key, ok := name.GetAConst().GetVal().(*pg.A_Const_Sval)
		unknown = unknown || !ok
		if ok {
			_, again := members[key.Sval.Sval]
			twice = twice || again
			members[key.Sval.Sval] = value
		}
	}
	switch {
	case !found:
		return nil
	case !binary:
		return j
	}
	x.private = true // what becomes of it depends on the keys, which are constants of the text
	if twice || unknown {
		j.Values(func(o *Output) {
			x.fail(refuseFunction(o.Column, "jsonb_build_object", "jsonb_build_object").WithHint("Write each key as a constant, and none twice."), x.token(f.Location))
		})
		return nil
	}
	return &JSON{Members: members}
}

// jsonLeaf analyses a value that is no JSON yet: a whole row, a column, or anything
// that is not sealed.
func (x *analysis) jsonLeaf(n *pg.Node, s *scope, binary bool) *JSON {
	if ref := n.GetColumnRef(); ref != nil {
		if it := x.rowItem(ref, s); it != nil {
			return x.jsonRow(it, ref, binary)
		}
	}
	o := x.expr(n, s)
	if !o.sealed() || !x.jsonShows(o, binary) {
		return nil
	}
	return x.jsonPart(o, binary)
}

// jsonPart is the place of a sealed value, or of JSON, in other JSON.
func (x *analysis) jsonPart(o operand, binary bool) *JSON {
	if o.column.json == nil {
		x.keepsCast(o.column, o.token)
		return valueOf(o.column)
	}
	j := *o.column.json
	if j.Text || binary && !j.inBinary() {
		x.fail(refuseUse(o.column.tagged, "JSON that becomes a part of other JSON").WithHint("Make the whole of it in one expression, of one kind: json or jsonb."), o.token)
		return nil
	}
	j.Binary = false // that is said of the whole only
	return &j
}

// valueOf is the place of a sealed value.
func valueOf(c *column) *JSON {
	t := target{column: *c}
	t.origin = origin{}
	o := t.output()
	return &JSON{Value: &o}
}

// jsonShows refuses what pgveil does not write in JSON as the server does.
func (x *analysis) jsonShows(o operand, binary bool) bool {
	c := o.column.tagged
	switch kind := o.column.logicalType().Kind; {
	case o.column.json != nil:
		return true
	case c.Controlled():
		x.fail(refuseUse(c, "JSON"), o.token)
	case o.column.array:
		x.fail(refuseUse(c, "an array in JSON"), o.token)
	case o.column.made:
		x.fail(refuseShown(c), o.token)
	case binary && isFloat(kind):
		x.fail(refuseUse(c, "jsonb").WithHint("Use json."), o.token) // which writes it otherwise
	default:
		return true
	}
	return false
}

// rowItem gives the item whose whole row a name means, nil if it means a column.
func (x *analysis) rowItem(ref *pg.ColumnRef, s *scope) *item {
	names := stringNodes(ref.Fields)
	token := x.token(ref.Location)
	switch {
	case len(names) != 1 || len(ref.Fields) > 2:
		return nil
	case len(ref.Fields) == 1:
		for level := s; level != nil; level = level.outer {
			if c, _ := x.findHere(names[0], level, token); c != nil || slices.ContainsFunc(level.items, func(it *item) bool { return it.open }) {
				return nil
			}
		}
	}
	it := x.findTable(names[0], s, token)
	if it == nil || it.open {
		return nil
	}
	delete(x.left.columns, ref)
	return it
}

// jsonRow gives the object that the server makes of a whole row. That of a table has
// the table's own names, whatever an alias calls its columns.
func (x *analysis) jsonRow(it *item, ref *pg.ColumnRef, binary bool) *JSON {
	j := &JSON{Members: make(map[string]*JSON)}
	token := x.token(ref.Location)
	x.visibleOnly(it, token)
	found := false
	for i := range it.columns {
		name := it.columns[i].name
		if it.of != nil && !it.hides {
			name = it.of.Attributes[i].Name
		}
		o := (operand{&it.columns[i], token}).plainUse()
		_, again := j.Members[name]
		switch {
		case again:
			x.wholeRow(it, token) // of two members of a name nothing tells which is which
			return nil
		case !o.sealed():
			j.Members[name] = nil
			continue
		case !x.jsonShows(o, binary):
			x.wholeRow(it, token)
			return nil
		}
		j.Members[name] = x.jsonPart(o, binary)
		found = true
	}
	if !found {
		return nil
	}
	return j
}
