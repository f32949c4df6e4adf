package logical

import (
	"strconv"
	"strings"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// SQLSTATEs of input functions that pgerror does not name.
const (
	codeCharacterNotInRepertoire = "22021"
	codeInvalidParameter         = "22023"
	codeZoneDisplacement         = "22009"
)

// pg_type.oid of types that are no kind of ours but can be the source of a value.
const (
	oidUnknown = 705
	oidName    = 19
	oidJSON    = 114

	oidNameArray = 1003
	oidJSONArray = 199
)

// otherNames are the names, as format_type prints them, of types that clients may
// declare for a parameter although nothing of theirs can be sealed.
var otherNames = map[uint32]string{
	18: `"char"`, oidName: "name", 26: "oid", oidJSON: "json", 142: "xml", oidUnknown: "unknown",
	600: "point", 601: "lseg", 602: "path", 603: "box", 604: "polygon", 628: "line", 718: "circle",
	650: "cidr", 774: "macaddr8", 790: "money", 829: "macaddr", 869: "inet", 1083: "time without time zone",
	1186: "interval", 1266: "time with time zone", 1560: "bit", 1562: "bit varying", 2205: "regclass",
	2206: "regtype", 2249: "record", 2950: "uuid", 3614: "tsvector", 3615: "tsquery", 4072: "jsonpath",
	3904: "int4range", 3906: "numrange", 3908: "tsrange", 3910: "tstzrange", 3912: "daterange", 3926: "int8range",
}

// typeName names a type as format_type does, so far as its OID is known without a catalog.
func typeName(oid uint32) string {
	if k := KindOf(oid); k != 0 {
		return k.String()
	}
	if name := otherNames[oid]; name != "" {
		return name
	}
	if elem := ElementOf(oid); elem != oid {
		return typeName(elem) + "[]"
	}
	return "oid " + strconv.FormatUint(uint64(oid), 10)
}

func invalidSyntax(typ string, value []byte) error {
	return pgerror.New(pgerror.InvalidTextRepresent, "invalid input syntax for type %s: \"%s\"", typ, value)
}

func unsupportedFormat(format int16) error {
	return pgerror.New(codeInvalidParameter, "unsupported format code: %d", format)
}

// insufficientData is what every receive function says of too short a value.
func insufficientData() error {
	return pgerror.New(pgerror.ProtocolViolation, "insufficient data left in message")
}

const badBinary = "incorrect binary data format in bind parameter"

// excessData is what the server says of bytes that a receive function left over.
func excessData() error { return pgerror.New(pgerror.InvalidBinaryRepresent, badBinary) }

// wantLength checks the length of a binary value of a type of fixed length.
func wantLength(value []byte, n int) error {
	switch {
	case len(value) < n:
		return insufficientData()
	case len(value) > n:
		return excessData()
	}
	return nil
}

func corrupt(k Kind) error {
	return pgerror.New(pgerror.DataCorrupted, "a sealed value of type %s does not hold one", k)
}

const (
	mismatchStart   = "column is of type "
	noOperatorStart = "operator does not exist: "
)

// mismatch is the error for a value whose type has no assignment cast to the column's.
func (t Type) mismatch(from uint32) error {
	return pgerror.New(pgerror.DatatypeMismatch, mismatchStart+"%s but expression is of type %s", t.Kind, typeName(from)).
		WithHint("You will need to rewrite or cast the expression.")
}

// noOperator is the error for a comparison with a value of a type without an = for the column's.
func (t Type) noOperator(from uint32) error {
	return pgerror.New(pgerror.UndefinedFunction, noOperatorStart+"%s = %s", t.Kind, typeName(from)).
		WithHint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}

// inexact is the refusal of a value that PostgreSQL may read but pgveil cannot read the same for certain.
func (t Type) inexact(hint string) error {
	return pgerror.New(pgerror.FeatureNotSupported, "this value cannot be read as %s for a sealed column", t.Kind).WithHint("%s", hint)
}

// NameColumn puts a column's name into a 42804 of [Type.Canonical], which is made without
// knowing it: `column "nir" is of type …`. Other errors come back as they are.
func NameColumn(err error, column string) error {
	e, ok := pgerror.As(err)
	if !ok || e.Code != pgerror.DatatypeMismatch || !strings.HasPrefix(e.Message, mismatchStart) {
		return err
	}
	named := *e
	named.Message = `column "` + column + `" ` + strings.TrimPrefix(e.Message, "column ")
	return &named
}

// NameOperator puts the operator as the statement has it into a 42883 of [Type.Canonical], which
// is made for "column = value". With valueFirst the value is the left operand. Other errors
// come back as they are.
func NameOperator(err error, operator string, valueFirst bool) error {
	e, ok := pgerror.As(err)
	if !ok || e.Code != pgerror.UndefinedFunction {
		return err
	}
	left, right, found := strings.Cut(strings.TrimPrefix(e.Message, noOperatorStart), " = ")
	if !found || !strings.HasPrefix(e.Message, noOperatorStart) {
		return err
	}
	if valueFirst {
		left, right = right, left
	}
	named := *e
	named.Message = noOperatorStart + left + " " + operator + " " + right
	return &named
}

// NameParameter puts a parameter's number into a 22P03 of [Type.Canonical] that the
// server words with it: "incorrect binary data format in bind parameter 1". Other errors come
// back as they are.
func NameParameter(err error, number int) error {
	e, ok := pgerror.As(err)
	if !ok || e.Message != badBinary {
		return err
	}
	named := *e
	named.Message = badBinary + " " + strconv.Itoa(number)
	return &named
}

// NameCopied takes the parameter out of a 22P03 of [Type.Canonical]: of a value in COPY
// data the server says just "incorrect binary data format". Other errors come back as they are.
func NameCopied(err error) error {
	e, ok := pgerror.As(err)
	if !ok || e.Message != badBinary {
		return err
	}
	named := *e
	named.Message = strings.TrimSuffix(badBinary, " in bind parameter")
	return &named
}
