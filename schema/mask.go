package schema

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/pgveil/pgveil/schema/logical"
)

// Pattern says what remains visible of a masked value. Each kind of type has a
// part of its own, so that one pattern can serve columns of several types;
// [Pattern.Check] says whether it has one for a given type. The zero value hides
// all of a text and suits no other type.
type Pattern struct {
	// For text, varchar and char(n).
	KeepFirst int  // characters shown at the beginning
	KeepLast  int  // characters shown at the end
	Fill      byte // printable ASCII; 0 for '*'
	Length    int  // number of fill characters; 0 for the default, SameLength

	// For date and timestamps.
	Truncate TruncateUnit

	// For numbers: the positive decimal to whose multiple they are rounded, such
	// as "10" or "0.5"; "" for none.
	Round string
	// For numbers, instead of Round: the size of the buckets whose lower bound is shown, and
	// the lower bound of one of them; "" is 0.
	Bucket, From string

	// For texts, instead of what is above: Email shows the part after @, NIR the order
	// number, three digits that are neither of sex nor of birth nor of place.
	Email, NIR bool

	// For every type, instead of all that: the text that stands for every value, if
	// HasFixed says so.
	Fixed    string
	HasFixed bool
}

// SameLength, as the Length of a pattern, shows how many characters the value
// has.
const SameLength = -1

// DefaultFill is the number of fill characters where the pattern gives none. A
// value of type char(n) is filled up to n instead.
const DefaultFill = 8

// maxMaskLength bounds what a pattern may keep or fill, in characters.
const maxMaskLength = 1000

// TruncateUnit is what a date is cut to.
type TruncateUnit uint8

// The units; the zero value is none.
const (
	TruncateYear TruncateUnit = iota + 1
	TruncateMonth
)

// maskKind groups the types by the part of a pattern that is for them.
type maskKind uint8

const (
	noMask maskKind = iota
	textKind
	dateKind
	numberKind
)

func maskKindOf(t logical.Type) maskKind {
	switch t.Kind {
	case logical.Text, logical.Varchar, logical.Bpchar:
		return textKind
	case logical.Date, logical.Timestamp, logical.Timestamptz:
		return dateKind
	case logical.Int2, logical.Int4, logical.Int8, logical.Numeric, logical.Float4, logical.Float8:
		return numberKind
	default:
		return noMask
	}
}

// Check reports why the pattern cannot mask values of type t; nil if it can.
func (m Pattern) Check(t logical.Type) error {
	if m.HasFixed {
		return m.checkFixed(t)
	}
	switch maskKindOf(t) {
	case textKind:
		return m.checkText(t)
	case dateKind:
		if m.Truncate != TruncateYear && m.Truncate != TruncateMonth {
			return fmt.Errorf("a mask for %s needs truncate: year or truncate: month", t)
		}
		return nil
	case numberKind:
		_, err := m.unit(t)
		if err == nil && m.Bucket != "" {
			_, err = m.from(t)
		}
		return err
	default:
		return fmt.Errorf("a value of type %s can only be masked by a fixed one; use that, or hide, which shows NULL", t)
	}
}

func (m Pattern) checkText(t logical.Type) error {
	switch {
	case m.KeepFirst < 0 || m.KeepFirst > maxMaskLength || m.KeepLast < 0 || m.KeepLast > maxMaskLength:
		return fmt.Errorf("keep_first and keep_last are from 0 to %d characters", maxMaskLength)
	case m.Length != SameLength && (m.Length < 0 || m.Length > maxMaskLength):
		return fmt.Errorf("the length of a mask is from 1 to %d characters, or same", maxMaskLength)
	case m.Fill != 0 && (m.Fill <= ' ' || m.Fill > '~'):
		return errors.New("the fill of a mask is one printable ASCII character other than a blank")
	}
	n := maxChars(t)
	switch {
	case n < 0:
	case m.KeepFirst+m.KeepLast >= n:
		return fmt.Errorf("keeping %d characters of %s would hide none", m.KeepFirst+m.KeepLast, t)
	case m.Length > 0 && m.KeepFirst+m.Length+m.KeepLast > n:
		return fmt.Errorf("a masked text of %d characters does not fit %s", m.KeepFirst+m.Length+m.KeepLast, t)
	}
	return nil
}

// unit returns what numbers of type t are rounded to, or the size of their buckets.
func (m Pattern) unit(t logical.Type) (*big.Rat, error) {
	unit, what := m.Round, "the unit that a mask rounds %s to"
	switch {
	case m.Bucket != "":
		unit, what = m.Bucket, "the size of a mask's buckets of %s"
	case m.Round == "":
		return nil, fmt.Errorf("a mask for %s needs round or bucket, such as round: 10", t)
	}
	what = fmt.Sprintf(what, t)
	n, ok := parseDecimal(unit)
	if !ok || n.Sign() <= 0 {
		return nil, fmt.Errorf("%s is a positive number such as 10 or 0.5", what)
	}
	return n, suits(t, n, what)
}

// suits returns an error if the multiples of a number are not all values of type t.
func suits(t logical.Type, n *big.Rat, what string) error {
	switch t.Kind {
	case logical.Int2, logical.Int4, logical.Int8:
		if !n.IsInt() || !n.Num().IsInt64() {
			return fmt.Errorf("%s is a whole number", what)
		}
	case logical.Numeric:
		_, scale, ok := precisionScale(t)
		if ok && !new(big.Rat).Mul(n, powerOfTen(scale)).IsInt() {
			return fmt.Errorf("%s has more decimal places than the type", what)
		}
	}
	return nil
}

// parseDecimal reads digits with an optional fraction, at most 40 bytes.
func parseDecimal(s string) (*big.Rat, bool) {
	whole, fraction, point := strings.Cut(s, ".")
	if len(s) > 40 || whole == "" || point && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// powerOfTen returns 10 to the n, which may be negative.
func powerOfTen(n int) *big.Rat {
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n, -n))), nil)
	if n < 0 {
		return new(big.Rat).SetFrac(big.NewInt(1), p)
	}
	return new(big.Rat).SetInt(p)
}

// maxChars returns the n of varchar(n) and char(n), or -1.
func maxChars(t logical.Type) int {
	if (t.Kind == logical.Varchar || t.Kind == logical.Bpchar) && t.Typmod >= 4 {
		return int(t.Typmod) - 4
	}
	return -1
}

// precisionScale returns the p and s of numeric(p,s). The scale is a signed
// number of 11 bits. Source: PostgreSQL's numeric.c, numeric_typmod_scale.
func precisionScale(t logical.Type) (precision, scale int, ok bool) {
	if t.Kind != logical.Numeric || t.Typmod < 4 {
		return 0, 0, false
	}
	m := t.Typmod - 4
	return int(m>>16) & 0xffff, int((m&0x7ff)^1024) - 1024, true
}
