package schema

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema/logical"
)

// KeyBy says that the values of a column have a key for each value of another column of their
// row. That one is not tagged.
type KeyBy struct {
	Column string
	Year   bool // a key for each year of the date
}

// KeyedBy returns the attribute of r whose values pick the keys of a column, with the type that
// these are read as. The error, for clients, says why no key can be picked by it.
func (r *Relation) KeyedBy(c *Column) (logical.Type, error) {
	a := r.Attribute(c.KeyBy.Column)
	if a == nil {
		return logical.Type{}, fmt.Errorf("there is no column %s, which its keys are by", c.KeyBy.Column)
	}
	kind := logical.KindOf(a.TypeOID)
	if a.Generated {
		return logical.Type{}, fmt.Errorf("the server computes column %s, which its keys are by", c.KeyBy.Column)
	}
	if a.Tagged != nil || a.Orphan || !c.KeyBy.takes(kind) {
		return logical.Type{}, fmt.Errorf("column %s, which its keys are by, is not %s", c.KeyBy.Column, c.KeyBy.types())
	}
	if a.Loose {
		return logical.Type{}, fmt.Errorf("column %s, which its keys are by, has a collation that is not deterministic: to the server different texts are equal there", c.KeyBy.Column)
	}
	return logical.Type{Kind: kind, Typmod: -1}, nil
}

func (k *KeyBy) takes(kind logical.Kind) bool {
	switch kind {
	case logical.Date:
		return true
	case logical.Int2, logical.Int4, logical.Int8, logical.Text, logical.Varchar, logical.UUID:
		return !k.Year
	}
	return false
}

func (k *KeyBy) types() string {
	if k.Year {
		return "a date"
	}
	return "of type smallint, integer, bigint, text, varchar, uuid or date"
}

// keySettings are those by which the values of keys are written: none of them counts.
var keySettings = logical.Settings{DateStyle: "ISO, MDY", TimeZone: "UTC", IntervalStyle: "postgres", Location: time.UTC}

// Text gives the text by which a value, in the canonical form of its type, picks a key: the
// same that SQL gives. The error says that it picks none.
func (k *KeyBy) Text(t logical.Type, canonical []byte) (string, error) {
	b, err := t.Append(nil, canonical, 0, &keySettings)
	if err != nil {
		return "", err
	}
	text := string(b)
	switch {
	case t.Kind == logical.Date && (len(text) != len(time.DateOnly) || strings.ContainsAny(text, " a")):
		return "", errors.New("no date of the years 1 to 9999")
	case k.Year:
		return strings.TrimLeft(text[:4], "0"), nil
	case text != strings.TrimRight(text, " "): // the server may cut them off
		return "", errors.New("a text with a blank at its end")
	}
	return text, nil
}

// SQL gives the expression for the text by which a column of that name, as SQL has it, picks a
// key.
func (k *KeyBy) SQL(column string, kind logical.Kind) string {
	switch {
	case k.Year:
		return "pg_catalog.date_part('year', " + column + ")::pg_catalog.int8::pg_catalog.text"
	case kind == logical.Date: // to_char tells no year before 1 from one after
		return "(CASE WHEN " + column + " >= '0001-01-01'::pg_catalog.date THEN pg_catalog.to_char(" + column + ", 'YYYY-MM-DD') END)"
	case kind == logical.Text, kind == logical.Varchar:
		return "(" + column + `::pg_catalog.text COLLATE pg_catalog."C")`
	}
	return column + "::pg_catalog.text"
}

// KeySQL gives the bytes in UTF-8 of the text that [KeyBy.SQL] gives: to be compared with texts of
// keysets' names, which need not be such as the client's or the server's encoding can have.
func KeySQL(sql string) string { return "pg_catalog.convert_to(" + sql + ", 'UTF8')" }

// Keyset gives the name of the keyset for a text of [KeyBy.Text]. The error says that there can
// be none.
func (c *Column) Keyset(text string) (string, error) { return keys.MemberName(c.Key, text) }

// OpensWith reports whether a keyset may open values of the column: one of [Column.Keysets] or,
// of keys by value, of their family.
func (c *Column) OpensWith(keyset string) bool {
	for _, form := range c.InFile().Forms() {
		if form.Header() != c.Header() {
			continue
		}
		if family, _, ok := keys.SplitMember(keyset); form.Key == keyset && form.KeyBy == nil || ok && form.KeyBy != nil && family == form.Key {
			return true
		}
	}
	return false
}
