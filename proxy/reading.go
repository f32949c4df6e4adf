package proxy

import (
	"bytes"

	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// reading says how a value becomes the plaintext for a column.
type reading struct {
	column *schema.Column
	use    logical.Use
	// both says that, though it is to be stored, it is compared, too: one sealed value
	// cannot serve where the server compares more of it than it stores.
	both     bool
	as       logical.Type // zero: the column's own type
	unpadded bool
}

// unpaddedMark stands after the plaintext of a char(n) that is shown as it is, not
// filled up with blanks. No text of PostgreSQL has a NUL in it.
const unpaddedMark = 0

// canonical appends the plaintext of a value.
func (f *reading) canonical(dst, value []byte, from uint32, format int16, settings *logical.Settings) ([]byte, error) {
	t, use, start := f.column.Type, f.use, len(dst)
	if f.both {
		use = logical.Assign
	}
	if f.as.Kind != 0 {
		t = f.as
	}
	if f.unpadded && from == bpcharOID {
		from = unknownOID // the blanks at its end count
	}
	dst, err := t.Canonical(dst, value, from, format, use, settings)
	if err != nil {
		return dst, err
	}
	if f.unpadded {
		dst = append(dst, unpaddedMark)
	}
	if f.both {
		compared, err := t.Canonical(nil, value, from, format, logical.Compare, settings)
		if err != nil {
			return dst, err
		}
		if !bytes.Equal(compared, dst[start:]) {
			return dst, pgerror.New(pgerror.FeatureNotSupported, "a value of the statement is stored in another form than it is compared in").
				WithHint("Give the value in the form in which it is stored: without trailing blanks, rounded.")
		}
	}
	return dst, nil
}
