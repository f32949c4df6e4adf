package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/keys"
)

// Stored says how many sealed values of a column, or in an object's definition, one key
// has sealed, and what will be sealed with it.
type Stored struct {
	Database string `json:"database"`
	Object   string `json:"object"` // lab.patient.nir, or "default of …"
	Key      uint32 `json:"key"`    // its ID in the keyset
	Values   int64  `json:"values"`
	// Checks is how many CHECK constraints let in no values but those of that key.
	Checks int64 `json:"checks,omitempty"`
	// Oldest is, in place of Key, the keyset of a deterministic column whose CHECK constraint
	// names no key: the oldest that is enabled seals it.
	Oldest string `json:"oldest_of,omitempty"`
}

// CountStored counts the sealed values of a database by the key that sealed each: in the
// tagged columns, whatever key the file gives them by now, in columns that only their CHECK
// constraint shows to be sealed, in materialized views over such, and in what the server
// keeps as SQL: defaults, views, indexes, partition bounds, functions. It also tells which
// keys CHECK constraints name, and which deterministic columns name none.
//
// What cannot be counted for certain is an error: rows that a policy hides, tables of
// another server, a standby, a column that the login may not read. Values that are not
// committed are not seen; see [AwaitWriters].
func CountStored(ctx context.Context, conn *pgx.Conn, db *Database) ([]Stored, error) {
	var stored []Stored
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
		c, err := newCounter(ctx, tx, db)
		if err != nil {
			return err
		}
		if err := c.mayRead(ctx); err != nil {
			return err
		}
		for _, t := range c.tables {
			if err := c.count(ctx, t); err != nil {
				return err
			}
		}
		if err := c.countDefinitions(ctx); err != nil {
			return err
		}
		c.countOldest()
		stored = c.stored
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count the sealed values of database %q: %w", db.Name, err)
	}
	return stored, nil
}

// counter counts within one transaction.
type counter struct {
	tx     pgx.Tx
	db     *Database
	tables []*countedTable
	stored []Stored
}

// countedTable is a relation whose rows are counted, with its columns that may hold sealed
// values.
type countedTable struct {
	*Relation
	columns []Attribute
	whole   bool // with its partitions
}

// newCounter reads the catalog.
func newCounter(ctx context.Context, tx pgx.Tx, db *Database) (*counter, error) {
	for _, set := range []string{
		`SET LOCAL search_path = ` + CatalogSearchPath, `SET LOCAL bytea_output = 'hex'`,
		`SET LOCAL row_security = off`, // an error, where a policy would hide rows
		`SET LOCAL statement_timeout = 0`, `SET LOCAL quote_all_identifiers = off`,
	} {
		if _, err := tx.Exec(ctx, set); err != nil {
			return nil, err
		}
	}
	var standby bool
	if err := tx.QueryRow(ctx, `SELECT pg_catalog.pg_is_in_recovery()`, pgx.QueryExecModeExec).Scan(&standby); err != nil {
		return nil, err
	}
	if standby {
		return nil, errors.New("the server is a standby, which may lack what the primary holds; set server.target_session_attrs to primary")
	}
	rows, err := tx.Query(ctx, `SELECT oid FROM pg_catalog.pg_class WHERE relispartition OR NOT relispopulated`, pgx.QueryExecModeExec)
	if err != nil {
		return nil, err
	}
	without, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	if err != nil {
		return nil, err
	}
	catalog, err := ReadCatalog(ctx, tx, db)
	if err != nil {
		return nil, err
	}
	c := &counter{tx: tx, db: db}
	for _, r := range catalog.Reaching() {
		t := &countedTable{Relation: r, columns: sealedAttributes(r), whole: r.Kind == 'p'}
		switch {
		case len(t.columns) == 0:
		case r.Kind == 'f':
			return nil, fmt.Errorf("%s is a foreign table, whose rows cannot be counted for certain", qualifiedName(r.Schema, r.Name))
		case r.Temporary():
			return nil, fmt.Errorf("a session has the temporary table %s with sealed columns, which nobody else can read; try again when it has ended", qualifiedName(r.Schema, r.Name))
		case slices.Contains(without, r.OID): // counted with the table that it is part of, or holds nothing
		default:
			c.tables = append(c.tables, t)
		}
	}
	return c, nil
}

// ShadowPrefix begins the names of the columns in which a job keeps sealed values until they
// take the place of those in clear.
const ShadowPrefix = "pgveil_shadow_"

// sealedAttributes gives the columns of a table or materialized view that may hold sealed
// values.
func sealedAttributes(r *Relation) []Attribute {
	var list []Attribute
	for _, a := range r.Attributes {
		sealed := a.Tagged != nil || a.Orphan || strings.HasPrefix(a.Name, ShadowPrefix) || r.Kind == 'm'
		if sealed && (isTable(r) || r.Kind == 'm') && (a.TypeOID == byteaOID || a.TypeOID == byteaArrayOID) {
			list = append(list, a)
		}
	}
	return list
}

const byteaArrayOID = 1001

// mayRead fails, with what to grant, where the login has no right to read a column.
func (c *counter) mayRead(ctx context.Context) error {
	var grants []string
	var denied []string
	for _, t := range c.tables {
		var names, unread []string
		var schemaUsable bool
		for _, a := range t.columns {
			var readable bool
			err := c.tx.QueryRow(ctx, `
				SELECT pg_catalog.has_schema_privilege(relnamespace, 'USAGE'), pg_catalog.has_column_privilege(oid, $2::int2, 'SELECT')
				FROM pg_catalog.pg_class WHERE oid = $1`, pgx.QueryExecModeExec, t.OID, a.Num).Scan(&schemaUsable, &readable)
			if err != nil {
				return err
			}
			names = append(names, identifier(a.Name))
			if !readable {
				unread = append(unread, a.Name)
			}
		}
		if schemaUsable && len(unread) == 0 {
			continue
		}
		denied = append(denied, qualifiedName(t.Schema, t.Name))
		if !schemaUsable {
			grants = append(grants, fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;", identifier(t.Schema), identifier(c.tx.Conn().Config().User)))
		}
		grants = append(grants, fmt.Sprintf("GRANT SELECT (%s) ON %s TO %s;", strings.Join(names, ", "), identifier(t.Schema, t.Name), identifier(c.tx.Conn().Config().User)))
	}
	if len(denied) == 0 {
		return nil
	}
	return &NotReadableError{Tables: denied, Grants: grants}
}

// NotReadableError says that the login may not read the sealed columns of some tables.
type NotReadableError struct {
	Tables []string
	Grants []string // SQL that gives the right, to ciphertext
}

func (e *NotReadableError) Error() string {
	return "the login may not read the sealed columns of " + strings.Join(e.Tables, ", ")
}

// count reads a table once.
func (c *counter) count(ctx context.Context, t *countedTable) error {
	only := "ONLY "
	if t.whole || t.Kind == 'm' {
		only = ""
	}
	var values []string
	for i, a := range t.columns {
		if a.TypeOID == byteaArrayOID {
			values = append(values, fmt.Sprintf("SELECT %d, u.v FROM pg_catalog.unnest(t.%s) u(v)", i, identifier(a.Name)))
		} else {
			values = append(values, fmt.Sprintf("SELECT %d, t.%s", i, identifier(a.Name)))
		}
	}
	rows, err := c.tx.Query(ctx, fmt.Sprintf(`
		SELECT x.i, pg_catalog.substr(x.v, %d, 4), pg_catalog.count(*)
		FROM %s%s t CROSS JOIN LATERAL (%s) x(i, v)
		WHERE pg_catalog.substr(x.v, 1, 2) = '\x%s'::pg_catalog.bytea AND pg_catalog.octet_length(x.v) >= %d
		GROUP BY 1, 2`,
		keys.HeaderSize+2, only, identifier(t.Schema, t.Name), strings.Join(values, " UNION ALL "), sealedMagic(), keys.HeaderSize+5), pgx.QueryExecModeExec)
	if err != nil {
		return countError(t, err)
	}
	var i int32
	var id []byte
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&i, &id, &n}, func() error {
		c.stored = append(c.stored, Stored{
			Database: c.db.Name, Object: qualifiedName(t.Schema, t.Name, t.columns[i].Name), Key: keyID(id), Values: n,
		})
		return nil
	})
	if err != nil {
		return countError(t, err)
	}
	return nil
}

// countOldest finds the deterministic columns that the oldest key of a keyset seals.
func (c *counter) countOldest() {
	for _, t := range c.tables {
		for _, a := range t.columns {
			if tag := a.Tagged; tag != nil && tag.Mode == Deterministic && tag.KeyID == 0 && isTable(t.Relation) {
				c.stored = append(c.stored, Stored{Database: c.db.Name, Object: qualifiedName(t.Schema, t.Name, a.Name), Oldest: tag.Key})
			}
		}
	}
}

// countError names the table, and what to do where row security stands in the way.
func countError(t *countedTable, err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42501" && strings.Contains(refused.Message, "row-level security") {
		return fmt.Errorf("policies hide rows of %s from the login, which needs BYPASSRLS to count: %w", qualifiedName(t.Schema, t.Name), err)
	}
	return fmt.Errorf("%s: %w", qualifiedName(t.Schema, t.Name), err)
}

func keyID(b []byte) uint32 {
	var id uint32
	for _, c := range b {
		id = id<<8 | uint32(c)
	}
	return id
}
