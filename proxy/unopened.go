package proxy

import (
	"bytes"
	"encoding/hex"
	"sync/atomic"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// seals knows how the values of a database's sealed columns begin. What no analysis can
// see, such as a function that puts a table's name together or a view made beside pgveil a
// moment ago, gives such values in rows that are forwarded as they are; seals finds them
// there. The header of seven bytes is a magic, the mode and a hash of the column's
// context, so that nothing else is taken for one.
type seals map[[keys.HeaderSize]byte]struct{}

func newSeals(d *schema.Database) seals {
	s := make(seals, len(d.Columns))
	for _, column := range d.Columns {
		for _, form := range column.Forms() {
			s[form.Header()] = struct{}{}
		}
	}
	return s
}

// sealedRaw is the first byte of every header.
var sealedRaw = keys.Header(0, "")[0]

// longestHeader is the length of a header in the longest of its spellings: escape format
// with each backslash written eight times, as in text within text.
const longestHeader = keys.HeaderSize * 11

// found reports whether a sealed value begins somewhere in data: as it is, or as text in
// bytea's hex or escape format, which both begin with a backslash. It does not allocate.
func (s seals) found(data []byte) bool {
	for rest := data; ; rest = rest[1:] {
		at := bytes.IndexByte(rest, sealedRaw)
		if at < 0 {
			break
		}
		rest = rest[at:]
		if s.begins(rest) {
			return true
		}
	}
	for rest := data; ; {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 {
			return false
		}
		rest = rest[at+1:]
		switch {
		case len(rest) == 0:
		case rest[0] == 'x' && s.beginsHex(rest[1:]), rest[0] == sealedEscape[1] && s.beginsEscape(rest[:min(longestHeader, len(rest))]):
			return true
		}
	}
}

func (s seals) begins(data []byte) bool {
	if len(data) < keys.HeaderSize {
		return false
	}
	_, is := s[[keys.HeaderSize]byte(data)]
	return is
}

func (s seals) beginsHex(data []byte) bool {
	var header [keys.HeaderSize]byte
	if len(data) < 2*len(header) {
		return false
	}
	if _, err := hex.Decode(header[:], data[:2*len(header)]); err != nil {
		return false
	}
	return s.begins(header[:])
}

// beginsEscape reads \ooo, with any number of backslashes, and plain bytes. The first
// backslash has been read.
func (s seals) beginsEscape(data []byte) bool {
	var header [keys.HeaderSize]byte
	for i := range header {
		digits := bytes.TrimLeft(data, `\`)
		switch {
		case i == 0 && len(digits) == len(data) && len(data) >= 3:
			header[i], data = octal(data), data[3:]
		case len(digits) == len(data) && len(data) > 0:
			header[i], data = data[0], data[1:]
		case len(digits) >= 3 && '0' <= digits[0] && digits[0] <= '3':
			header[i], data = octal(digits), digits[3:]
		case len(digits) < len(data): // a backslash itself, written twice or more
			header[i], data = '\\', digits
		default:
			return false
		}
	}
	return s.begins(header[:])
}

func octal(digits []byte) byte { return digits[0]<<6 | digits[1]&7<<3 | digits[2]&7 }

// sealsGuard looks for sealed values in what is forwarded to one client.
type sealsGuard struct {
	seals *atomic.Pointer[seals]
	tail  [2 * longestHeader]byte // the end of the piece before, and the beginning of this one
	kept  int
}

// look is for [wire.Reader.SetGuard].
func (g *sealsGuard) look(piece []byte, first, last bool) error {
	if first {
		g.kept = 0
	}
	if g.kept > 0 { // a value may begin in one piece and go on in the next
		n := g.kept + copy(g.tail[g.kept:], piece[:min(len(piece), longestHeader)])
		if g.seals.Load().found(g.tail[:n]) {
			return errUnopened
		}
	}
	if g.seals.Load().found(piece) {
		return errUnopened
	}
	if last {
		return nil
	}
	// Short pieces add up.
	joined := min(g.kept, max(0, longestHeader-len(piece)))
	copy(g.tail[:], g.tail[g.kept-joined:g.kept])
	g.kept = joined + copy(g.tail[joined:], piece[max(0, len(piece)-longestHeader):])
	return nil
}

var errUnopened = pgerror.New(pgerror.FeatureNotSupported, "the result holds sealed values that cannot be opened, as pgveil does not know where they come from").
	WithHint("A function that reads a tagged table has to be declared in the schema file; a table or view that was made beside pgveil is known after a moment.")

// pass forwards the current message of the server as it is, or fails the statement if
// that would show a sealed value; so far as rows go, run lets all that have arrived pass
// at once.
func (c *conn) pass(r *result, run bool) error {
	var err error
	if run {
		_, err = c.sr.ForwardRun(c.cw)
	} else {
		err = c.sr.Forward(c.cw)
	}
	if e, ok := pgerror.As(err); !ok || e != errUnopened {
		return err
	}
	c.unopened()
	if c.sr.Partial() {
		return err // the session ends: nothing can be said in the middle of a row
	}
	return c.fail(r, errUnopened)
}

// unopened notes that a sealed value nearly left as it is.
func (c *conn) unopened() {
	c.tracked.invalidate()
	c.config.Log.Error("a result that was not planned holds sealed values; it was not shown", "session", c.id, "database", c.params.database, "user", c.params.user)
}
