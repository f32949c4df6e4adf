package schema

import (
	"fmt"

	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/yamlfile"
)

// checkDatabase compares the columns of a database with one another.
func (p *fileParser) checkDatabase() {
	p.checkDomains(p.columns, true)
	p.checkDomains(p.earlier(), false)
	p.checkContexts()
	p.checkPseudonyms()
	p.checkKeyBy()
}

// checkDomains asks that all columns of an equality domain seal a value into the
// same bytes. Without now they are as they were before a change.
func (p *fileParser) checkDomains(columns []*parsedColumn, now bool) {
	domains := make(map[string][]*parsedColumn)
	for _, c := range columns {
		if c.domain == "" {
			continue
		}
		for _, f := range domains[c.domain] {
			if (now || c.file != nil || f.file != nil) && p.differs(c, f) {
				break
			}
		}
		domains[c.domain] = append(domains[c.domain], c)
	}
	for _, domain := range names(domains) {
		if len(domains[domain]) == 1 && now {
			c := domains[domain][0]
			p.Warnf(c.place("domain"), "column %s: no other column is in domain %q, so nothing can be joined with it%s",
				c.QualifiedName(), domain, yamlfile.DidYouMean(domain, names(domains)))
		}
	}
}

// differs reports whether two columns of a domain cannot share it, and why.
func (p *fileParser) differs(c, f *parsedColumn) bool {
	const start = "column %s: all columns of domain %q "
	name := f.QualifiedName()
	switch {
	case c.Key != f.Key:
		p.Errorf(c.place("key"), start+"have the same key; %s has %q and this one %q", c.QualifiedName(), c.domain, name, f.Key, c.Key)
	case !sameForms(c.Type, f.Type):
		p.Errorf(c.place("type"), start+"have types whose equal values have the same form; %s is %s and this one %s", c.QualifiedName(), c.domain, name, f.Type, c.Type)
	case c.Padding != f.Padding:
		p.Errorf(c.place("padding"), start+"have the same padding; %s has %s and this one %s", c.QualifiedName(), c.domain, name, paddingName(f.Padding), paddingName(c.Padding))
	case c.Context != f.Context:
		p.Errorf(c.place("context"), start+"have the same context; %s has %q and this one %q", c.QualifiedName(), c.domain, name, f.Context, c.Context)
	default:
		return false
	}
	return true
}

// sameForms reports whether values of two types have the same canonical form
// exactly where PostgreSQL's = finds them equal.
func sameForms(a, b logical.Type) bool {
	switch {
	case a.Kind == logical.Varchar && b.Kind == logical.Bpchar, a.Kind == logical.Bpchar && b.Kind == logical.Varchar:
		// varchar = char(n) ignores trailing blanks in the varchar too, unlike
		// text = char(n).
		return false
	case a.Kind == logical.Numeric && b.Kind == logical.Numeric:
		// The form has the scale's digits: 1.5 and 1.50 differ.
		_, scaleA, _ := precisionScale(a)
		_, scaleB, _ := precisionScale(b)
		return scaleA == scaleB
	default:
		return equalityClass(a.Kind) == equalityClass(b.Kind)
	}
}

func equalityClass(k logical.Kind) logical.Kind {
	switch k {
	case logical.Varchar, logical.Bpchar:
		return logical.Text
	case logical.Int2, logical.Int4:
		return logical.Int8
	default:
		return k
	}
}

func paddingName(padding int) string {
	if padding == 0 {
		return "none"
	}
	return fmt.Sprint(padding)
}

// checkContexts asks that no value of one column opens in another, but for
// columns of one domain.
func (p *fileParser) checkContexts() {
	contexts := make(map[string]*parsedColumn)
	headers := make(map[[7]byte]*parsedColumn)
	for _, c := range p.everyForm() {
		f, ok := contexts[c.Context]
		switch {
		case !ok:
			contexts[c.Context] = c
			h := c.Header()
			if other, ok := headers[h]; ok && other.InFile() != c.InFile() {
				p.Errorf(c.place("context"), "column %s: its context %q has the same tag as %q of column %s; give one of them another context",
					c.QualifiedName(), c.Context, other.Context, other.QualifiedName())
			}
			headers[h] = c
		case c.Mode == Deterministic && c.Domain == f.Domain, c.InFile() == f.InFile():
		default:
			p.Errorf(c.place("context"), "column %s has the context %q of column %s: a value of one would open in the other%s",
				c.QualifiedName(), c.Context, f.QualifiedName(), sameContextHint(c, f))
		}
	}
}

func sameContextHint(c, f *parsedColumn) string {
	if c.Mode == Deterministic && f.Mode == Deterministic {
		return "; name a domain to compare them"
	}
	return ""
}

// warnSameContexts tells of databases whose values can be exchanged, such as a
// copy for tests that has the production's keys.
func (p *fileParser) warnSameContexts() {
	type place struct{ key, context string }
	seen := make(map[place]string)
	told := make(map[[2]string]bool)
	for _, name := range names(p.file.Databases) {
		db := p.file.Databases[name]
		for _, c := range db.Columns {
			if c.Mode == Unencrypted {
				continue
			}
			at := place{c.Key, c.Context}
			other, ok := seen[at]
			if !ok {
				seen[at] = name
				continue
			}
			if other != name && !told[[2]string{other, name}] {
				told[[2]string{other, name}] = true
				p.Warnf(db.positions[c], "column %s of database %q has the key and context of one in database %q: a value copied from one opens in the other",
					c.QualifiedName(), name, other)
			}
		}
	}
}

func (p *fileParser) warnUnused() {
	for _, name := range names(p.keys) {
		if k := p.keys[name]; !k.used {
			p.Warnf(k.at, "key %q is not used by any column", name)
		}
	}
	for _, name := range names(p.projects) {
		if k := p.projects[name]; !k.used {
			p.Warnf(k.at, "project %q is not used", name)
		}
	}
	for _, name := range names(p.profiles) {
		if k := p.profiles[name]; !k.used {
			p.Warnf(k.at, "profile %q is not used", name)
		}
	}
}
