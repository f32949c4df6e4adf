package copydata

import "github.com/pgveil/pgveil/schema/pgerror"

// Format is a format of COPY.
type Format uint8

const (
	Text Format = iota
	CSV
	Binary
)

// Header says what the first line of the data is.
type Header uint8

const (
	NoHeader    Header = iota
	HeaderLine         // not a row
	HeaderMatch        // on the way in: the names of the columns, or the COPY fails
)

// Options are the options of a COPY, with their defaults filled in.
type Options struct {
	Format    Format
	Delimiter string
	Null      string
	Header    Header
	Quote     string // of CSV
	Escape    string // of CSV
}

// Column is one column of a COPY, in the order of the fields of a row.
type Column struct {
	Name         string // as messages have it
	Change       bool   // its values are to be replaced
	Note         bool   // Config.Note is to have its values
	ForceQuote   bool   // CSV, out
	ForceNotNull bool   // CSV, in
	ForceNull    bool   // CSV, in
}

// Change appends to dst what takes the place of a value of a column, given by its
// index: in text formats, unescaped text on both sides. It is not called for NULL.
// null says that NULL takes its place.
type Change func(dst []byte, column int, value []byte) (out []byte, null bool, err error)

// Config says how a stream is rewritten.
type Config struct {
	Options
	Columns []Column
	Change  Change
	// Note, which may be nil if no column asks for it, gets values that stay as they are, of a row
	// before any that is changed; in the binary format in the order of the fields.
	Note     func(column int, value []byte, null bool) error
	In       bool   // from the client to the server
	Relation string // as messages have it
	Version  int    // the server's major version
	// MaxRow bounds, in bytes, what is held: a row of a text format, a field of a
	// column to be changed of the binary one.
	MaxRow int
}

// Stream rewrites the data of one COPY. It is not safe for concurrent use. After an
// error, which is a *pgerror.Error, nothing more may be written to it, and nothing
// that it has not given back may go on.
type Stream interface {
	// Write takes the next bytes of the data, cut anywhere, and appends to dst what
	// goes on in their place. It keeps nothing of data.
	Write(dst, data []byte) ([]byte, error)
	// Close takes the end of the data and appends what is left.
	Close(dst []byte) ([]byte, error)
}

// New begins a stream. The error is a *pgerror.Error: options that the server would
// not have taken.
func New(c Config) (Stream, error) {
	if c.Format == Binary {
		return &binaryStream{Config: c, state: binarySignature, want: binaryHeader}, nil
	}
	bad := len(c.Delimiter) != 1 || c.Format == CSV && (len(c.Quote) != 1 || len(c.Escape) != 1)
	if bad {
		return nil, pgerror.New(pgerror.InternalError, "the server took COPY options that pgveil does not understand")
	}
	l := &lineStream{Config: c, fields: make([]field, len(c.Columns)), header: c.Header}
	l.delimiter = c.Delimiter[0]
	l.marks = c.Format == Text || c.Version < 18
	if l.csv = c.Format == CSV; l.csv {
		l.quote, l.escape = c.Quote[0], c.Escape[0]
		if l.lineEscape = l.escape; l.escape == l.quote {
			l.lineEscape = 0
		}
	}
	if !c.In {
		l.eol = eolLF
	}
	return l, nil
}
