package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
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
	// Reseal are tables with randomized values that older keys have sealed, each by itself.
	Reseal []*Unit `json:"reseal"`
}

// Unit is a set of tables whose columns have to be swapped in one transaction: they share
// equality domains or foreign keys.
type Unit struct {
	Tables []*Table     `json:"tables"`
	keys   []foreignKey // between them, over columns that are sealed
}

// Table is a table with columns to seal.
type Table struct {
	Schema  string    `json:"schema"`
	Name    string    `json:"name"`
	Columns []*Column `json:"columns"`
	Rows    int64     `json:"rows"`  // as the planner estimates them; -1: never analysed
	Bytes   int64     `json:"bytes"` // on disk, with indexes

	oid uint32
}

// Column is a column to seal.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"` // as it is and as applications will go on to see it
	Mode string `json:"encryption"`

	tag     *schema.Column
	number  int16
	binary  string // its default's value in hex, of a constant one
	hasNull bool   // its default is NULL or none
	key     uint32 // that is to seal its values, of one to be re-sealed
}

// Blocker is why a column cannot be sealed as the database is.
type Blocker struct {
	Object  string `json:"object"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// String gives the blocker in one line, without the fix.
func (b Blocker) String() string { return b.Object + ": " + b.Message }

// foreignKey is a constraint that is dropped before the swap and made again behind it.
type foreignKey struct {
	table            uint32
	name, definition string
	valid            bool
}

func identifier(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

func (t *Table) sql() string    { return identifier(t.Schema, t.Name) }
func (t *Table) String() string { return t.Schema + "." + t.Name }

// shadow names the column that takes the sealed values until the swap.
// Its name has the table in it: tables that are joined NATURAL must have none in common.
func (t *Table) shadow(c *Column) string {
	return fmt.Sprintf("%s%d_%d", schema.ShadowPrefix, t.oid, c.number)
}

// trigger names what resets shadows; triggers of one kind fire by their names, so that it
// is the last.
const trigger = "zzz_pgveil_shadow"

func (t *Table) function() string { return identifier("pgveil", fmt.Sprintf("shadow_%d", t.oid)) }

// Read makes the plan for the tagged columns of db that are not sealed yet, as the
// database is that conn is connected to. key gives the ID of the key that seals the values
// of a column now; if it is nil, re-sealing is not planned. The error is of the connection.
func Read(ctx context.Context, conn *pgx.Conn, db *schema.Database, key func(*schema.Column) uint32) (*Plan, error) {
	p := &Plan{Database: db.Name}
	r := &reader{plan: p, key: key, byOID: make(map[uint32]*Table)}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
		r.tx = tx
		if _, err := tx.Exec(ctx, `SET LOCAL search_path = ''; SET LOCAL bytea_output = 'hex'; SET LOCAL standard_conforming_strings = on`); err != nil {
			return err
		}
		if err := r.columns(ctx, db); err != nil {
			return err
		}
		for _, step := range []func(context.Context) error{r.tables, r.indexes, r.foreignKeys, r.dependents, r.defaults, r.triggers, r.unverified, r.reseals} {
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
	plan   *Plan
	key    func(*schema.Column) uint32
	tx     pgx.Tx
	found  []*Table
	sealed []*Table // with columns that are sealed already
	byOID  map[uint32]*Table
	keys   []foreignKey
	pairs  [][2]*Table // that have to be swapped together
}

func (r *reader) block(object, fix, format string, args ...any) {
	r.plan.Blockers = append(r.plan.Blockers, Blocker{Object: object, Message: fmt.Sprintf(format, args...), Fix: fix})
}

// columns finds the tagged columns that hold their values in the clear.
func (r *reader) columns(ctx context.Context, db *schema.Database) error {
	for _, tag := range db.Columns {
		var oid, typeOID uint32
		var number int16
		var typmod int32
		var typeName, kind, generated, identity string
		err := r.tx.QueryRow(ctx, `
			SELECT c.oid, a.attnum, a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod), c.relkind::text, a.attgenerated::text, a.attidentity::text
			FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
			WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3 AND a.attnum > 0 AND NOT a.attisdropped`, tag.Schema, tag.Table, tag.Name).
			Scan(&oid, &number, &typeOID, &typmod, &typeName, &kind, &generated, &identity)
		if err == pgx.ErrNoRows {
			r.block(tag.QualifiedName(), "Correct the schema file, or create the column: pgveil schema sql.", "there is no such column")
			continue
		}
		if err != nil {
			return err
		}
		column := &Column{Name: tag.Name, Type: typeName, Mode: tag.Mode.String(), tag: tag, number: number, hasNull: true}
		sealed, err := r.isSealed(ctx, oid, number, tag)
		switch {
		case err != nil:
			return err
		case sealed:
			i := slices.IndexFunc(r.sealed, func(t *Table) bool { return t.oid == oid })
			if i < 0 {
				i = len(r.sealed)
				r.sealed = append(r.sealed, &Table{Schema: tag.Schema, Name: tag.Table, oid: oid})
			}
			r.sealed[i].Columns = append(r.sealed[i].Columns, column)
			continue
		case kind != "r":
			r.block(tag.QualifiedName(), "", "it is not in an ordinary table")
			continue
		case generated != "" || identity != "":
			r.block(tag.QualifiedName(), "Make it an ordinary column first.", "the server computes its values")
			continue
		case typeOID != tag.Type.OID() || typmod != tag.Type.Typmod:
			r.block(tag.QualifiedName(), fmt.Sprintf("Tag it as %s, or alter its type first.", typeName), "its type is %s, and that of the schema file is %s", typeName, tag.Type)
			continue
		}
		t := r.byOID[oid]
		if t == nil {
			t = &Table{Schema: tag.Schema, Name: tag.Table, oid: oid}
			r.byOID[oid], r.found = t, append(r.found, t)
		}
		t.Columns = append(t.Columns, column)
	}
	return nil
}

// isSealed reports whether a column is of type bytea and has pgveil's CHECK constraint: one
// whose logical type is bytea may not be sealed yet.
func (r *reader) isSealed(ctx context.Context, oid uint32, number int16, tag *schema.Column) (bool, error) {
	var is, checked bool
	err := r.tx.QueryRow(ctx, `
		SELECT a.atttypid = 'pg_catalog.bytea'::pg_catalog.regtype,
			EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum]
				AND pg_catalog.pg_get_constraintdef(k.oid) LIKE $3)
		FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum = $2`, oid, number, fmt.Sprintf(`%%\\x%x%%`, tag.Header())).Scan(&is, &checked)
	return is && (checked || tag.Type.Kind != logical.Bytea), err
}

// tables reads what the tables are like.
func (r *reader) tables(ctx context.Context) error {
	for _, t := range r.found {
		var owns, family bool
		err := r.tx.QueryRow(ctx, `
			SELECT c.reltuples::bigint, pg_catalog.pg_total_relation_size(c.oid), pg_catalog.pg_has_role(c.relowner, 'USAGE'),
				EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = c.oid OR inhparent = c.oid)
			FROM pg_catalog.pg_class c WHERE c.oid = $1`, t.oid).Scan(&t.Rows, &t.Bytes, &owns, &family)
		if err != nil {
			return err
		}
		if !owns {
			r.block(t.String(), "Run as its owner, or as a member of that role.", "the role that does this does not own it")
		}
		if family {
			r.block(t.String(), "", "it has partitions or inherits, which is not supported yet")
		}
		for _, c := range t.Columns {
			var taken bool
			if err := r.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = $1 AND conname = $2)`, t.oid, c.tag.ConstraintName()).Scan(&taken); err != nil {
				return err
			}
			if taken {
				r.block(c.tag.QualifiedName(), fmt.Sprintf("ALTER TABLE %s RENAME CONSTRAINT %s TO …;", t.sql(), identifier(c.tag.ConstraintName())), "its table has a constraint of the name that the seal's gets")
			}
		}
	}
	return nil
}

// unite makes units of the tables.
func (r *reader) unite() {
	unit := make(map[*Table]*Unit)
	for _, t := range r.found {
		unit[t] = &Unit{Tables: []*Table{t}}
	}
	join := func(a, b *Table) {
		from, to := unit[b], unit[a]
		if from == to {
			return
		}
		to.Tables = append(to.Tables, from.Tables...)
		for _, t := range from.Tables {
			unit[t] = to
		}
	}
	byContext := make(map[string]*Table)
	for _, t := range r.found {
		for _, c := range t.Columns {
			if c.tag.Mode != schema.Deterministic {
				continue
			}
			if other := byContext[c.tag.Context]; other != nil {
				join(other, t)
			}
			byContext[c.tag.Context] = t
		}
	}
	for _, pair := range r.pairs {
		join(pair[0], pair[1])
	}
	for _, t := range r.found {
		if u := unit[t]; !slices.Contains(r.plan.Units, u) {
			slices.SortFunc(u.Tables, func(a, b *Table) int { return strings.Compare(a.String(), b.String()) })
			r.plan.Units = append(r.plan.Units, u)
		}
	}
	for _, k := range r.keys {
		u := unit[r.byOID[k.table]]
		u.keys = append(u.keys, k)
	}
}

// unverified finds what a job has swapped and no job has verified.
func (r *reader) unverified(ctx context.Context) error {
	var begun bool
	if err := r.tx.QueryRow(ctx, `SELECT pg_catalog.to_regclass('pgveil.seal_job') IS NOT NULL`).Scan(&begun); err != nil || !begun {
		return err
	}
	rows, err := r.tx.Query(ctx, `SELECT unit FROM pgveil.seal_job WHERE state = $1 ORDER BY unit`, string(StateVerify))
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		u := &Unit{}
		for _, t := range r.sealed {
			if !slices.Contains(strings.Split(name, ", "), t.String()) {
				continue
			}
			u.Tables = append(u.Tables, t)
			rows, err := r.tx.Query(ctx, `SELECT conname::text FROM pg_catalog.pg_constraint WHERE conrelid = $1 AND contype = 'f' AND NOT convalidated ORDER BY conname`, t.oid)
			if err != nil {
				return err
			}
			keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return err
			}
			for _, key := range keys {
				u.keys = append(u.keys, foreignKey{table: t.oid, name: key, valid: true})
			}
		}
		if len(u.Tables) > 0 {
			r.plan.Unverified = append(r.plan.Unverified, u)
		}
	}
	return nil
}
