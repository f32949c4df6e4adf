package logical

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// maxJSONDepth bounds the nesting: a server with its default max_stack_depth (2 MB)
// takes a little more.
const maxJSONDepth = 12000

// jsonNode is a value of JSON.
type jsonNode struct {
	token   jsonToken // '{', '[', or a scalar's
	text    []byte    // a string's value, a number as numeric writes it
	members []jsonMember
}

// jsonMember is a key with its value, or an element without a key.
type jsonMember struct {
	key   []byte
	value jsonNode
}

// jsonParser builds the tree that jsonb is printed from.
type jsonParser struct {
	jsonLexer
	numbers []byte // holds the numbers' canonical text
}

// parseJSON reads one JSON value. With decode false it only checks the syntax, as type json does.
func parseJSON(text []byte, decode bool) (jsonNode, error) {
	if err := checkUTF8(text); err != nil {
		return jsonNode{}, err
	}
	p := jsonParser{jsonLexer: jsonLexer{text: text, decode: decode}}
	if err := p.next(); err != nil {
		return jsonNode{}, err
	}
	n, err := p.value(0)
	if err == nil && p.token != jsonEnd {
		err = p.expected("end of input")
	}
	return n, err
}

// value reads the value whose first token is the current one, and the token after it.
func (p *jsonParser) value(depth int) (jsonNode, error) {
	if depth > maxJSONDepth {
		return jsonNode{}, pgerror.New(pgerror.StatementTooComplex, "stack depth limit exceeded").
			WithHint("A JSON value can be nested %d levels deep.", maxJSONDepth)
	}
	switch p.token {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case jsonString:
		n := jsonNode{token: jsonString, text: p.str}
		return n, p.next()
	case jsonNumber:
		raw := p.raw
		if err := p.next(); err != nil {
			return jsonNode{}, err
		}
		return p.numeric(raw)
	case jsonTrue, jsonFalse, jsonNull:
		n := jsonNode{token: p.token, text: p.raw}
		return n, p.next()
	}
	return jsonNode{}, p.expected("JSON value")
}

func (p *jsonParser) numeric(raw []byte) (jsonNode, error) {
	n := jsonNode{token: jsonNumber, text: raw}
	if !p.decode {
		return n, nil
	}
	start := len(p.numbers)
	var err error
	p.numbers, err = readNumeric(p.numbers, raw, 0, nil)
	n.text = p.numbers[start:len(p.numbers):len(p.numbers)]
	return n, err
}

func (p *jsonParser) array(depth int) (jsonNode, error) {
	n := jsonNode{token: '['}
	if err := p.next(); err != nil {
		return n, err
	}
	if p.token != ']' {
		for {
			v, err := p.value(depth + 1)
			if err != nil {
				return n, err
			}
			n.members = append(n.members, jsonMember{value: v})
			if p.token != ',' {
				break
			}
			if err := p.next(); err != nil {
				return n, err
			}
		}
		if p.token != ']' {
			return n, p.expected(`"," or "]"`)
		}
	}
	return n, p.next()
}

func (p *jsonParser) object(depth int) (jsonNode, error) {
	n := jsonNode{token: '{'}
	if err := p.next(); err != nil {
		return n, err
	}
	if p.token != '}' {
		if p.token != jsonString {
			return n, p.expected(`string or "}"`)
		}
		for {
			m, err := p.member(depth)
			if err != nil {
				return n, err
			}
			n.members = append(n.members, m)
			if p.token != ',' {
				break
			}
			if err := p.next(); err != nil {
				return n, err
			}
		}
		if p.token != '}' {
			return n, p.expected(`"," or "}"`)
		}
	}
	n.members = sortMembers(n.members)
	return n, p.next()
}

func (p *jsonParser) member(depth int) (jsonMember, error) {
	if p.token != jsonString {
		return jsonMember{}, p.expected("string")
	}
	m := jsonMember{key: p.str}
	if err := p.next(); err != nil {
		return m, err
	}
	if p.token != ':' {
		return m, p.expected(`":"`)
	}
	if err := p.next(); err != nil {
		return m, err
	}
	var err error
	m.value, err = p.value(depth + 1)
	return m, err
}

// sortMembers puts keys in jsonb's order, by length and then by bytes, and keeps the last of equal ones.
func sortMembers(members []jsonMember) []jsonMember {
	order := func(a, b jsonMember) int {
		if c := cmp.Compare(len(a.key), len(b.key)); c != 0 {
			return c
		}
		return bytes.Compare(a.key, b.key)
	}
	slices.SortStableFunc(members, order)
	kept := members[:0]
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(m.key, members[i+1].key) {
			continue
		}
		kept = append(kept, m)
	}
	return kept
}

// appendText appends the value as jsonb_out writes it.
func (n *jsonNode) appendText(dst []byte) []byte {
	switch n.token {
	case jsonString:
		return appendJSONString(dst, n.text)
	case '[', '{':
	default:
		return append(dst, n.text...)
	}
	dst = append(dst, byte(n.token))
	for i := range n.members {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		m := &n.members[i]
		if n.token == '{' {
			dst = appendJSONString(dst, m.key)
			dst = append(dst, ": "...)
		}
		dst = m.value.appendText(dst)
	}
	return append(dst, byte(n.token)+2) // ] and } are two behind [ and {
}

// appendJSONString quotes a string as escape_json does.
func appendJSONString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, c := range s {
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			if c < 0x20 {
				dst = binary.LittleEndian.AppendUint16(append(dst, '\\', 'u', '0', '0'), hexPairs[c])
				continue
			}
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// jsonbVersion is the first byte of jsonb's binary form.
const jsonbVersion = 1

func readJSONB(dst, value []byte, format int16) ([]byte, error) {
	if format != 0 {
		if len(value) == 0 {
			return dst, insufficientData()
		}
		if value[0] != jsonbVersion {
			return dst, pgerror.New(pgerror.InternalError, "unsupported jsonb version number %d", value[0])
		}
		value = value[1:]
	}
	n, err := parseJSON(value, true)
	if err != nil {
		return dst, err
	}
	return n.appendText(dst), nil
}

func writeJSONB(dst, canonical []byte, format int16) ([]byte, error) {
	if len(canonical) == 0 {
		return dst, corrupt(JSONB)
	}
	if format != 0 {
		dst = append(dst, jsonbVersion)
	}
	return append(dst, canonical...), nil
}
