package logical

import (
	"strconv"
	"testing"
)

var typeNames = []string{
	"text", "varchar", "character varying", "varchar(15)", "character varying(15)", "char varying (15)", "VARCHAR ( 15 )", "national character varying(3)", "national char varying(3)", "nchar varying(4)", "varchar(1)", "varchar(10485760)", "pg_catalog.varchar(15)", "pg_catalog.int4",
	"char", "char(15)", "character", "character(1)", "nchar(3)", "national character(3)", "national char", "bpchar", "bpchar(5)", "pg_catalog.bpchar(7)",
	"smallint", "int2", "int", "INT", "integer", "int4", "bigint", "int8", "numeric", "decimal", "dec", "numeric(10)", "numeric(10,3)", "decimal(10, 3)", "dec(5,0)", "numeric(5,-2)", "numeric(3,5)", "numeric(1000,1000)", "numeric(1000,-1000)", "numeric(1)",
	"real", "float4", "float8", "double precision", "double   precision", "float", "float(1)", "float(24)", "float(25)", "float(53)",
	"bool", "boolean", "date", "timestamp", "timestamp(0)", "timestamp(3)", "timestamp (6)", "timestamp without time zone", "timestamp(3) without time zone", "timestamp with time zone", "timestamp(3) with time zone", "timestamp ( 2 )  with   time zone", "timestamptz", "timestamptz(4)", "Timestamp(7)", "pg_catalog.timestamptz(1)",
	"uuid", "UUID", "jsonb", "bytea", " text ", "\ttext\n",
}

var badTypeNames = []string{
	"", " ", "string", "json", "interval", "time", "money", "inet", "oid", "name", "text[]", "int[]", "_text", "serial", "bigserial", "\"char\"", "\"varchar\"", "xml", "public.text", "information_schema.int4", "pg_catalog.integer", "pg_catalog.character", "pg_catalog.char", "pg_catalog.", "character varying varying", "varying",
	"text(5)", "int(5)", "int4(3)", "bool(1)", "uuid(1)", "date(3)", "jsonb(1)", "bytea(1)", "real(3)", "float8(3)", "double precision(3)", "double precision (3)", "boolean(1)",
	"varchar(0)", "varchar(-1)", "varchar(10485761)", "varchar(99999999999999999999)", "varchar(a)", "varchar()", "varchar(1,2)", "varchar(15", "varchar 15)", "varchar(15) x", "varchar(15)(16)", "char(0)", "bpchar(0)",
	"numeric(0)", "numeric(1001)", "numeric(10,1001)", "numeric(10,-1001)", "numeric(1,2,3)", "numeric()", "numeric(1.5)", "numeric(-1)", "decimal(10,)",
	"float(0)", "float(54)", "float(1,2)", "timestamp(-1)", "timestamp(1,2)", "timestamp with time zone(3)", "timestamp (3) with", "timestamptz(3) with time zone", "timestamp with", "timestamp without zone", "time with time zone", "date with time zone", "varchar(3) with time zone",
}

// Each spelling is the type that the server's grammar makes of it.
func TestParseType(t *testing.T) {
	t.Parallel()
	s := newSession(t, nil)
	for i, name := range typeNames {
		typ, err := ParseType(name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		table := "parsed_" + strconv.Itoa(i)
		s.exec("CREATE TEMPORARY TABLE " + table + " (v " + name + ", a " + typ.String() + "[])")
		row, pgErr := s.query("SELECT v.atttypid, v.atttypmod, format_type(v.atttypid, v.atttypmod), v.attlen, a.atttypid, t.typlen FROM pg_attribute v, pg_attribute a, pg_type t"+
			" WHERE v.attrelid = $1::regclass AND v.attname = 'v' AND a.attrelid = v.attrelid AND a.attname = 'a' AND t.oid = v.atttypid", text(table), 0)
		if pgErr != nil {
			t.Fatal(pgErr)
		}
		wants := []string{
			strconv.Itoa(int(typ.OID())), strconv.Itoa(int(typ.Typmod)), typ.String(), strconv.Itoa(int(typ.Size())), strconv.Itoa(int(typ.ArrayOID())), strconv.Itoa(int(typ.Size())),
		}
		for j, want := range wants {
			if got := string(row[j]); got != want {
				t.Errorf("%q: the server says %q, we say %q", name, row, wants)
				break
			}
		}
		if again, err := ParseType(typ.String()); err != nil || again != typ {
			t.Errorf("%q: %q is read back as %v, %v", name, typ, again, err)
		}
	}
	for _, name := range badTypeNames {
		if typ, err := ParseType(name); err == nil {
			t.Errorf("%q is read as %s", name, typ)
		}
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	deterministic := map[Kind]bool{Text: true, Varchar: true, Bpchar: true, Int2: true, Int4: true, Int8: true, Bool: true, Date: true, Timestamp: true, Timestamptz: true, UUID: true, Bytea: true}
	fixed := map[Kind]int{Int2: 8, Int4: 8, Int8: 8, Float4: 4, Float8: 8, Bool: 1, Date: 4, Timestamp: 8, Timestamptz: 8, UUID: 16}
	samples := map[Kind]string{Text: "a", Varchar: "a", Bpchar: "a", Numeric: "1", Bool: "t", Date: "2022-07-31", Timestamp: "2022-07-31", Timestamptz: "2022-07-31Z", UUID: "a0eebc999c0b4ef8bb6d6bb9bd380a11", JSONB: "{}", Bytea: "a"}
	for k := Text; k < endOfKinds; k++ {
		typ := Type{Kind: k, Typmod: -1}
		if typ.AllowsDeterministic() != deterministic[k] {
			t.Errorf("%s: AllowsDeterministic is %v", k, typ.AllowsDeterministic())
		}
		if KindOf(typ.OID()) != k || ElementOf(typ.ArrayOID()) != typ.OID() {
			t.Errorf("%s is not found by its OID", k)
		}
		sample := samples[k]
		if sample == "" {
			sample = "1"
		}
		canonical, err := typ.Canonical(nil, []byte(sample), 0, 0, Assign, nil)
		if err != nil {
			t.Fatal(err)
		}
		if length, ok := fixed[k]; ok != typ.FixedLength() || ok && len(canonical) != length {
			t.Errorf("%s: FixedLength is %v, a value has %d bytes", k, typ.FixedLength(), len(canonical))
		}
	}
	for name, want := range map[string]bool{"numeric(10,3)": true, "numeric(10)": true, "numeric(5,-2)": true, "numeric": false} {
		if typ := mustParse(t, name); typ.AllowsDeterministic() != want {
			t.Errorf("%s: AllowsDeterministic is %v", name, !want)
		}
	}
	var zero Type
	if zero.AllowsDeterministic() || zero.FixedLength() || zero.OID() != 0 || KindOf(0) != 0 || ElementOf(0) != 0 || ElementOf(705) != 0 || ElementOf(1041) != 1041 || ElementOf(1003) != 19 {
		t.Error("the zero type is taken for a type")
	}
	for _, bad := range []Type{zero, {Kind: endOfKinds}, {Kind: 200}} {
		if _, err := bad.Canonical(nil, []byte("1"), 0, 0, Assign, nil); err == nil {
			t.Errorf("%s takes a value", bad)
		}
		if _, err := bad.Append(nil, []byte("1"), 0, nil); err == nil {
			t.Errorf("%s shows a value", bad)
		}
	}
}
