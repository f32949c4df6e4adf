package schema

import "github.com/pgveil/pgveil/schema/yamlfile"

// tableSubject reads the column that names whom the rows of a table are about, and gives
// it to the table's columns.
func (p *fileParser) tableSubject(e yamlfile.Entry, table relationName, what string) {
	name, ok := p.Text(e, what)
	if !ok || len(p.Faults) > 0 {
		return // the column may be one with a fault
	}
	at := yamlfile.PositionOf(e.Value)
	var subject *parsedColumn
	var columns []*parsedColumn
	var names []string
	for _, c := range p.columns {
		if c.Schema != table.schema || c.Table != table.name {
			continue
		}
		if columns, names = append(columns, c), append(names, c.Name); c.Name == name {
			subject = c
		}
	}
	switch {
	case subject == nil:
		p.Errorf(at, "%s: its subject %q is not among its columns%s", what, name, yamlfile.DidYouMean(name, names))
	case subject.Mode != Deterministic:
		p.Errorf(at, "%s: its subject %q is not deterministic: the column holds what tells one subject from another", what, name)
	default:
		for _, c := range columns {
			if c.Subject = subject.Column; c.Was != nil {
				c.Was.Subject = subject.Column
			}
			if c.clear != nil {
				c.clear.Subject = subject.Column
			}
		}
	}
}
