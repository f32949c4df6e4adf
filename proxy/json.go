package proxy

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// jsonOpener writes the JSON that the server has made of rows as it would have made it
// of the plaintexts. All that is not sealed is copied as it stands.
type jsonOpener struct {
	conn    *conn
	shape   *statement.JSON
	values  map[*statement.Output]*column
	state   state // with the settings that JSON is written under
	in      []byte
	at      int
	out     []byte
	text    []byte // of a string in UTF-8, its escapes resolved
	decoded []byte // the same before that, where the client's encoding is another
	shown   []byte // of a value, as text
	opened  int64
	null    bool // the whole is NULL: JSON of one value that is hidden
	depth   int
	failed  *pgerror.Error
}

// maxJSONDepth bounds arrays and objects within each other. The server's own bound
// depends on max_stack_depth and is lower.
const maxJSONDepth = 100_000

// openedJSON readies a column of the result that is JSON with sealed values in it.
func (c *conn) openedJSON(r *result, shape *statement.JSON, s *state) *jsonOpener {
	o := &jsonOpener{conn: c, shape: shape, values: make(map[*statement.Output]*column), state: *s}
	o.state.settings.DateStyle = "ISO, MDY"
	shape.Values(func(value *statement.Output) {
		col := c.openedColumn(r, value)
		o.values[value] = &col
	})
	return o
}

// open appends one value of the result; binary is its format. Where o.null is set afterwards, the value is
// NULL instead: to_json of NULL is none of JSON's own, and would else tell a hidden value from NULL.
func (o *jsonOpener) open(dst, value []byte, binary bool) ([]byte, *pgerror.Error) {
	o.in, o.at, o.out, o.opened, o.null, o.depth, o.failed = value, 0, dst, 0, false, 0, nil
	if binary && o.shape.Binary {
		if len(value) == 0 || value[0] != 1 { // the version of jsonb's binary form
			return dst, malformedJSON()
		}
		o.copy(1)
	}
	o.value(o.shape)
	o.space()
	if o.failed == nil && o.at != len(o.in) {
		o.fail(malformedJSON())
	}
	return o.out, o.failed
}

func malformedJSON() *pgerror.Error {
	return pgerror.New(pgerror.InternalError, "the server's JSON cannot be read, and sealed values are in it")
}

func (o *jsonOpener) fail(e *pgerror.Error) {
	if o.failed == nil {
		o.failed = e
	}
	o.at = len(o.in) // nothing is read any more
}

// copy copies n bytes.
func (o *jsonOpener) copy(n int) {
	o.out = append(o.out, o.in[o.at:o.at+n]...)
	o.at += n
}

// space copies white space.
func (o *jsonOpener) space() {
	n := 0
	for o.at+n < len(o.in) && strings.IndexByte(" \t\r\n", o.in[o.at+n]) >= 0 {
		n++
	}
	o.copy(n)
}

// next gives the byte after white space, 0 at the end.
func (o *jsonOpener) next() byte {
	o.space()
	if o.at >= len(o.in) {
		return 0
	}
	return o.in[o.at]
}

// value writes a value; nothing is sealed in it if shape is nil. What is not of the
// shape, such as NULL or the default of a COALESCE, has nothing sealed in it either.
func (o *jsonOpener) value(shape *statement.JSON) {
	if o.depth++; o.depth > maxJSONDepth {
		o.fail(malformedJSON())
		return
	}
	defer func() { o.depth-- }()
	switch c := o.next(); {
	case c == '"' && shape != nil && shape.Value != nil:
		o.leaf(shape.Value)
	case c == '"':
		o.plain()
	case c == '{':
		o.object(shape)
	case c == '[':
		o.array(shape)
	case shape != nil && shape.Value != nil && !bytes.HasPrefix(o.in[o.at:], []byte("null")):
		o.fail(notSealed(shape.Value.Column))
	default:
		n := 0
		for o.at+n < len(o.in) && strings.IndexByte(",]} \t\r\n\"", o.in[o.at+n]) < 0 {
			n++
		}
		if n == 0 {
			o.fail(malformedJSON())
			return
		}
		o.copy(n)
	}
}

func (o *jsonOpener) object(shape *statement.JSON) {
	if shape != nil && shape.Value != nil {
		o.fail(notSealed(shape.Value.Column))
		return
	}
	o.copy(1)
	if o.next() == '}' {
		o.copy(1)
		return
	}
	for i := 0; ; i++ {
		var member *statement.JSON
		if o.next() != '"' {
			o.fail(malformedJSON())
			return
		}
		o.plain()
		switch {
		case shape == nil:
		case i < len(shape.Ordered):
			member = shape.Ordered[i]
		default:
			member = shape.Members[string(o.text)]
		}
		if o.next() != ':' {
			o.fail(malformedJSON())
			return
		}
		o.copy(1)
		o.value(member)
		if !o.goesOn('}') {
			return
		}
	}
}

func (o *jsonOpener) array(shape *statement.JSON) {
	if shape != nil && shape.Value != nil {
		o.fail(notSealed(shape.Value.Column))
		return
	}
	o.copy(1)
	if o.next() == ']' {
		o.copy(1)
		return
	}
	var element *statement.JSON
	if shape != nil {
		element = shape.Element
	}
	for {
		o.value(element)
		if !o.goesOn(']') {
			return
		}
	}
}

// goesOn copies what follows an element, and reports whether it is a comma.
func (o *jsonOpener) goesOn(end byte) bool {
	switch o.next() {
	case ',':
		o.copy(1)
		return true
	case end:
		o.copy(1)
	default:
		o.fail(malformedJSON())
	}
	return false
}

// string reads a string into o.text and gives its length in the input.
func (o *jsonOpener) string() int {
	n := 1
	for ; o.at+n < len(o.in) && o.in[o.at+n] != '"'; n++ {
		if o.in[o.at+n] == '\\' {
			n++
		}
	}
	if o.at+n >= len(o.in) {
		o.fail(malformedJSON())
		return 0
	}
	n++
	quoted := o.in[o.at : o.at+n]
	if !statement.IsASCII(quoted) && o.state.encoding != nil {
		var err error
		if o.decoded, err = o.state.encoding.appendDecoded(o.decoded[:0], quoted); err != nil {
			o.fail(malformedJSON())
			return 0
		}
		quoted = o.decoded
	}
	raw := quoted[1 : len(quoted)-1]
	switch {
	case bytes.IndexByte(raw, '\\') < 0:
		o.text = append(o.text[:0], raw...)
	case bytes.HasPrefix(raw, []byte(`\\`)) && bytes.IndexByte(raw[2:], '\\') < 0: // a bytea
		o.text = append(append(o.text[:0], '\\'), raw[2:]...)
	default:
		var text string
		if json.Unmarshal(quoted, &text) != nil {
			o.fail(malformedJSON())
			return 0
		}
		o.text = append(o.text[:0], text...)
	}
	return n
}

// plain copies a string that is not sealed. One that looks sealed was not expected
// there: ciphertext is not shown as data.
func (o *jsonOpener) plain() {
	n := o.string()
	if n > 0 && (bytes.HasPrefix(o.text, sealedHex) || bytes.HasPrefix(o.text, sealedEscape)) {
		o.fail(pgerror.New(pgerror.InternalError, "the server's JSON has a sealed value where pgveil's analysis of the statement has none"))
		return
	}
	o.copy(n)
}

// leaf writes what the client sees of a sealed value.
func (o *jsonOpener) leaf(output *statement.Output) {
	n := o.string()
	if n == 0 {
		return
	}
	o.at += n
	value, opened, e := o.conn.open(o.shown[:0], o.values[output], o.text, &o.state)
	switch {
	case e != nil:
		o.fail(e)
	case opened == hiddenValue:
		o.null = o.null || o.depth == 1
		o.out = append(o.out, "null"...)
	default:
		o.shown = value
		o.opened += opened
		o.out = appendJSON(o.out, value, output.Type.Kind)
	}
}

// appendJSON appends a value, given as text, as to_json writes it.
// Source: PostgreSQL's datum_to_json and JsonEncodeDateTime.
func appendJSON(dst, text []byte, kind logical.Kind) []byte {
	switch kind {
	case logical.Bool:
		if string(text) == "t" {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case logical.Int2, logical.Int4, logical.Int8, logical.Numeric, logical.Float4, logical.Float8:
		if n := len(text); n > 0 && '0' <= text[n-1] && text[n-1] <= '9' { // not NaN, not Infinity
			return append(dst, text...)
		}
	case logical.JSONB:
		return append(dst, text...)
	case logical.Timestamp, logical.Timestamptz:
		text = isoTime(text, kind == logical.Timestamptz)
	}
	return appendJSONString(dst, text)
}

// isoTime turns 2024-05-06 07:08:09+02 into 2024-05-06T07:08:09+02:00.
func isoTime(text []byte, zone bool) []byte {
	out := bytes.Replace(text, []byte(" "), []byte("T"), 1)
	if !zone {
		return out
	}
	body, era, _ := strings.Cut(string(out), " ") // BC
	if at := strings.LastIndexAny(body, "+-"); at > len("2024-05-06") && !strings.Contains(body[at:], ":") {
		body += ":00"
	}
	if era != "" {
		body += " " + era
	}
	return []byte(body)
}

// appendJSONString appends a JSON string as the server's escape_json does.
func appendJSONString(dst, text []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\b':
			dst = append(dst, `\b`...)
		case c == '\f':
			dst = append(dst, `\f`...)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
