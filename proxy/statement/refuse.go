package statement

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// refusal is the error of an analysis. The position is kept as a token of the
// folded text, so that the error serves any text of the shape.
type refusal struct {
	err   pgerror.Error
	token int32 // -1: none
}

// at gives the error with its position in t.
func (r *refusal) at(t *Text) error {
	err := r.err
	if r.token >= 0 {
		if _, tokens := t.Folded(); int(r.token) < len(tokens) {
			err.Position = int(t.Token(int(tokens[r.token])).Start) + 1
		}
	}
	return &err
}

// The functions below make one kind of error each. They hold names only.

// refuse says that an operation cannot be done with a column; before and after
// are the words around its name.
func refuse(c *schema.Column, before, after string) *pgerror.Error {
	if c.Controlled() {
		return refuseDerived(c, before, after)
	}
	e := pgerror.New(pgerror.FeatureNotSupported, "cannot %s column %q%s: it is sealed (%s)", before, c.QualifiedName(), after, c.Mode)
	e.Schema, e.Table, e.Column = c.Schema, c.Table, c.Name
	return e
}

const hintRows = "Select the column as it is and do this with the opened rows."

func refuseOrder(c *schema.Column) *pgerror.Error {
	return refuse(c, "ORDER BY", "").WithHint("Order by a column that is not sealed, or sort the opened rows.")
}

func refuseGroup(c *schema.Column, clause string) *pgerror.Error {
	return refuse(c, "use "+clause+" on", "").
		WithHint("Equal values of a randomized column differ in the server; only a deterministic column can be compared or grouped.")
}

func refuseSearch(c *schema.Column, operator string) *pgerror.Error {
	return refuse(c, "search", " with "+operator).
		WithHint("Only a deterministic column can be searched by value; search by another column and compare the opened rows.")
}

func refuseOperator(c *schema.Column, operator string) *pgerror.Error {
	hint := hintRows
	if c.Mode == schema.Deterministic {
		hint = "Of the operators only =, <>, IN, = ANY and IS DISTINCT FROM work on it; for anything else use the opened rows."
	}
	return refuse(c, "apply operator "+operator+" to", "").WithHint("%s", hint)
}

func refusePattern(c *schema.Column, operator string) *pgerror.Error {
	return refuse(c, "match", " with "+operator).WithHint("Search by a whole value with =, if the column is deterministic, or match the opened rows.")
}

func refuseFunction(c *schema.Column, name, written string) *pgerror.Error {
	hint := hintRows
	switch name {
	case "min", "max":
		hint = "Sealed values have no order. Order by a column that is not sealed, or take the least or greatest of the opened values."
	case "string_agg":
		hint = "Collect the values with array_agg, and join the opened ones."
	}
	return refuse(c, "call function "+written+"() on", "").WithHint("%s", hint)
}

func refuseOwnEquality(c *schema.Column) *pgerror.Error {
	return refuse(c, "compare", " by an operator that may not be the server's own").
		WithHint("search_path has a schema before pg_catalog, and there is an operator = or <> for bytea outside of pg_catalog. Leave pg_catalog out of search_path, or put it first.")
}

func refuseCompared(c *schema.Column, where string) *pgerror.Error {
	return refuse(c, "compare an expression of", " ("+where+")").
		WithHint("Compare the column itself. A cast that shortens or converts values, constants of another form, and columns of several equality domains cannot be compared sealed.")
}

func refuseCast(c *schema.Column, to string) *pgerror.Error {
	return refuse(c, "cast", " to "+to).WithHint("The column has the logical type %s; convert the opened values.", c.Type)
}

func refuseUse(c *schema.Column, where string) *pgerror.Error {
	hint := hintRows
	if c.Type.Kind == logical.Bool && c.Mode == schema.Deterministic {
		hint = "Compare it with a truth value: column = true."
	}
	return refuse(c, "use", " in "+where).WithHint("%s", hint)
}

func refuseWholeRow(c *schema.Column, name string) *pgerror.Error {
	return refuse(c, "use the whole row of \""+name+"\", which has", "").WithHint("List the columns one by one, or write * as an item of its own.")
}

func refuseOperand(c *schema.Column, operator string) *pgerror.Error {
	return refuse(c, "compare", " with an expression or an untagged column ("+operator+")").
		WithHint("Compare it with a constant, a parameter, or a column of the same equality domain.")
}

func refuseDomain(c, other *schema.Column, operator string) *pgerror.Error {
	return refuse(c, "compare", " with column \""+other.QualifiedName()+"\" ("+operator+")").
		WithHint("Two sealed columns can be compared only if both are deterministic and of one equality domain.")
}

func refuseConstant(c *schema.Column, what string) *pgerror.Error {
	return refuse(c, "use "+what+" as a value for", "").WithHint("Write the value as a plain constant or parameter, without a cast, or cast it to %s.", c.Type)
}

func refuseViewConstant(c *schema.Column) *pgerror.Error {
	return refuse(c, "compare", " with a constant inside a view").WithHint("Select from the table and write the condition in the query.")
}

func refuseAssign(c *schema.Column) *pgerror.Error {
	return refuse(c, "assign an expression to", "").WithHint("Assign a constant, a parameter, NULL, DEFAULT, or an expression of these with string functions.")
}

func refuseExpression(c *schema.Column, n *pg.Node) *pgerror.Error {
	switch v := withoutCasts(n).GetNode().(type) {
	case *pg.Node_FuncCall:
		return refuse(c, "assign the result of function "+lastName(v.FuncCall.Funcname)+"() to", "").
			WithHint("pgveil cannot compute it as the server would. Send the value as a parameter or constant.")
	case *pg.Node_SqlvalueFunction:
		return refuse(c, "assign "+strings.ToUpper(figureName(n))+" to", "").
			WithHint("Only the server knows it. Send the value as a parameter or constant.")
	}
	return refuseAssign(c)
}

func refuseMixed(c *schema.Column) *pgerror.Error {
	return refuse(c, "assign values of several types to", "").WithHint("Cast each of them to %s.", c.Type)
}

func refuseCopy(c, from *schema.Column) *pgerror.Error {
	return refuse(from, "assign", " to column \""+c.QualifiedName()+"\"").
		WithHint("Read the value and assign it as a parameter.")
}

func refuseStore(c *schema.Column, where string) *pgerror.Error {
	return refuse(c, "copy", " to "+where).WithHint("Nothing would know that the copy is sealed. Read the value and store it where it is tagged.")
}

func refuseElement(c *schema.Column) *pgerror.Error {
	return refuse(c, "assign to an element or field of", "").WithHint("Assign the whole value.")
}

// tableName quotes a relation as messages show it.
func tableName(r *schema.Relation) string { return "\"" + r.Schema + "." + r.Name + "\"" }

func refuseStatement(verb, name string) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot run %s with %q: it is or uses a table with sealed columns", verb, name).
		WithHint("pgveil runs SELECT, INSERT … VALUES, UPDATE and DELETE on such tables. Run other statements at the server itself.")
}

func refuseForm(form string) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot use %s in a statement that uses a table with sealed columns", form).
		WithHint("Write the statement without it, or in several statements.")
}

func refuseWatchedFunction(name string) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot call function %q: it uses a table with sealed columns", name).
		WithHint("A function runs in the server, which holds sealed values only. Send its statements through pgveil instead.")
}

func refuseRunsSQL(name string) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot call %s() in a text that names a table with sealed columns", name).
		WithHint("It would run SQL or read tables in the server, which holds sealed values only. Send the query itself.")
}

func refuseRowType(name string) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot use the row type %q: its table has sealed columns", name).
		WithHint("List the columns one by one.")
}

func refuseTemporary(name string) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot use temporary table %q in a statement that names a table with sealed columns", name).
		WithHint("If the temporary table hides a permanent one of that name, write the schema before the name; else give it another name or use a permanent table.")
}

func refuseLoose(c *schema.Column, name string) *pgerror.Error {
	return refuse(c, "tell an untagged column \""+name+"\" from", "").
		WithHint("The session has temporary tables, which may hide others. Qualify the column with its table and the table with its schema.")
}

func refuseRules(r *schema.Relation) *pgerror.Error {
	if r.Schema == "pg_catalog" {
		return pgerror.New(pgerror.FeatureNotSupported, "cannot use relation %s: ANALYZE keeps samples of sealed columns in it", tableName(r)).
			WithHint("Ask the server itself for statistics, not through pgveil.")
	}
	return pgerror.New(pgerror.FeatureNotSupported, "cannot use relation %s: it reaches a table with sealed columns in a way pgveil does not follow", tableName(r)).
		WithHint("Rules on a table run in the server. Use the table with sealed columns itself.")
}

func refuseViewRules(r *schema.Relation) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot change view %s: it has rules, and reads a table with sealed columns", tableName(r)).
		WithHint("Rules run in the server. Change the table itself, or let an INSTEAD OF trigger do it.")
}

func refuseView(r *schema.Relation, inner *pgerror.Error) *pgerror.Error {
	e := *inner
	e.Message = "view " + tableName(r) + ": " + e.Message
	e.Position = 0
	return &e
}

func refuseChanged(verb string) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "a statement on a table with sealed columns cannot follow %s in the same message", verb).
		RunsApart()
}

func refuseOdd() *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "pgveil cannot read this statement exactly, and it may use a table with sealed columns").
		WithHint("Unterminated strings, U&\"…\" names, invalid UTF-8, and backslashes in plain strings with standard_conforming_strings off are not read.")
}

// Errors with the server's own words.

func errDepth() *pgerror.Error {
	return pgerror.New(pgerror.StatementTooComplex, "stack depth limit exceeded").
		WithHint("Nest the statement's expressions or subqueries less deeply.")
}

func errSize() *pgerror.Error {
	return pgerror.New(pgerror.ProgramLimitExceeded, "statement is too long to be analysed").
		WithHint("Send it in parts, or values as parameters.")
}

func errRelation(schemaName, name string) *pgerror.Error {
	if schemaName != "" {
		name = schemaName + "." + name
	}
	return pgerror.New("42P01", "relation %q does not exist", name)
}

func errMissingFrom(name string, invalid bool) *pgerror.Error {
	if invalid {
		return pgerror.New("42P01", "invalid reference to FROM-clause entry for table %q", name)
	}
	return pgerror.New("42P01", "missing FROM-clause entry for table %q", name)
}

func errLateral(name string) *pgerror.Error {
	return pgerror.New("42P10", "invalid reference to FROM-clause entry for table %q", name)
}

func errDottedName(names []string) *pgerror.Error {
	return pgerror.New(pgerror.SyntaxError, "improper qualified name (too many dotted names): %s", strings.Join(names, "."))
}

func errUsing(name, side string) *pgerror.Error {
	return pgerror.New("42703", "column %q specified in USING clause does not exist in %s table", name, side)
}

func errColumn(names ...string) *pgerror.Error {
	if len(names) == 1 {
		return pgerror.New("42703", "column %q does not exist", names[0])
	}
	return pgerror.New("42703", "column %s does not exist", strings.Join(names, "."))
}

func errTargetColumn(column, table string) *pgerror.Error {
	return pgerror.New("42703", "column \"%s\" of relation \"%s\" does not exist", column, table)
}

func errAmbiguous(column string) *pgerror.Error {
	return pgerror.New("42702", "column reference \"%s\" is ambiguous", column)
}

func errAmbiguousTable(name string) *pgerror.Error {
	return pgerror.New("42P09", "table reference \"%s\" is ambiguous", name)
}

func errDuplicateTable(name string) *pgerror.Error {
	return pgerror.New("42712", "table name \"%s\" specified more than once", name)
}

func errTooManyValues() *pgerror.Error {
	return pgerror.New(pgerror.SyntaxError, "INSERT has more expressions than target columns")
}

func errColumnCount() *pgerror.Error {
	return pgerror.New(pgerror.SyntaxError, "number of columns does not match number of values")
}

// refuseStoreIn refuses to store a sealed column in an untagged one.
func refuseStoreIn(column string) func(*schema.Column) *pgerror.Error {
	return func(c *schema.Column) *pgerror.Error { return refuseStore(c, "untagged column \""+column+"\"") }
}

func errTargets() *pgerror.Error {
	return pgerror.New("54011", "target lists can have at most %d entries", maxTargets)
}
