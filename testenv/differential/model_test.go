package differential

import (
	"fmt"
	"strings"

	"github.com/pgveil/pgveil/testenv/stack"
)

// The modes of a column.
const (
	plain         = 0
	deterministic = 'd'
	randomized    = 'r'
)

// typ is a logical type.
type typ struct {
	name  string // as DDL has it
	base  string // without modifier
	array string // for a cast
}

func newType(name, base string) *typ { return &typ{name: name, base: base, array: base + "[]"} }

var (
	typText        = newType("text", "text")
	typVarchar20   = newType("varchar(20)", "varchar")
	typVarchar80   = newType("varchar(80)", "varchar")
	typChar10      = newType("char(10)", "bpchar")
	typChar15      = newType("char(15)", "bpchar")
	typInt2        = newType("int2", "int2")
	typInt4        = newType("int4", "int4")
	typInt8        = newType("int8", "int8")
	typNumeric     = newType("numeric(12,3)", "numeric")
	typFloat4      = newType("float4", "float4")
	typFloat8      = newType("float8", "float8")
	typBool        = newType("bool", "bool")
	typDate        = newType("date", "date")
	typTimestamp   = newType("timestamp", "timestamp")
	typTimestamptz = newType("timestamptz", "timestamptz")
	typUUID        = newType("uuid", "uuid")
	typJSONB       = newType("jsonb", "jsonb")
	typBytea       = newType("bytea", "bytea")
)

// column is a column of a table, or what a query makes of one.
type column struct {
	name   string
	typ    *typ
	mode   byte
	domain string // of a deterministic column its equality domain, of a randomized one the column of a table
	key    bool   // part of the primary key, an int
	unique bool
	ref    string // the table whose id it holds
	pool   string // the values it takes
}

func (c *column) tagged() bool { return c.mode != plain }

// quoted gives the column's name as SQL.
func (c *column) quoted() string { return quoteName(c.name) }

func quoteName(s string) string {
	if strings.ToLower(s) != s || strings.ContainsAny(s, ` "`) {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

// table is a relation of the databases.
type table struct {
	schema, name string
	columns      []*column
	more         string // constraints, behind the columns
	behind       string // behind the parenthesis
	view         string // definition, for a view; it is read only
}

func (t *table) qualified() string { return quoteName(t.schema) + "." + quoteName(t.name) }

// ddl creates the table, with logical types or as it is stored.
func (t *table) ddl(stored bool) string {
	if t.view != "" {
		return "CREATE VIEW " + t.qualified() + " AS " + t.view
	}
	var parts []string
	for _, c := range t.columns {
		name := c.typ.name
		if stored && c.tagged() {
			name = "bytea"
		}
		parts = append(parts, c.quoted()+" "+name)
	}
	if t.more != "" {
		parts = append(parts, t.more)
	}
	return "CREATE TABLE " + t.qualified() + " (" + strings.Join(parts, ", ") + ")" + t.behind
}

func key(name string) *column { return &column{name: name, typ: typInt4, key: true} }

func untagged(name string, t *typ) *column {
	return &column{name: name, typ: t, pool: "plain " + t.name}
}

func det(name string, t *typ, domain string) *column {
	c := &column{name: name, typ: t, mode: deterministic, domain: domain, pool: domain}
	if domain == "" {
		c.domain, c.pool = "own:"+name, "d "+t.name
	}
	return c
}

func rnd(name string, t *typ) *column {
	return &column{name: name, typ: t, mode: randomized, pool: "r " + t.name}
}

func ref(name, table string) *column { return &column{name: name, typ: typInt4, ref: table} }

// every is a column of each type in both modes, if the type knows both.
func every() []*column {
	all := []*column{key("id"), untagged("plain", typText)}
	for _, t := range []*typ{
		typText, typVarchar20, typChar10, typInt2, typInt4, typInt8, typNumeric, typFloat4, typFloat8,
		typBool, typDate, typTimestamp, typTimestamptz, typUUID, typJSONB, typBytea,
	} {
		all = append(all, rnd("r_"+t.base, t))
		switch t {
		case typFloat4, typFloat8, typJSONB:
		default:
			all = append(all, det("d_"+t.base, t, ""))
		}
	}
	return all
}

// assignable says that a column may be assigned to another: their values are sealed
// alike, or not at all.
func assignable(a, b *column) bool {
	return a.mode == b.mode && a.domain == b.domain && a.typ == b.typ
}

// init names the table's columns that randomized ones are.
func init() {
	for _, t := range tables {
		for _, c := range t.columns {
			switch {
			case c.mode != randomized:
			case t.view != "":
				c.domain = "lab.patient.last_name"
			default:
				c.domain = t.qualified() + "." + c.name
			}
		}
	}
}

// unique makes a column one with a UNIQUE constraint of its own.
func unique(c *column) *column {
	c.unique = true
	return c
}

// tables are those of both databases. The tables without a schema in the search
// path come with their schema in a statement.
var tables = []*table{
	{schema: "lab", name: "patient", columns: []*column{
		key("id"), unique(det("nir", typChar15, "nir")), det("email", typVarchar80, ""), rnd("last_name", typVarchar80),
		rnd("birth_date", typDate), untagged("city", typText), untagged("doctor", typInt4),
	}, more: "PRIMARY KEY (id), UNIQUE (nir)"},
	{schema: "lab", name: "analyte", columns: []*column{
		key("id"), det("code", typText, "code"), untagged("label", typText), rnd("method", typText),
	}, more: "PRIMARY KEY (id)"},
	{schema: "lab", name: "result", columns: []*column{
		key("id"), ref("patient", "lab.patient"), det("nir", typChar15, "nir"), det("code", typVarchar20, "code"),
		det("outcome", typVarchar20, ""), rnd("value", typNumeric), rnd("document", typJSONB), untagged("sampled", typTimestamptz),
	}, more: "PRIMARY KEY (id), FOREIGN KEY (patient) REFERENCES lab.patient (id)"},
	{schema: "lab", name: "every", columns: every(), more: "PRIMARY KEY (id)"},
	{schema: "lab", name: "plain", columns: []*column{
		key("id"), untagged("note", typText), untagged("seen", typDate),
	}, more: "PRIMARY KEY (id)"},
	{schema: "lab", name: "journal", columns: []*column{
		key("id"), untagged("ward", typInt4), det("nir", typChar15, "nir"), rnd("note", typText),
	}, behind: " PARTITION BY RANGE (id)"},
	{schema: "lab", name: "Mixed Case", columns: []*column{
		key("Id"), det("Nir", typChar15, "nir"), rnd(`a "b"`, typText), untagged("Plain", typText),
	}, more: `PRIMARY KEY ("Id")`},
	{schema: "other", name: "patient", columns: []*column{
		key("id"), untagged("nir", typText), det("number", typInt8, "number"),
	}, more: "PRIMARY KEY (id)"},
	{schema: "other", name: "visit", columns: []*column{
		key("id"), det("number", typInt4, "number"), rnd("reason", typText),
	}, more: "PRIMARY KEY (id)"},
	{schema: "lab", name: "positive", columns: []*column{
		key("id"), det("nir", typChar15, "nir"), rnd("last_name", typVarchar80), det("outcome", typVarchar20, "own:outcome"),
		untagged("city", typText),
	}, view: "SELECT r.id, p.nir, p.last_name, r.outcome, p.city FROM lab.patient p JOIN lab.result r ON r.patient = p.id"},
	{schema: "lab", name: "renamed", columns: []*column{
		key("number"), det("insurance", typChar15, "nir"), rnd("surname", typVarchar80),
	}, view: "SELECT id AS number, v.nir AS insurance, v.last_name AS surname FROM lab.positive v WHERE v.outcome IS NOT NULL"},
}

// partitions of lab.journal.
var partitions = []string{
	`CREATE TABLE lab.journal_low PARTITION OF lab.journal (PRIMARY KEY (id)) FOR VALUES FROM (MINVALUE) TO (30)`,
	`CREATE TABLE lab.journal_high PARTITION OF lab.journal (PRIMARY KEY (id)) FOR VALUES FROM (30) TO (MAXVALUE)`,
}

// ddl gives what creates the tables of one side.
func ddl(stored bool) []string {
	all := []string{"CREATE SCHEMA lab", "CREATE SCHEMA other"}
	for _, t := range tables {
		all = append(all, t.ddl(stored))
	}
	all = append(all, partitions...)
	for _, s := range []string{"lab", "other"} {
		all = append(all, "GRANT USAGE, CREATE ON SCHEMA "+s+" TO biologist", "GRANT ALL ON ALL TABLES IN SCHEMA "+s+" TO biologist")
	}
	return all
}

// schemaFile gives the text of the schema file.
func schemaFile() string {
	var b strings.Builder
	b.WriteString(stack.SchemaHead)
	for _, t := range tables {
		if t.view != "" {
			continue
		}
		var lines []string
		for _, c := range t.columns {
			if !c.tagged() {
				continue
			}
			line := fmt.Sprintf("          '%s': {type: '%s', encryption: randomized, key: medical, access: care}", c.name, c.typ.name)
			if c.mode == deterministic {
				domain := ""
				if !strings.HasPrefix(c.domain, "own:") {
					domain = ", domain: " + c.domain
				}
				line = fmt.Sprintf("          '%s': {type: '%s', encryption: deterministic, key: identity, access: care%s}", c.name, c.typ.name, domain)
			}
			lines = append(lines, line)
		}
		if len(lines) > 0 {
			fmt.Fprintf(&b, "      '%s':\n        columns:\n%s\n", t.qualified(), strings.Join(lines, "\n"))
		}
	}
	return b.String()
}
