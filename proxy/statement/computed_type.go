package statement

import (
	"strings"

	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// inference finds the types in a computed expression as the server would. types are
// those of the parameters by number, from 1, of the type's OID; those that are 0 are
// set to what their place in the expression asks for.
type inference struct {
	c     *Computed
	types []uint32
	open  int // a parameter whose type nothing tells, 0 if there is none
}

// kind gives the type of a node; 0 is unknown, which only constants and parameters
// are. want is what the place of the node asks for, 0 for nothing.
func (f *inference) kind(n *node, want logical.Kind) (logical.Kind, error) {
	switch n.op {
	case opString, opNull:
		return want, nil
	case opNumber:
		return logical.KindOf(numberType(f.c.leaves[n.leaf].text)), nil
	case opBool:
		return logical.Bool, nil
	case opParam:
		return f.param(f.c.leaves[n.leaf].number, want)
	case opCast:
		return f.cast(n)
	case opNegate:
		return f.kind(n.args[0], 0)
	case opMoment:
		return n.to.Kind, nil
	case opCall:
		return logical.Text, f.call(n)
	case opConcat:
		return logical.Text, f.concat(n)
	case opCoalesce:
		return f.common(n.args)
	case opNullif:
		k, err := f.common(n.args)
		if err == nil && k != logical.Text && k != logical.Varchar {
			err = refuseComputedTypes("NULLIF", k)
		}
		return k, err
	case opCase:
		var results []*node
		for i, arg := range n.args {
			if i%2 == 1 || i == len(n.args)-1 {
				results = append(results, arg)
			} else if _, err := f.kind(arg, logical.Bool); err != nil {
				return 0, err
			}
		}
		return f.common(results)
	case opEqual, opUnequal:
		k, err := f.common(n.args)
		if err == nil && k != logical.Text && k != logical.Varchar {
			err = refuseComputedTypes("=", k)
		}
		return logical.Bool, err
	}
	for _, arg := range n.args { // IS NULL, AND, OR, NOT
		want := logical.Bool
		if n.op == opIsNull || n.op == opIsNotNull {
			f.determine(arg)
			want = logical.Text
		}
		if _, err := f.kind(arg, want); err != nil {
			return 0, err
		}
	}
	return logical.Bool, nil
}

func (f *inference) param(number int, want logical.Kind) (logical.Kind, error) {
	oid := f.types[number-1]
	if oid == 0 {
		if want == 0 {
			return 0, nil
		}
		oid = logical.Type{Kind: want, Typmod: -1}.OID()
		f.types[number-1] = oid
	}
	k := logical.KindOf(oid)
	if k == 0 {
		return 0, pgerror.New(pgerror.FeatureNotSupported, "parameter $%d is of a type that pgveil does not compute with for a sealed column", number).
			WithHint("Declare it as text, or leave its type open.")
	}
	return k, nil
}

// determine notes a parameter whose type nothing tells, in a place where any type would
// do.
func (f *inference) determine(n *node) {
	if n.op == opParam && f.types[f.c.leaves[n.leaf].number-1] == 0 && f.open == 0 {
		f.open = f.c.leaves[n.leaf].number
	}
}

func (f *inference) cast(n *node) (logical.Kind, error) {
	to := n.to.Kind
	from, err := f.kind(n.args[0], to)
	switch {
	case err != nil:
		return 0, err
	case from == to, isText(from), isText(to), isNumber(from) && isNumber(to):
		return to, nil
	}
	return 0, refuseComputedTypes("a cast to "+to.String(), from)
}

// call checks the arguments of a function.
func (f *inference) call(n *node) error {
	for i, arg := range n.args {
		want := logical.Text
		if n.call.numbers(i) {
			want = logical.Int4
		}
		if n.call.lax {
			f.determine(arg)
		}
		k, err := f.kind(arg, want)
		switch {
		case err != nil:
			return err
		case n.call.numbers(i) && k == logical.Int4, !n.call.numbers(i) && (k == logical.Text || k == logical.Varchar):
		case !n.call.lax && k == logical.Bpchar, n.call.lax && isInteger(k):
		case n.call.lax || isText(k):
			return refuseComputedTypes(n.call.name+"()", k)
		default:
			return f.noFunction(n)
		}
	}
	return nil
}

// noFunction is the server's error for arguments that a function does not take.
func (f *inference) noFunction(n *node) error {
	words := make([]string, len(n.args))
	for i, arg := range n.args {
		k, err := f.kind(arg, 0)
		switch {
		case err != nil:
			return err
		case k == 0:
			words[i] = "unknown"
		default:
			words[i] = k.String()
		}
	}
	return pgerror.New(pgerror.UndefinedFunction, "function %s(%s) does not exist", n.call.name, strings.Join(words, ", ")).
		WithHint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

// concat checks the operands of ||, of which one may be a number.
func (f *inference) concat(n *node) error {
	numbers := 0
	for _, arg := range n.args {
		k, err := f.kind(arg, logical.Text)
		switch {
		case err != nil:
			return err
		case isInteger(k):
			numbers++
		case !isText(k):
			return refuseComputedTypes("||", k)
		}
	}
	if numbers > 1 {
		return refuseComputedTypes("||", logical.Int4)
	}
	return nil
}

// common finds the type that values get that are one another's alternatives: that of
// those that have one, else text (select_common_type).
func (f *inference) common(nodes []*node) (logical.Kind, error) {
	var have logical.Kind
	for _, n := range nodes {
		k, err := f.kind(n, 0)
		switch {
		case err != nil:
			return 0, err
		case k == 0 || k == have:
		case have == 0:
			have = k
		case (k == logical.Text || k == logical.Varchar) && (have == logical.Text || have == logical.Varchar):
			have = logical.Text
		default:
			return 0, refuseComputedTypes("values beside those of type "+have.String(), k)
		}
	}
	if have == 0 {
		have = logical.Text
	}
	for _, n := range nodes {
		if _, err := f.kind(n, have); err != nil {
			return 0, err
		}
	}
	return have, nil
}

func refuseComputedTypes(where string, k logical.Kind) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "pgveil does not compute %s with a value of type %s for a sealed column", where, k).
		WithHint("Compute it in the application and send the value.")
}

func isText(k logical.Kind) bool {
	return k == logical.Text || k == logical.Varchar || k == logical.Bpchar
}

func isInteger(k logical.Kind) bool {
	return k == logical.Int2 || k == logical.Int4 || k == logical.Int8
}

func isNumber(k logical.Kind) bool { return isInteger(k) || k == logical.Numeric }
