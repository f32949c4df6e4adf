package wire

// DecodeParameterStatus gives a setting that the server reports.
func DecodeParameterStatus(body []byte) (name, value []byte, err error) {
	c := cursor{rest: body}
	name, value = c.string(), c.string()
	return name, value, c.end()
}

// WriteParameterStatus writes a ParameterStatus.
func WriteParameterStatus[N, S Text](w *Writer, name N, value S) error {
	w.Message(TypeParameterStatus)
	cString(w, name)
	cString(w, value)
	return w.End()
}
