package wire

import "github.com/pgveil/pgveil/schema/pgerror"

// BindMessage is a Bind: parameters for a prepared statement, making a portal.
type BindMessage struct {
	Portal        []byte // empty: the unnamed portal
	Statement     []byte
	ParamFormats  Formats
	Params        Values
	ResultFormats Formats
}

// DecodeBind decodes a Bind. As in the server, there may be no format codes for the
// parameters, one for all, or as many as parameters.
func DecodeBind(body []byte) (BindMessage, error) {
	c := cursor{rest: body}
	m := BindMessage{Portal: c.string(), Statement: c.string()}
	m.ParamFormats = Formats(c.bytes(2 * c.int16()))
	m.Params = c.values(c.int16())
	m.ResultFormats = Formats(c.bytes(2 * c.int16()))
	if n := m.ParamFormats.Len(); c.err == nil && n > 1 && n != m.Params.Len() {
		c.fail(pgerror.New(pgerror.ProtocolViolation, "bind message has %d parameter formats but %d parameters", n, m.Params.Len()))
	}
	return m, c.end()
}

// WriteBind writes a Bind without parameters, with these result formats.
func WriteBind[P, S Text](w *Writer, portal P, statement S, resultFormats ...int16) error {
	StartBind(w, portal, statement)
	w.Int16(0)
	w.Int16(0)
	writeFormats(w, resultFormats)
	return w.End()
}

// StartBind begins a Bind. The caller writes what follows the names: the parameters'
// formats with their count, the parameters with their count (Value, StartValue or
// Bytes of Values.Raw), the results' formats with their count; and calls End.
func StartBind[P, S Text](w *Writer, portal P, statement S) {
	w.Message(TypeBind)
	cString(w, portal)
	cString(w, statement)
}

func writeFormats(w *Writer, formats []int16) {
	w.Int16(len(formats))
	for _, f := range formats {
		w.Int16(int(f))
	}
}
