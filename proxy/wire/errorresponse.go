package wire

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// Codes of the fields of an ErrorResponse or NoticeResponse.
const (
	FieldSeverity         = 'S' // translated to the session's language
	FieldSeverityOriginal = 'V'
	FieldCode             = 'C'
	FieldMessage          = 'M'
	FieldDetail           = 'D'
	FieldHint             = 'H'
	FieldPosition         = 'P' // in characters, from 1
	FieldInternalPosition = 'p'
	FieldInternalQuery    = 'q'
	FieldWhere            = 'W'
	FieldSchema           = 's'
	FieldTable            = 't'
	FieldColumn           = 'c'
	FieldDataType         = 'd'
	FieldConstraint       = 'n'
	FieldFile             = 'F'
	FieldLine             = 'L'
	FieldRoutine          = 'R'
)

// ErrorFields are the fields of an ErrorResponse or NoticeResponse, to be taken in
// order. A copy starts where the original was.
type ErrorFields struct {
	rest  []byte
	code  byte
	value []byte
}

// DecodeErrorResponse gives the fields of an ErrorResponse or NoticeResponse.
func DecodeErrorResponse(body []byte) (ErrorFields, error) {
	c := cursor{rest: body}
	for c.byte() != 0 {
		c.string()
	}
	return ErrorFields{rest: body}, c.end()
}

// Next goes to the next field and reports whether there is one.
func (f *ErrorFields) Next() bool {
	if len(f.rest) < 2 {
		return false
	}
	n := bytes.IndexByte(f.rest, 0)
	f.code, f.value, f.rest = f.rest[0], f.rest[1:n:n], f.rest[n+1:]
	return true
}

// Field is the present field.
func (f *ErrorFields) Field() (code byte, value []byte) { return f.code, f.value }

// Get is the value of the field with this code, nil when there is none.
func (f ErrorFields) Get(code byte) []byte {
	for f.Next() {
		if f.code == code {
			return f.value
		}
	}
	return nil
}

// Position is the error's position in characters from 1; 0 when it has none.
func (f ErrorFields) Position() int {
	n, err := strconv.Atoi(string(f.Get(FieldPosition)))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// WriteErrorResponse writes e to a client. Its Position must be in characters by
// then. A NUL ends a field, as in the server's own C strings.
func WriteErrorResponse(w *Writer, e *pgerror.Error) error {
	severity := e.Severity
	if severity == "" {
		severity = "ERROR"
	}
	w.Message(TypeErrorResponse)
	writeErrorField(w, FieldSeverity, severity)
	writeErrorField(w, FieldSeverityOriginal, severity)
	writeErrorField(w, FieldCode, e.Code)
	writeErrorField(w, FieldMessage, e.Message)
	writeErrorField(w, FieldDetail, e.Detail)
	writeErrorField(w, FieldHint, e.Hint)
	if e.Position > 0 {
		writeErrorField(w, FieldPosition, strconv.Itoa(e.Position))
	}
	writeErrorField(w, FieldWhere, e.Where)
	writeErrorField(w, FieldSchema, e.Schema)
	writeErrorField(w, FieldTable, e.Table)
	writeErrorField(w, FieldColumn, e.Column)
	w.Byte(0)
	return w.End()
}

func writeErrorField(w *Writer, code byte, value string) {
	value, _, _ = strings.Cut(value, "\x00")
	if value != "" {
		w.Byte(code)
		w.String(value)
	}
}
