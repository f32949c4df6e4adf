package wire

// ParseMessage is a Parse: a statement to prepare.
type ParseMessage struct {
	Name []byte // empty: the unnamed statement
	SQL  []byte
	OIDs OIDs // types of the parameters that the client declares; may be fewer than there are
}

// DecodeParse decodes a Parse.
func DecodeParse(body []byte) (ParseMessage, error) {
	c := cursor{rest: body}
	m := ParseMessage{Name: c.string(), SQL: c.string()}
	m.OIDs = OIDs(c.bytes(4 * c.int16()))
	return m, c.end()
}

// WriteParse writes a Parse.
func WriteParse[N, S Text](w *Writer, name N, sql S, oids ...uint32) error {
	w.Message(TypeParse)
	cString(w, name)
	cString(w, sql)
	w.Int16(len(oids))
	for _, oid := range oids {
		w.OID(oid)
	}
	return w.End()
}
