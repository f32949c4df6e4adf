package logical

import (
	"time"
)

// Settings are a session's settings that the text forms of values depend on, as the
// server reports them by ParameterStatus.
type Settings struct {
	TimeZone string
	// Location is the zone that TimeZone names, nil when it is not known to this machine. See [LoadLocation].
	Location      *time.Location
	DateStyle     string // "ISO, MDY"
	IntervalStyle string
	// ByteaEscape says that bytea_output is escape.
	ByteaEscape bool
	// FloatDigits is extra_float_digits less its default, 1: floats are written in the shortest
	// form that reads back the same unless it is negative.
	FloatDigits int
	// ServerVersion is the server's major version, 0 when it is not known (then 15 is assumed).
	// It decides on the forms that only some versions read.
	ServerVersion int
}

// server gives the server's major version.
func (s *Settings) server() int {
	if s == nil || s.ServerVersion == 0 {
		return 15
	}
	return s.ServerVersion
}

// Use says what a value is for.
type Use uint8

const (
	// Assign: the value is stored in the column, so the type's modifier applies.
	Assign Use = iota
	// Compare: the value is an operand of =, <> or IN. No modifier applies. A value that
	// can equal no stored one has an encoding that is never stored.
	Compare
)
