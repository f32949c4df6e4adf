package schema

// Function is what the schema file says of a function that runs in the server, on
// sealed values: which of its arguments are to be sealed, and what of its result
// opens. It holds for every function of that name in the schema.
type Function struct {
	Schema, Name string
	// Arguments are the columns for which arguments are sealed, by position from 0;
	// one that is missing or nil is not sealed.
	Arguments []*Column
	// Columns are those of the result. There is one, without a name, if the function
	// does not return a table.
	Columns []Returned
}

// Returned is a column of a function's result. Column is nil if it is not sealed.
type Returned struct {
	Name   string
	Column *Column
}

// QualifiedName returns the function's name with its schema, quoted where needed.
func (f *Function) QualifiedName() string { return qualifiedName(f.Schema, f.Name) }

// Table reports whether the function returns a table.
func (f *Function) Table() bool { return len(f.Columns) != 1 || f.Columns[0].Name != "" }

// declared is a function of the file as the catalog knows its name.
type declared struct {
	*Function
	alone bool // no other schema has a function of that name
}

// Declared returns what the schema file says of the function that a call names; nil
// if nothing, or if a call without a schema may be one of another function.
func (c *Catalog) Declared(schema, name string) *Function {
	for _, d := range c.declared[name] {
		if d.Schema == schema || schema == "" && d.alone {
			return d.Function
		}
	}
	return nil
}

// Declare adds functions of the schema file to a catalog that is being made. elsewhere
// tells whether a schema other than the given one has a function of that name too.
func (c *Catalog) Declare(functions []*Function, elsewhere func(schema, name string) bool) {
	for _, f := range functions {
		alone := len(c.declared[f.Name]) == 0 && !elsewhere(f.Schema, f.Name)
		for i := range c.declared[f.Name] {
			c.declared[f.Name][i].alone = false
		}
		c.declared[f.Name] = append(c.declared[f.Name], declared{f, alone})
		c.functions[f.Name] = struct{}{}
		c.watched[f.Name] = struct{}{}
	}
}
