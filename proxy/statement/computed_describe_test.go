package statement

import (
	"fmt"
	"strings"
)

// opNames are the words of the golden plans for parts of computed expressions.
var opNames = map[nodeOp]string{
	opConcat: "||", opCoalesce: "coalesce", opNullif: "nullif", opCase: "case", opEqual: "=", opUnequal: "<>",
	opIsNull: "null?", opIsNotNull: "value?", opAnd: "and", opOr: "or", opNot: "not", opNegate: "-", opMoment: "now as", opCast: "to",
}

// describe writes a computed expression as the golden plans have it.
func (c *Computed) describe(n *node) string {
	switch n.op {
	case opString, opNumber, opBool:
		return fmt.Sprintf("%q", c.leaves[n.leaf].text)
	case opNull:
		return "null"
	case opParam:
		return fmt.Sprintf("$%d", c.leaves[n.leaf].number)
	}
	name := opNames[n.op]
	switch n.op {
	case opCall:
		name = n.call.name
	case opCast, opMoment:
		name += " " + n.to.String()
	}
	args := make([]string, len(n.args))
	for i, arg := range n.args {
		args[i] = c.describe(arg)
	}
	return name + "(" + strings.Join(args, " ") + ")"
}
