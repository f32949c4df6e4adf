package wire

// Transaction status of a ReadyForQuery.
const (
	StatusIdle          = 'I'
	StatusInTransaction = 'T'
	StatusFailed        = 'E'
)

// DecodeReadyForQuery gives the transaction status.
func DecodeReadyForQuery(body []byte) (status byte, err error) {
	c := cursor{rest: body}
	status = c.byte()
	if err := c.end(); err != nil {
		return 0, err
	}
	if status != StatusIdle && status != StatusInTransaction && status != StatusFailed {
		return 0, errFormat()
	}
	return status, nil
}

// WriteReadyForQuery writes a ReadyForQuery.
func WriteReadyForQuery(w *Writer, status byte) error {
	w.Message(TypeReadyForQuery)
	w.Byte(status)
	return w.End()
}
