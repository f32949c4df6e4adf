package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// checkIndexes looks at the indexes on sealed columns, those of constraints
// among them, and at partition keys.
func (c *checker) checkIndexes(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT i.indrelid, x.relname::text, n.nspname::text, m.amname::text, i.indisunique, i.indisexclusion,
			coalesce(con.conname::text, ''), i.indkey::int2[], i.indnkeyatts,
			coalesce(pg_catalog.pg_get_expr(i.indexprs, i.indrelid), ''), coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), '')
		FROM pg_catalog.pg_index i
			JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
			JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
			JOIN pg_catalog.pg_am m ON m.oid = x.relam
			LEFT JOIN pg_catalog.pg_constraint con ON con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x')
		WHERE i.indrelid = ANY ($1::oid[]) AND NOT x.relispartition
		ORDER BY i.indrelid, x.relname`, pgx.QueryExecModeExec, c.tagged)
	if err != nil {
		return err
	}
	var i index
	var table uint32
	_, err = pgx.ForEachRow(rows, []any{
		&table, &i.name, &i.schema, &i.method, &i.unique, &i.exclusion, &i.constraint, &i.columns, &i.keys, &i.expressions, &i.predicate,
	}, func() error {
		i.relation = c.byOID[table]
		c.checkIndex(&i)
		return nil
	})
	if err != nil {
		return err
	}
	return c.checkPartitionKeys(ctx, q)
}

type index struct {
	relation               *Relation
	name, schema           string
	method                 string // btree, hash, …
	unique, exclusion      bool
	constraint             string  // that owns it, or ""
	columns                []int16 // keys first; 0 for an expression
	keys                   int16
	expressions, predicate string
}

// object names the index as its owner would: by the constraint, if there is one.
func (i *index) object() string {
	if i.constraint != "" {
		return fmt.Sprintf("constraint %s on %s", identifier(i.constraint), qualifiedName(i.relation.Schema, i.relation.Name))
	}
	return fmt.Sprintf("index %s on %s", identifier(i.name), qualifiedName(i.relation.Schema, i.relation.Name))
}

func (i *index) drop() string {
	if i.constraint != "" {
		return fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s;", identifier(i.relation.Schema, i.relation.Name), identifier(i.constraint))
	}
	return fmt.Sprintf("DROP INDEX %s;", identifier(i.schema, i.name))
}

func (c *checker) checkIndex(i *index) {
	for _, a := range attributesByNumber(i.relation, i.columns[:min(int(i.keys), len(i.columns))]) {
		if a.Tagged != nil {
			c.checkIndexKey(i, a)
		}
	}
	for n := range i.relation.Attributes {
		a := &i.relation.Attributes[n]
		if a.Tagged == nil {
			continue
		}
		if mentionsColumn(withoutTests(i.expressions, a), a.Name) || mentionsColumn(withoutTests(i.predicate, a), a.Name) {
			c.report(SeverityError, a.Tagged, i.object(), i.drop(), "it computes with the sealed column %s and would see ciphertext", a.Name)
		}
	}
}

func (c *checker) checkIndexKey(i *index, a *Attribute) {
	column := a.Tagged
	switch {
	case i.exclusion:
		c.report(SeverityError, column, i.object(), i.drop(), "this exclusion constraint compares the sealed column %s as ciphertext", a.Name)
	case column.Mode == Randomized && i.unique:
		c.report(SeverityError, column, i.object(), "Make the column deterministic, or drop it: "+i.drop(),
			"the column %s is randomized, so equal values differ and nothing is kept unique", a.Name)
	case column.Mode == Randomized:
		c.report(SeverityWarning, column, i.object(), i.drop(), "the column %s is randomized, so this index finds no value; a long one does not even fit it", a.Name)
	case i.method == "btree":
		c.report(SeverityNotice, column, i.object(), "", "on the sealed column %s it serves equality only: no order, range or LIKE", a.Name)
	case i.method != "hash":
		c.report(SeverityWarning, column, i.object(), i.drop(), "an index of type %s is of no use on the sealed column %s; btree and hash serve equality", i.method, a.Name)
	}
}

func (c *checker) checkPartitionKeys(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT p.partrelid, ascii(p.partstrat::text), p.partattrs::int2[], coalesce(pg_catalog.pg_get_expr(p.partexprs, p.partrelid), '')
		FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = ANY ($1::oid[])
		ORDER BY p.partrelid`, pgx.QueryExecModeExec, c.tagged)
	if err != nil {
		return err
	}
	var oid uint32
	var strategy int32
	var columns []int16
	var expressions string
	_, err = pgx.ForEachRow(rows, []any{&oid, &strategy, &columns, &expressions}, func() error {
		r := c.byOID[oid]
		keys := attributesByNumber(r, columns)
		for n := range r.Attributes {
			a := &r.Attributes[n]
			if a.Tagged == nil {
				continue
			}
			isKey := false
			for _, key := range keys {
				isKey = isKey || key == a
			}
			hashed := strategy == 'h' && a.Tagged.Mode == Deterministic && isKey
			if isKey && !hashed || mentionsColumn(expressions, a.Name) {
				c.report(SeverityError, a.Tagged, qualifiedName(r.Schema, r.Name), "Partition by another column, or by HASH of a deterministic one.",
					"it is partitioned by the sealed column %s: rows would be placed by their ciphertext", a.Name)
			}
		}
		return nil
	})
	return err
}

// checkTriggers tells of triggers and rules, which see sealed values.
func (c *checker) checkTriggers(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT t.tgrelid, 'trigger', t.tgname::text, t.tgfoid::regproc::text
		FROM pg_catalog.pg_trigger t
		WHERE t.tgrelid = ANY ($1::oid[]) AND NOT t.tgisinternal AND t.tgparentid = 0
		UNION ALL
		SELECT r.ev_class, 'rule', r.rulename::text, ''
		FROM pg_catalog.pg_rewrite r
		WHERE r.ev_class = ANY ($1::oid[]) AND r.rulename <> '_RETURN'
		ORDER BY 1, 2, 3`, pgx.QueryExecModeExec, c.tagged)
	if err != nil {
		return err
	}
	var oid uint32
	var kind, name, function string
	_, err = pgx.ForEachRow(rows, []any{&oid, &kind, &name, &function}, func() error {
		r := c.byOID[oid]
		what := "this rule"
		if kind == "trigger" {
			what = "its function " + function
		}
		c.report(SeverityNotice, c.firstTag(r), fmt.Sprintf("%s %s on %s", kind, identifier(name), qualifiedName(r.Schema, r.Name)), "",
			"%s sees sealed values in the tagged columns: it can copy them and test them for NULL, not read them", what)
		return nil
	})
	return err
}

func (c *checker) firstTag(r *Relation) *Column {
	for _, a := range r.Attributes {
		if a.Tagged != nil {
			return a.Tagged
		}
	}
	return nil
}

// checkPolicies looks for row security that reads sealed columns.
func (c *checker) checkPolicies(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `
		SELECT polrelid, polname::text,
			concat(pg_catalog.pg_get_expr(polqual, polrelid), ' ', pg_catalog.pg_get_expr(polwithcheck, polrelid))
		FROM pg_catalog.pg_policy WHERE polrelid = ANY ($1::oid[]) ORDER BY polrelid, polname`, pgx.QueryExecModeExec, c.tagged)
	if err != nil {
		return err
	}
	var oid uint32
	var name, expression string
	_, err = pgx.ForEachRow(rows, []any{&oid, &name, &expression}, func() error {
		r := c.byOID[oid]
		for i := range r.Attributes {
			a := &r.Attributes[i]
			if a.Tagged != nil && mentionsColumn(withoutTests(expression, a), a.Name) {
				c.report(SeverityError, a.Tagged, fmt.Sprintf("policy %s on %s", identifier(name), qualifiedName(r.Schema, r.Name)),
					fmt.Sprintf("DROP POLICY %s ON %s;", identifier(name), identifier(r.Schema, r.Name)),
					"this row security policy reads the sealed column %s and would see ciphertext", a.Name)
			}
		}
		return nil
	})
	return err
}

// checkRoles looks for roles of the file that the server has not.
func (c *checker) checkRoles(ctx context.Context, q Querier) error {
	rows, err := q.Query(ctx, `SELECT rolname::text FROM pg_catalog.pg_roles`, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	live, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	exists := map[string]bool{PublicRole: true}
	var suggested []string
	for _, name := range live {
		exists[name] = true
		if !strings.HasPrefix(name, "pg_") {
			suggested = append(suggested, name)
		}
	}
	for _, column := range slices.Concat(c.db.Columns, c.db.Controlled) {
		for _, role := range names(column.Access) {
			if exists[role] {
				continue
			}
			exists[role] = true // said once
			c.report(SeverityWarning, column, "role "+qualifiedName(role), fmt.Sprintf("CREATE ROLE %s;", identifier(role)),
				"there is no such role, and its access has no effect%s", yamlfile.DidYouMean(role, suggested))
		}
	}
	return nil
}
