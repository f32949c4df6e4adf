package wire

import "github.com/pgveil/pgveil/schema/pgerror"

// What Describe and Close name.
const (
	KindStatement = 'S'
	KindPortal    = 'P'
)

// NamedMessage is a Describe or a Close: a prepared statement or a portal.
type NamedMessage struct {
	Kind byte // KindStatement or KindPortal
	Name []byte
}

// DecodeDescribe decodes a Describe.
func DecodeDescribe(body []byte) (NamedMessage, error) { return decodeNamed(body, "DESCRIBE") }

// DecodeClose decodes a Close.
func DecodeClose(body []byte) (NamedMessage, error) { return decodeNamed(body, "CLOSE") }

func decodeNamed(body []byte, what string) (NamedMessage, error) {
	c := cursor{rest: body}
	m := NamedMessage{Kind: c.byte(), Name: c.string()}
	if err := c.end(); err != nil {
		return m, err
	}
	if m.Kind != KindStatement && m.Kind != KindPortal {
		return m, pgerror.New(pgerror.ProtocolViolation, "invalid %s message subtype %d", what, m.Kind)
	}
	return m, nil
}

// WriteDescribe writes a Describe.
func WriteDescribe[S Text](w *Writer, kind byte, name S) error {
	return writeNamed(w, TypeDescribe, kind, name)
}

// WriteClose writes a Close.
func WriteClose[S Text](w *Writer, kind byte, name S) error {
	return writeNamed(w, TypeClose, kind, name)
}

func writeNamed[S Text](w *Writer, typ, kind byte, name S) error {
	w.Message(typ)
	w.Byte(kind)
	cString(w, name)
	return w.End()
}
