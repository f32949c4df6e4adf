package config

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// schemaNode is a part of a JSON Schema.
type schemaNode struct {
	Schema      string                 `json:"$schema,omitempty"`
	Title       string                 `json:"title,omitempty"`
	Description string                 `json:"description,omitempty"`
	Type        any                    `json:"type,omitempty"` // a string or a list of strings
	Default     any                    `json:"default,omitempty"`
	Enum        []string               `json:"enum,omitempty"`
	Pattern     string                 `json:"pattern,omitempty"`
	MinLength   int                    `json:"minLength,omitempty"`
	Minimum     *int                   `json:"minimum,omitempty"`
	Maximum     *int                   `json:"maximum,omitempty"`
	Properties  map[string]*schemaNode `json:"properties,omitempty"`
	Additional  *bool                  `json:"additionalProperties,omitempty"`
}

// JSONSchema returns the JSON Schema (draft 7) of the configuration file, for the
// completion of editors.
func JSONSchema() []byte {
	root := schemaMapping("")
	root.Schema = "http://json-schema.org/draft-07/schema#"
	root.Title = "pgveil configuration"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		panic(err) // it is made of strings and numbers
	}
	return b.Bytes()
}

func schemaMapping(prefix string) *schemaNode {
	no := false
	node := &schemaNode{Type: "object", Properties: make(map[string]*schemaNode), Additional: &no}
	for _, name := range childKeys(prefix) {
		key := prefix + name
		if i := slices.IndexFunc(settings, func(s *Setting) bool { return s.Key == key }); i >= 0 {
			node.Properties[name] = settings[i].schemaNode()
		} else {
			node.Properties[name] = schemaMapping(key + ".")
		}
	}
	return node
}

func (s *Setting) schemaNode() *schemaNode {
	node := &schemaNode{Description: strings.ReplaceAll(s.Help, "`", ""), Type: "string", MinLength: 1}
	if s.Default != "" {
		node.Default = s.Default
	}
	switch s.Kind {
	case Choice:
		node.Enum, node.MinLength = s.Words, 0
	case Number:
		node.Type, node.MinLength = "integer", 0
		node.Minimum, node.Maximum = &s.Low, &s.High
		if n, err := strconv.Atoi(s.Default); err == nil {
			node.Default = n
		}
	case Size:
		node.Type, node.MinLength = []string{"integer", "string"}, 0
		node.Minimum, node.Maximum = &s.Low, &s.High
		node.Pattern = `^[0-9]+ *(B|kB|MB|GB|KiB|MiB|GiB)?$`
	case Duration:
		node.Pattern = `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`
	case Address:
		node.Pattern = `:[0-9]+$`
	case Variable:
		node.Pattern = variableName.String()
	case Reference:
		node.Pattern = `^[^#]+#.+$`
	}
	return node
}
