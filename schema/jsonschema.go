package schema

import (
	_ "embed"
	"slices"
)

//go:embed schema-file.schema.json
var jsonSchema []byte

// JSONSchema returns the JSON Schema (draft 7) of the schema file, for the
// completion of editors. The slice is the caller's.
func JSONSchema() []byte { return slices.Clone(jsonSchema) }
