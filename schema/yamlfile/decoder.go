package yamlfile

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

// Decoder reads the YAML tree by hand, because an error has to name the place,
// the key and a likely correction, and all of a file's errors are told at once.
type Decoder struct {
	File string // its name, for messages

	// What messages say of this kind of file.
	BeginsWith       string          // how one begins
	InsteadOfAnchors string          // what to use instead of anchors and merge keys; may be ""
	Later            map[string]bool // keys that mean something, but not in this version

	Faults   Errors
	Warnings Errors
}

// Errorf adds a fault.
func (d *Decoder) Errorf(at Position, format string, args ...any) {
	d.Faults = append(d.Faults, &Error{File: d.File, Position: at, Message: fmt.Sprintf(format, args...)})
}

// Warnf adds a warning.
func (d *Decoder) Warnf(at Position, format string, args ...any) {
	d.Warnings = append(d.Warnings, &Error{File: d.File, Position: at, Message: fmt.Sprintf(format, args...)})
}

// Document returns the root of the one document in data, or nil after an error.
func (d *Decoder) Document(data []byte) ast.Node {
	// Duplicate keys are reported here, with both places.
	tree, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, message := Position{1, 1}, err.Error()
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			message = syntax.Message
			if syntax.Token != nil {
				at = positionOfToken(syntax.Token)
			}
		}
		d.Errorf(at, "not valid YAML: %s", message)
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
		d.Errorf(Position{1, 1}, "the file is empty; it begins with %s", d.BeginsWith)
		return nil
	case 1:
		return bodies[0]
	default:
		d.Errorf(PositionOf(bodies[1]), "a second YAML document; the file holds one")
		return nil
	}
}

// Entry is one key of a mapping with its value.
type Entry struct {
	Key   string
	At    Position // of the key
	Value ast.Node
}

// As returns the entry under another key, for messages.
func (e Entry) As(key string) Entry {
	e.Key = key
	return e
}

// Mapping returns the entries of a mapping in the file's order, or nil after an
// error. what names the mapping in messages.
func (d *Decoder) Mapping(node ast.Node, what string) []Entry {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		d.WrongType(node, what, "a mapping (key: value)")
		return nil
	}
	if len(values) == 0 {
		d.Errorf(PositionOf(node), "%s is empty", what)
		return nil
	}
	entries := make([]Entry, 0, len(values))
	for _, v := range values {
		at := PositionOf(v.Key)
		key, ok := v.Key.(ast.Node).(*ast.StringNode)
		if !ok {
			if v.Key.IsMergeKey() {
				d.Errorf(at, "%s: merging with << is not supported%s", what, d.instead())
			} else {
				d.Errorf(at, "%s: the key %s is not text; write it in quotes", what, quoteToken(v.Key.GetToken()))
			}
			continue
		}
		if i := slices.IndexFunc(entries, func(e Entry) bool { return e.Key == key.Value }); i >= 0 {
			d.Errorf(at, "%s has %q twice; the first is on line %d", what, key.Value, entries[i].At.Line)
			continue
		}
		entries = append(entries, Entry{key.Value, at, v.Value})
	}
	return entries
}

// Fields is Mapping for a fixed set of keys.
func (d *Decoder) Fields(node ast.Node, what string, known []string) map[string]Entry {
	fields := make(map[string]Entry)
	for _, e := range d.Mapping(node, what) {
		switch {
		case slices.Contains(known, e.Key):
			fields[e.Key] = e
		case d.Later[e.Key]:
			d.Errorf(e.At, "%s: %q is not supported in this version of pgveil", what, e.Key)
		default:
			hint := DidYouMean(e.Key, known)
			if hint == "" {
				hint = "; the keys are " + strings.Join(known, ", ")
			}
			d.Errorf(e.At, "%s: unknown key %q%s", what, e.Key, hint)
		}
	}
	return fields
}

// Text returns a scalar that is text.
func (d *Decoder) Text(e Entry, what string) (string, bool) {
	switch n := e.Value.(type) {
	case *ast.StringNode:
		if n.Value != "" {
			return n.Value, true
		}
		d.Errorf(PositionOf(n), "%s: %q is empty", what, e.Key)
		return "", false
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		d.Errorf(PositionOf(n), "%s: %q is to be text, and %s is not; write it in quotes", what, e.Key, quoteToken(n.GetToken()))
		return "", false
	default:
		d.WrongType(e.Value, what+": "+strconv.Quote(e.Key), "text")
		return "", false
	}
}

// Choice returns a text that is one of the given words.
func (d *Decoder) Choice(e Entry, what string, words ...string) (string, bool) {
	s, ok := d.Text(e, what)
	if !ok || slices.Contains(words, s) {
		return s, ok
	}
	hint := DidYouMean(s, words)
	if hint == "" {
		hint = "; it is one of " + strings.Join(words, ", ")
	}
	d.Errorf(PositionOf(e.Value), "%s: unknown %s %q%s", what, e.Key, s, hint)
	return "", false
}

// Boolean returns true or false; ok is false after an error.
func (d *Decoder) Boolean(e Entry, what string) (value, ok bool) {
	n, ok := e.Value.(*ast.BoolNode)
	if !ok {
		d.WrongType(e.Value, what+": "+strconv.Quote(e.Key), "true or false")
		return false, false
	}
	return n.Value, true
}

// Integer returns a whole number from low to high.
func (d *Decoder) Integer(e Entry, what string, low, high int) (int, bool) {
	n, ok := e.Value.(*ast.IntegerNode)
	if !ok {
		d.WrongType(e.Value, what+": "+strconv.Quote(e.Key), "a whole number")
		return 0, false
	}
	v, err := strconv.Atoi(n.GetToken().Value)
	if err != nil || v < low || v > high {
		d.Errorf(PositionOf(n), "%s: %q is a whole number from %d to %d, not %s", what, e.Key, low, high, quoteToken(n.GetToken()))
		return 0, false
	}
	return v, true
}

func (d *Decoder) instead() string {
	if d.InsteadOfAnchors == "" {
		return ""
	}
	return "; " + d.InsteadOfAnchors
}

// WrongType adds the fault that node is not what is wanted, such as "text".
func (d *Decoder) WrongType(node ast.Node, what, want string) {
	at := PositionOf(node)
	switch node.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		d.Errorf(at, "%s: anchors and aliases are not supported%s", what, d.instead())
	case *ast.TagNode:
		d.Errorf(at, "%s: YAML tags are not supported", what)
	case nil, *ast.NullNode:
		d.Errorf(at, "%s has no value; it is to be %s", what, want)
	default:
		d.Errorf(at, "%s is to be %s, not %s", what, want, nodeName(node))
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

// IsMapping reports whether node is a mapping, of either style.
func IsMapping(node ast.Node) bool {
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

// PositionOf returns where node begins.
func PositionOf(node ast.Node) Position {
	switch n := node.(type) {
	case nil:
		return Position{1, 1}
	case *ast.MappingNode:
		// A mapping in block style has its first colon for a token.
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return PositionOf(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return PositionOf(n.Key)
	}
	return positionOfToken(node.GetToken())
}

func positionOfToken(t *token.Token) Position {
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
