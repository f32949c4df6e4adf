package statement

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// otherTypes are the OIDs of types of untagged columns that no logical type has.
var otherTypes = map[string]uint32{"oid": 26, "name": 19, "record": 2249}

// fixture is the catalog of testdata/plans/catalog.txt.
type fixture struct {
	relations []*schema.Relation
	functions []string
	columns   []*schema.Column
	declared  []*schema.Function
}

func (f *fixture) catalog() *schema.Catalog {
	var here []*schema.Relation
	for _, r := range f.relations {
		if r.Kind != awaited {
			here = append(here, r)
		}
	}
	c := schema.NewCatalog(here, f.functions, f.columns...)
	c.Declare(f.declared, func(_, name string) bool { return name == "shared" })
	return c
}

// awaited stands for the kind of a table that is tagged and does not exist.
const awaited = 0

// names splits a line at blanks outside double quotes and takes the quotes away.
func names(line string) []string {
	var out []string
	for quoted, start, i := false, 0, 0; i <= len(line); i++ {
		if i < len(line) && line[i] == '"' {
			quoted = !quoted
		}
		if i == len(line) || line[i] == ' ' && !quoted {
			if i > start {
				out = append(out, strings.ReplaceAll(line[start:i], `"`, ""))
			}
			start = i + 1
		}
	}
	return out
}

func readFixture(t testing.TB) *fixture {
	t.Helper()
	return readCatalog(t, "testdata/plans/catalog.txt")
}

func readCatalog(t testing.TB, path string) *fixture {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f := &fixture{}
	domains := make(map[string]*schema.Column)
	var r *schema.Relation
	oid := uint32(16400)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == ' ' {
			f.attribute(t, r, names(line), domains)
			continue
		}
		oid++
		head, definition, _ := strings.Cut(line, " = ")
		words := names(head)
		if words[0] == "function" {
			f.functions = append(f.functions, words[1])
			continue
		}
		if words[0] == "declared" {
			f.declare(words[1:])
			continue
		}
		s, name, _ := strings.Cut(words[1], ".")
		r = &schema.Relation{OID: oid, Schema: s, Name: name, Definition: definition}
		r.Kind = map[string]byte{"table": 'r', "partitioned": 'p', "reaching": 'r', "view": 'v', "matview": 'm'}[words[0]]
		r.Reaches = definition != "" || words[0] == "reaching"
		r.Rules = name == "v_ruled"
		f.relations = append(f.relations, r)
	}
	return f
}

// declare reads a function: its name, its arguments in parentheses, and what it returns,
// columns with their names before an equals sign.
func (f *fixture) declare(words []string) {
	tagged := func(name string) *schema.Column {
		for _, r := range f.relations {
			for i := range r.Attributes {
				if c := r.Attributes[i].Tagged; c != nil && c.QualifiedName() == name {
					return c
				}
			}
		}
		return nil
	}
	d := &schema.Function{}
	d.Schema, d.Name, _ = strings.Cut(words[0], ".")
	for _, word := range words[1:] {
		if argument, ok := strings.CutPrefix(word, "("); ok {
			d.Arguments = append(d.Arguments, tagged(strings.TrimSuffix(argument, ")")))
			continue
		}
		name, column, named := strings.Cut(word, "=")
		if !named {
			name, column = "", word
		}
		d.Columns = append(d.Columns, schema.Returned{Name: name, Column: tagged(column)})
	}
	f.declared = append(f.declared, d)
}

func (f *fixture) attribute(t testing.TB, r *schema.Relation, words []string, domains map[string]*schema.Column) {
	a := schema.Attribute{Name: words[0], Num: int16(len(r.Attributes) + 1)}
	if words[1] == "controlled" {
		lt, err := logical.ParseType(words[2])
		if err != nil {
			t.Fatal(err)
		}
		a.TypeOID, a.Tagged = lt.OID(), &schema.Column{Schema: r.Schema, Table: r.Name, Name: a.Name, Type: lt}
		r.Attributes = append(r.Attributes, a)
		return
	}
	if words[1] != "sealed" {
		a.TypeOID = otherTypes[words[1]]
		a.Orphan = words[1] == "orphan"
		if a.Orphan {
			words[1] = "bytea"
		}
		a.PartitionKey = len(words) > 2 && words[2] == "key"
		if a.TypeOID == 0 {
			lt, err := logical.ParseType(words[1])
			if err != nil {
				t.Fatal(err)
			}
			a.TypeOID = lt.OID()
		}
		r.Attributes = append(r.Attributes, a)
		return
	}
	a.PartitionKey = words[len(words)-1] == "key"
	if a.PartitionKey {
		words = words[:len(words)-1]
	}
	lt, err := logical.ParseType(words[3])
	if err != nil {
		t.Fatal(err)
	}
	c := &schema.Column{Schema: r.Schema, Table: r.Name, Name: a.Name, Type: lt, Mode: schema.Randomized, Key: "k"}
	c.Context = "column:" + c.QualifiedName()
	if words[2] == "deterministic" {
		c.Mode, c.Domain = schema.Deterministic, c.QualifiedName()
		if len(words) > 4 {
			c.Domain, c.Context = words[4], "domain:"+words[4]
		}
	}
	a.TypeOID, a.Tagged = logical.Type{Kind: logical.Bytea}.OID(), c
	r.Attributes = append(r.Attributes, a)
	f.columns = append(f.columns, c)
}
