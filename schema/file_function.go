package schema

import (
	"strconv"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// plainWord says of a result or a column of it that it is not sealed.
const plainWord = "plain"

// maxArguments is how many arguments a function has at most (FUNC_MAX_ARGS).
const maxArguments = 100

// parseFunctions reads the functions of a database, once its columns are known.
func (p *fileParser) parseFunctions(e yamlfile.Entry, db *Database) {
	seen := make(map[relationName]yamlfile.Position)
	for _, e := range p.Mapping(e.Value, "the functions of database "+quote(db.Name)) {
		schemaName, name, err := splitTableName(e.Key)
		if err != nil {
			p.Errorf(e.At, "function %q: %v", e.Key, err)
			continue
		}
		f := &Function{Schema: schemaName, Name: name}
		if first, ok := seen[relationName{schemaName, name}]; ok {
			p.Errorf(e.At, "function %s is named twice; the first is on line %d", f.QualifiedName(), first.Line)
			continue
		}
		seen[relationName{schemaName, name}] = e.At
		p.parseFunction(e, f, db)
		db.Functions = append(db.Functions, f)
	}
}

func (p *fileParser) parseFunction(e yamlfile.Entry, f *Function, db *Database) {
	what := "function " + f.QualifiedName()
	fields := p.Fields(e.Value, what, functionKeys)
	if arguments, ok := fields["arguments"]; ok {
		for _, e := range p.Mapping(arguments.Value, "the arguments of "+what) {
			n, err := strconv.Atoi(e.Key)
			if err != nil || n < 1 || n > maxArguments {
				p.Errorf(e.At, "%s: an argument is named by its position, from 1; %s is none", what, quote(e.Key))
				continue
			}
			for len(f.Arguments) < n {
				f.Arguments = append(f.Arguments, nil)
			}
			f.Arguments[n-1] = p.columnOf(e, what, db)
		}
	}
	returns, scalar := fields["returns"]
	columns, table := fields["columns"]
	switch {
	case scalar && table:
		p.Errorf(columns.At, "%s has returns and columns; columns is for a function that returns a table", what)
	case scalar:
		f.Columns = []Returned{{Column: p.columnOf(returns, what, db)}}
	case table:
		for _, e := range p.Mapping(columns.Value, "the columns of "+what) {
			if p.checkName(e.At, "column", e.Key) {
				f.Columns = append(f.Columns, Returned{e.Key, p.columnOf(e, what, db)})
			}
		}
	default:
		p.Errorf(e.At, "%s says neither what it returns nor its columns; returns: %s is for a result that is not sealed", what, plainWord)
	}
}

// columnOf reads the name of a tagged column, nil for the word plain.
func (p *fileParser) columnOf(e yamlfile.Entry, what string, db *Database) *Column {
	text, ok := p.Text(e, what)
	if !ok || text == plainWord {
		return nil
	}
	parts, err := splitQualified(text)
	if err == nil && len(parts) == 3 {
		if c := db.Column(parts[0], parts[1], parts[2]); c != nil {
			return c
		}
	}
	tagged := make(map[string]bool)
	for _, c := range db.Columns {
		tagged[c.QualifiedName()] = true
	}
	p.Errorf(yamlfile.PositionOf(e.Value), "%s: %s is not a tagged column as schema.table.column, nor the word %s%s",
		what, quote(text), plainWord, yamlfile.DidYouMean(text, names(tagged)))
	return nil
}
