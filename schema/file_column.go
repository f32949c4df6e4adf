package schema

import (
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/yamlfile"
)

// parsedColumn is a column with the places that messages about it point to.
type parsedColumn struct {
	*Column
	at         yamlfile.Position            // of the column's name
	fields     map[string]yamlfile.Position // of the values given
	domain     string                       // as written; "" if it is not
	ownContext bool                         // the file gives the context
	inClear    bool                         // encryption: none
	was        *parsedColumn                // how it was stored, nil if the file says nothing of that
}

// place returns where the value of a key is, or the column if the file has none.
func (c *parsedColumn) place(key string) yamlfile.Position {
	if at, ok := c.fields[key]; ok {
		return at
	}
	return c.at
}

// maxContextLength bounds the name of a context, in bytes.
const maxContextLength = 255

func (p *fileParser) parseColumn(e yamlfile.Entry, table relationName, fallback *accessList) {
	c := &parsedColumn{
		Column: &Column{Schema: table.schema, Table: table.name, Name: e.Key},
		at:     e.At,
		fields: make(map[string]yamlfile.Position),
	}
	what := "column " + c.QualifiedName()
	fields := p.Fields(e.Value, what, columnKeys)
	if len(fields) == 0 {
		return
	}
	for key, f := range fields {
		c.fields[key] = yamlfile.PositionOf(f.Value)
	}
	errors := len(p.Faults)
	p.columnType(c, fields, what)
	p.columnErased(c, fields, what)
	was, changes := fields["was"]
	p.columnForm(c, fields, what)
	if changes {
		p.columnWas(c, was, what)
	} else if c.inClear {
		p.controlled(c, what)
	}
	list := fallback
	if f, ok := fields["access"]; ok {
		list = p.parseAccessList(f, what)
	}
	if list == nil {
		if _, ok := fields["access"]; !ok {
			c.Access = map[string]Access{}
			p.Warnf(c.at, "%s has no access: no role may read it", what)
		}
	} else if c.Type.Kind != 0 {
		c.Access = p.columnAccess(c, list, what)
	}
	if len(p.Faults) == errors {
		c.access()
		p.columns = append(p.columns, c)
	}
}

// columnForm reads how the values of a column are stored.
func (p *fileParser) columnForm(c *parsedColumn, fields map[string]yamlfile.Entry, what string) {
	if p.columnEncryption(c, fields, what); c.inClear {
		for _, key := range []string{"key", "key_by", "domain", "context", "padding"} {
			if _, ok := fields[key]; ok {
				p.Errorf(c.fields[key], "%s has encryption: none and no %s", what, key)
			}
		}
		return
	}
	p.columnContext(c, fields, what)
	if c.Mode != 0 {
		p.columnKey(c, fields, what)
		p.columnKeyBy(c, fields, what)
	}
	if c.Type.Kind != 0 {
		p.columnPadding(c, fields, what)
	}
}

func (p *fileParser) columnType(c *parsedColumn, fields map[string]yamlfile.Entry, what string) {
	f, ok := fields["type"]
	if !ok {
		p.Errorf(c.at, "%s has no type: the type that applications see, such as text or char(15)", what)
		return
	}
	s, ok := p.Text(f, what)
	if !ok {
		return
	}
	t, err := logical.ParseType(s)
	if err != nil {
		name, _, _ := strings.Cut(s, "(")
		p.Errorf(c.fields["type"], "%s: %v%s", what, err, yamlfile.DidYouMean(strings.TrimSpace(name), typeNames))
		return
	}
	c.Type = t
}

// columnErased reads the text that erased values read as.
func (p *fileParser) columnErased(c *parsedColumn, fields map[string]yamlfile.Entry, what string) {
	f, ok := fields["erased"]
	if !ok || c.Type.Kind == 0 {
		return
	}
	if kind := c.Type.Kind; kind != logical.Text && kind != logical.Varchar && kind != logical.Bpchar {
		p.Errorf(c.fields["erased"], "%s is %s: only columns of text, varchar and char have a text for erased values, others are NULL", what, c.Type)
		return
	}
	s, ok := p.Text(f, what)
	if !ok {
		return
	}
	value, err := c.Type.Canonical([]byte{}, []byte(s), 0, 0, logical.Assign, nil)
	if err != nil {
		p.Errorf(c.fields["erased"], "%s: erased: %v", what, err)
		return
	}
	c.Erased = value
}

// typeNames are the spellings that a suggestion may name.
var typeNames = []string{
	"text", "varchar", "character varying", "char", "character", "bpchar", "smallint", "int2", "integer", "int", "int4",
	"bigint", "int8", "numeric", "decimal", "real", "float4", "double precision", "float8", "boolean", "bool", "date",
	"timestamp", "timestamptz", "timestamp with time zone", "timestamp without time zone", "uuid", "jsonb", "bytea",
}

func (p *fileParser) columnEncryption(c *parsedColumn, fields map[string]yamlfile.Entry, what string) {
	f, ok := fields["encryption"]
	if !ok {
		p.Errorf(c.at, "%s has no encryption: randomized, or deterministic to compare it with = and join it", what)
		return
	}
	if n, ok := f.Value.(*ast.StringNode); ok && n.Value == Unencrypted.String() {
		c.inClear = true
		return
	}
	s, ok := p.Choice(f, what, Randomized.String(), Deterministic.String(), Unencrypted.String())
	if !ok {
		return
	}
	c.Mode = Randomized
	if s == Deterministic.String() {
		c.Mode = Deterministic
	}
	if c.Mode == Deterministic && c.Type.Kind == logical.Bool {
		p.Warnf(c.fields["encryption"], "%s: a deterministic boolean has two sealed values, and it is easy to tell which is which", what)
	}
	if c.Mode == Deterministic && c.Type.Kind != 0 && !c.Type.AllowsDeterministic() {
		advice := "use randomized"
		if c.Type.Kind == logical.Numeric {
			advice = "give it a precision and scale, such as numeric(10,2), or use randomized"
		}
		p.Errorf(c.fields["encryption"], "%s: type %s cannot be deterministic, since equal values of it have more than one form; %s", what, c.Type, advice)
	}
}

// columnContext sets the domain and the context.
func (p *fileParser) columnContext(c *parsedColumn, fields map[string]yamlfile.Entry, what string) {
	own := "column:" + c.QualifiedName()
	c.Context = own
	if c.Mode == Deterministic {
		// A name in the file has no colon, so this domain has one column.
		c.Domain = own
	}
	if f, ok := fields["domain"]; ok {
		s, ok := p.Text(f, what)
		switch {
		case !ok:
		case c.Mode == Randomized:
			p.Errorf(c.fields["domain"], "%s is randomized and cannot have a domain: its values are never compared", what)
		case !validDomain(s):
			p.Errorf(c.fields["domain"], "%s: the name of a domain has letters, digits, -, _ and dots, at most %d", what, maxNameLength)
		default:
			c.domain, c.Domain, c.Context = s, s, "domain:"+s
		}
	}
	if f, ok := fields["context"]; ok {
		s, ok := p.Text(f, what)
		switch {
		case !ok:
		case len(s) > maxContextLength || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == 0xfffd }):
			p.Errorf(c.fields["context"], "%s: a context has 1 to %d bytes, without blanks or control characters", what, maxContextLength)
		default:
			c.Context, c.ownContext = s, true
		}
	}
}

// validDomain asks for a word: the name becomes part of a context, which a colon
// would blur.
func validDomain(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
		case i > 0 && (c == '-' || c == '.'):
		default:
			return false
		}
	}
	return len(s) <= maxNameLength
}

func (p *fileParser) columnKey(c *parsedColumn, fields map[string]yamlfile.Entry, what string) {
	f, ok := fields["key"]
	if !ok {
		var fitting []string
		for _, name := range names(p.keys) {
			if p.keys[name].Mode == c.Mode {
				fitting = append(fitting, name)
			}
		}
		switch len(fitting) {
		case 1:
			c.Key = fitting[0]
			p.keys[c.Key].used = true
		case 0:
			p.Errorf(c.at, "%s is %s, and keys has no %s key", what, c.Mode, c.Mode)
		default:
			p.Errorf(c.at, "%s has no key, and several would do: %s", what, strings.Join(fitting, ", "))
		}
		return
	}
	s, ok := p.Text(f, what)
	if !ok {
		return
	}
	k, ok := p.keys[s]
	if !ok {
		p.Errorf(c.fields["key"], "%s: key %q is not among keys%s", what, s, yamlfile.DidYouMean(s, names(p.keys)))
		return
	}
	if k.Mode != c.Mode {
		p.Errorf(c.fields["key"], "%s is %s, and key %q is %s", what, c.Mode, s, k.Mode)
		return
	}
	c.Key = s
	k.used = true
}

func (p *fileParser) columnPadding(c *parsedColumn, fields map[string]yamlfile.Entry, what string) {
	f, ok := fields["padding"]
	if !ok {
		if !c.Type.FixedLength() {
			c.Padding = DefaultPadding
		}
		return
	}
	if n, ok := f.Value.(*ast.StringNode); ok && n.Value == "none" {
		if !c.Type.FixedLength() {
			p.Warnf(c.fields["padding"], "%s: without padding the server sees the length of every %s", what, c.Type)
		}
		return
	}
	if _, ok := f.Value.(*ast.IntegerNode); !ok {
		p.WrongType(f.Value, what+`: "padding"`, "a number of bytes, or none")
		return
	}
	n, ok := p.Integer(f, what, 2, keys.MaxPadding)
	switch {
	case !ok:
	case c.Type.FixedLength():
		p.Errorf(c.fields["padding"], "%s: every %s has the same length; padding would hide nothing", what, c.Type)
	default:
		c.Padding = n
	}
}
