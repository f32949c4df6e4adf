package statement

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// alterTable analyses ALTER TABLE, and ALTER VIEW of forms that it shares.
func (x *analysis) alterTable(st *pg.AlterTableStmt) {
	switch st.Objtype {
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_FOREIGN_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_MATVIEW:
	default: // an index, a sequence, a type
		delete(x.left.relations, st.Relation)
		return
	}
	var t *table
	if st.MissingOk {
		t = x.existing(st.Relation, true)
	} else {
		t = x.existingOrAny(st.Relation)
	}
	if t == nil {
		return
	}
	var elements []*pg.Node
	for _, n := range st.Cmds {
		switch cmd := n.GetAlterTableCmd(); cmd.Subtype {
		case pg.AlterTableType_AT_AddColumn, pg.AlterTableType_AT_AddConstraint:
			elements = append(elements, cmd.Def)
		}
	}
	x.declare(t, elements)
	for _, n := range st.Cmds {
		x.alter(t, n.GetAlterTableCmd(), x.token(st.Relation.Location))
	}
}

// alter analyses one command of ALTER TABLE.
func (x *analysis) alter(t *table, cmd *pg.AlterTableCmd, token int32) {
	c := t.sealed[cmd.Name]
	switch cmd.Subtype {
	case pg.AlterTableType_AT_AddColumn:
		x.columnDef(t, cmd.Def.GetColumnDef())
	case pg.AlterTableType_AT_AddConstraint:
		x.constraint(t, cmd.Def.GetConstraint(), "")
	case pg.AlterTableType_AT_ColumnDefault:
		x.setDefault(c, cmd.Def)
	case pg.AlterTableType_AT_AlterColumnType:
		x.alterType(t, c, cmd)
	case pg.AlterTableType_AT_DropConstraint:
		if c := t.isOwnConstraint(cmd.Name); c != nil {
			x.fail(refuseDropCheck(c, "drop"), token)
		}
	case pg.AlterTableType_AT_AddIdentity, pg.AlterTableType_AT_SetExpression:
		if c != nil {
			x.fail(refuseGenerated(c, "GENERATED"), token)
		}
		x.defined(cmd.Def, t.scope(), func(c *schema.Column) *pgerror.Error { return refuseUse(c, "a generated column") })
	case pg.AlterTableType_AT_AddInherit:
		if p := x.existingOrAny(cmd.Def.GetRangeVar()); p != nil {
			x.meet(p, t, token)
		}
	case pg.AlterTableType_AT_DropInherit:
		delete(x.left.relations, cmd.Def.GetRangeVar())
		x.part(t, token)
	case pg.AlterTableType_AT_AttachPartition:
		part := cmd.Def.GetPartitionCmd()
		if child := x.existingOrAny(part.Name); child != nil {
			x.meet(t, child, x.token(part.Name.Location))
			x.bound(t, part.Bound)
		}
	case pg.AlterTableType_AT_DetachPartition, pg.AlterTableType_AT_DetachPartitionFinalize:
		part := cmd.Def.GetPartitionCmd()
		if child := x.existingOrAny(part.Name); child != nil {
			x.part(child, x.token(part.Name.Location))
		}
	case pg.AlterTableType_AT_AddOf:
		x.ofType(t, token)
	case pg.AlterTableType_AT_SetNotNull:
		x.tells(t, c, NullTest)
	case pg.AlterTableType_AT_DropColumn, pg.AlterTableType_AT_DropNotNull,
		pg.AlterTableType_AT_SetStatistics, pg.AlterTableType_AT_SetOptions, pg.AlterTableType_AT_ResetOptions,
		pg.AlterTableType_AT_SetStorage, pg.AlterTableType_AT_SetCompression, pg.AlterTableType_AT_DropExpression,
		pg.AlterTableType_AT_SetIdentity, pg.AlterTableType_AT_DropIdentity, pg.AlterTableType_AT_AlterConstraint,
		pg.AlterTableType_AT_ValidateConstraint, pg.AlterTableType_AT_AlterColumnGenericOptions,
		pg.AlterTableType_AT_ChangeOwner, pg.AlterTableType_AT_ClusterOn, pg.AlterTableType_AT_DropCluster,
		pg.AlterTableType_AT_SetLogged, pg.AlterTableType_AT_SetUnLogged, pg.AlterTableType_AT_DropOids,
		pg.AlterTableType_AT_SetAccessMethod, pg.AlterTableType_AT_SetTableSpace, pg.AlterTableType_AT_SetRelOptions,
		pg.AlterTableType_AT_ResetRelOptions, pg.AlterTableType_AT_EnableTrig, pg.AlterTableType_AT_EnableAlwaysTrig,
		pg.AlterTableType_AT_EnableReplicaTrig, pg.AlterTableType_AT_DisableTrig, pg.AlterTableType_AT_EnableTrigAll,
		pg.AlterTableType_AT_DisableTrigAll, pg.AlterTableType_AT_EnableTrigUser, pg.AlterTableType_AT_DisableTrigUser,
		pg.AlterTableType_AT_EnableRule, pg.AlterTableType_AT_EnableAlwaysRule, pg.AlterTableType_AT_EnableReplicaRule,
		pg.AlterTableType_AT_DisableRule, pg.AlterTableType_AT_DropOf, pg.AlterTableType_AT_ReplicaIdentity,
		pg.AlterTableType_AT_EnableRowSecurity, pg.AlterTableType_AT_DisableRowSecurity,
		pg.AlterTableType_AT_ForceRowSecurity, pg.AlterTableType_AT_NoForceRowSecurity, pg.AlterTableType_AT_GenericOptions:
		// They hold no value, and ciphertext is as good as any for them.
	default:
		x.fail(refuseForm("this form of ALTER TABLE"), token)
	}
}

// alterType analyses ALTER COLUMN … TYPE. A sealed column can only be given the
// type that it has.
func (x *analysis) alterType(t *table, c *schema.Column, cmd *pg.AlterTableCmd) {
	def := cmd.Def.GetColumnDef()
	if c == nil {
		x.defined(def.RawDefault, t.scope(), refuseStoreIn(cmd.Name))
		return
	}
	x.used = true
	token := x.token(def.TypeName.GetLocation())
	declared, ok := x.castTypeOf(def.TypeName)
	if !ok || declared.array || declared.Type != c.Type || def.RawDefault != nil {
		x.fail(refuseAlterType(c), token)
		return
	}
	last, ok := x.typeEnd(token)
	if !ok {
		x.fail(refuseAlterType(c), token)
		return
	}
	x.edits = append(x.edits, edit{kind: editText, first: token, last: last, text: "pg_catalog.bytea"})
	x.dropCollation(def.CollClause)
}

// meet asks that the columns which a parent and a child share are sealed alike.
func (x *analysis) meet(parent, child *table, token int32) {
	for _, c := range parent.it.columns {
		if found, _ := child.it.find(c.name); found == nil {
			continue
		}
		a, b := parent.sealed[c.name], child.sealed[c.name]
		switch {
		case a == nil && b == nil:
		case a == nil:
			x.fail(refuseMeet(b), token)
		case b == nil || !a.SealsAlike(b):
			x.fail(refuseMeet(a), token)
		}
	}
}

// part asks that a child keeps its tags without its parent.
func (x *analysis) part(child *table, token int32) {
	for _, c := range child.it.columns {
		if c.tagged != nil && !x.tagsAlike(child.schemaName, child.name, c.name, c.tagged) {
			x.fail(refuseUntag(c.tagged, "take the table of", child.schemaName, child.name, c.name), token)
		}
	}
}

// tagsAlike reports whether the schema file names a column and seals it as c.
func (x *analysis) tagsAlike(schemaName, name, column string, c *schema.Column) bool {
	for _, tag := range x.a.catalog.Tags(schemaName, name) {
		if tag.Name == column {
			return tag.SealsAlike(c)
		}
	}
	return false
}

// renamesTagged reports whether a RENAME gives a name that the schema file knows.
func (x *analysis) renamesTagged(st *pg.RenameStmt) bool {
	switch st.RenameType {
	case pg.ObjectType_OBJECT_SCHEMA:
		return x.a.catalog.TaggedSchema(st.Subname) || x.a.catalog.TaggedSchema(st.Newname)
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_MATVIEW, pg.ObjectType_OBJECT_FOREIGN_TABLE:
		return x.a.watched([]byte(st.Newname))
	}
	return false
}

// rename analyses RENAME: a tag must not lose its column, nor get another one.
func (x *analysis) rename(st *pg.RenameStmt) {
	switch st.RenameType {
	case pg.ObjectType_OBJECT_SCHEMA:
		x.fail(refuseRenameSchema(st.Subname, st.Newname), -1)
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_MATVIEW, pg.ObjectType_OBJECT_FOREIGN_TABLE:
		if t := x.moved(st.Relation, st.MissingOk); t != nil {
			x.move(t, t.schemaName, st.Newname, x.token(st.Relation.Location))
		}
	case pg.ObjectType_OBJECT_COLUMN:
		if t := x.moved(st.Relation, st.MissingOk); t != nil && t.kind != 'v' && t.kind != 'm' {
			x.renameColumn(t, st)
		}
	case pg.ObjectType_OBJECT_TABCONSTRAINT:
		t := x.moved(st.Relation, st.MissingOk)
		if t == nil {
			return
		}
		if c := t.isOwnConstraint(st.Subname); c != nil {
			x.fail(refuseDropCheck(c, "rename"), x.token(st.Relation.Location))
		}
	default:
		x.left = survey{} // nothing that a tag could be on
	}
}

// moved gives the table that is renamed; nil without an error if it is none.
func (x *analysis) moved(rv *pg.RangeVar, missingOK bool) *table {
	if r, _ := x.a.lookup(x.env, rv.Schemaname, rv.Relname); r == nil && !x.a.watched([]byte(rv.Relname)) {
		return x.existingOrAny(rv)
	}
	return x.existing(rv, missingOK)
}

func (x *analysis) renameColumn(t *table, st *pg.RenameStmt) {
	token := x.token(st.Relation.Location)
	c, next := t.sealed[st.Subname], t.sealed[st.Newname]
	if found, _ := t.it.find(st.Subname); found == nil && !t.it.open {
		return // the server says so
	}
	switch {
	case c == nil && next == nil:
	case c == nil:
		x.fail(refuseTakeTag(next), token)
	case next == nil || !next.SealsAlike(c):
		x.fail(refuseUntag(c, "rename", t.schemaName, t.name, st.Newname), token)
	}
}

// move asks that a table has the same tags by its new name.
func (x *analysis) move(t *table, schemaName, name string, token int32) {
	for _, c := range t.it.columns {
		tag := c.tagged
		own := tag != nil && tag.Schema == t.schemaName && tag.Table == t.name // not a parent's
		if own && t.kind != 'v' && t.kind != 'm' && !x.tagsAlike(schemaName, name, c.name, tag) {
			x.fail(refuseUntag(tag, "rename the table of", schemaName, name, c.name), token)
		}
	}
	for _, tag := range x.a.catalog.Tags(schemaName, name) {
		if c, _ := t.it.find(tag.Name); c == nil || c.tagged == nil || !c.tagged.SealsAlike(tag) {
			x.fail(refuseTakeTag(tag), token)
		}
	}
}

// setSchema analyses ALTER TABLE … SET SCHEMA.
func (x *analysis) setSchema(st *pg.AlterObjectSchemaStmt) {
	switch st.ObjectType {
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_MATVIEW, pg.ObjectType_OBJECT_FOREIGN_TABLE:
		if t := x.moved(st.Relation, st.MissingOk); t != nil {
			x.move(t, st.Newschema, t.name, x.token(st.Relation.Location))
		}
	default:
		x.left = survey{}
	}
}
