package schema

import (
	"maps"
	"slices"
)

// With returns the catalog with a relation more, in the place of any of its name: as a
// statement that is still to run will leave it. One without an OID gets one that no
// relation of the server has.
func (c *Catalog) With(r *Relation) *Catalog {
	next := c.Without(c.Relation(r.Schema, r.Name))
	if r.OID == 0 {
		for r.OID = ^uint32(0); next.byOID[r.OID] != nil; {
			r.OID--
		}
	}
	next.relations[relationName{r.Schema, r.Name}] = r
	next.byOID[r.OID] = r
	next.named[r.Name] = append(slices.Clone(next.named[r.Name]), r)
	if r.Reaches {
		next.watched[r.Name] = struct{}{}
	}
	return next
}

// Without returns the catalog without a relation, which may be nil. Its name stays
// watched.
func (c *Catalog) Without(r *Relation) *Catalog {
	next := *c
	next.relations, next.named = maps.Clone(c.relations), maps.Clone(c.named)
	next.byOID, next.watched = maps.Clone(c.byOID), maps.Clone(c.watched)
	if r != nil {
		delete(next.relations, relationName{r.Schema, r.Name})
		delete(next.byOID, r.OID)
		next.named[r.Name] = slices.DeleteFunc(slices.Clone(next.named[r.Name]), func(o *Relation) bool { return o == r })
	}
	return &next
}
