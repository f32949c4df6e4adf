package wire

// DecodeParameterDescription gives the parameters' types of a prepared statement.
func DecodeParameterDescription(body []byte) (OIDs, error) {
	c := cursor{rest: body}
	oids := OIDs(c.bytes(4 * c.int16()))
	return oids, c.end()
}

// StartParameterDescription begins a ParameterDescription of n types; the caller
// writes them with OID and calls End.
func StartParameterDescription(w *Writer, n int) {
	w.Message(TypeParameterDescription)
	w.Int16(n)
}
