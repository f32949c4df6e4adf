package wire

// ExecuteMessage is an Execute: rows from a portal.
type ExecuteMessage struct {
	Portal  []byte
	MaxRows int32 // 0 or less: all
}

// DecodeExecute decodes an Execute.
func DecodeExecute(body []byte) (ExecuteMessage, error) {
	c := cursor{rest: body}
	m := ExecuteMessage{Portal: c.string(), MaxRows: int32(c.uint32())}
	return m, c.end()
}

// WriteExecute writes an Execute.
func WriteExecute[S Text](w *Writer, portal S, maxRows int32) error {
	w.Message(TypeExecute)
	cString(w, portal)
	w.Int32(maxRows)
	return w.End()
}
