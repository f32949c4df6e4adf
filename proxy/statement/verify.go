package statement

import (
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// Field is what the server's RowDescription says of a result column.
type Field struct {
	TableOID  uint32
	Attribute uint16
	TypeOID   uint32
}

// Verify compares the analysis of a statement with the server's description of
// its result, none for a statement without rows. Where they disagree, names lead
// elsewhere than was thought, and nothing of the result may be shown: the error
// is a *pgerror.Error of class XX.
func (p *Plan) Verify(statement int, fields []Field) error {
	if statement < 0 || statement >= len(p.Statements) {
		return errDisagree()
	}
	s := &p.Statements[statement]
	if !s.planned || s.Free && s.Outputs == nil {
		return nil
	}
	if len(fields) != len(s.Outputs) {
		return errDisagree()
	}
	for i, f := range fields {
		if !p.agree(&s.Outputs[i], f) {
			return errDisagree()
		}
	}
	return nil
}

func (p *Plan) agree(o *Output, f Field) bool {
	// System columns have negative numbers.
	is := origin{f.TableOID, int16(f.Attribute)}
	if o.Column != nil {
		want := logical.Type{Kind: logical.Bytea}
		if o.Column.Controlled() {
			want = o.Column.Type
		}
		oid := want.OID()
		if o.Array {
			oid = want.ArrayOID()
		}
		return is == o.origin && f.TypeOID == oid
	}
	if o.JSON != nil {
		return is == o.origin && f.TypeOID == o.JSON.typeOID()
	}
	if o.origin != (origin{}) && is != o.origin {
		return false
	}
	if is.table == 0 {
		return true
	}
	sealed, known := p.analyzer.sealedAttribute(is.table, is.attribute)
	return known && sealed == nil
}

// VerifyPlain looks at the server's description of rows that no plan is known of,
// those of a cursor that a function has opened. The error is that of Verify: a
// column may be sealed.
func (a *Analyzer) VerifyPlain(fields []Field) error {
	for _, f := range fields {
		if f.TableOID == 0 {
			continue
		}
		sealed, known := a.sealedAttribute(f.TableOID, int16(f.Attribute))
		if sealed != nil || !known && logical.KindOf(f.TypeOID) == logical.Bytea {
			return errDisagree()
		}
	}
	return nil
}

func errDisagree() *pgerror.Error {
	return pgerror.New(pgerror.InternalError, "the server's description of the result does not agree with pgveil's analysis of the statement").
		WithHint("A table or view was changed meanwhile, or a name leads elsewhere for the server. Nothing was shown; run the statement again.")
}
