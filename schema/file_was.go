package schema

import (
	"maps"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// columnWas reads how the values of a column are stored until schema apply has changed it.
func (p *fileParser) columnWas(c *parsedColumn, e yamlfile.Entry, what string) {
	what = "was of " + what
	fields := p.Fields(e.Value, what, wasKeys)
	if len(fields) == 0 {
		return
	}
	w := &parsedColumn{
		Column: &Column{Schema: c.Schema, Table: c.Table, Name: c.Name, Type: c.Type, file: c.Column},
		at:     c.fields["was"],
		fields: make(map[string]yamlfile.Position),
	}
	for key, f := range fields {
		w.fields[key] = yamlfile.PositionOf(f.Value)
	}
	errors := len(p.Faults)
	p.columnForm(w, fields, what)
	switch {
	case len(p.Faults) > errors:
		return
	case c.inClear && w.inClear:
		p.Errorf(w.at, "%s and the column itself have encryption: none: nothing is to be changed", what)
		return
	case !c.inClear && !w.inClear && w.SealsAlike(c.Column):
		p.Errorf(w.at, "%s says what the column itself says: nothing is to be changed", what)
		return
	case c.Mode == Deterministic && w.Mode == Deterministic && c.Context == w.Context && c.Key == w.Key:
		p.Errorf(w.at, "%s differs in its padding alone: a deterministic column needs another key, too, by which its values are told apart", what)
		return
	}
	c.Was, c.was = w.Column, w
}

// earlier gives the columns as they were before a change, where there is one.
func (p *fileParser) earlier() []*parsedColumn {
	list := make([]*parsedColumn, len(p.columns))
	for i, c := range p.columns {
		if list[i] = c; c.was != nil {
			list[i] = c.was
		}
	}
	return list
}

// access gives what a column was the access that it has, and how erased values read.
func (c *parsedColumn) access() {
	if c.was != nil {
		c.Was.Access, c.Was.Erased, c.Was.pseudonyms = maps.Clone(c.Access), c.Erased, c.pseudonyms
		if c.inClear {
			c.clear = &Column{Schema: c.Schema, Table: c.Table, Name: c.Name, Type: c.Type, Access: c.Was.Access, pseudonyms: c.pseudonyms, file: c.Column}
		}
	}
}

// everyForm gives the columns that are sealed, and what they were where that was sealed.
func (p *fileParser) everyForm() []*parsedColumn {
	var list []*parsedColumn
	for _, c := range p.columns {
		if !c.inClear {
			list = append(list, c)
		}
		if c.was != nil && !c.was.inClear {
			list = append(list, c.was)
		}
	}
	return list
}
