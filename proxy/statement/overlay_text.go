package statement

import (
	"strconv"
	"strings"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// The texts of the overlays. Whatever search_path says, each name in them means the
// server's own: a search_path may lead anywhere. Each is a plain query of one relation,
// which the planner pulls up, so that indexes on the columns that pass are used.

// number is the column of the inner query that holds the number of the logical type,
// NULL where there is none.
const number = "pgveil"

// stored is what pg_type says of how values of a type are kept.
type stored struct {
	name      string // typname
	byValue   bool   // of eight bytes too: no server of today has fewer
	align     byte
	storage   byte
	collation uint32
}

const defaultCollation = 100 // DEFAULT_COLLATION_OID

// storedTypes are of pg_type.dat of PostgreSQL's sources.
var storedTypes = map[logical.Kind]stored{
	logical.Text:        {"text", false, 'i', 'x', defaultCollation},
	logical.Varchar:     {"varchar", false, 'i', 'x', defaultCollation},
	logical.Bpchar:      {"bpchar", false, 'i', 'x', defaultCollation},
	logical.Int2:        {"int2", true, 's', 'p', 0},
	logical.Int4:        {"int4", true, 'i', 'p', 0},
	logical.Int8:        {"int8", true, 'd', 'p', 0},
	logical.Numeric:     {"numeric", false, 'i', 'm', 0},
	logical.Float4:      {"float4", true, 'i', 'p', 0},
	logical.Float8:      {"float8", true, 'd', 'p', 0},
	logical.Bool:        {"bool", true, 'c', 'p', 0},
	logical.Date:        {"date", true, 'i', 'p', 0},
	logical.Timestamp:   {"timestamp", true, 'd', 'p', 0},
	logical.Timestamptz: {"timestamptz", true, 'd', 'p', 0},
	logical.UUID:        {"uuid", false, 'c', 'p', 0},
	logical.JSONB:       {"jsonb", false, 'i', 'x', 0},
}

// array gives an array constant with a value for each type, and takes its element for
// the type of the row.
func (s *shown) array(of string, value func(t logical.Type) string) string {
	values := make([]string, len(s.types))
	for i, t := range s.types {
		values[i] = value(t)
	}
	return "('{" + strings.Join(values, ",") + "}'::pg_catalog." + of + "[])[" + number + "]"
}

func (s *shown) oids() string {
	return s.array("oid", func(t logical.Type) string { return oidKey(t.OID()) })
}

func (s *shown) typmods() string {
	return s.array("int4", func(t logical.Type) string { return strconv.Itoa(int(t.Typmod)) })
}

func (s *shown) typeNames() string {
	return s.array("name", func(t logical.Type) string { return storedTypes[t.Kind].name })
}

// attributes is the overlay of pg_attribute.
func (s *shown) attributes(r *schema.Relation, system []string) string {
	differ := map[string]string{
		"atttypid":     s.oids(),
		"atttypmod":    s.typmods(),
		"attlen":       s.array("int2", func(t logical.Type) string { return strconv.Itoa(int(t.Size())) }),
		"attbyval":     s.array("bool", func(t logical.Type) string { return strconv.FormatBool(storedTypes[t.Kind].byValue) }),
		"attalign":     s.array(`"char"`, func(t logical.Type) string { return string(storedTypes[t.Kind].align) }),
		"attstorage":   s.array(`"char"`, func(t logical.Type) string { return string(storedTypes[t.Kind].storage) }),
		"attcollation": s.array("oid", func(t logical.Type) string { return oidKey(storedTypes[t.Kind].collation) }),
	}
	find := field(s.byOID, "attrelid", "attnum")
	return withTypes(r, system, "atttypid OPERATOR(pg_catalog.=) 17::pg_catalog.oid", find, differ)
}

// columns is the overlay of information_schema.columns, and of what else there has the
// names and the types of columns. The functions are those of the view itself.
func (s *shown) columns(r *schema.Relation, system []string) string {
	of := func(function, domain string) string {
		return function + "(" + s.oids() + ", " + s.typmods() + ")::information_schema." + domain
	}
	differ := map[string]string{
		"data_type":                "pg_catalog.format_type(" + s.oids() + ", NULL)::information_schema.character_data",
		"udt_name":                 s.typeNames() + "::information_schema.sql_identifier",
		"character_maximum_length": of("information_schema._pg_char_max_length", "cardinal_number"),
		"character_octet_length":   of("information_schema._pg_char_octet_length", "cardinal_number"),
		"numeric_precision":        of("information_schema._pg_numeric_precision", "cardinal_number"),
		"numeric_precision_radix":  of("information_schema._pg_numeric_precision_radix", "cardinal_number"),
		"numeric_scale":            of("information_schema._pg_numeric_scale", "cardinal_number"),
		"datetime_precision":       of("information_schema._pg_datetime_precision", "cardinal_number"),
	}
	find := field(s.names, "table_schema", "table_name", "column_name")
	return withTypes(r, system, "udt_name::pg_catalog.text OPERATOR(pg_catalog.=) 'bytea'", find, differ)
}

// withTypes finds the number of each row's logical type, where it may have one, and
// with it the values that differ.
func withTypes(r *schema.Relation, system []string, may, find string, differ map[string]string) string {
	for column, value := range differ {
		differ[column] = "coalesce(" + value + ", " + column + ")"
	}
	inner := "SELECT *, " + list(system) + "CASE WHEN " + may + " THEN " + find + "::pg_catalog.int4 END AS " + number +
		" FROM " + r.Schema + "." + r.Name
	return "(SELECT " + selectList(r, system, differ) + " FROM (" + inner + ") AS " + number + ")"
}

// classes is the overlay of pg_class: relchecks does not count what is not shown.
func (s *shown) classes(r *schema.Relation, system []string) string {
	own := "coalesce(" + field(s.checked, "oid") + "::pg_catalog.int4, 0)"
	differ := map[string]string{"relchecks": "CASE WHEN relchecks OPERATOR(pg_catalog.=) 0 THEN relchecks" +
		" ELSE greatest(relchecks OPERATOR(pg_catalog.-) " + own + ", 0)::pg_catalog.int2 END"}
	return "(SELECT " + selectList(r, system, differ) + " FROM " + r.Schema + "." + r.Name + ")"
}

// constraints is the overlay of pg_constraint.
func (s *shown) constraints(r *schema.Relation, system []string) string {
	return without(r, system, field(s.checks, "oid")+" IS NULL")
}

// constraintNames is the overlay of the views that have the names of a table and of its
// constraint.
func (s *shown) constraintNames(r *schema.Relation, system []string) string {
	return without(r, system, field(s.checkTable, "table_schema", "table_name", "constraint_name")+" IS NULL")
}

// checkNames is the overlay of check_constraints, which does not say of what table
// a constraint is: its text tells.
func (s *shown) checkNames(r *schema.Relation, system []string) string {
	return without(r, system, field(s.checkNamed, "constraint_schema", "constraint_name")+" IS NULL OR"+
		" pg_catalog.strpos(check_clause::pg_catalog.text, 'x"+s.magic+"') OPERATOR(pg_catalog.=) 0")
}

// without leaves out the rows for which the condition does not hold.
func without(r *schema.Relation, system []string, condition string) string {
	return "(SELECT " + list(system) + "* FROM " + r.Schema + "." + r.Name + " WHERE " + condition + ")"
}

// field takes out of nested JSON objects what is found under the values of the columns.
func field(objects any, columns ...string) string {
	at := jsonConstant(objects)
	for _, column := range columns {
		at = "pg_catalog.jsonb_object_field(" + at + ", " + column + "::pg_catalog.text)"
	}
	return at
}

// selectList has the columns of a relation, those that differ with their values, and
// after them the system columns.
func selectList(r *schema.Relation, system []string, differ map[string]string) string {
	var b strings.Builder
	for i := range r.Attributes {
		if i > 0 {
			b.WriteString(", ")
		}
		name := r.Attributes[i].Name
		if value, ok := differ[name]; ok {
			b.WriteString(value + " AS ")
		}
		b.WriteString(quoteIdent(name))
	}
	for _, name := range system {
		b.WriteString(", " + name)
	}
	return b.String()
}

// list gives names, each followed by a comma.
func list(names []string) string {
	dst := ""
	for _, name := range names {
		dst += name + ", "
	}
	return dst
}

// quoteIdent writes an identifier as the text of a statement has it.
func quoteIdent(name string) string {
	plain := name != "" && findWord([]byte(name)) == 0
	for i := range len(name) {
		c := name[i]
		plain = plain && ('a' <= c && c <= 'z' || c == '_' || i > 0 && '0' <= c && c <= '9')
	}
	if plain {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
