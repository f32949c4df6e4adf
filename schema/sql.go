package schema

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
)

// DDLForm says what kind of statements [DDL] prints.
type DDLForm uint8

// The forms.
const (
	// AddColumns alters existing tables: it adds the tagged columns.
	AddColumns DDLForm = iota
	// CreateTables gives, for each table, the lines of its tagged columns to put into
	// CREATE TABLE.
	CreateTables
	// AddConstraints alters existing tables whose columns are bytea already: it adds
	// the CHECK constraints.
	AddConstraints
)

// Sizes of a sealed value besides its header and the plaintext, in bytes: Tink's
// prefix, the nonce and tag of AES-GCM, the synthetic IV of AES-SIV, and the
// byte that ends the plaintext.
const (
	tinkPrefix = 5 // tinkVersion and the key's ID
	gcmExtra   = 12 + 16
	sivExtra   = 16
	endMark    = 1
)

// tinkVersion begins Tink's prefix of a ciphertext. Source: Tink, "Wire format".
const tinkVersion = 1

// MinSealedLength returns the length in bytes of the shortest value sealed for
// the column, padding left aside so that it can change.
func (c *Column) MinSealedLength() int {
	n := keys.HeaderSize + tinkPrefix + endMark
	if c.Mode == Deterministic {
		return n + sivExtra
	}
	return n + gcmExtra
}

// ConstraintName returns the name that DDL gives the column's CHECK constraint:
// pgveil_ and the column, cut to what a name may have.
func (c *Column) ConstraintName() string {
	name := "pgveil_" + c.Name
	if len(name) <= maxNameLength {
		return name
	}
	// Two long names may be cut to the same: the end of the context tag tells them
	// apart.
	header := c.Header()
	tail := "_" + hex.EncodeToString(header[3:])
	name = name[:maxNameLength-len(tail)]
	return strings.ToValidUTF8(name, "") + tail
}

// prefix is what every value sealed for the column begins with: the header, and the
// prefix of the key that seals it if its CHECK constraint names that.
func (c *Column) prefix() []byte {
	header := c.Header()
	if c.KeyID == 0 {
		return header[:]
	}
	return binary.BigEndian.AppendUint32(append(header[:], tinkVersion), c.KeyID)
}

// CheckExpression returns the condition of the column's CHECK constraint, which
// NULL and the values sealed for this column fulfil and no other.
func (c *Column) CheckExpression() string {
	name := identifier(c.Name)
	return fmt.Sprintf(`octet_length(%s) >= %d AND substring(%s from 1 for %d) = '\x%x'::bytea`,
		name, c.MinSealedLength(), name, len(c.prefix()), c.prefix())
}

// OldCheckExpression returns the same condition as PostgreSQL 13 prints it.
func (c *Column) OldCheckExpression() string {
	name := identifier(c.Name)
	return fmt.Sprintf(`octet_length(%s) >= %d AND "substring"(%s, 1, %d) = '\x%x'::bytea`,
		name, c.MinSealedLength(), name, len(c.prefix()), c.prefix())
}

// QualifiedCheck returns the same condition for a session whose search_path may lead
// anywhere: substring with FROM is the server's own in any case.
func (c *Column) QualifiedCheck() string {
	name := identifier(c.Name)
	return fmt.Sprintf(`pg_catalog.octet_length(%s) OPERATOR(pg_catalog.>=) %d AND substring(%s from 1 for %d) OPERATOR(pg_catalog.=) '\x%x'::pg_catalog.bytea`,
		name, c.MinSealedLength(), name, len(c.prefix()), c.prefix())
}

// Definition returns the column as CREATE TABLE and ADD COLUMN want it.
func (c *Column) Definition() string {
	return identifier(c.Name) + " bytea " + c.constraint()
}

func (c *Column) constraint() string {
	return fmt.Sprintf("CONSTRAINT %s CHECK (%s)", identifier(c.ConstraintName()), c.CheckExpression())
}

// CheckConstraint returns the constraint as it stands in a column's definition that
// is sent in a client's session.
func (c *Column) CheckConstraint() string {
	return fmt.Sprintf("CONSTRAINT %s CHECK (%s)", identifier(c.ConstraintName()), c.QualifiedCheck())
}

// Comment returns the SQL of the comment that tells the column's logical type.
func (c *Column) Comment() string {
	text := fmt.Sprintf("pgveil: %s, %s", c.Type, c.Mode)
	if domain, ok := strings.CutPrefix(c.Context, "domain:"); ok && c.Mode == Deterministic {
		text += ", domain " + domain
	}
	return fmt.Sprintf("COMMENT ON COLUMN %s IS %s;", identifier(c.Schema, c.Table, c.Name), literal(text))
}

// DDL returns SQL for the tagged columns of a database, with their CHECK
// constraints and a comment that says each one's logical type. It needs
// standard_conforming_strings to be on, as it is by default.
func DDL(db *Database, form DDLForm) string {
	var b strings.Builder
	for _, columns := range db.byTable() {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		table := identifier(columns[0].Schema, columns[0].Table)
		switch form {
		case CreateTables:
			fmt.Fprintf(&b, "-- CREATE TABLE %s (\n", commentSafe(table))
			for i, c := range columns {
				comma := ","
				if i == len(columns)-1 {
					comma = ""
				}
				fmt.Fprintf(&b, "    %s%s\n", c.Definition(), comma)
			}
			b.WriteString("-- );\n")
		case AddConstraints:
			for _, c := range columns {
				b.WriteString(c.addConstraint() + "\n")
			}
		default:
			fmt.Fprintf(&b, "ALTER TABLE %s\n", table)
			for i, c := range columns {
				end := ","
				if i == len(columns)-1 {
					end = ";"
				}
				fmt.Fprintf(&b, "    ADD COLUMN %s%s\n", c.Definition(), end)
			}
		}
		for _, c := range columns {
			b.WriteString(c.Comment() + "\n")
		}
	}
	return b.String()
}

func (c *Column) addColumn() string {
	return fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s;", identifier(c.Schema, c.Table), c.Definition())
}

func (c *Column) addConstraint() string {
	return fmt.Sprintf("ALTER TABLE %s ADD %s;", identifier(c.Schema, c.Table), c.constraint())
}

// byTable groups the columns by table, in the file's order.
func (d *Database) byTable() [][]*Column {
	var groups [][]*Column
	index := make(map[relationName]int)
	for _, c := range d.Columns {
		if c.Mode == Unencrypted {
			continue
		}
		name := relationName{c.Schema, c.Table}
		i, ok := index[name]
		if !ok {
			i = len(groups)
			index[name] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}

func identifier(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// commentSafe keeps a name with a line break inside a comment of one line.
func commentSafe(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return '?'
		}
		return r
	}, s)
}
