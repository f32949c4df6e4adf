package statement

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// createTable analyses CREATE TABLE: the columns that the schema file names are
// created in their sealed form.
func (x *analysis) createTable(st *pg.CreateStmt) {
	token := x.token(st.Relation.Location)
	schemaName, temporary := x.creates(st.Relation)
	delete(x.left.relations, st.Relation)
	if temporary && x.reaches(st.Relation.Schemaname, st.Relation.Relname, true) {
		x.fail(refuseTemporary(st.Relation.Relname), token)
		return
	}
	t := &table{
		schemaName: schemaName, name: st.Relation.Relname, kind: 'r',
		sealed: make(map[string]*schema.Column), it: &item{name: st.Relation.Relname, system: true},
	}
	if !temporary {
		for _, c := range x.a.catalog.Tags(schemaName, t.name) {
			t.sealed[c.Name] = c
			x.used = true
		}
	}
	for _, n := range st.InhRelations {
		x.parent(t, n.GetRangeVar(), st.Partbound)
	}
	for _, n := range st.TableElts {
		if like := n.GetTableLikeClause(); like != nil {
			x.like(t, like)
		}
	}
	if st.OfTypename != nil {
		x.ofType(t, token)
	}
	x.declare(t, st.TableElts)
	for _, n := range st.TableElts {
		if def := n.GetColumnDef(); def != nil {
			x.columnDef(t, def)
		}
		if c := n.GetConstraint(); c != nil {
			x.constraint(t, c, "")
		}
	}
	for _, n := range st.Constraints {
		x.constraint(t, n.GetConstraint(), "")
	}
	x.partitionBy(t, st.Partspec)
}

// ofType refuses a table of a composite type, which has its columns from there.
func (x *analysis) ofType(t *table, token int32) {
	for _, c := range x.a.catalog.Tags(t.schemaName, t.name) {
		x.fail(refuseInherited(c, "a type"), token)
	}
}

// declare adds the columns of a list of elements to the table's scope, and finds
// the constraints that are already as pgveil wants them.
func (x *analysis) declare(t *table, elements []*pg.Node) {
	t.proven = make(map[string]bool)
	for _, n := range elements {
		switch v := n.GetNode().(type) {
		case *pg.Node_ColumnDef:
			name := v.ColumnDef.Colname
			if c, _ := t.it.find(name); c == nil {
				t.it.columns = append(t.it.columns, column{name: name, tagged: t.sealed[name]})
			}
			for _, n := range v.ColumnDef.Constraints {
				x.prove(t, n.GetConstraint())
			}
		case *pg.Node_Constraint:
			x.prove(t, v.Constraint)
		}
	}
}

func (x *analysis) prove(t *table, c *pg.Constraint) {
	if c.Contype != pg.ConstrType_CONSTR_CHECK {
		return
	}
	for name, tagged := range t.sealed {
		if x.ownCheck(c.RawExpr, tagged, name) {
			t.proven[name] = true
		}
	}
}

// ownCheck reports whether an expression is that of the CHECK constraint which
// pgveil gives a column, as it writes it or as the server prints it.
func (x *analysis) ownCheck(n *pg.Node, c *schema.Column, name string) bool {
	in := *c
	in.Name = name
	keys := []uint32{c.KeyID}
	if named := checkedKey(n.ProtoReflect(), c); named != c.KeyID {
		keys = append(keys, named) // of a dump, say
	}
	var forms []string
	for _, in.KeyID = range keys {
		forms = append(forms, in.QualifiedCheck())
		if x.env.catalogFirst() { // else its functions may be anybody's
			forms = append(forms, in.CheckExpression(), in.OldCheckExpression())
		}
	}
	for _, form := range forms {
		tree, err := parse("SELECT " + form)
		if err == nil && sameTree(tree.Stmts[0].Stmt.GetSelectStmt().TargetList[0].GetResTarget().Val.ProtoReflect(), n.ProtoReflect()) {
			return true
		}
	}
	return false
}

// checkedKey gives the key that an expression names as the CHECK constraint of a column
// does, 0 for none.
func checkedKey(m protoreflect.Message, c *schema.Column) uint32 {
	if value, ok := m.Interface().(*pg.A_Const); ok && value.GetSval() != nil {
		header := c.Header()
		key, ok := strings.CutPrefix(value.GetSval().Sval, `\x`+hex.EncodeToString(header[:])+"01")
		if id, err := strconv.ParseUint(key, 16, 32); ok && err == nil {
			return uint32(id)
		}
	}
	for inner := range inside(m) {
		if id := checkedKey(inner, c); id != 0 {
			return id
		}
	}
	return 0
}

// sameTree compares two trees, their places in the text left aside.
func sameTree(a, b protoreflect.Message) bool {
	if a.Descriptor() != b.Descriptor() {
		return false
	}
	same := true
	fields := a.Descriptor().Fields()
	for i := 0; i < fields.Len() && same; i++ {
		fd := fields.Get(i)
		switch {
		case fd.Name() == "location":
		case a.Has(fd) != b.Has(fd):
			same = false
		case fd.IsList():
			l, m := a.Get(fd).List(), b.Get(fd).List()
			same = l.Len() == m.Len()
			for j := 0; same && j < l.Len(); j++ {
				same = sameTree(l.Get(j).Message(), m.Get(j).Message())
			}
		case fd.Kind() == protoreflect.MessageKind:
			same = !a.Has(fd) || sameTree(a.Get(fd).Message(), b.Get(fd).Message())
		default:
			same = a.Get(fd).Equal(b.Get(fd))
		}
	}
	return same
}

// firstParam finds a parameter anywhere in a tree.
func firstParam(m protoreflect.Message) *pg.ParamRef {
	if p, ok := m.Interface().(*pg.ParamRef); ok {
		return p
	}
	for inner := range inside(m) {
		if p := firstParam(inner); p != nil {
			return p
		}
	}
	return nil
}

// columnDef analyses a column of CREATE TABLE or ADD COLUMN.
func (x *analysis) columnDef(t *table, def *pg.ColumnDef) {
	c := t.sealed[def.Colname]
	if c != nil {
		x.used = true
		if def.TypeName != nil { // not of a partition, whose parent has it
			x.sealType(t, def, c)
		}
	}
	for _, n := range def.Constraints {
		x.constraint(t, n.GetConstraint(), def.Colname)
	}
}

// sealType puts bytea and the CHECK constraint in the place of a column's type.
func (x *analysis) sealType(t *table, def *pg.ColumnDef, c *schema.Column) {
	s, ok := x.logicalType(def.TypeName, c, t.proven[def.Colname])
	if !ok {
		return
	}
	x.edits = append(x.edits, edit{kind: editText, first: s.first, last: s.last, text: "pg_catalog.bytea"})
	x.dropCollation(def.CollClause)
	if !t.proven[def.Colname] {
		in := *c
		in.Name = def.Colname
		x.edits = append(x.edits, edit{kind: editAfter, first: s.first, last: x.typeOptionsEnd(s.last), text: " " + in.CheckConstraint()})
	}
}

// logicalType finds the tokens of a type that must be the column's logical type,
// or, where the CHECK constraint is there already, may be bytea.
func (x *analysis) logicalType(n *pg.TypeName, c *schema.Column, proven bool) (span, bool) {
	token := x.token(n.Location)
	declared, ok := x.castTypeOf(n)
	sealedForm := proven && ok && !declared.array && declared.Type == byteaType
	if !ok || declared.array || declared.Type != c.Type && !sealedForm {
		x.fail(refuseType(c), token)
		return span{}, false
	}
	last, ok := x.typeEnd(token)
	if !ok {
		x.fail(refuseForm("this form of type"), token)
	}
	return span{token, last}, ok
}

// typeOptionsEnd gives the last token of what must stand between a column's type
// and its constraints.
func (x *analysis) typeOptionsEnd(last int32) int32 {
	t := x.text
	for {
		switch strings.ToLower(string(t.Bytes(int(last + 1)))) {
		case "storage", "compression":
			last += 2
			continue
		case "options":
			if t.Token(int(last+2)).Kind == LeftParen {
				if end, ok := t.bracketEnd(int(last + 2)); ok {
					last = int32(end)
					continue
				}
			}
		}
		return last
	}
}

// dropCollation takes the COLLATE away that bytea cannot have.
func (x *analysis) dropCollation(n *pg.CollateClause) {
	if n == nil {
		return
	}
	first := x.token(n.Location)
	last := first + 1
	for x.text.Token(int(last+1)).Kind == Dot {
		last += 2
	}
	if first < 0 || x.text.Word(int(first)) != WordCollate || !x.text.Token(int(last)).Kind.IsName() {
		x.fail(refuseForm("this form of COLLATE"), first)
		return
	}
	x.edits = append(x.edits, edit{kind: editText, first: first, last: last})
}

// parent takes the columns and tags over from a parent of a new table.
func (x *analysis) parent(t *table, rv *pg.RangeVar, bound *pg.PartitionBoundSpec) {
	p := x.existing(rv, false)
	if p == nil {
		return
	}
	token := x.token(rv.Location)
	if bound == nil && p.it.of.Hides() {
		x.fail(refuseHidden("INHERITS"), token)
	}
	for _, c := range p.it.columns {
		x.inherit(t, c, p.it.of, token)
	}
	x.bound(p, bound)
}

// inherit adds a column to a new table that it has from another one.
func (x *analysis) inherit(t *table, c column, from *schema.Relation, token int32) {
	own := t.sealed[c.name]
	switch {
	case c.tagged == nil && own != nil:
		x.fail(refuseInherited(own, tableName(from)), token)
	case c.tagged != nil && own != nil && !own.SealsAlike(c.tagged):
		x.fail(refuseInherited(own, tableName(from)), token)
	case c.tagged != nil && own == nil:
		t.sealed[c.name] = c.tagged
	}
	if found, _ := t.it.find(c.name); found == nil {
		t.it.columns = append(t.it.columns, column{name: c.name, tagged: t.sealed[c.name]})
	}
}

// like takes the columns of a table over that LIKE names. Without tags of their
// own, nothing would know that they are sealed.
func (x *analysis) like(t *table, n *pg.TableLikeClause) {
	token := x.token(n.Relation.Location)
	from := x.existingOrAny(n.Relation)
	if from == nil {
		return
	}
	if from.it.of.Hides() {
		x.fail(refuseHidden("LIKE"), token)
	}
	const constraints = 1 << 2 // CREATE_TABLE_LIKE_CONSTRAINTS of parsenodes.h
	for _, c := range from.it.columns {
		switch {
		case c.tagged == nil:
		case t.sealed[c.name] == nil:
			x.fail(refuseStore(c.tagged, "a table by LIKE"), token)
		case n.Options&constraints == 0:
			x.fail(refuseLike(c.tagged), token)
		}
		x.inherit(t, c, from.it.of, token)
	}
}

// existingOrAny is existing for a relation that need not be watched, nor be known.
func (x *analysis) existingOrAny(rv *pg.RangeVar) *table {
	if r, _ := x.a.lookup(x.env, rv.Schemaname, rv.Relname); r == nil && !x.a.watched([]byte(rv.Relname)) {
		delete(x.left.relations, rv)
		return &table{name: rv.Relname, it: &item{of: &schema.Relation{Schema: rv.Schemaname, Name: rv.Relname}}}
	}
	return x.existing(rv, false)
}

// partitionBy analyses PARTITION BY: the server would place rows by their
// ciphertext, which only a hash of equal values does well.
func (x *analysis) partitionBy(t *table, spec *pg.PartitionSpec) {
	hash := spec.GetStrategy() == pg.PartitionStrategy_PARTITION_STRATEGY_HASH
	for _, n := range spec.GetPartParams() {
		e := n.GetPartitionElem()
		if c := t.sealed[e.Name]; c != nil && (!hash || c.Mode != schema.Deterministic) {
			x.fail(refusePartition(c), x.token(e.Location))
		}
		x.defined(e.Expr, t.scope(), refusePartition)
	}
}

// bound analyses the bound of a partition: where the key is sealed, constants
// would get to the server as they are.
func (x *analysis) bound(parent *table, bound *pg.PartitionBoundSpec) {
	if bound == nil || bound.IsDefault || len(bound.Listdatums)+len(bound.Lowerdatums)+len(bound.Upperdatums) == 0 {
		return
	}
	if of := parent.it.of; of != nil {
		if of.Kind != 'p' && of.OID != 0 {
			x.fail(pgerror.New("42809", "%q is not partitioned", of.Name), -1)
		}
		for i := range of.Attributes {
			if a := &of.Attributes[i]; a.PartitionKey && a.Tagged != nil {
				x.fail(refusePartition(a.Tagged), x.token(bound.Location))
			}
		}
	}
	for _, n := range slices.Concat(bound.Listdatums, bound.Lowerdatums, bound.Upperdatums) {
		if ref := n.GetColumnRef(); ref != nil {
			delete(x.left.columns, ref) // MINVALUE and MAXVALUE
			continue
		}
		x.defined(n, &scope{}, func(c *schema.Column) *pgerror.Error { return refuseUse(c, "a partition's bound") })
	}
}
