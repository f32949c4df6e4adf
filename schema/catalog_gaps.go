package schema

import (
	"fmt"
	"slices"
)

// Gaps tells where the schema file and the database do not meet, in a line each,
// sorted: tags without a table or column, tags on columns that hold values in clear,
// and columns that hold sealed values and have no tag.
func (c *Catalog) Gaps() []string {
	var gaps []string
	for name, tags := range c.tags {
		r := c.relations[name]
		if r == nil {
			gaps = append(gaps, fmt.Sprintf("table %s, which the schema file names, does not exist", qualifiedName(name.schema, name.name)))
			continue
		}
		for _, tag := range tags {
			switch a := r.Attribute(tag.Name); {
			case a == nil:
				gaps = append(gaps, fmt.Sprintf("column %s, which the schema file names, does not exist", tag.QualifiedName()))
			case a.TypeOID != byteaOID:
				gaps = append(gaps, fmt.Sprintf("column %s, which the schema file names, is not of type bytea: it holds values in clear", tag.QualifiedName()))
			}
		}
	}
	for _, r := range c.relations {
		for _, a := range r.Attributes {
			if a.Orphan && !r.Temporary() {
				gaps = append(gaps, fmt.Sprintf("column %s holds sealed values and the schema file does not name it: statements that use its table are refused", qualifiedName(r.Schema, r.Name, a.Name)))
			}
		}
	}
	slices.Sort(gaps)
	return gaps
}
