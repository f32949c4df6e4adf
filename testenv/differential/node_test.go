package differential

import (
	"strconv"
	"strings"
)

// node is a piece of a statement's text, or of a tree of such pieces. Trees can
// be cut smaller, so that a statement that shows a fault is told by its fault.
type node struct {
	text string
	hole *hole // a value instead of a text
	kids []*node
	sep  string // between the kids
	// least says that kids may be left out while more than that many remain; the
	// kids of a node of least -1 belong together.
	least    int
	optional bool
	// refused is the operation of the design's table that refuses the statement.
	refused string
}

// hole is a value in a statement: a literal, or a parameter when the statement is
// sent so.
type hole struct {
	typ    *typ
	value  string // as text; of an array, {…}
	null   bool
	array  bool
	bare   string // the literal as it is written without quotes, such as a number; "" for none
	cast   string // a cast behind it, with its ::
	style  int    // of quoting
	param  bool   // may be sent as a parameter
	same   *hole  // a hole that has the same parameter
	secret bool   // of a tagged column: must not be found in the server
}

func text(s string) *node { return &node{text: s, least: -1} }

// seq joins pieces: strings, nodes and holes, none of which may be left out.
func seq(parts ...any) *node {
	n := &node{least: -1}
	for _, p := range parts {
		switch v := p.(type) {
		case string:
			n.kids = append(n.kids, text(v))
		case *node:
			if v != nil {
				n.kids = append(n.kids, v)
			}
		case *hole:
			n.kids = append(n.kids, &node{hole: v, least: -1})
		}
	}
	return n
}

// list joins pieces of which all but a number may be left out.
func list(sep string, least int, kids ...*node) *node {
	return &node{kids: kids, sep: sep, least: least}
}

func maybe(n *node) *node {
	n.optional = true
	return n
}

// refusing notes that what the piece says is refused.
func refusing(reason string, n *node) *node {
	n.refused = reason
	return n
}

func (n *node) walk(f func(*node)) {
	f(n)
	for _, k := range n.kids {
		k.walk(f)
	}
}

// reasons gives the operations for which the statement is to be refused.
func (n *node) reasons() (all []string) {
	n.walk(func(k *node) {
		if k.refused != "" {
			all = append(all, k.refused)
		}
	})
	return all
}

// rendering is a statement as it is sent.
type rendering struct {
	sql    string
	params []*hole
}

// render writes the statement, with parameters or without.
func (n *node) render(params bool) rendering {
	var r rendering
	var b strings.Builder
	numbers := make(map[*hole]int)
	n.write(&b, func(h *hole) {
		if !params || !h.param {
			h.literal(&b)
			return
		}
		of := h
		if h.same != nil {
			of = h.same
		}
		if numbers[of] == 0 {
			r.params = append(r.params, of)
			numbers[of] = len(r.params)
		}
		b.WriteString("$" + strconv.Itoa(numbers[of]) + h.cast)
	})
	r.sql = b.String()
	return r
}

func (n *node) write(b *strings.Builder, value func(*hole)) {
	if n.hole != nil {
		value(n.hole)
		return
	}
	b.WriteString(n.text)
	for i, k := range n.kids {
		if i > 0 {
			b.WriteString(n.sep)
		}
		k.write(b, value)
	}
}

// literal writes the value into the text of a statement.
func (h *hole) literal(b *strings.Builder) {
	switch {
	case h.null:
		b.WriteString("NULL")
	case h.bare != "":
		b.WriteString(h.bare)
	case h.style == 1 && !strings.Contains(h.value, "$"):
		b.WriteString("$$" + h.value + "$$")
	case h.style == 2:
		b.WriteString("E'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(h.value) + "'")
	case h.style == 3:
		b.WriteString("E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, "a", `\x61`, "e", `\145`).Replace(h.value) + "'")
	case h.style == 4:
		b.WriteString("U&'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, "i", `\0069`, "o", `\+00006F`).Replace(h.value) + "'")
	default:
		b.WriteString("'" + strings.ReplaceAll(h.value, "'", "''") + "'")
	}
	b.WriteString(h.cast)
}

// smaller calls try with the statement cut at one place after another. A cut for
// which try says true stays.
func (n *node) smaller(try func() bool) {
	for again := true; again; {
		again = false
		n.walk(func(k *node) {
			for i := len(k.kids) - 1; i >= 0; i-- {
				if i >= len(k.kids) || !k.kids[i].optional && (k.least < 0 || len(k.kids) <= k.least) {
					continue
				}
				whole := k.kids
				k.kids = append(append([]*node{}, whole[:i]...), whole[i+1:]...)
				if try() {
					again = true
				} else {
					k.kids = whole
				}
			}
		})
	}
}
