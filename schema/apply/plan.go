package apply

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
)

// Plan is what is to be done in one database. The zero Plan is nothing.
type Plan struct {
	Database string    `json:"database"`
	Units    []*Unit   `json:"units"`
	Blockers []Blocker `json:"blockers"`
	Notices  []string  `json:"notices"`
	// Unverified are units that were swapped by a job that has ended before it opened their
	// values.
	Unverified []*Unit `json:"unverified"`
	// Reseal are tables with randomized values that older keys have sealed, or with a padding
	// that is too short, each by itself.
	Reseal []*Unit `json:"reseal"`
}

// Unit is a set of tables whose columns have to be swapped in one transaction: they share
// equality domains or foreign keys.
type Unit struct {
	Tables []*Table     `json:"tables"`
	keys   []foreignKey // between them, over columns that are changed
}

// Table is a table with columns whose values are to be stored otherwise.
type Table struct {
	Schema     string    `json:"schema"`
	Name       string    `json:"name"`
	Columns    []*Column `json:"columns"`
	Rows       int64     `json:"rows"`       // as the planner estimates them; -1: never analysed
	Bytes      int64     `json:"bytes"`      // on disk, with indexes
	Partitions int       `json:"partitions"` // that hold rows; 0 of an ordinary table

	oid    uint32
	kind   string
	root   *Table   // of a partition
	family []*Table // the table itself, and its partitions
}

// Column is a column whose values are to be stored otherwise.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`       // as applications see it, before and after
	Was  string `json:"was"`        // how it is stored: none, randomized, deterministic
	Mode string `json:"encryption"` // how it is to be stored
	Key  uint32 `json:"key"`        // that is to seal it; 0: none, or that of new values

	tag         *schema.Column // of the file
	from, to    *schema.Column // how it is stored, and is to be; nil: in the clear
	number      int16
	constraints []string // pgveil's own on it
	expression  string   // its default
	binary      string   // the default's value in hex, of a constant one
	hasNull     bool     // its default is NULL or none
	beneath     bool     // views, that keep the server from altering its type
	key         uint32   // that seals its values now, of one that is sealed
	byValue     *byValue // of a column that is to have keys by value; else nil
}

// Step says what is done to the column.
func (c *Column) Step() string {
	switch {
	case c.from == nil:
		return fmt.Sprintf("seal %s, %s, %s", c.Name, c.Type, c.Mode)
	case c.to == nil:
		return fmt.Sprintf("unseal %s, %s: in the clear from then on", c.Name, c.Type)
	case c.from.Mode != c.to.Mode:
		return fmt.Sprintf("seal %s anew, %s, %s instead of %s", c.Name, c.Type, c.Mode, c.Was)
	case c.from.Context != c.to.Context:
		return fmt.Sprintf("seal %s anew, %s, %s, in another domain or context", c.Name, c.Type, c.Mode)
	}
	return fmt.Sprintf("seal %s anew, %s, %s, with key %d of %s instead of key %d of %s", c.Name, c.Type, c.Mode, c.to.KeyID, c.to.Key, c.key, c.from.Key)
}

// Blocker is why a column cannot be changed as the database is.
type Blocker struct {
	Object  string `json:"object"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// String gives the blocker in one line, without the fix.
func (b Blocker) String() string { return b.Object + ": " + b.Message }

// foreignKey is a constraint that is dropped before the swap and made again behind it.
type foreignKey struct {
	table            string // as SQL
	name, definition string
	valid            bool
	partitioned      bool // its table: it cannot be made NOT VALID
}

func identifier(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

func (t *Table) sql() string    { return identifier(t.Schema, t.Name) }
func (t *Table) String() string { return t.Schema + "." + t.Name }

// of gives the table that the file names: itself, or what it is a partition of.
func (t *Table) of() *Table {
	if t.root != nil {
		return t.root
	}
	return t
}

// leaves are the tables that hold the rows.
func (t *Table) leaves() []*Table {
	var list []*Table
	for _, member := range t.family {
		if member.kind == "r" {
			list = append(list, member)
		}
	}
	return list
}

// shadow names the column that takes the new form of a column's values until the swap. Its
// name has the table in it: tables that are joined NATURAL must have none in common.
func (t *Table) shadow(c *Column) string {
	return fmt.Sprintf("%s%d_%d", schema.ShadowPrefix, t.of().oid, c.number)
}

// trigger names what empties shadows when values change; triggers of one kind fire by their
// names, so that it is the last. The other one does it for rows that are inserted.
const (
	trigger  = "zzz_pgveil_shadow"
	inserted = trigger + "_insert"
)

func (t *Table) function() string { return identifier("pgveil", fmt.Sprintf("shadow_%d", t.oid)) }

// column gives the column of a name that is to be changed, nil if that is none.
func (t *Table) column(name string) *Column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Keys are the open keysets of the columns, by their names.
type Keys map[string]*keys.Keyring

// ids gives the key that seals where a column's constraint names none, and the keyset's
// primary.
func (k Keys) ids(c *schema.Column) (seals, primary uint32, err error) {
	if ring := k[c.Key]; ring != nil {
		for _, key := range ring.Info().Keys {
			if key.Seals {
				seals = key.ID
			}
			if key.Primary {
				primary = key.ID
			}
		}
	}
	if seals == 0 || primary == 0 {
		return 0, 0, fmt.Errorf("column %s: key %q has none that seals", c.QualifiedName(), c.Key)
	}
	return seals, primary, nil
}

// Read makes the plan for the tagged columns of db that are not stored as the file says, as
// the database is that conn is connected to. Without keys what was sealed before a rotation
// is not looked for.
func Read(ctx context.Context, conn *pgx.Conn, db *schema.Database, keys Keys) (*Plan, error) {
	p := &Plan{Database: db.Name}
	r := &reader{plan: p, db: db, keys: keys, byOID: make(map[uint32]*Table)}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
		r.tx = tx
		if _, err := tx.Exec(ctx, `SET LOCAL client_encoding = 'UTF8'; SET LOCAL bytea_output = 'hex'; SET LOCAL standard_conforming_strings = on; SET LOCAL search_path = `+schema.CatalogSearchPath); err != nil {
			return err
		}
		var err error
		if r.catalog, err = schema.ReadCatalog(ctx, tx, db); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SET LOCAL search_path = ''`); err != nil {
			return err
		}
		for _, step := range []func(context.Context) error{
			r.columns, r.tables, r.indexes, r.foreignKeys, r.dependents, r.literals, r.defaults, r.keyless, r.triggers, r.unverified, r.reseals, r.leftovers,
		} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("plan for database %q: %w", db.Name, err)
	}
	r.unite()
	return p, nil
}

// reader makes a plan.
type reader struct {
	plan    *Plan
	db      *schema.Database
	keys    Keys
	catalog *schema.Catalog
	tx      pgx.Tx
	found   []*Table
	done    []*Table          // with columns that are as they are to be
	byOID   map[uint32]*Table // what is found, and its partitions
	fks     []foreignKey
	pairs   [][2]*Table // that have to be swapped together, for each of fks
}

func (r *reader) block(object, fix, format string, args ...any) {
	r.plan.Blockers = append(r.plan.Blockers, Blocker{Object: object, Message: fmt.Sprintf(format, args...), Fix: fix})
}
