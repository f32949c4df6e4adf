package pgerror

import (
	"errors"
	"fmt"
)

// SQLSTATEs that pgveil raises itself.
const (
	FeatureNotSupported          = "0A000"
	ProtocolViolation            = "08P01"
	ConnectionFailure            = "08006"
	CannotConnect                = "08001"
	StringTruncation             = "22001"
	NumericOutOfRange            = "22003"
	InvalidDatetimeFormat        = "22007"
	DatetimeOverflow             = "22008"
	InvalidTextRepresent         = "22P02"
	InvalidBinaryRepresent       = "22P03"
	InvalidParameterValue        = "22023"
	UntranslatableCharacter      = "22P05"
	InFailedTransaction          = "25P02"
	InvalidStatementName         = "26000"
	SerializationFailure         = "40001"
	InvalidAuthorization         = "28000"
	InvalidPassword              = "28P01"
	SyntaxError                  = "42601"
	InsufficientPrivilege        = "42501"
	DatatypeMismatch             = "42804"
	UndefinedFunction            = "42883"
	IndeterminateDatatype        = "42P18"
	ProgramLimitExceeded         = "54000"
	ConfigurationLimitExceeded   = "53400"
	StatementTooComplex          = "54001"
	CannotConnectNow             = "57P03"
	AdminShutdown                = "57P01"
	ObjectNotInPrerequisiteState = "55000"
	SystemError                  = "58000"
	IOError                      = "58030"
	InternalError                = "XX000"
	DataCorrupted                = "XX001"
)

// Error is an error for a client. Message, Detail and Hint hold fixed texts and
// names (of columns, tables, roles); a value only where PostgreSQL itself would
// show that value to the same client.
type Error struct {
	Severity string // "ERROR" when empty
	Code     string // SQLSTATE
	Message  string
	Detail   string
	Hint     string
	// Position is the 1-based position, in bytes of the client's own text, that
	// the error points to; 0 for none. The proxy turns it into characters.
	Position int
	Where    string // the context, such as the line of COPY data
	Schema   string
	Table    string
	Column   string
	// Apart says that the statement might run in a message of its own. It is not sent.
	Apart bool
}

// New makes an error of severity ERROR.
func New(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error gives the message with its SQLSTATE.
func (e *Error) Error() string { return e.Message + " (SQLSTATE " + e.Code + ")" }

// WithHint sets the hint and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithDetail sets the detail and returns e.
func (e *Error) WithDetail(format string, args ...any) *Error {
	e.Detail = fmt.Sprintf(format, args...)
	return e
}

// RunsApart says that the statement might run in a message of its own, and returns e.
func (e *Error) RunsApart() *Error {
	e.Apart = true
	return e.WithHint("Send the statements one by one.")
}

// At sets the position (1-based, bytes of the client's text) and returns e.
func (e *Error) At(position int) *Error {
	e.Position = position
	return e
}

// Fatal makes it an error that ends the session.
func (e *Error) Fatal() *Error {
	e.Severity = "FATAL"
	return e
}

// As finds an Error in err's chain.
func As(err error) (*Error, bool) {
	if err == nil { // without an allocation
		return nil, false
	}
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}
