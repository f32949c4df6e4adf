package wire

// DecodeDataRow gives the values of a DataRow.
func DecodeDataRow(body []byte) (Values, error) {
	c := cursor{rest: body}
	v := c.values(c.int16())
	return v, c.end()
}

// StartDataRow begins a DataRow of n values. The caller writes them, with Value,
// Null, StartValue or Bytes of Values.Raw, and calls End.
func StartDataRow(w *Writer, n int) {
	w.Message(TypeDataRow)
	w.Int16(n)
}
