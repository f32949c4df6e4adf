package wire

// DecodeQuery gives the text of a Query.
func DecodeQuery(body []byte) (sql []byte, err error) {
	c := cursor{rest: body}
	sql = c.string()
	return sql, c.end()
}

// WriteQuery writes a Query.
func WriteQuery[S Text](w *Writer, sql S) error {
	w.Message(TypeQuery)
	cString(w, sql)
	return w.End()
}

// WriteEmpty writes a message without a body: Sync, Flush, Terminate, CopyDone,
// ParseComplete, BindComplete, CloseComplete, NoData, PortalSuspended,
// EmptyQueryResponse.
func WriteEmpty(w *Writer, typ byte) error {
	w.Message(typ)
	return w.End()
}

// WriteCopyFail writes a CopyFail.
func WriteCopyFail(w *Writer, reason string) error {
	w.Message(TypeCopyFail)
	w.String(reason)
	return w.End()
}
