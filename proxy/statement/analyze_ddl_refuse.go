package statement

import (
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// The errors of definitions. They hold names only.

func refuseType(c *schema.Column) *pgerror.Error {
	return refuse(c, "create", " with another type than the schema file's, "+c.Type.String()).
		WithHint("Declare it as %s, or change its type in pgveil's schema file.", c.Type)
}

func refuseAlterType(c *schema.Column) *pgerror.Error {
	return refuse(c, "change the type of", "").
		WithHint("Its values would have to be sealed again: change the schema file and re-seal. Its type is %s.", c.Type)
}

func refuseDefault(c *schema.Column) *pgerror.Error {
	return refuse(c, "compute a DEFAULT for", "").
		WithHint("The server would compute a value in clear. A constant or NULL can be the default; give other values in INSERT.")
}

func refuseGenerated(c *schema.Column, word string) *pgerror.Error {
	return refuse(c, "use "+word+" on", "").WithHint("The server would make its values, in clear. Let the application make them.")
}

func refuseInherited(c *schema.Column, from string) *pgerror.Error {
	return refuse(c, "take", " from "+from+", where it is not sealed alike").
		WithHint("Declare the column itself, or tag both alike in pgveil's schema file.")
}

func refuseLike(c *schema.Column) *pgerror.Error {
	return refuse(c, "copy", " by LIKE without its CHECK constraint").WithHint("Write INCLUDING CONSTRAINTS or INCLUDING ALL.")
}

func refusePartition(c *schema.Column) *pgerror.Error {
	return refuse(c, "partition by", "").WithHint("Rows would be placed by their ciphertext. Partition by another column, or by HASH of a deterministic one.")
}

func refuseIndexExpression(c *schema.Column) *pgerror.Error {
	return refuse(c, "index an expression of", "").WithHint("The server would compute with ciphertext. Index the column itself, if it is deterministic; IS NULL and equality can be conditions.")
}

func refuseDropCheck(c *schema.Column, verb string) *pgerror.Error {
	return refuse(c, verb+" the CHECK constraint of", "").
		WithHint("It keeps values in clear out of the column. Take the column out of pgveil's schema file first.")
}

func refuseUntag(c *schema.Column, verb, schemaName, table, column string) *pgerror.Error {
	to := schema.Column{Schema: schemaName, Table: table, Name: column}
	return refuse(c, verb, "").
		WithHint("Its tag would lose it. First name %s in pgveil's schema file, with context: %q.", to.QualifiedName(), c.Context)
}

func refuseTakeTag(c *schema.Column) *pgerror.Error {
	return refuse(c, "give another table or column the name of", "").
		WithHint("What it holds is not sealed for that name. Create the column by that name, and write the values to it.")
}

func refuseMeet(c *schema.Column) *pgerror.Error {
	return refuse(c, "join by inheritance", " with one that is not sealed alike").
		WithHint("Tag both tables' columns alike in pgveil's schema file, with one context.")
}

func refuseFill(c *schema.Column) *pgerror.Error {
	return refuse(c, "fill", " from a query").WithHint("The server would store values in clear. Create the table, and INSERT the rows through pgveil.")
}

func refuseRenameSchema(from, to string) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot rename schema %q to %q: the schema file names tables with sealed columns in it", from, to).
		WithHint("Their tags would be lost, or get other tables. Change pgveil's schema file first, and rename it at the server itself.")
}

func refuseCreateSchema() *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot create a table with sealed columns within CREATE SCHEMA").
		WithHint("Write CREATE TABLE as a statement of its own.")
}

func refuseRule() *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot create a rule on or about a table with sealed columns").
		WithHint("A rule runs in the server, which holds sealed values only. Use a view, or let the application send both statements.")
}

func refuseTriggerFunction(name string) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot create a trigger that calls function %q: it uses a table with sealed columns", name).
		WithHint("A trigger runs in the server, which holds sealed values only.")
}

func refuseNotTable(name string) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cannot create view %q: the schema file names a table with sealed columns so", name).
		WithHint("Give the view another name, or take the table out of pgveil's schema file.")
}

func refuseOrphan(r *schema.Relation, a *schema.Attribute) *pgerror.Error {
	c := schema.Column{Schema: r.Schema, Table: r.Name, Name: a.Name}
	e := pgerror.New(pgerror.FeatureNotSupported, "column %q holds sealed values but the schema file does not name it", c.QualifiedName()).
		WithHint("The table or column was renamed, or its tag was taken out. Name it in pgveil's schema file, with the context it had before, or drop it.")
	e.Schema, e.Table, e.Column = c.Schema, c.Table, c.Name
	return e
}
