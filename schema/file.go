package schema

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// FileVersion is the version of the schema file's format that this package
// reads.
const FileVersion = 1

// File is a schema file. It is immutable once parsed.
type File struct {
	Name      string // as given to Parse
	Keys      map[string]KeySpec
	Projects  map[string]Project
	Databases map[string]*Database
	// Warnings tell what is allowed and most likely not meant, in the file's order.
	Warnings []*yamlfile.Error
}

// maxNameLength is the longest name that PostgreSQL does not cut, in bytes
// (NAMEDATALEN - 1).
const maxNameLength = 63

// The keys of the file's mappings. The JSON Schema has the same.
var (
	fileKeys       = []string{"version", "keys", "projects", "profiles", "databases"}
	projectKeys    = []string{"key", "epoch", "shift"}
	databaseKeys   = []string{"tables", "functions", "trusted_functions", "budgets", "break_glass", "canaries"}
	canaryKeys     = []string{"tags", "stop"}
	breakGlassKeys = []string{"for", "columns", "budget"}
	budgetKeys     = []string{"rows", "values", "patients_per_hour", "patients_per_day"}
	functionKeys   = []string{"arguments", "returns", "columns"}
	tableKeys      = []string{"access", "subject", "columns"}
	columnKeys     = []string{"type", "encryption", "key", "key_by", "domain", "context", "padding", "was", "erased", "access"}
	wasKeys        = []string{"encryption", "key", "domain", "context", "padding"}
	accessKeys     = []string{"verdict", "search", "mask", "project", "format", "write"}
	maskKeys       = []string{"keep_first", "keep_last", "fill", "length", "truncate", "round", "bucket", "email", "nir", "fixed"}
	bucketKeys     = []string{"size", "from"}
)

// laterKeys are keys that the design has a meaning for and this version not.
var laterKeys = map[string]bool{
	"budget": true, "networks": true, "alerts": true,
}

// ReadFile reads and parses a schema file.
func ReadFile(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("schema file: %w", err)
	}
	return Parse(path, data)
}

// Parse reads a schema file's text. name is for messages. The error is a
// [yamlfile.Errors] with every fault found: unknown keys and words, wrong types,
// duplicates, and tags that contradict each other.
func Parse(name string, data []byte) (*File, error) {
	p := &fileParser{
		Decoder: yamlfile.Decoder{
			File: name, BeginsWith: "version: 1", Later: laterKeys,
			InsteadOfAnchors: "use profiles for access that several columns share",
		},
		keys:     make(map[string]*keyUse),
		profiles: make(map[string]*profile),
		projects: make(map[string]*projectUse),
		file:     &File{Name: name, Keys: make(map[string]KeySpec), Projects: make(map[string]Project), Databases: make(map[string]*Database)},
	}
	root := p.Document(data)
	if root != nil {
		p.parse(root)
	}
	if len(p.Faults) > 0 {
		return nil, p.Faults.Sorted()
	}
	p.warnUnused()
	p.file.Warnings = p.Warnings.Sorted()
	return p.file, nil
}

// fileParser holds what parts of the file refer to in others.
type fileParser struct {
	yamlfile.Decoder
	keys     map[string]*keyUse
	profiles map[string]*profile
	projects map[string]*projectUse
	file     *File
	columns  []*parsedColumn // of the database at hand
}

type keyUse struct {
	KeySpec
	at   yamlfile.Position
	used bool
	by   *parsedColumn // the first column that has it
}

func (p *fileParser) parse(root ast.Node) {
	const what = "the schema file"
	fields := p.Fields(root, what, fileKeys)
	if !yamlfile.IsMapping(root) {
		return
	}
	if e, ok := fields["version"]; !ok {
		p.Errorf(yamlfile.PositionOf(root), "%s has no version; it begins with version: %d", what, FileVersion)
	} else if v, ok := p.Integer(e, what, 1, 1<<30); ok && v != FileVersion {
		p.Errorf(yamlfile.PositionOf(e.Value), "version %d of the schema file is not one that this pgveil reads; it reads version %d", v, FileVersion)
	}
	if e, ok := fields["keys"]; ok {
		p.parseKeys(e)
	} else {
		p.Errorf(yamlfile.PositionOf(root), "%s has no keys", what)
	}
	if e, ok := fields["projects"]; ok {
		p.parseProjects(e)
	}
	if e, ok := fields["profiles"]; ok {
		p.parseProfiles(e)
	}
	e, ok := fields["databases"]
	if !ok {
		p.Errorf(yamlfile.PositionOf(root), "%s has no databases", what)
		return
	}
	for _, e := range p.Mapping(e.Value, "databases") {
		if p.checkName(e.At, "database", e.Key) {
			p.parseDatabase(e)
		}
	}
	p.warnSameContexts()
}

func (p *fileParser) parseDatabase(e yamlfile.Entry) {
	what := "database " + quote(e.Key)
	fields := p.Fields(e.Value, what, databaseKeys)
	tables, ok := fields["tables"]
	if !ok {
		p.Errorf(e.At, "%s has no tables", what)
		return
	}
	p.columns = nil
	db := &Database{Name: e.Key, file: p.file.Name, positions: make(map[*Column]yamlfile.Position)}
	seen := make(map[relationName]yamlfile.Position)
	for _, e := range p.Mapping(tables.Value, "the tables of "+what) {
		schemaName, table, err := splitTableName(e.Key)
		if err != nil {
			p.Errorf(e.At, "table %q: %v", e.Key, err)
			continue
		}
		name := relationName{schemaName, table}
		if first, ok := seen[name]; ok {
			p.Errorf(e.At, "table %s is named twice; the first is on line %d", qualifiedName(schemaName, table), first.Line)
			continue
		}
		seen[name] = e.At
		p.parseTable(e, name)
	}
	p.checkDatabase()
	for _, c := range p.columns {
		if db.positions[c.Column] = c.at; c.Controlled() {
			db.Controlled = append(db.Controlled, c.Column)
		} else {
			db.Columns = append(db.Columns, c.Column)
		}
	}
	if e, ok := fields["functions"]; ok {
		p.parseFunctions(e, db)
	}
	if e, ok := fields["trusted_functions"]; ok {
		p.trustedFunctions(e, db)
	}
	if e, ok := fields["budgets"]; ok {
		p.parseBudgets(e, db)
	}
	if e, ok := fields["break_glass"]; ok {
		p.parseBreakGlass(e, db)
	}
	if e, ok := fields["canaries"]; ok {
		p.parseCanaries(e, db)
	}
	p.file.Databases[e.Key] = db
}

func (p *fileParser) parseTable(e yamlfile.Entry, name relationName) {
	what := "table " + qualifiedName(name.schema, name.name)
	fields := p.Fields(e.Value, what, tableKeys)
	var fallback *accessList
	if e, ok := fields["access"]; ok {
		fallback = p.parseAccessList(e, what)
	}
	columns, ok := fields["columns"]
	if !ok {
		if len(fields) > 0 {
			p.Errorf(e.At, "%s has no columns", what)
		}
		return
	}
	for _, e := range p.Mapping(columns.Value, "the columns of "+what) {
		if p.checkName(e.At, "column", e.Key) {
			p.parseColumn(e, name, fallback)
		}
	}
	if e, ok := fields["subject"]; ok {
		p.tableSubject(e, name, what)
	}
	p.checkShifted(name)
}

// splitTableName reads "schema.table". Names are exact, as the catalog has
// them; one with a dot in it is written in double quotes, as in SQL.
func splitTableName(s string) (schemaName, table string, err error) {
	parts, err := splitQualified(s)
	if err != nil {
		return "", "", err
	}
	if len(parts) != 2 {
		return "", "", fmt.Errorf("a table is named with its schema, such as public.%s", parts[len(parts)-1])
	}
	for _, part := range parts {
		if part == "" || len(part) > maxNameLength {
			return "", "", fmt.Errorf("a name has 1 to %d bytes", maxNameLength)
		}
	}
	schemaName = parts[0]
	if schemaName == "information_schema" || strings.HasPrefix(schemaName, "pg_") {
		return "", "", fmt.Errorf("tables of the schema %s cannot be tagged", schemaName)
	}
	return schemaName, parts[1], nil
}

func splitQualified(s string) ([]string, error) {
	var parts []string
	for {
		if rest, ok := strings.CutPrefix(s, `"`); ok {
			var part strings.Builder
			for {
				i := strings.IndexByte(rest, '"')
				if i < 0 {
					return nil, fmt.Errorf("a closing double quote is missing")
				}
				part.WriteString(rest[:i])
				rest = rest[i+1:]
				if !strings.HasPrefix(rest, `"`) {
					break
				}
				part.WriteByte('"')
				rest = rest[1:]
			}
			parts = append(parts, part.String())
			if rest == "" {
				return parts, nil
			}
			if rest[0] != '.' {
				return nil, fmt.Errorf("unexpected %q after a double quote", rest)
			}
			s = rest[1:]
			continue
		}
		part, rest, more := strings.Cut(s, ".")
		if strings.Contains(part, `"`) {
			return nil, fmt.Errorf("a double quote inside a name is written twice, and the name in double quotes")
		}
		parts = append(parts, part)
		if !more {
			return parts, nil
		}
		s = rest
	}
}

func (p *fileParser) checkName(at yamlfile.Position, kind, name string) bool {
	if name == "" || len(name) > maxNameLength {
		p.Errorf(at, "%s %s: a name has 1 to %d bytes", kind, quote(name), maxNameLength)
		return false
	}
	return true
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

// names returns the sorted keys of m, for suggestions.
func names[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
