package schema

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// decoder reads the YAML tree by hand, because an error has to name the place,
// the key and a likely correction, and all of a file's errors are told at once.
type decoder struct {
	file     string
	errs     FileErrors
	warnings FileErrors
}

func (d *decoder) errorf(at Position, format string, args ...any) {
	d.errs = append(d.errs, &FileError{File: d.file, Position: at, Message: fmt.Sprintf(format, args...)})
}

func (d *decoder) warnf(at Position, format string, args ...any) {
	d.warnings = append(d.warnings, &FileError{File: d.file, Position: at, Message: fmt.Sprintf(format, args...)})
}

// document returns the root of the one document in data, or nil after an error.
func (d *decoder) document(data []byte) ast.Node {
	// Duplicate keys are reported here, with both places.
	tree, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, message := Position{1, 1}, err.Error()
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			message = syntax.Message
			if syntax.Token != nil {
				at = positionOf(syntax.Token)
			}
		}
		d.errorf(at, "not valid YAML: %s", message)
		return nil
	}
	var bodies []ast.Node
	for _, doc := range tree.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		d.errorf(Position{1, 1}, "the file is empty; it begins with version: 1")
		return nil
	case 1:
		return bodies[0]
	default:
		d.errorf(nodePosition(bodies[1]), "a second YAML document; the file holds one")
		return nil
	}
}

// entry is one key of a mapping with its value.
type entry struct {
	key   string
	at    Position // of the key
	value ast.Node
}

// mapping returns the entries of a mapping in the file's order, or nil after an
// error. what names the mapping in messages.
func (d *decoder) mapping(node ast.Node, what string) []entry {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		d.wrongType(node, what, "a mapping (key: value)")
		return nil
	}
	if len(values) == 0 {
		d.errorf(nodePosition(node), "%s is empty", what)
		return nil
	}
	entries := make([]entry, 0, len(values))
	for _, v := range values {
		at := nodePosition(v.Key)
		key, ok := v.Key.(ast.Node).(*ast.StringNode)
		if !ok {
			if v.Key.IsMergeKey() {
				d.errorf(at, "%s: merging with << is not supported; use profiles for access that several columns share", what)
			} else {
				d.errorf(at, "%s: the key %s is not text; write it in quotes", what, quoteToken(v.Key.GetToken()))
			}
			continue
		}
		if i := slices.IndexFunc(entries, func(e entry) bool { return e.key == key.Value }); i >= 0 {
			d.errorf(at, "%s has %q twice; the first is on line %d", what, key.Value, entries[i].at.Line)
			continue
		}
		entries = append(entries, entry{key.Value, at, v.Value})
	}
	return entries
}

// fields is mapping for a fixed set of keys.
func (d *decoder) fields(node ast.Node, what string, known []string) map[string]entry {
	fields := make(map[string]entry)
	for _, e := range d.mapping(node, what) {
		switch {
		case slices.Contains(known, e.key):
			fields[e.key] = e
		case laterKeys[e.key]:
			d.errorf(e.at, "%s: %q is not supported in this version of pgveil", what, e.key)
		default:
			hint := didYouMean(e.key, known)
			if hint == "" {
				hint = "; the keys are " + strings.Join(known, ", ")
			}
			d.errorf(e.at, "%s: unknown key %q%s", what, e.key, hint)
		}
	}
	return fields
}

// laterKeys are keys that the design has a meaning for and this version not.
var laterKeys = map[string]bool{
	"pseudonym": true, "pseudonyms": true, "subject": true, "budget": true, "budgets": true, "networks": true, "alerts": true,
}

// text returns a scalar that is text.
func (d *decoder) text(e entry, what string) (string, bool) {
	switch n := e.value.(type) {
	case *ast.StringNode:
		if n.Value != "" {
			return n.Value, true
		}
		d.errorf(nodePosition(n), "%s: %q is empty", what, e.key)
		return "", false
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		d.errorf(nodePosition(n), "%s: %q is to be text, and %s is not; write it in quotes", what, e.key, quoteToken(n.GetToken()))
		return "", false
	default:
		d.wrongType(e.value, what+": "+strconv.Quote(e.key), "text")
		return "", false
	}
}

// choice returns a text that is one of the given words.
func (d *decoder) choice(e entry, what string, words ...string) (string, bool) {
	s, ok := d.text(e, what)
	if !ok || slices.Contains(words, s) {
		return s, ok
	}
	hint := didYouMean(s, words)
	if hint == "" {
		hint = "; it is one of " + strings.Join(words, ", ")
	}
	d.errorf(nodePosition(e.value), "%s: unknown %s %q%s", what, e.key, s, hint)
	return "", false
}

func (d *decoder) boolean(e entry, what string) (value, ok bool) {
	n, ok := e.value.(*ast.BoolNode)
	if !ok {
		d.wrongType(e.value, what+": "+strconv.Quote(e.key), "true or false")
		return false, false
	}
	return n.Value, true
}

func (d *decoder) integer(e entry, what string, low, high int) (int, bool) {
	n, ok := e.value.(*ast.IntegerNode)
	if !ok {
		d.wrongType(e.value, what+": "+strconv.Quote(e.key), "a whole number")
		return 0, false
	}
	v, err := strconv.Atoi(n.GetToken().Value)
	if err != nil || v < low || v > high {
		d.errorf(nodePosition(n), "%s: %q is a whole number from %d to %d, not %s", what, e.key, low, high, quoteToken(n.GetToken()))
		return 0, false
	}
	return v, true
}

func (d *decoder) wrongType(node ast.Node, what, want string) {
	at := nodePosition(node)
	switch node.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		d.errorf(at, "%s: anchors and aliases are not supported; use profiles for access that several columns share", what)
	case *ast.TagNode:
		d.errorf(at, "%s: YAML tags are not supported", what)
	case nil, *ast.NullNode:
		d.errorf(at, "%s has no value; it is to be %s", what, want)
	default:
		d.errorf(at, "%s is to be %s, not %s", what, want, nodeName(node))
	}
}

func nodeName(node ast.Node) string {
	switch n := node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.LiteralNode:
		return "a block of text"
	default:
		return quoteToken(n.GetToken())
	}
}

func nodePosition(node ast.Node) Position {
	switch n := node.(type) {
	case nil:
		return Position{1, 1}
	case *ast.MappingNode:
		// A mapping in block style has its first colon for a token.
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return nodePosition(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return nodePosition(n.Key)
	}
	return positionOf(node.GetToken())
}

func positionOf(t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{1, 1}
	}
	return Position{t.Position.Line, t.Position.Column}
}

func quoteToken(t *token.Token) string {
	if t == nil {
		return `""`
	}
	return strconv.Quote(strings.TrimSpace(t.Value))
}
