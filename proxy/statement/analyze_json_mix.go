package statement

import (
	"encoding/json"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema"
)

// The types of JSON.
const (
	jsonOID  = 114
	jsonbOID = 3802
)

// jsonTypeOf gives the OID of a type that JSON can be cast to and still be read: json,
// jsonb or text; 0 for any other.
func jsonTypeOf(n *pg.TypeName) uint32 {
	names := stringNodes(n.GetNames())
	if len(names) == 0 || len(names) > 2 || len(names) == 2 && names[0] != "pg_catalog" ||
		len(n.Typmods)+len(n.ArrayBounds) > 0 || n.Setof || n.PctType {
		return 0
	}
	switch names[len(names)-1] {
	case "json":
		return jsonOID
	case "jsonb":
		return jsonbOID
	case "text":
		return textOID
	}
	return 0
}

// castJSON analyses the cast of JSON with sealed values in it, which the server does.
func (x *analysis) castJSON(n *pg.TypeCast, o operand) operand {
	to := jsonTypeOf(n.TypeName)
	c := *o.column
	j := *c.json
	if to == 0 || len(n.TypeName.Names) == 1 && !x.env.catalogFirst() || to == jsonbOID && !j.Binary && !j.inBinary() {
		x.fail(refuseCast(c.tagged, typeText(n.TypeName)), o.token)
		return o
	}
	j.Binary, j.Text = to == jsonbOID, to == textOID
	c.json, c.origin, c.computed = &j, origin{}, true
	return operand{&c, o.token}
}

// mixJSON analyses expressions whose values meet in one column, one of which is JSON with
// sealed values in it: so must be the others, or constants, which hold none.
func (x *analysis) mixJSON(branches []branch, first operand, where string) operand {
	c := *first.column
	c.name, c.origin, c.computed = "", origin{}, true
	var beside []*pg.Node
	for i := range branches {
		b := &branches[i]
		if !b.sealed() {
			if b.constants == nil || slices.ContainsFunc(b.constants.nodes, func(n *pg.Node) bool { return !constantNode(n) }) {
				x.fail(refuseMix(c.tagged, where), first.token)
				continue
			}
			beside = append(beside, b.constants.nodes...)
			continue
		}
		both, ok := c.json.merge(b.column.json)
		if !ok {
			x.fail(refuseMixedTypes(c.tagged, where), b.token)
			return first
		}
		c.json = both
		c.add(b.column)
	}
	for _, n := range beside {
		x.besideJSON(n, c.json, c.tagged, where, first.token)
	}
	return operand{&c, first.token}
}

// besideJSON refuses a constant that may stand in the place of JSON and would have a value
// of its own where that has a sealed one: nothing in it could be told from a damaged value.
func (x *analysis) besideJSON(n *pg.Node, j *JSON, c *schema.Column, where string, token int32) {
	text, ok := withoutCasts(n).GetAConst().GetVal().(*pg.A_Const_Sval)
	if !ok || x.nullTested {
		return // NULL, or no JSON; or not opened
	}
	x.private = true // it depends on the constant
	var value any
	d := json.NewDecoder(strings.NewReader(text.Sval.Sval))
	d.UseNumber()
	if d.Decode(&value) == nil && !j.free(value) {
		x.fail(refuse(c, "use", " in "+where+" beside JSON with another value in its place").
			WithHint("Beside it may be NULL and JSON without such values, as '[]' and '{}'."), token)
	}
}

// free reports whether JSON, as encoding/json has it, has no value where j has a sealed one.
func (j *JSON) free(value any) bool {
	if j == nil || value == nil {
		return true
	}
	if j.Value != nil {
		return false
	}
	switch value := value.(type) {
	case []any:
		return !slices.ContainsFunc(value, func(element any) bool { return !j.Element.free(element) })
	case map[string]any:
		if len(j.Ordered) > 0 {
			return len(value) == 0
		}
		for key, member := range value {
			if !j.Members[key].free(member) {
				return false
			}
		}
	}
	return true
}
