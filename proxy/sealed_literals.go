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

// sealedLiteral is a key that has sealed values in the text of a prepared statement.
type sealedLiteral struct {
	sealer KeySealer
	key    uint32
}

// sealedLiterals gives the keys for the values between two bytes of a text that is prepared.
// It is called before they are sealed: a key that changes in between is one that has changed.
func (c *conn) sealedLiterals(edits *statement.Edits, start, end int) []sealedLiteral {
	var list []sealedLiteral
	for i := range edits.Values {
		if v := &edits.Values[i]; !v.Null && v.Start >= start && v.End <= end {
			list = c.addLiteral(list, v.Column)
		}
	}
	return list
}

// addLiteral adds the key of a column's sealer, if it has one that may change.
func (c *conn) addLiteral(list []sealedLiteral, column *schema.Column) []sealedLiteral {
	s, ok := c.tracked.sealers.of(column).(KeySealer)
	if !ok || slices.ContainsFunc(list, func(l sealedLiteral) bool { return l.sealer == s }) {
		return list
	}
	return append(list, sealedLiteral{s, s.SealingKey()})
}

// keyChanged refuses a prepared statement with a value in its text that was sealed with a key
// that does not seal any more: it would go on storing values of that key, which is about to
// be destroyed.
func (p *prepared) keyChanged() error {
	for _, l := range p.literals {
		if l.sealer.SealingKey() != l.key {
			return pgerror.New(pgerror.FeatureNotSupported, "cached plan must not change result type").
				WithDetail("A value in the statement's text was sealed with a key that has been replaced since it was prepared.").WithHint("Prepare it again.")
		}
	}
	return nil
}
