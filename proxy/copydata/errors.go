package copydata

import (
	"fmt"
	"unicode/utf8"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// badFormat is the SQLSTATE of data that COPY cannot read.
const badFormat = "22P04"

// maxShown is how many bytes of a line or value the server's messages show
// (MAX_COPY_DATA_DISPLAY).
const maxShown = 100

func shown(value []byte) string {
	if len(value) <= maxShown {
		return string(value)
	}
	n := maxShown
	for n > 0 && !utf8.RuneStart(value[n]) {
		n--
	}
	return string(value[:n]) + "..."
}

// malformed makes the error for data that does not fit. On the way out it is the
// server that sent what was not described.
func (c *Config) malformed(format string, args ...any) *pgerror.Error {
	if !c.In {
		return pgerror.New(pgerror.InternalError, "the server sent COPY data that pgveil cannot read")
	}
	return pgerror.New(badFormat, format, args...)
}

// atLine says where in the data an error is, as the server does.
func (c *Config) atLine(e *pgerror.Error, line int64) *pgerror.Error {
	if c.In {
		e.Where = fmt.Sprintf("COPY %s, line %d", c.Relation, line)
	}
	return e
}

func (c *Config) inLine(e *pgerror.Error, line int64, content []byte) *pgerror.Error {
	if c.In {
		e.Where = fmt.Sprintf("COPY %s, line %d: \"%s\"", c.Relation, line, shown(content))
	}
	return e
}

// inColumn completes the error for a value: on the way in with the place and, where
// the server shows it, the value, which the client has just sent.
func (c *Config) inColumn(err error, line int64, column int, value []byte) error {
	e, ok := pgerror.As(err)
	if !ok {
		return pgerror.New(pgerror.InternalError, "a value of column %q cannot be replaced", c.Columns[column].Name)
	}
	if !c.In {
		return e
	}
	at := *e
	at.Where = fmt.Sprintf("COPY %s, line %d, column %s", c.Relation, line, c.Columns[column].Name)
	if c.Format != Binary {
		at.Where += fmt.Sprintf(": \"%s\"", shown(value))
	}
	return &at
}

func tooLong(what string, limit int) *pgerror.Error {
	return pgerror.New(pgerror.ProgramLimitExceeded, "a %s of COPY is over pgveil's limit of %d bytes", what, limit)
}
