package proxy

import (
	"errors"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// column is what is done with one column of the rows on their way to the client.
type column struct {
	output  *statement.Output // nil: passes
	sources []opener          // what its values may be sealed for
	scrub   bool              // text in which sealed values may stand
	json    *jsonOpener       // JSON in which they do
	subject int               // number, from 1, of the column that tells by whose offset its dates are shifted; 0: they are not
	binary  bool              // as the server sends it
	format  int16             // as the client wants it
}

// opener is a tagged column whose values a column of a result may hold.
type opener struct {
	tagged  *schema.Column
	header  [headerLen]byte
	sealer  Sealer
	access  schema.Access
	subject bool // its values tell whom a row is about
	// pseudonyms makes what the verdict pseudonym shows; where there are none at the moment,
	// fault says why.
	pseudonyms *keys.Pseudonymizer
	fault      *pgerror.Error
}

const headerLen = 7 // of a sealed value: magic, version and mode, context tag

// hiddenValue is what open gives in place of a count for a value that is NULL for the
// client.
const hiddenValue = -1

// sourcesOf finds what opens the values of an output. Of columns whose values look
// alike the strictest verdict holds for all.
func (c *conn) sourcesOf(o *statement.Output, roles []string) []opener {
	var sources []opener
next:
	for _, tagged := range o.Columns() {
		s := opener{tagged: tagged, access: tagged.AccessFor(roles)}
		if !tagged.Controlled() { // of which nothing tells whose a value is
			s.header, s.sealer, s.subject = tagged.Header(), c.tracked.sealers.of(tagged), isSubject(tagged)
		}
		for i := range sources {
			if have := &sources[i]; have.header == s.header {
				have.access = strictest(have.access, s.access)
				continue next
			}
		}
		sources = append(sources, s)
	}
	for i := range sources {
		if s := &sources[i]; s.access.Verdict == schema.Pseudonymize {
			s.pseudonyms, s.fault = c.tracked.pseudonyms.ready(s.tagged, s.access.Pseudonym)
		}
	}
	return sources
}

// strictest gives what both verdicts allow. Verdicts are in the order of what they
// show; two masks together may show what neither shows alone, and so may pseudonyms.
func strictest(a, b schema.Access) schema.Access {
	switch {
	case a.Verdict == schema.Mask && b.Verdict == schema.Mask && a.Mask != b.Mask,
		a.Verdict == schema.Pseudonymize && b.Verdict == schema.Pseudonymize && a.Pseudonym != b.Pseudonym:
		a.Verdict = schema.Hide
	case b.Verdict < a.Verdict:
		return b
	}
	return a
}

// hidden reports whether all values of a column are NULL for the client.
func (col *column) hidden() bool {
	for i := range col.sources {
		if col.sources[i].access.Verdict != schema.Hide {
			return false
		}
	}
	return true
}

// sourceOf finds what a sealed value is sealed for.
func (col *column) sourceOf(sealed []byte) *opener {
	if len(col.sources) == 1 {
		return &col.sources[0]
	}
	for i := range col.sources {
		if s := &col.sources[i]; len(sealed) >= headerLen && s.header == [headerLen]byte(sealed) {
			return s
		}
	}
	return nil
}

// open appends what the client sees of a value of a sealed column, and tells how many
// values it has opened for that, or hiddenValue.
func (c *conn) open(dst []byte, col *column, value []byte, st *state) ([]byte, int64, *pgerror.Error) {
	if col.output.Array {
		return c.openArray(dst, col, value, st)
	}
	return c.openValue(dst, col, value, st)
}

// openValue is open of a value that is no array.
func (c *conn) openValue(dst []byte, col *column, value []byte, st *state) ([]byte, int64, *pgerror.Error) {
	if col.output.Column.Controlled() {
		return c.openControlled(dst, col, value, st)
	}
	s := st.settings
	if !col.binary {
		var err error
		// The server's own form tells the session's bytea_output.
		s.ByteaEscape = len(value) < 2 || value[0] != '\\' || value[1] != 'x'
		if c.sealed, err = logical.DecodeByteaText(c.sealed[:0], value); err != nil {
			return dst, 0, notSealed(col.output.Column)
		}
		value = c.sealed
	}
	from := col.sourceOf(value)
	if from == nil {
		return dst, 0, notSealed(col.output.Column)
	}
	if from.subject {
		c.noteSubject(from, value)
	}
	if from.access.Verdict == schema.Hide {
		return dst, hiddenValue, nil
	}
	plain, err := from.sealer.Open(c.plain[:0], value)
	switch {
	case errors.Is(err, keys.ErrErased) && from.access.Verdict >= schema.Mask:
		return c.showErased(dst, col, from.tagged, st)
	case err != nil:
		return dst, 0, openError(err, from.tagged)
	}
	c.plain = plain
	bare := from.tagged.Type.Kind == logical.Bpchar && len(plain) > 0 && plain[len(plain)-1] == unpaddedMark
	if bare {
		plain = plain[:len(plain)-1]
	}
	switch from.access.Verdict {
	case schema.Decrypt:
	case schema.Mask:
		if c.masked, err = from.access.Mask.Apply(c.masked[:0], plain, from.tagged.Type); err != nil {
			return dst, 0, notSealed(from.tagged)
		}
		plain = c.masked
	case schema.Pseudonymize:
		shown, ok, fault := c.showPseudonym(from, plain)
		if !ok {
			return dst, hiddenValue, fault
		}
		plain = shown
	default:
		return dst, 0, refuseAccess("", "read", from.tagged)
	}
	start := len(dst)
	if dst, err = c.show(dst, col.output, from.tagged, plain, bare, col.format, &s); err != nil {
		if e, ok := pgerror.As(err); ok {
			return dst, 0, nameColumn(e, from.tagged)
		}
		return dst, 0, notSealed(from.tagged)
	}
	c.did.opened[from.access.Verdict].Add(1)
	dst, e := st.encoding.encodeValue(dst, start, col)
	return dst, 1, e
}

// show appends the wire form of an opened value. bare says that it is one of char(n)
// with its own blanks at the end, and no others.
func (c *conn) show(dst []byte, o *statement.Output, tagged *schema.Column, plain []byte, bare bool, format int16, s *logical.Settings) ([]byte, error) {
	t := o.Type
	if bare && (t.Kind != logical.Bpchar || len(o.Casts) > 0) {
		for len(plain) > 0 && plain[len(plain)-1] == ' ' {
			plain = plain[:len(plain)-1]
		}
	}
	for i := 1; i < len(o.Casts); i++ {
		into := &c.cast[i%len(c.cast)]
		var err error
		if *into, err = o.Casts[i].Cast((*into)[:0], plain, o.Casts[i-1], s); err != nil {
			return dst, err
		}
		plain = *into
	}
	if t.Kind == logical.Bpchar && t.Typmod < 0 && !bare && len(o.Casts) == 0 {
		t = tagged.Type
	}
	return t.Append(dst, plain, format, s)
}

// notSealed is the one error for whatever keeps a value from opening.
func notSealed(column *schema.Column) *pgerror.Error {
	return nameColumn(pgerror.New(pgerror.DataCorrupted, "a value of column %s cannot be opened", column.QualifiedName()).
		WithDetail("It was changed, moved from another column, or sealed with a key that pgveil does not hold.").
		WithHint("See pgveil's audit log for when and by whom it was read."), column)
}
