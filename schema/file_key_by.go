package schema

import (
	"strings"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema/yamlfile"
)

var keyByKeys = []string{"column", "by"}

// columnKeyBy reads which column of the table the keys are by.
func (p *fileParser) columnKeyBy(c *parsedColumn, fields map[string]yamlfile.Entry, what string) {
	k := p.keys[c.Key]
	f, ok := fields["key_by"]
	if !ok {
		if k != nil {
			p.keyUsed(c, k, KeySpec{}, what)
		}
		return
	}
	at := c.fields["key_by"]
	if c.Mode == Deterministic {
		p.Errorf(at, "%s is deterministic and has one key: equal values under different keys would differ", what)
		return
	}
	by := &KeyBy{}
	if yamlfile.IsMapping(f.Value) {
		parts := p.Fields(f.Value, what+": key_by", keyByKeys)
		column, ok := parts["column"]
		if !ok {
			p.Errorf(at, "%s: key_by has no column", what)
			return
		}
		if by.Column, ok = p.Text(column, what+": key_by"); !ok {
			return
		}
		if unit, ok := parts["by"]; ok {
			if _, by.Year = p.Choice(unit, what+": key_by", "year"); !by.Year {
				return
			}
		}
	} else if by.Column, ok = p.Text(f, what+": key_by"); !ok {
		return
	}
	if !p.checkName(at, "column", by.Column) || k == nil {
		return
	}
	if _, err := keys.MemberName(c.Key, strings.Repeat("0", 36)); err != nil {
		p.Errorf(at, "%s: the name of key %q is too long for a key by value: at most 60 letters", what, c.Key)
		return
	}
	c.KeyBy = by
	p.keyUsed(c, k, KeySpec{ByValue: true, ByYear: by.Year}, what)
}

// keyUsed asks that a key is by value for all of its columns, or for none.
func (p *fileParser) keyUsed(c *parsedColumn, k *keyUse, as KeySpec, what string) {
	switch {
	case k.by == nil:
		k.by, k.ByValue, k.ByYear = c, as.ByValue, as.ByYear
		p.file.Keys[k.Name] = k.KeySpec
	case k.ByValue != as.ByValue || k.ByYear != as.ByYear:
		p.Errorf(c.place("key_by"), "%s: key %q is by another value, or by none, for column %s; a key by value takes a name of its own", what, k.Name, k.by.QualifiedName())
	}
}

// checkKeyBy asks that what keys are by is not sealed itself.
func (p *fileParser) checkKeyBy() {
	for _, c := range p.columns {
		for _, o := range p.columns {
			if c.KeyBy != nil && o.Name == c.KeyBy.Column && o.Table == c.Table && o.Schema == c.Schema {
				p.Errorf(c.place("key_by"), "column %s: its keys are by column %s, which the server has to read: it cannot be tagged", c.QualifiedName(), o.Name)
			}
		}
	}
}
