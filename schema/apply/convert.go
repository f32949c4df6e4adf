package apply

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/pgveil/pgveil/schema/logical"
)

// settings are those by which values in binary format are read: none of them counts.
var settings = logical.Settings{DateStyle: "ISO, MDY", TimeZone: "UTC", IntervalStyle: "postgres", Location: time.UTC}

// canonical appends the canonical form of a value of the column's own type, in binary
// format.
func (c *Column) canonical(dst, value []byte) ([]byte, error) {
	return c.tag.Type.Canonical(dst, value, c.tag.Type.OID(), 1, logical.Assign, &settings)
}

var errConverted = errors.New("does not come back as it was from its new form")

// convert makes of a stored value what is to be stored, in binary format, and looks that this
// leads back to the same value. No error holds a value. text is that by which the row picks a key
// of keys by value.
func (j *job) convert(c *Column, value []byte, text *string) (stored []byte, err error) {
	if c.from == nil {
		j.plain, err = c.canonical(j.plain[:0], value)
	} else {
		j.plain, err = j.sealers[c.from].Open(j.plain[:0], value)
	}
	switch {
	case err != nil && c.from == nil:
		return nil, errors.New("cannot be brought into its sealed form")
	case err != nil:
		return nil, errors.New("does not open")
	case c.to == nil:
		if stored, err = c.tag.Type.Append([]byte{}, j.plain, 1, &settings); err == nil {
			j.again, err = c.canonical(j.again[:0], stored)
		}
		if err != nil {
			return nil, errors.New("is none of its column's type")
		}
	default:
		if stored, err = j.seal(c, j.plain, text); err != nil {
			return nil, err
		}
		if j.again, err = j.sealers[c.to].Open(j.again[:0], stored); err != nil {
			return nil, errConverted
		}
	}
	if !bytes.Equal(j.again, j.plain) {
		return nil, errConverted
	}
	return stored, nil
}

// convertDefault gives a constant default in its new form, as SQL.
func (j *job) convertDefault(c *Column) (string, error) {
	value, err := hex.DecodeString(c.binary)
	if err != nil {
		return "", err
	}
	stored, err := j.convert(c, value, nil)
	if err != nil {
		return "", errors.New("the default of column " + c.Name + " " + err.Error())
	}
	if c.to != nil {
		return "'" + string(logical.AppendByteaHex(nil, stored)) + "'::pg_catalog.bytea", nil
	}
	text, err := c.tag.Type.Append(nil, j.plain, 0, &settings)
	if err != nil {
		return "", errors.New("the default of column " + c.Name + " has no text form")
	}
	return "'" + strings.ReplaceAll(string(text), "'", "''") + "'", nil
}

// newType is the type that the column has after the swap, and its shadow before.
func (c *Column) newType() string {
	if c.to == nil {
		return c.Type
	}
	return "bytea"
}
