package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// columns finds the tagged columns whose values are not stored as the file says.
func (r *reader) columns(ctx context.Context) error {
	for _, tag := range r.db.Columns {
		var oid, typeOID uint32
		var typmod int32
		var typeName, kind, generated, identity string
		c := &Column{Name: tag.Name, tag: tag, hasNull: true, Was: schema.Unencrypted.String(), Mode: tag.Mode.String()}
		err := r.tx.QueryRow(ctx, `
			SELECT c.oid, a.attnum, a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod), c.relkind::text, a.attgenerated::text, a.attidentity::text
			FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
			WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3 AND a.attnum > 0 AND NOT a.attisdropped`, tag.Schema, tag.Table, tag.Name).
			Scan(&oid, &c.number, &typeOID, &typmod, &typeName, &kind, &generated, &identity)
		if err == pgx.ErrNoRows {
			r.block(tag.QualifiedName(), "Correct the schema file, or create the column: pgveil schema sql.", "there is no such column")
			continue
		}
		if err != nil {
			return err
		}
		c.Type = tag.Type.String()
		if err := r.forms(ctx, c, oid, typeOID); err != nil {
			return err
		}
		switch {
		case c.from == nil && generated+identity != "" && c.to != nil:
			r.block(tag.QualifiedName(), "Make it an ordinary column first.", "the server computes its values")
			continue
		case c.from == nil && (typeOID != tag.Type.OID() || typmod != tag.Type.Typmod):
			r.block(tag.QualifiedName(), fmt.Sprintf("Tag it as %s, or alter its type first.", typeName), "its type is %s, and that of the schema file is %s", typeName, tag.Type)
			continue
		case !c.changes():
			r.done = add(r.done, tag, oid, kind, c)
			continue
		case kind != "r" && kind != "p":
			r.block(tag.QualifiedName(), "", "it is not in a table")
			continue
		case c.from != nil && len(c.constraints) == 0:
			r.block(tag.QualifiedName(), "Add it first: pgveil schema sql --form constraints.", "it has no CHECK constraint of pgveil, by which one could tell how it is sealed")
			continue
		}
		r.found = add(r.found, tag, oid, kind, c)
		r.byOID[oid] = r.found[slices.IndexFunc(r.found, func(t *Table) bool { return t.oid == oid })]
	}
	r.keepUnnamed()
	return nil
}

// add puts a column to its table.
func add(tables []*Table, tag *schema.Column, oid uint32, kind string, c *Column) []*Table {
	i := slices.IndexFunc(tables, func(t *Table) bool { return t.oid == oid })
	if i < 0 {
		i = len(tables)
		tables = append(tables, &Table{Schema: tag.Schema, Name: tag.Table, oid: oid, kind: kind})
	}
	tables[i].Columns = append(tables[i].Columns, c)
	return tables
}

const byteaOID = 17

// forms finds out how a column's values are stored, and says how they are to be.
func (r *reader) forms(ctx context.Context, c *Column, oid, typeOID uint32) error {
	relation := r.catalog.ByOID(oid)
	if relation == nil || relation.Attribute(c.Name) == nil {
		return fmt.Errorf("column %s is not in the catalog", c.tag.QualifiedName())
	}
	own := make([]uint32, 0, len(relation.Checks))
	for _, check := range relation.Checks {
		own = append(own, check.OID)
	}
	var others int
	err := r.tx.QueryRow(ctx, `
		SELECT coalesce(pg_catalog.array_agg(conname::text ORDER BY conname) FILTER (WHERE k.oid = ANY ($3)), '{}'),
			count(*) FILTER (WHERE k.oid <> ALL ($3) AND pg_catalog.pg_get_constraintdef(k.oid) LIKE 'CHECK (((octet\_length(%\\xfe9d%')
		FROM pg_catalog.pg_constraint k WHERE k.conrelid = $1 AND k.contype = 'c' AND k.conkey = ARRAY[$2::int2]`, oid, c.number, own).Scan(&c.constraints, &others)
	if err != nil {
		return err
	}
	if others > 0 {
		r.block(c.tag.QualifiedName(), "Say in the schema file how it is stored: was.", "its CHECK constraint asks for values that are sealed otherwise than the schema file says")
	}
	if typeOID == byteaOID && (len(c.constraints) > 0 || c.tag.Type.Kind != logical.Bytea) {
		if c.from = relation.Attribute(c.Name).Tagged; c.from == nil {
			return fmt.Errorf("column %s is sealed, and nothing says how", c.tag.QualifiedName())
		}
		c.Was = c.from.Mode.String()
	}
	if c.tag.Mode != schema.Unencrypted {
		c.to = c.tag
	}
	if r.keys == nil {
		return nil
	}
	if c.from != nil && c.from.KeyBy == nil {
		if c.key = c.from.KeyID; c.key == 0 {
			if c.key, _, err = r.keys.ids(c.from); err != nil {
				return err
			}
		}
	}
	if c.to != nil && c.to.KeyBy != nil {
		c.byValue = r.keys.byValue(relation, c.to)
		return nil
	}
	if c.to != nil {
		if _, c.Key, err = r.keys.ids(c.to); err != nil {
			return err
		}
		if c.to.Mode == schema.Deterministic {
			c.to = c.to.WithKey(c.Key)
		}
	}
	return nil
}

// changes reports whether a column is to be swapped.
func (c *Column) changes() bool {
	switch {
	case c.from == nil || c.to == nil:
		return c.from != c.to
	case c.from.Header() != c.to.Header():
		return true
	case c.to.Mode == schema.Randomized: // both forms open, and are sealed anew in place
		return false
	}
	return c.from.Key != c.to.Key || c.key != c.to.KeyID && c.to.KeyID != 0
}

// keepUnnamed leaves the key unnamed in columns whose domain has others that stay as they are
// and name none: columns whose constraints name different keys are not compared.
func (r *reader) keepUnnamed() {
	unnamed := make(map[string]bool)
	for _, t := range r.done {
		for _, c := range t.Columns {
			if c.from != nil && c.from.Mode == schema.Deterministic && c.from.KeyID == 0 {
				unnamed[c.from.Context] = true
			}
		}
	}
	for _, t := range r.found {
		for _, c := range t.Columns {
			if c.to != nil && unnamed[c.to.Context] {
				c.to = c.tag
			}
		}
	}
}
