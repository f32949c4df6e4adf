package proxy

import (
	"slices"

	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// KeySealer is a [Sealer] whose key may change while it is in use.
type KeySealer interface {
	// SealingKey names the key that seals at the moment.
	SealingKey() uint32
}

// sealedLiteral is what the values in the text of a prepared statement, of one column or of those
// with its sealer, were sealed by.
type sealedLiteral struct {
	sealer KeySealer // nil: one whose key does not change
	key    uint32
	column *schema.Column
	// taken is which pseudonyms the values were taken for; zero: for themselves.
	taken schema.Pseudonym
	from  *schema.Database // that column is of
}

// sealedLiterals gives what seals the values between two bytes of a text that roles prepare.
// It is called before they are sealed: a key that changes in between is one that has changed.
func (c *conn) sealedLiterals(edits *statement.Edits, start, end int, roles []string) []sealedLiteral {
	var list []sealedLiteral
	for i := range edits.Values {
		if v := &edits.Values[i]; !v.Null && v.Start >= start && v.End <= end {
			list = c.addLiteral(list, v.Column, roles)
		}
	}
	return list
}

// addLiteral adds what seals a column's values.
func (c *conn) addLiteral(list []sealedLiteral, column *schema.Column, roles []string) []sealedLiteral {
	if column == nil || slices.ContainsFunc(list, func(l sealedLiteral) bool { return l.column == column }) {
		return list
	}
	l := sealedLiteral{column: column, taken: takenFor(column, roles), from: c.tracked.database.Load()}
	if s, ok := c.tracked.sealers.of(column).(KeySealer); ok {
		l.sealer, l.key = s, s.SealingKey()
	}
	return append(list, l)
}

// takenFor gives which pseudonyms values that roles give for a column are taken for.
func takenFor(column *schema.Column, roles []string) schema.Pseudonym {
	if !column.HasPseudonyms() {
		return schema.Pseudonym{}
	}
	if a := column.AccessFor(roles); a.Verdict == schema.Pseudonymize {
		return a.Pseudonym
	}
	return schema.Pseudonym{}
}

// literalsChanged refuses a prepared statement with a value in its text that would be sealed otherwise
// by now. With a key that does not seal any more it would go on storing values of that key, which is
// about to be destroyed. And a role that sees pseudonyms would be shown that of a value it knows,
// or of a pseudonym from before a renewal.
func (c *conn) literalsChanged(p *prepared) error {
	for i := range p.literals {
		l := &p.literals[i]
		if l.sealer != nil && l.sealer.SealingKey() != l.key {
			return errLiteral("was sealed with a key that has been replaced since it was prepared")
		}
		column := l.now(c.tracked.database.Load())
		if !column.HasPseudonyms() && l.taken == (schema.Pseudonym{}) {
			continue
		}
		s, err := c.fresh()
		if err != nil {
			return err
		}
		if takenFor(column, s.roles) != l.taken {
			return errLiteral("was given by a role that sees other pseudonyms, or none")
		}
	}
	return nil
}

func errLiteral(why string) *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "cached plan must not change result type").
		WithDetail("A value in the statement's text %s.", why).WithHint("Prepare it again.")
}

// now gives the column as the schema file has it by now; as it was, if it is not there any more.
func (l *sealedLiteral) now(database *schema.Database) *schema.Column {
	if database != l.from {
		if column := columnOf(database, l.column); column != nil {
			return column
		}
	}
	return l.column
}

// columnOf gives what a schema file says of a column of another one; nil if it does not have it.
func columnOf(database *schema.Database, was *schema.Column) *schema.Column {
	was = was.InFile()
	for _, column := range database.Columns {
		if column.Name == was.Name && column.Table == was.Table && column.Schema == was.Schema {
			return column
		}
	}
	return nil
}
