package schema

import (
	"fmt"
	"strings"
	"sync"

	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/yamlfile"
)

// Mode says how a column is sealed. The numbers are those of the sealed format.
type Mode uint8

// The modes.
const (
	Unencrypted   Mode = 0 // in the clear: of a column before it is sealed, or after
	Randomized    Mode = 1 // AES-256-GCM: equal values differ
	Deterministic Mode = 2 // AES-SIV: equal values of a domain are equal
)

// String gives the word of the schema file.
func (m Mode) String() string {
	switch m {
	case Unencrypted:
		return "none"
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
	Key     string            // name of the keyset or, with KeyBy, of the family of keysets
	KeyBy   *KeyBy            // what a row's key is picked by; nil: all have one
	Padding int               // bytes; 0 for none
	Access  map[string]Access // by PostgreSQL role; "public" is every role
	// glass holds the roles of [GlassRole] that read the column whatever Access says.
	glass map[string]bool
	// Subject is the column of its table, in the file, whose values tell whom a row is
	// about: the column itself, perhaps. It is nil if the file does not say.
	Subject *Column
	// Erased is what a value whose key was destroyed reads as, in the canonical encoding of
	// Type; nil for NULL.
	Erased []byte

	// Was is how the values are stored until schema apply has changed it; nil if that is as
	// the column itself says. It is in the clear if its Mode is Unencrypted. Name, type
	// and access are those of the column.
	Was *Column
	// KeyID is the ID of the key that the column's CHECK constraint names: the one that
	// seals. It is 0 if that names none, and in the columns of a file.
	KeyID uint32

	clear      *Column // of one that is being unsealed: as it will be
	file       *Column // that it was made from; nil: it is of the file
	pseudonyms bool    // a role has the verdict [Pseudonymize]
}

// InFile gives the column of the schema file that a column of a [Catalog], which says how
// the values are stored at the moment, was made from.
func (c *Column) InFile() *Column {
	if c.file == nil {
		return c
	}
	return c.file
}

// Forms gives how the values may be stored: as the column says, and as it says they were.
// What is in the clear is no form.
func (c *Column) Forms() []*Column {
	var forms []*Column
	for _, form := range []*Column{c, c.Was} {
		if form != nil && form.Mode != Unencrypted {
			forms = append(forms, form)
		}
	}
	return forms
}

// WithKey gives the column with a CHECK constraint that names a key. For the columns of a
// catalog there is one pointer for each key: see [Database].
func (c *Column) WithKey(id uint32) *Column {
	keyed := *c
	keyed.KeyID, keyed.file = id, c.InFile()
	return &keyed
}

// SubjectDomain names what the values of a column that is a [Column.Subject] are
// identifiers of. Subjects of two columns are one if both domain and canonical value are.
func (c *Column) SubjectDomain() string { return c.InFile().Domain }

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
	Columns []*Column // those that are sealed, or were, or will be; in the order of the file
	// Controlled are the columns that are stored in the clear and read by verdict: see
	// [Column.Controlled]. They are not among Columns.
	Controlled []*Column
	// Functions are those whose arguments or results are sealed values.
	Functions []*Function
	// Trusted are the functions outside pg_catalog that roles may call which may not decrypt a
	// controlled column: they give nothing of one.
	Trusted []TrustedFunction
	// Budgets say how much is opened, by role; "public" is every role.
	Budgets map[string]Budget
	// BreakGlass says which roles may read what their verdicts deny, in an emergency.
	BreakGlass map[string]BreakGlass
	// Canaries are patients whom nobody should ever read, by their subject tags.
	Canaries map[[canaryTagSize]byte]*Canary
	// Holds tells whether a keyset has a key of that ID. By that a catalog tells a
	// column's key from the one that it had, where nothing else differs. It is set before
	// the first catalog is read; nil if nobody knows.
	Holds func(keyset string, id uint32) bool

	file      string // where the columns come from, for messages
	positions map[*Column]yamlfile.Position

	mu    sync.Mutex
	keyed map[keyedColumn]*Column

	sealed *Database // that this one is, with the controlled columns among Columns; else nil
}

// keyedColumn is a form of a column and the key that seals it.
type keyedColumn struct {
	form  *Column
	id    uint32
	apart bool // other columns of its domain have another key
}

// withKey gives the one column of each key, so that columns of catalogs can be compared.
func (d *Database) withKey(form *Column, id uint32, apart bool) *Column {
	if id == 0 && !apart {
		return form
	}
	if d.sealed != nil {
		return d.sealed.withKey(form, id, apart)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	at := keyedColumn{form, id, apart}
	if d.keyed[at] == nil {
		keyed := form.WithKey(id)
		if apart {
			keyed.Domain = fmt.Sprintf("%s, key %d", form.Domain, id)
		}
		if d.keyed == nil {
			d.keyed = make(map[keyedColumn]*Column)
		}
		d.keyed[at] = keyed
	}
	return d.keyed[at]
}

// Subjects gives the columns that tell whom the rows of their tables are about.
func (d *Database) Subjects() []*Column {
	var list []*Column
	for _, c := range d.Columns {
		if c.Subject == c {
			list = append(list, c)
		}
	}
	return list
}

// Subject returns the column that tells whom the rows of a table are about, or nil.
func (d *Database) Subject(schema, table string) *Column {
	for _, c := range d.Columns {
		if c.Table == table && c.Schema == schema {
			return c.Subject
		}
	}
	return nil
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
