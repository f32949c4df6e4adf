package proxy

import (
	"slices"

	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
)

// serverFormats gives the result formats for the server: sealed columns in binary,
// which is half as long, except for a logical bytea, whose text form follows the
// session's bytea_output as the server writes it.
func serverFormats(planned *statement.Statement, client []int16) []int16 {
	outputs := planned.Outputs
	sealed := false
	for _, o := range outputs {
		sealed = sealed || o.Column != nil && !o.Column.Controlled()
	}
	if !sealed || (len(client) > 1 && len(client) != len(planned.Shown())) {
		return client
	}
	formats := make([]int16, len(outputs))
	for i, o := range outputs {
		formats[i] = formatOf(client, i)
		if o.Column != nil && !o.Column.Controlled() && !logicalBytea(&o) {
			formats[i] = 1
		}
	}
	return formats
}

func logicalBytea(o *statement.Output) bool {
	return slices.ContainsFunc(o.Columns(), func(c *schema.Column) bool { return c.Type.Kind == logical.Bytea })
}

// formatOf gives the format of column i out of the format codes of a Bind message.
func formatOf(formats []int16, i int) int16 {
	switch {
	case len(formats) == 0:
		return 0
	case len(formats) == 1:
		return formats[0]
	case i < len(formats):
		return formats[i]
	}
	return 0
}
