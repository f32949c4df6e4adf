package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// definition is a statement that defines tables, indexes, views and the like, and
// the work on it.
type definition struct {
	// relevant says that it concerns the tags of the schema file although nothing
	// that it names may be or reach a tagged table yet.
	relevant bool
	work     func()
}

// definitionOf tells a statement of that kind; nil is any other.
func (x *analysis) definitionOf(n *pg.Node) *definition {
	switch v := n.GetNode().(type) {
	case *pg.Node_CreateStmt:
		return &definition{x.createsTagged(v.CreateStmt.Relation), func() { x.createTable(v.CreateStmt) }}
	case *pg.Node_CreateForeignTableStmt:
		st := v.CreateForeignTableStmt.BaseStmt
		return &definition{x.createsTagged(st.Relation), func() { x.createTable(st) }}
	case *pg.Node_CreateSchemaStmt:
		return &definition{x.schemaHasTagged(v.CreateSchemaStmt), func() { x.fail(refuseCreateSchema(), -1) }}
	case *pg.Node_CreateTableAsStmt:
		st := v.CreateTableAsStmt
		if st.Query.GetSelectStmt() == nil {
			return x.refusedInto(st.Into, "EXECUTE")
		}
		return &definition{x.createsTagged(st.Into.Rel), func() { x.createAs(st.Query.GetSelectStmt(), st.Into, st.Objtype) }}
	case *pg.Node_SelectStmt:
		into := v.SelectStmt.IntoClause
		if into == nil {
			first := v.SelectStmt
			for first.Larg != nil {
				first = first.Larg
			}
			return x.refusedInto(first.IntoClause, "SELECT INTO with UNION")
		}
		return &definition{x.createsTagged(into.Rel), func() {
			v.SelectStmt.IntoClause = nil
			x.createAs(v.SelectStmt, into, pg.ObjectType_OBJECT_TABLE)
		}}
	case *pg.Node_ViewStmt:
		return &definition{x.createsTagged(v.ViewStmt.View), func() { x.createView(v.ViewStmt) }}
	case *pg.Node_AlterTableStmt:
		return &definition{false, func() { x.alterTable(v.AlterTableStmt) }}
	case *pg.Node_RenameStmt:
		return &definition{x.renamesTagged(v.RenameStmt), func() { x.rename(v.RenameStmt) }}
	case *pg.Node_AlterObjectSchemaStmt:
		st := v.AlterObjectSchemaStmt
		return &definition{st.Relation != nil && len(x.a.catalog.Tags(st.Newschema, st.Relation.Relname)) > 0, func() { x.setSchema(st) }}
	case *pg.Node_IndexStmt:
		return &definition{false, func() { x.createIndex(v.IndexStmt) }}
	case *pg.Node_CreateTrigStmt:
		return &definition{x.a.catalog.Function(lastName(v.CreateTrigStmt.Funcname)), func() { x.createTrigger(v.CreateTrigStmt) }}
	case *pg.Node_RuleStmt:
		return &definition{false, func() { x.fail(refuseRule(), x.token(v.RuleStmt.Relation.GetLocation())) }}
	case *pg.Node_CreatePolicyStmt:
		st := v.CreatePolicyStmt
		return &definition{false, func() { x.policy(st.Table, st.Qual, st.WithCheck) }}
	case *pg.Node_AlterPolicyStmt:
		st := v.AlterPolicyStmt
		return &definition{false, func() { x.policy(st.Table, st.Qual, st.WithCheck) }}
	case *pg.Node_CreateStatsStmt:
		return &definition{false, func() { x.createStatistics(v.CreateStatsStmt) }}
	case *pg.Node_DropStmt, *pg.Node_ReindexStmt, *pg.Node_AlterOwnerStmt, *pg.Node_RefreshMatViewStmt,
		*pg.Node_CreateSeqStmt, *pg.Node_AlterSeqStmt, *pg.Node_LockStmt, *pg.Node_TruncateStmt, *pg.Node_VacuumStmt,
		*pg.Node_ClusterStmt, *pg.Node_CommentStmt, *pg.Node_GrantStmt, *pg.Node_SecLabelStmt:
		return &definition{false, func() { x.left, x.harmless = survey{}, n.GetClusterStmt() == nil }} // they hold no value and give no row
	}
	return nil
}

// refusedInto refuses a form of creating a table that the schema file names; nil for
// any other table.
func (x *analysis) refusedInto(into *pg.IntoClause, form string) *definition {
	if into == nil || !x.createsTagged(into.Rel) {
		return nil
	}
	return &definition{true, func() { x.fail(refuseForm(form), x.token(into.Rel.Location)) }}
}

// define analyses such a statement.
func (x *analysis) define(raw *pg.RawStmt, d *definition) {
	x.private = true // constants in it are not told apart from options and names
	x.defines = true
	hits := x.survey(raw, false)
	if len(hits) == 0 && !d.relevant {
		return
	}
	for _, h := range hits {
		if h.always {
			x.fail(h.err, x.token(h.location))
		}
	}
	if x.err != nil {
		return
	}
	d.work()
	if x.a.controls && !x.harmless {
		x.fail(refuseDefinition(x.verb), -1)
	}
	if x.used {
		x.leftover()
	}
}

// creates gives the schema in which a statement creates a relation. temporary
// says that it is, or may be, the session's own.
func (x *analysis) creates(rv *pg.RangeVar) (schemaName string, temporary bool) {
	switch {
	case rv.Relpersistence == "t" || temporarySchema(rv.Schemaname):
		return "", true
	case rv.Schemaname != "":
		return rv.Schemaname, false
	}
	for i, s := range x.env.SearchPath {
		switch {
		case s == "pg_catalog", i == 0 && temporarySchema(s): // there without being named
		case temporarySchema(s):
			return "", true
		default:
			return s, false
		}
	}
	return "", false
}

// createsTagged reports whether the schema file names the table that a statement
// creates.
func (x *analysis) createsTagged(rv *pg.RangeVar) bool {
	schemaName, temporary := x.creates(rv)
	return !temporary && len(x.a.catalog.Tags(schemaName, rv.Relname)) > 0
}

func (x *analysis) schemaHasTagged(st *pg.CreateSchemaStmt) bool {
	for _, n := range st.SchemaElts {
		var rv *pg.RangeVar
		switch v := n.GetNode().(type) {
		case *pg.Node_CreateStmt:
			rv = v.CreateStmt.Relation
		case *pg.Node_ViewStmt:
			rv = v.ViewStmt.View
		}
		if rv != nil && len(x.a.catalog.Tags(st.Schemaname, rv.Relname)) > 0 {
			return true
		}
	}
	return st.Schemaname == "" && len(st.SchemaElts) > 0 // of the role's name
}

// table is a table that is being defined or altered.
type table struct {
	schemaName, name string
	kind             byte                      // pg_class.relkind
	sealed           map[string]*schema.Column // by the name in this table: of the schema file and of its parents
	it               *item                     // its columns
	proven           map[string]bool           // columns with a CHECK constraint like pgveil's in the statement
}

// existing gives the table that a statement alters. Nil comes with an error; a
// table that is not there and need not be has no columns.
func (x *analysis) existing(rv *pg.RangeVar, missingOK bool) *table {
	token := x.token(rv.Location)
	r, temporary := x.a.lookup(x.env, rv.Schemaname, rv.Relname)
	delete(x.left.relations, rv)
	t := &table{name: rv.Relname, kind: 'r', sealed: make(map[string]*schema.Column), it: &item{name: rv.Relname, system: true}}
	switch {
	case temporary:
		x.fail(refuseTemporary(rv.Relname), token)
		return nil
	case r == nil && !missingOK:
		x.fail(errRelation(rv.Schemaname, rv.Relname), -1) // the server does not say where either
		return nil
	case r == nil:
		t.schemaName, _ = x.creates(rv)
		t.it.open = true
		for _, c := range x.a.catalog.Tags(t.schemaName, t.name) {
			t.it.columns = append(t.it.columns, column{name: c.Name, tagged: c})
		}
	default:
		if o := r.Orphan(); o != nil {
			x.fail(refuseOrphan(r, o), token)
			return nil
		}
		x.used = x.used || r.Reaches
		t.schemaName, t.kind, t.it.of, t.it.relation = r.Schema, r.Kind, r, r
		t.it.columns = x.columnsOf(r, token)
	}
	for _, c := range x.a.catalog.Tags(t.schemaName, t.name) {
		t.sealed[c.Name] = c
	}
	for _, c := range t.it.columns {
		if c.tagged != nil {
			t.sealed[c.name] = c.tagged
		}
	}
	return t
}

// columnsOf gives the columns of a relation, whether rules reach from it or not.
func (x *analysis) columnsOf(r *schema.Relation, token int32) []column {
	if isView(r) {
		return x.attributes(r, token)
	}
	columns := make([]column, len(r.Attributes))
	for i, a := range r.Attributes {
		columns[i] = column{name: a.Name, tagged: a.Tagged}
	}
	return columns
}

// scope is what names mean in the table's constraints.
func (t *table) scope() *scope { return &scope{items: []*item{t.it}} }

// kept takes the uses back that a definition does not make: it shows nothing. That
// a constant was compared or stored stays: whoever may not search a column must
// not have guesses sealed for it either.
func (x *analysis) kept(before int) {
	kept := x.touches[:before]
	for _, u := range x.touches[before:] {
		if u.How == Search || u.How == Assign {
			kept = append(kept, u)
		}
	}
	x.touches = kept
}

// defined analyses an expression that becomes part of a definition. It shows no value itself, but the server computes it
// of the rows, and tells what comes out by errors, by a column that it generates, or by which rows there are.
func (x *analysis) defined(n *pg.Node, s *scope, refusal func(*schema.Column) *pgerror.Error) {
	x.plainBut(n, s, refusal)
	x.noParams(n)
}

// tells notes that an error of a definition would tell something of the values of a column. One that is being
// created has none.
func (x *analysis) tells(t *table, c *schema.Column, how How) {
	if c != nil && t.it.of != nil && t.it.of.Attribute(c.Name) != nil {
		x.touch(c, how)
	}
}

// noParams refuses a parameter, which no definition can have.
func (x *analysis) noParams(n *pg.Node) {
	if n == nil {
		return
	}
	if p := firstParam(n.ProtoReflect()); p != nil {
		x.fail(pgerror.New("42P02", "there is no parameter $%d", p.Number), x.token(p.Location))
	}
}
