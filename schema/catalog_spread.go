package schema

import (
	"fmt"
	"slices"
)

// tag puts the tags on the tables that the file names and carries them, column
// by column, along inheritance and partitioning.
func (l *loader) tag() error {
	byName := make(map[relationName]*Relation)
	for _, r := range l.relations {
		byName[relationName{r.Schema, r.Name}] = r
	}
	type place struct {
		relation *Relation
		column   *Column
	}
	var queue []place
	for _, c := range l.db.Columns {
		r := byName[relationName{c.Schema, c.Table}]
		if r == nil {
			continue
		}
		r.Reaches = true
		// What is no table stores nothing that was sealed for it; Check reports it.
		if a := r.Attribute(c.Name); a != nil && isTable(r) {
			form := l.form(a, c)
			l.forms[c] = form
			if r.InClear = r.InClear || form == nil; form != nil {
				a.Tagged = form
				queue = append(queue, place{r, form})
			}
		}
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, oid := range l.parents[at.relation.OID] {
			r := l.byOID[oid]
			if r == nil {
				continue // an index
			}
			a := r.Attribute(at.column.Name)
			switch {
			case a == nil:
			case a.Tagged == nil:
				a.Tagged = at.column
				queue = append(queue, place{r, at.column})
			case !a.Tagged.SealsAlike(at.column):
				return &tagConflict{Relation: qualifiedName(r.Schema, r.Name), First: a.Tagged, Second: at.column}
			}
		}
	}
	l.partDomains()
	for _, r := range l.relations {
		r.Reaches = r.Reaches || keepsSamples(r)
		for i := range r.Attributes {
			a := &r.Attributes[i]
			a.Orphan = a.Orphan && a.Tagged == nil
			r.Reaches = r.Reaches || a.Tagged != nil || a.Orphan
		}
	}
	return nil
}

// keepsSamples reports whether ANALYZE stores values of other tables in a relation:
// what is sealed there, and how often each value occurs, must not be read from it,
// nor from the server's views over it, whose dependencies are not in pg_depend.
func keepsSamples(r *Relation) bool {
	if r.Schema != "pg_catalog" {
		return false
	}
	switch r.Name {
	case "pg_statistic", "pg_statistic_ext_data", "pg_stats", "pg_stats_ext", "pg_stats_ext_exprs":
		return true
	}
	return false
}

func isTable(r *Relation) bool { return r.Kind == 'r' || r.Kind == 'p' || r.Kind == 'f' }

// SealsAlike reports whether values sealed for one column open in the other and
// mean the same there.
func (c *Column) SealsAlike(o *Column) bool {
	return c == o || !c.Controlled() && c.Context == o.Context && c.Key == o.Key && sameKeyBy(c, o) && c.Mode == o.Mode && c.Type == o.Type && c.Padding == o.Padding && c.KeyID == o.KeyID
}

func sameKeyBy(a, b *Column) bool {
	return (a.KeyBy == nil) == (b.KeyBy == nil) && (a.KeyBy == nil || *a.KeyBy == *b.KeyBy)
}

// tagConflict says that two tags meet in one column.
type tagConflict struct {
	Relation      string
	First, Second *Column
}

func (e *tagConflict) Error() string {
	return fmt.Sprintf("columns %s and %s are tagged apart, and meet in %s by inheritance or partitioning: tag one of them",
		e.First.QualifiedName(), e.Second.QualifiedName(), e.Relation)
}

// spread finds what reaches a tagged table: through views and rules, and through
// functions by the names in their source.
func (l *loader) spread() {
	reached := make(map[object]bool)
	l.watched = make(map[string]struct{})
	for _, c := range l.db.Columns {
		l.watched[c.Table] = struct{}{} // a tagged table that is not there may be there a moment later
	}
	fresh := names(l.watched) // the names that no function was asked for yet
	reach := func(o object, name string) {
		reached[o] = true
		if _, ok := l.watched[name]; !ok {
			l.watched[name] = struct{}{}
			fresh = append(fresh, name)
		}
	}
	for _, r := range l.relations {
		if r.Reaches {
			reach(object{false, r.OID}, r.Name)
		}
	}
	for _, d := range l.db.Functions { // whatever their source names
		for _, f := range l.functions {
			if f.name == d.Name && !f.watched {
				f.watched = true
				reach(object{true, f.oid}, f.name)
			}
		}
	}
	for again := true; again; {
		again = false
		for _, r := range l.relations {
			o := object{false, r.OID}
			if (!r.Reaches || r.InClear) && l.anyReached(reached, o) {
				r.InClear = false
				if !r.Reaches {
					r.Reaches, again = true, true
					reach(o, r.Name)
				}
			}
		}
		asked := fresh
		fresh = nil
		for _, f := range l.functions {
			if o := (object{true, f.oid}); !f.watched && (l.anyReached(reached, o) || slices.ContainsFunc(asked, f.body.mentions)) {
				f.watched, again = true, true
				reach(o, f.name)
			}
		}
	}
}

func (l *loader) anyReached(reached map[object]bool, o object) bool {
	for _, to := range l.depends[o] {
		if reached[to] {
			return true
		}
	}
	return false
}

// catalog makes the snapshot. Temporary relations belong to some session and
// stay only if they reach a tagged table.
func (l *loader) catalog() *Catalog {
	kept := make([]*Relation, 0, len(l.relations))
	for _, r := range l.relations {
		if r.Reaches || !r.Temporary() {
			kept = append(kept, r)
		}
	}
	var functions []string
	for _, f := range l.functions {
		if f.watched {
			functions = append(functions, f.name)
		}
	}
	c := NewCatalog(kept, functions, l.tags()...)
	c.shadowed, c.ownEquality, c.ownComparison = l.shadowed, l.ownEquality, l.ownComparison
	c.changing, c.epoch = l.changing, l.epoch
	c.aggregates, c.everything = l.aggregates, l.everything
	for name := range l.watched {
		c.watched[name] = struct{}{}
	}
	c.Declare(l.db.Functions, func(schema, name string) bool {
		for in := range l.namesakes[name] {
			if in != schema {
				return true
			}
		}
		return false
	})
	return c
}
