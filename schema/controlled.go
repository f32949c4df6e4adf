package schema

import (
	"context"
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// Controlled reports whether the column is tagged and is in the clear in the database, with its
// logical type: nothing of it is sealed, and what roles read of it through pgveil is by their
// verdicts. A column that is being sealed or unsealed is controlled in its form of that time.
func (c *Column) Controlled() bool { return c.Mode == Unencrypted && c.Was == nil }

// clearForm gives the column as it is while it is in the clear; nil if it never is.
func (c *Column) clearForm() *Column {
	for _, form := range []*Column{c, c.Was, c.clear} {
		if form != nil && form.Controlled() {
			return form
		}
	}
	return nil
}

// controlled settles a column with encryption: none.
func (p *fileParser) controlled(c *parsedColumn, what string) {
	if at, ok := c.fields["erased"]; ok {
		p.Errorf(at, "%s has encryption: none and no erased: no key of it can be destroyed", what)
	}
	c.Context = "column:" + c.QualifiedName() // of its pseudonyms
}

// TrustedFunction is the name of functions that the schema file vouches for.
type TrustedFunction struct{ Schema, Name string }

// Trusts reports whether the file vouches for the functions of a name; schema is nil where the name
// is not qualified.
func (d *Database) Trusts(schema, name []byte) bool {
	for _, f := range d.Trusted {
		if f.Name == string(name) && (schema == nil || f.Schema == string(schema)) {
			return true
		}
	}
	return false
}

func (p *fileParser) trustedFunctions(e yamlfile.Entry, db *Database) {
	what := "trusted_functions of database " + quote(db.Name)
	list, ok := e.Value.(*ast.SequenceNode)
	if !ok {
		p.WrongType(e.Value, what, "a list of names, each with its schema")
		return
	}
	for _, n := range list.Values {
		text, ok := n.(*ast.StringNode)
		if !ok {
			p.WrongType(n, what, "the name of a function, with its schema")
			continue
		}
		schemaName, name, err := splitTableName(text.Value)
		if err != nil {
			p.Errorf(yamlfile.PositionOf(n), "%s: function %q: %v", what, text.Value, err)
			continue
		}
		db.Trusted = append(db.Trusted, TrustedFunction{schemaName, name})
	}
}

// withControlled gives the database with its controlled columns among the others.
func (d *Database) withControlled() *Database {
	return &Database{
		Name: d.Name, Columns: append(append([]*Column{}, d.Columns...), d.Controlled...), Functions: d.Functions, Budgets: d.Budgets, BreakGlass: d.BreakGlass, Canaries: d.Canaries,
		Holds: d.Holds, file: d.file, positions: d.positions, sealed: d,
	}
}

// ReadControlled is [ReadCatalog] with the controlled columns tagged as well, which to that one are
// columns like any other; nil if there are none.
func ReadControlled(ctx context.Context, q Querier, db *Database) (*Catalog, error) {
	if len(db.Controlled) == 0 && !slices.ContainsFunc(db.Columns, func(c *Column) bool { return c.clearForm() != nil }) {
		return nil, nil
	}
	return ReadCatalog(ctx, q, db.withControlled())
}

// LoadCatalogs reads a database as [LoadCatalog] does, and as [ReadControlled] does, at one moment.
func LoadCatalogs(ctx context.Context, conn *pgx.Conn, db *Database) (c, controlled *Catalog, err error) {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) (err error) {
		if _, err = tx.Exec(ctx, `SET LOCAL search_path = `+CatalogSearchPath); err != nil {
			return err
		}
		if c, err = ReadCatalog(ctx, tx, db); err != nil {
			return err
		}
		controlled, err = ReadControlled(ctx, tx, db)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the catalog of database %q: %w", db.Name, err)
	}
	return c, controlled, nil
}

// Controlled gives the controlled columns of the relation itself.
func (r *Relation) Controlled() []*Column {
	var list []*Column
	for i := range r.Attributes {
		if c := r.Attributes[i].Tagged; c != nil && c.Controlled() {
			list = append(list, c)
		}
	}
	return list
}

// readRevealing finds what else of a table tells of its controlled columns.
func (l *loader) readRevealing(ctx context.Context, q Querier) error {
	var tables []uint32
	for _, r := range l.relations {
		if len(r.Controlled()) > 0 {
			tables = append(tables, r.OID)
		}
	}
	if len(tables) == 0 {
		return nil
	}
	rows, err := q.Query(ctx, `
		SELECT d.adrelid, coalesce(CASE WHEN pg_catalog.pg_table_is_visible(d.adrelid) IS NOT NULL THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END, '')
		FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
		WHERE a.attgenerated <> '' AND d.adrelid = ANY (`+oidArray(tables)+`)`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	var oid uint32
	var expression string
	_, err = pgx.ForEachRow(rows, []any{&oid, &expression}, func() error {
		r := l.byOID[oid]
		for _, c := range r.Controlled() {
			if mentionsColumn(expression, c.Name) {
				r.Reveals = c
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, oid := range tables {
		r := l.byOID[oid]
		for i := range r.Attributes {
			if a := &r.Attributes[i]; a.PartitionKey && a.Tagged != nil && a.Tagged.Controlled() {
				l.reveal(r, a.Tagged)
			}
		}
	}
	return nil
}

// reveal notes that in which part of a table a row is tells of a controlled column.
func (l *loader) reveal(r *Relation, c *Column) {
	r.Reveals = c
	for _, oid := range l.parents[r.OID] {
		if part := l.byOID[oid]; part != nil && part.Reveals == nil {
			l.reveal(part, c)
		}
	}
}
