package statement

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// overlaid is a relation of the catalog that a FROM clause names and an overlay may
// take the place of.
type overlaid struct {
	*overlay
	rv     *pg.RangeVar
	name   string // by which the statement knows it
	first  int32  // its tokens,
	last   int32  // both included
	system []string
}

// overlaying is what a statement names, as far as overlays must know.
type overlaying struct {
	x       *analysis
	from    []*pg.RangeVar
	columns []*pg.ColumnRef
	using   []string        // the columns of USING
	groups  []*pg.ColumnRef // in GROUP BY
	items   map[string]int  // how often something in FROM, or a target, is called so
	queries map[string]bool // the names of WITH
	natural bool
	locks   bool
}

// overlay gives the edits that put overlays into a statement. Whatever an overlay may
// not stand for exactly is left as it is: nothing sealed is shown either way.
func (x *analysis) overlay(raw *pg.RawStmt) []edit {
	query := overlaidQuery(raw.Stmt)
	if query == nil {
		return nil
	}
	o := &overlaying{x: x, items: make(map[string]int), queries: make(map[string]bool)}
	o.message(query.ProtoReflect())
	if o.locks {
		return nil
	}
	var edits []edit
	prefixes := make(map[*overlay]bool) // those whose columns are named with their schema
	for _, rv := range o.from {
		c := o.candidate(rv)
		if c == nil || !o.fits(c) {
			continue
		}
		if rv.Alias == nil && !o.removable(c, prefixes) {
			continue
		}
		if x.text.Word(int(c.first)-1) == WordTable {
			edits = append(edits, edit{kind: editText, first: c.first - 1, last: c.first - 1, token: c.first - 1, text: "SELECT * FROM"})
		}
		edits = append(edits, edit{kind: editText, first: c.first, last: c.last, token: c.first, text: c.textWith(c.system)})
		if rv.Alias == nil {
			edits = append(edits, edit{kind: editAfter, first: c.last, last: c.last, token: c.last, text: " AS " + quoteIdent(rv.Relname)})
		}
	}
	for c := range prefixes {
		for _, ref := range o.columns {
			if o.named(ref, c) {
				at := x.token(ref.Location)
				edits = append(edits, edit{kind: editText, first: at, last: at + 1, token: at})
			}
		}
	}
	// The tree has the right side of SET (a, b) = (…) once for each column.
	slices.SortFunc(edits, compareEdits)
	return slices.Compact(edits)
}

// overlaidQuery gives the query of a statement that may have overlays, nil if there is
// none: what is kept in the database must not have them, nor what EXPLAIN explains.
func overlaidQuery(n *pg.Node) *pg.Node {
	switch s := n.GetNode().(type) {
	case *pg.Node_SelectStmt, *pg.Node_InsertStmt, *pg.Node_UpdateStmt, *pg.Node_DeleteStmt, *pg.Node_MergeStmt:
		return n
	case *pg.Node_PrepareStmt:
		return overlaidQuery(s.PrepareStmt.Query)
	case *pg.Node_DeclareCursorStmt:
		return overlaidQuery(s.DeclareCursorStmt.Query)
	case *pg.Node_CopyStmt:
		return overlaidQuery(s.CopyStmt.Query)
	case *pg.Node_CreateTableAsStmt:
		if s.CreateTableAsStmt.Objtype == pg.ObjectType_OBJECT_TABLE {
			return overlaidQuery(s.CreateTableAsStmt.Query)
		}
	}
	return nil
}

func (o *overlaying) message(m protoreflect.Message) {
	switch n := m.Interface().(type) {
	case *pg.RangeVar:
		if n.Alias == nil {
			o.items[n.Relname]++
		}
	case *pg.Alias:
		o.items[n.Aliasname]++
	case *pg.ColumnRef:
		o.columns = append(o.columns, n)
		return
	case *pg.CommonTableExpr:
		o.queries[n.Ctename] = true
	case *pg.LockingClause:
		o.locks = true
	case *pg.SelectStmt:
		o.ranges(n.FromClause...)
		o.groups = append(o.groups, columnRefs(n.GroupClause)...)
	case *pg.UpdateStmt:
		o.ranges(n.FromClause...)
	case *pg.DeleteStmt:
		o.ranges(n.UsingClause...)
	case *pg.MergeStmt:
		o.ranges(n.SourceRelation)
	case *pg.JoinExpr:
		o.ranges(n.Larg, n.Rarg)
		o.natural = o.natural || n.IsNatural
		o.using = append(o.using, stringNodes(n.UsingClause)...)
	case *pg.A_Const:
		return
	}
	for inner := range inside(m) {
		o.message(inner)
	}
}

func (o *overlaying) ranges(nodes ...*pg.Node) {
	for _, n := range nodes {
		if rv := n.GetRangeVar(); rv != nil {
			o.from = append(o.from, rv)
		}
	}
}

// candidate resolves a name in FROM, nil if there is no overlay of what it means or it
// is written in a way that a subquery cannot be.
func (o *overlaying) candidate(rv *pg.RangeVar) *overlaid {
	x := o.x
	c := &overlaid{rv: rv, name: rv.Relname, first: x.token(rv.Location)}
	switch {
	case rv.Catalogname != "" || !rv.Inh:
		return nil
	case rv.Schemaname != "":
		c.overlay, c.last = x.a.overlayOf(rv.Schemaname, rv.Relname), c.first+2
	case o.queries[rv.Relname]:
		return nil
	default:
		r, temporary := x.a.lookup(x.env, "", rv.Relname)
		if r == nil || temporary {
			return nil
		}
		c.overlay, c.last = x.a.overlayOf(r.Schema, r.Name), c.first
	}
	if c.overlay == nil || !x.qualifiedName(c.first, c.last) || string(x.text.Bytes(int(c.last)+1)) == "*" {
		return nil
	}
	if rv.Alias != nil {
		c.name = rv.Alias.Aliasname
	}
	return c
}

// qualifiedName reports whether the tokens are names with dots between.
func (x *analysis) qualifiedName(first, last int32) bool {
	for i := first; i <= last; i++ {
		k := x.text.Token(int(i)).Kind
		if (i-first)%2 == 0 && !k.IsName() || (i-first)%2 == 1 && k != Dot {
			return false
		}
	}
	return first >= 0
}

// fits reports whether an overlay makes a difference to the statement and stands for
// the relation in every use that is made of it. It finds the system columns that are
// named.
func (o *overlaying) fits(c *overlaid) bool {
	star, needed := o.natural, c.shows == nil
	renamed := len(c.rv.Alias.GetColnames()) > 0
	for _, name := range o.using {
		needed = needed || c.shows[name]
	}
	for _, ref := range o.columns {
		names := stringNodes(ref.Fields)
		all := len(names) < len(ref.Fields)
		switch n := len(names); {
		case n == 0:
			star = true
			continue
		case o.named(ref, c.overlay) && c.rv.Alias == nil:
			names = names[2:]
		case n > 1 && names[0] == c.name:
			names = names[1:]
		case n == 1 && names[0] == c.name && !all:
			return false // the whole row
		case n == 1 && names[0] == c.name:
			names = nil
		case n > 3 && names[1] == c.relation.Schema && names[2] == c.relation.Name:
			return false // with the name of the database
		case n > 1 || all:
			continue // of something else
		default: // a column of any item
			needed = needed || c.shows[names[0]]
			c.addSystem(names[0])
			continue
		}
		switch {
		case all && len(names) == 0:
			star = true
		case len(names) != 1 || all:
			return false
		case c.addSystem(names[0]):
		case c.relation.Attribute(names[0]) == nil && !renamed:
			return false // a function of the row
		default:
			needed = needed || c.shows[names[0]]
		}
	}
	needed = needed || star || renamed
	if o.keyGrouped(c) {
		return false
	}
	return needed && !(len(c.system) > 0 && (star || renamed))
}

// keyGrouped reports whether GROUP BY has the relation's primary key: its other columns
// may then stand in the select list, and those of a subquery may not.
func (o *overlaying) keyGrouped(c *overlaid) bool {
	if len(c.key) == 0 {
		return false
	}
	return !slices.ContainsFunc(c.key, func(column string) bool {
		return !slices.ContainsFunc(o.groups, func(ref *pg.ColumnRef) bool {
			names := stringNodes(ref.Fields)
			return len(names) > 0 && names[len(names)-1] == column && (len(names) != 2 || names[0] == c.name)
		})
	})
}

// columnRefs gives the columns that are named in expressions of GROUP BY.
func columnRefs(nodes []*pg.Node) []*pg.ColumnRef {
	var refs []*pg.ColumnRef
	for _, n := range nodes {
		if ref := n.GetColumnRef(); ref != nil {
			refs = append(refs, ref)
		}
		if set := n.GetGroupingSet(); set != nil {
			refs = append(refs, columnRefs(set.Content)...)
		}
		if row := n.GetRowExpr(); row != nil {
			refs = append(refs, columnRefs(row.Args)...)
		}
	}
	return refs
}

// addSystem notes a system column of the relation.
func (c *overlaid) addSystem(name string) bool {
	if c.relation.Kind == 'v' || !slices.Contains(systemColumns, name) {
		return false
	}
	if !slices.Contains(c.system, name) {
		c.system = append(c.system, name)
	}
	return true
}

// named reports whether a column is named with schema and relation.
func (o *overlaying) named(ref *pg.ColumnRef, of *overlay) bool {
	names := stringNodes(ref.Fields)
	return len(ref.Fields) == 3 && names[0] == of.relation.Schema && names[1] == of.relation.Name
}

// removable reports whether the schema can be left out where columns of the relation
// are named with it, as must be done for a subquery: the name means nothing else.
func (o *overlaying) removable(c *overlaid, prefixes map[*overlay]bool) bool {
	uses := false
	for _, ref := range o.columns {
		if o.named(ref, c.overlay) {
			uses = true
			if at := o.x.token(ref.Location); !o.x.qualifiedName(at, at+2) && len(stringNodes(ref.Fields)) == 3 {
				return false
			}
		}
	}
	if !uses {
		return true
	}
	same := 0
	for _, rv := range o.from {
		if rv.Alias == nil && rv.Relname == c.relation.Name {
			if other := o.candidate(rv); other == nil || other.overlay != c.overlay {
				return false
			}
			same++
		}
	}
	if same != o.items[c.relation.Name] {
		return false
	}
	prefixes[c.overlay] = true
	return true
}
