package schema

import (
	"cmp"
	"slices"
	"strings"
)

// Catalog is a snapshot of one database, with the tags of the schema file on
// it. It is immutable and safe for concurrent use.
type Catalog struct {
	relations map[relationName]*Relation
	named     map[string][]*Relation
	byOID     map[uint32]*Relation
	watched   map[string]struct{} // relations and functions
	functions map[string]struct{}
	shadowed  map[string]struct{}        // functions and operators: see Shadowed
	tags      map[relationName][]*Column // of the schema file, whether the table is there or not
	schemas   map[string]struct{}        // that tags are in
	declared  map[string][]declared      // by the function's name

	ownEquality, ownComparison bool

	aggregates map[string]struct{} // names of functions; nil: not known
	everything readers             // who may read everything

	changing bool
	epoch    int64
}

// Changing reports whether a job changes how the values of a table that a client may reach
// are stored, or is about to: what is planned by this catalog is to be run only while [Catalog.Epoch] is
// the server's.
func (c *Catalog) Changing() bool { return c.changing }

// Epoch counts the changes that jobs have made, as pgveil.epoch does. It is 0 if there was
// none.
func (c *Catalog) Epoch() int64 { return c.epoch }

type relationName struct{ schema, name string }

// Relation is a table, view, sequence or anything else that FROM can name.
type Relation struct {
	OID          uint32
	Schema, Name string
	Kind         byte        // pg_class.relkind
	Attributes   []Attribute // by attnum, without dropped and system columns
	// Definition is the query of a view or materialized view that reaches a tagged
	// table, every name in it qualified; "" for other relations.
	Definition string
	Rules      bool        // such a view has rules for what changes it
	Checks     []SealCheck // of a table with tagged columns: those that are pgveil's own
	Indexes    []Index     // of a table with tagged columns
	// Reaches says that the relation is a tagged table or reaches one: a view over
	// it, a table with a rule that names it. A table with an orphan reaches, too.
	Reaches bool
	// InClear says that columns of the file are stored in the clear in the table, and that
	// it reaches by nothing else.
	InClear bool

	readers readers // on the server, of all columns
	// Reveals is a controlled column of which something else of the table tells: it is
	// partitioned by it, or a generated column is computed of it. Nil if there is none.
	Reveals *Column
}

// Attribute is a column of a relation.
type Attribute struct {
	Name    string
	Num     int16
	TypeOID uint32
	Tagged  *Column // of a table or partition; nil if it is not tagged
	// Orphan says that the column has pgveil's CHECK constraint and no tag: what it
	// holds is sealed, and nothing says for which column.
	Orphan bool
	// PartitionKey says that the table is partitioned by it, or by an expression of it.
	PartitionKey bool
	Generated    bool // GENERATED ALWAYS AS (expression)
	Loose        bool // its collation is not deterministic: texts that differ may be equal
	// Shadow says that a job keeps values in the column until they take the place of
	// others: see [Catalog.Changing]. Clients do not see it.
	Shadow bool

	readers readers // on the server, beside those of the relation
}

// Attribute returns the attribute of that name, or nil.
func (r *Relation) Attribute(name string) *Attribute {
	for i := range r.Attributes {
		if r.Attributes[i].Name == name {
			return &r.Attributes[i]
		}
	}
	return nil
}

// Visible returns the attributes that clients see: all but the shadows.
func (r *Relation) Visible() []Attribute {
	if !r.Hides() {
		return r.Attributes
	}
	visible := make([]Attribute, 0, len(r.Attributes))
	for _, a := range r.Attributes {
		if !a.Shadow {
			visible = append(visible, a)
		}
	}
	return visible
}

// Hides reports whether a job keeps values in the relation that clients do not see.
func (r *Relation) Hides() bool {
	return slices.ContainsFunc(r.Attributes, func(a Attribute) bool { return a.Shadow })
}

// Orphan returns the first attribute that is an orphan, or nil.
func (r *Relation) Orphan() *Attribute {
	for i := range r.Attributes {
		if r.Attributes[i].Orphan {
			return &r.Attributes[i]
		}
	}
	return nil
}

// Temporary reports whether the relation is in a session's temporary schema.
func (r *Relation) Temporary() bool { return temporarySchema(r.Schema) }

func temporarySchema(name string) bool { return strings.HasPrefix(name, "pg_temp") }

// NewCatalog makes a catalog of the given relations and of the names of the
// functions that mention a watched name. It keeps the relations: they must not
// change afterwards. One with a tagged attribute or an orphan is set to reach;
// whether any other does is for the caller to say. tags are those of tables that
// may not exist; those of the relations are known without.
func NewCatalog(rels []*Relation, functions []string, tags ...*Column) *Catalog {
	c := &Catalog{
		relations: make(map[relationName]*Relation, len(rels)),
		named:     make(map[string][]*Relation, len(rels)),
		byOID:     make(map[uint32]*Relation, len(rels)),
		watched:   make(map[string]struct{}),
		functions: make(map[string]struct{}, len(functions)),
		tags:      make(map[relationName][]*Column),
		schemas:   make(map[string]struct{}),
		declared:  make(map[string][]declared),
	}
	for _, column := range tags {
		c.tag(column)
	}
	for _, r := range rels {
		for i := range r.Attributes {
			if a := &r.Attributes[i]; a.Tagged != nil || a.Orphan {
				r.Reaches = true
				c.tag(a.Tagged)
			}
		}
		c.relations[relationName{r.Schema, r.Name}] = r
		c.byOID[r.OID] = r
		if !r.Temporary() {
			c.named[r.Name] = append(c.named[r.Name], r)
		}
		if r.Reaches {
			c.watched[r.Name] = struct{}{}
		}
	}
	for _, name := range functions {
		c.functions[name] = struct{}{}
		c.watched[name] = struct{}{}
	}
	return c
}

func (c *Catalog) tag(column *Column) {
	if column == nil {
		return
	}
	name := relationName{column.Schema, column.Table}
	if column.Controlled() {
		c.watched[column.Table] = struct{}{}
		c.schemas[column.Schema] = struct{}{}
		return
	}
	if !slices.Contains(c.tags[name], column) {
		c.tags[name] = append(c.tags[name], column)
		c.watched[column.Table] = struct{}{}
		c.schemas[column.Schema] = struct{}{}
	}
}

// Tags returns the columns that the schema file names in a table, whether it
// exists or not. The slice is the catalog's own.
func (c *Catalog) Tags(schema, table string) []*Column { return c.tags[relationName{schema, table}] }

// TaggedSchema reports whether the schema file names a table in the schema.
func (c *Catalog) TaggedSchema(name string) bool {
	_, ok := c.schemas[name]
	return ok
}

// Awaited reports whether the schema file names a table of that name, in whatever
// schema, that does not exist.
func (c *Catalog) Awaited(name string) bool {
	if !c.Watched(name) {
		return false
	}
	for schema := range c.schemas {
		if n := (relationName{schema, name}); c.tags[n] != nil && c.relations[n] == nil {
			return true
		}
	}
	return false
}

// Relation returns the relation of that schema and name, or nil.
func (c *Catalog) Relation(schema, name string) *Relation {
	return c.relations[relationName{schema, name}]
}

// Named returns every relation of that name, whatever its schema, temporary
// ones left out. The slice is the catalog's own.
func (c *Catalog) Named(name string) []*Relation { return c.named[name] }

// Reaching returns the relations that are or reach a tagged table, by OID.
func (c *Catalog) Reaching() []*Relation {
	var list []*Relation
	for _, r := range c.byOID {
		if r.Reaches {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *Relation) int { return cmp.Compare(a.OID, b.OID) })
	return list
}

// ByOID returns the relation with that OID, or nil.
func (c *Catalog) ByOID(oid uint32) *Relation { return c.byOID[oid] }

// Watched reports whether ident, spelt as the catalog stores it, is the name of
// a relation that is or reaches a tagged table, or of a function outside
// pg_catalog that mentions such a name. It errs on the side of true.
func (c *Catalog) Watched(ident string) bool {
	_, ok := c.watched[ident]
	return ok
}

// WatchedNames returns every name that [Catalog.Watched] is true for, sorted.
func (c *Catalog) WatchedNames() []string {
	names := make([]string, 0, len(c.watched))
	for name := range c.watched {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Function reports whether name is that of a watched function.
func (c *Catalog) Function(name string) (watched bool) {
	_, ok := c.functions[name]
	return ok
}
