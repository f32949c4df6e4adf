package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/pgveil/pgveil/schema/yamlfile"
)

// fileReader decodes a configuration file into values.
type fileReader struct {
	yamlfile.Decoder
	values map[string]value // by key
}

// value is a setting's value and where it comes from.
type value struct {
	value any
	place string
}

// readFile decodes a file's text. The error is a yamlfile.Errors with every
// fault.
func readFile(name string, data []byte) (map[string]value, error) {
	r := &fileReader{Decoder: yamlfile.Decoder{File: name, BeginsWith: "server: or another key"}, values: make(map[string]value)}
	if root := r.Document(data); root != nil {
		r.mapping(root, "", "the configuration")
	}
	if len(r.Faults) > 0 {
		return nil, r.Faults.Sorted()
	}
	return r.values, nil
}

// mapping reads the mapping of the settings whose keys begin with prefix, which
// is "" or ends in a dot.
func (r *fileReader) mapping(node ast.Node, prefix, what string) {
	fields := r.Fields(node, what, childKeys(prefix))
	for _, name := range childKeys(prefix) {
		e, ok := fields[name]
		if !ok {
			continue
		}
		key := prefix + name
		if i := slices.IndexFunc(settings, func(s *Setting) bool { return s.Key == key }); i >= 0 {
			r.setting(e, settings[i], what)
		} else {
			r.mapping(e.Value, key+".", key)
		}
	}
}

// childKeys lists the keys of a mapping in the table's order.
func childKeys(prefix string) []string {
	var keys []string
	for _, s := range settings {
		if rest, ok := strings.CutPrefix(s.Key, prefix); ok {
			name, _, _ := strings.Cut(rest, ".")
			if !slices.Contains(keys, name) {
				keys = append(keys, name)
			}
		}
	}
	return keys
}

func (r *fileReader) setting(e yamlfile.Entry, s *Setting, what string) {
	text, ok := r.scalar(e, s, what)
	if !ok {
		return
	}
	v, err := s.parse(text)
	at := yamlfile.PositionOf(e.Value)
	if err != nil {
		r.Errorf(at, "%s: %v", s.Key, err)
		return
	}
	if path, ok := v.(string); ok && s.isPath(path) && !filepath.IsAbs(path) {
		v = filepath.Join(filepath.Dir(r.File), path)
	}
	r.values[s.Key] = value{v, fmt.Sprintf("%s:%d:%d", r.File, at.Line, at.Column)}
}

// scalar returns a value's text if it has a type that the setting takes.
func (r *fileReader) scalar(e yamlfile.Entry, s *Setting, what string) (string, bool) {
	node := e.Value
	switch s.Kind {
	case Number:
		if n, ok := node.(*ast.IntegerNode); ok {
			return n.GetToken().Value, true
		}
		r.WrongType(node, s.Key, "a whole number")
	case Size:
		switch n := node.(type) {
		case *ast.IntegerNode:
			return n.GetToken().Value, true
		case *ast.StringNode:
			return n.Value, true
		}
		r.WrongType(node, s.Key, "a size such as 64MB")
	case Duration:
		if n, ok := node.(*ast.StringNode); ok {
			return n.Value, true
		}
		r.WrongType(node, s.Key, "a duration such as 500ms, 10s, 5m or 24h")
	default:
		return r.Text(e, what)
	}
	return "", false
}

// isPath reports whether a value is relative to the file's directory.
func (s *Setting) isPath(text string) bool {
	return s.Kind == Path || s.Kind == RootCert && text != "system"
}
