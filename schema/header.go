package schema

import "github.com/pgveil/pgveil/keys"

// Header returns the first seven bytes of every value sealed for the column:
// magic, format version and mode, context tag. The column's CHECK constraint
// asks for them.
func (c *Column) Header() [7]byte { return keys.Header(byte(c.Mode), c.Context) }
