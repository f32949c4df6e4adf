package statement

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pgveil/pgveil/schema"
)

// after gives the analyzer for the statements behind a definition in the same text:
// over the catalog as it will be. ok is false where that, or what else the definition
// changes, cannot be told. path says that it may change where unqualified names lead.
func (x *analysis) after(n *pg.Node) (next *Analyzer, path, ok bool) {
	switch v := n.GetNode().(type) {
	case *pg.Node_CreateStmt:
		r, ok := x.made(v.CreateStmt)
		if r == nil || !ok {
			return x.a, false, ok
		}
		return NewAnalyzer(x.a.catalog.With(r)), false, true
	case *pg.Node_AlterTableStmt:
		r, ok := x.altered(v.AlterTableStmt)
		if r == nil || !ok {
			return x.a, false, ok
		}
		return NewAnalyzer(x.a.catalog.With(r)), false, true
	case *pg.Node_DropStmt:
		catalog, ok := x.dropped(v.DropStmt)
		if !ok || catalog == x.a.catalog {
			return x.a, false, ok
		}
		return NewAnalyzer(catalog), false, true
	case *pg.Node_CreateSchemaStmt:
		return x.a, true, len(v.CreateSchemaStmt.SchemaElts) == 0
	case *pg.Node_IndexStmt:
		return x.a, false, x.quiet(v.IndexStmt.ProtoReflect())
	case *pg.Node_CreateTrigStmt, *pg.Node_CreatePolicyStmt, *pg.Node_AlterPolicyStmt, *pg.Node_CreateSeqStmt,
		*pg.Node_AlterSeqStmt, *pg.Node_AlterOwnerStmt, *pg.Node_CommentStmt, *pg.Node_GrantStmt:
		return x.a, false, true
	}
	return nil, false, false
}

// made gives the table that CREATE TABLE makes, nil if it is there.
func (x *analysis) made(st *pg.CreateStmt) (*schema.Relation, bool) {
	schemaName, temporary := x.creates(st.Relation)
	if temporary || schemaName == "" || st.OfTypename != nil {
		return nil, false
	}
	if x.a.catalog.Relation(schemaName, st.Relation.Relname) != nil {
		return nil, true
	}
	r := &schema.Relation{Schema: schemaName, Name: st.Relation.Relname, Kind: 'r'}
	if st.Partspec != nil {
		r.Kind = 'p'
	}
	for _, n := range st.InhRelations {
		rv := n.GetRangeVar()
		parent, temporary := x.a.lookup(x.env, rv.Schemaname, rv.Relname)
		if parent == nil || temporary {
			return nil, false
		}
		for _, a := range parent.Attributes {
			a.PartitionKey = false
			x.addColumn(r, a)
		}
	}
	for _, n := range st.TableElts {
		switch v := n.GetNode().(type) {
		case *pg.Node_ColumnDef:
			x.addColumn(r, schema.Attribute{Name: v.ColumnDef.Colname})
		case *pg.Node_TableLikeClause:
			return nil, false
		}
	}
	for _, n := range st.GetPartspec().GetPartParams() {
		if a := r.Attribute(n.GetPartitionElem().GetName()); a != nil {
			a.PartitionKey = true
		} else if n.GetPartitionElem().GetExpr() != nil {
			return nil, false
		}
	}
	return r, true
}

// addColumn adds a column, tagged if the schema file names it, unless it is there.
func (x *analysis) addColumn(r *schema.Relation, a schema.Attribute) {
	if r.Attribute(a.Name) != nil {
		return
	}
	for _, tag := range x.a.catalog.Tags(r.Schema, r.Name) {
		if tag.Name == a.Name {
			a.Tagged = tag
		}
	}
	if a.Tagged != nil {
		a.TypeOID, r.Reaches = byteaType.OID(), true
	}
	a.Num = 1
	if n := len(r.Attributes); n > 0 {
		a.Num = r.Attributes[n-1].Num + 1
	}
	r.Attributes = append(r.Attributes, a)
}

// altered gives the table as ALTER TABLE leaves it, nil if nothing of it counts here.
func (x *analysis) altered(st *pg.AlterTableStmt) (*schema.Relation, bool) {
	was, temporary := x.a.lookup(x.env, st.Relation.Schemaname, st.Relation.Relname)
	if temporary || st.Objtype != pg.ObjectType_OBJECT_TABLE || !x.quiet(st.ProtoReflect()) {
		return nil, false
	}
	r := &schema.Relation{}
	if was != nil {
		*r = *was
		r.Attributes = slices.Clone(was.Attributes)
	}
	for _, n := range st.Cmds {
		switch cmd := n.GetAlterTableCmd(); cmd.Subtype {
		case pg.AlterTableType_AT_AddColumn:
			def := cmd.Def.GetColumnDef()
			if _, ok := x.castTypeOf(def.TypeName); !ok && !slices.Contains(builtinTypes, lastName(def.TypeName.GetNames())) {
				return nil, false // a domain's constraint may run anything
			}
			x.addColumn(r, schema.Attribute{Name: def.Colname})
		case pg.AlterTableType_AT_DropColumn:
			r.Attributes = slices.DeleteFunc(r.Attributes, func(a schema.Attribute) bool { return a.Name == cmd.Name })
		case pg.AlterTableType_AT_AddConstraint, pg.AlterTableType_AT_DropConstraint, pg.AlterTableType_AT_ValidateConstraint,
			pg.AlterTableType_AT_ColumnDefault, pg.AlterTableType_AT_SetNotNull, pg.AlterTableType_AT_DropNotNull,
			pg.AlterTableType_AT_ChangeOwner, pg.AlterTableType_AT_EnableRowSecurity, pg.AlterTableType_AT_SetStorage,
			pg.AlterTableType_AT_SetStatistics, pg.AlterTableType_AT_SetRelOptions, pg.AlterTableType_AT_ReplicaIdentity:
		default:
			return nil, false
		}
	}
	if was == nil {
		return nil, true
	}
	return r, true
}

// builtinTypes are names of types beside the logical ones that columns often have.
var builtinTypes = []string{"serial", "bigserial", "smallserial", "json", "interval", "time", "timetz", "inet", "xml", "tsvector"}

// dropped gives the catalog without what DROP drops.
func (x *analysis) dropped(st *pg.DropStmt) (*schema.Catalog, bool) {
	catalog := x.a.catalog
	switch st.RemoveType {
	case pg.ObjectType_OBJECT_INDEX, pg.ObjectType_OBJECT_TRIGGER, pg.ObjectType_OBJECT_POLICY, pg.ObjectType_OBJECT_SEQUENCE:
		return catalog, true
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_MATVIEW:
	default:
		return nil, false
	}
	for _, n := range st.Objects {
		names := stringNodes(n.GetList().GetItems())
		if len(names) == 0 || len(names) > 2 {
			return nil, false
		}
		schemaName := ""
		if len(names) == 2 {
			schemaName = names[0]
		}
		r, temporary := x.a.lookup(x.env, schemaName, names[len(names)-1])
		if temporary {
			return nil, false
		}
		if r != nil {
			catalog = catalog.Without(r)
		}
	}
	return catalog, true
}

// quietFunctions run nothing of a user's and change nothing of the session.
var quietFunctions = []string{
	"now", "clock_timestamp", "statement_timestamp", "nextval", "gen_random_uuid", "lower", "upper", "length", "char_length",
	"octet_length", "substring", "timezone", "coalesce", "btrim",
}

// quiet reports whether a definition calls no function that could change what later
// names mean.
func (x *analysis) quiet(m protoreflect.Message) bool {
	if f, ok := m.Interface().(*pg.FuncCall); ok {
		names := stringNodes(f.Funcname)
		builtin := len(names) == 1 && x.env.catalogFirst() || len(names) == 2 && names[0] == "pg_catalog"
		if !builtin || !slices.Contains(quietFunctions, names[len(names)-1]) {
			return false
		}
	}
	for inner := range inside(m) {
		if !x.quiet(inner) {
			return false
		}
	}
	return true
}

// loose reports whether a statement has the name of a table without its schema.
func (x *analysis) loose(n *pg.Node) bool {
	w := newSurveyor(x, false)
	w.message(n.ProtoReflect())
	for rv := range w.all.relations {
		if rv.Schemaname == "" {
			return true
		}
	}
	return false
}
