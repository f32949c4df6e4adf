package schema

import (
	"strings"

	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/yamlfile"
)

// Mode says how a column is sealed. The numbers are those of the sealed format.
type Mode uint8

// The modes.
const (
	Randomized    Mode = 1 // AES-256-GCM: equal values differ
	Deterministic Mode = 2 // AES-SIV: equal values of a domain are equal
)

// String gives the word of the schema file.
func (m Mode) String() string {
	switch m {
	case Randomized:
		return "randomized"
	case Deterministic:
		return "deterministic"
	default:
		return "invalid mode"
	}
}

// DefaultPadding is the unit, in bytes, to whose multiple a value of variable
// length is padded where the schema file says nothing.
const DefaultPadding = 32

// Column is a tagged column. It is immutable once made.
type Column struct {
	Schema, Table, Name string
	Type                logical.Type
	Mode                Mode
	// Domain names the equality domain of a deterministic column: values of two
	// columns compare equal only if they share it. It is "" for a randomized one.
	Domain string
	// Context is the full name that sealed values are bound to, such as
	// "column:lab.patient.nir" or "domain:nir".
	Context string
	Key     string            // name of the keyset
	Padding int               // bytes; 0 for none
	Access  map[string]Access // by PostgreSQL role; "public" is every role
}

// QualifiedName gives schema.table.column, each part quoted if it has other
// characters than PostgreSQL would leave unquoted.
func (c *Column) QualifiedName() string { return qualifiedName(c.Schema, c.Table, c.Name) }

// TableName gives schema.table, quoted like [Column.QualifiedName].
func (c *Column) TableName() string { return qualifiedName(c.Schema, c.Table) }

// qualifiedName joins the parts of a name. The rule for quotes must never
// change: the default context of a column, which its values are bound to, is
// made of it.
func qualifiedName(parts ...string) string {
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			b.WriteByte('.')
		}
		if plainIdentifier(part) {
			b.WriteString(part)
			continue
		}
		b.WriteByte('"')
		b.WriteString(strings.ReplaceAll(part, `"`, `""`))
		b.WriteByte('"')
	}
	return b.String()
}

// plainIdentifier reports whether s needs no quotes, keywords left aside.
// Source: PostgreSQL manual, "Identifiers and Key Words".
func plainIdentifier(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '$'):
		default:
			return false
		}
	}
	return s != ""
}

// Database holds the tagged columns of one database.
type Database struct {
	Name    string
	Columns []*Column // in the order of the file
	// Functions are those whose arguments or results are sealed values.
	Functions []*Function

	file      string // where the columns come from, for messages
	positions map[*Column]yamlfile.Position
}

// Column returns the tagged column of that name, or nil.
func (d *Database) Column(schema, table, column string) *Column {
	for _, c := range d.Columns {
		if c.Name == column && c.Table == table && c.Schema == schema {
			return c
		}
	}
	return nil
}
