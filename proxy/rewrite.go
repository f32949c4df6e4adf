package proxy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema"
	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// splice replaces bytes start to end of the client's text by bytes from to until of
// rewriter.added.
type splice struct {
	start, end  int
	from, until int
}

// rewriter turns the client's text into the one that is sent: tagged literals
// sealed, parameters renumbered, casts of them dropped. It owns its buffers; what
// it returns is valid until the next call.
type rewriter struct {
	edits     statement.Edits
	moments   *statement.Moments // of the text, where its values depend on them
	splices   []splice
	added     []byte
	text      []byte
	canonical []byte
	sealed    []byte
	searched  searched
	escapes   bool // a backslash in a plain string begins an escape
}

// badValue is the error of rewrite that the server would have told of a value.
type badValue struct {
	error *pgerror.Error
	at    int // the byte at which the value starts
}

func (e badValue) Error() string { return e.error.Error() }
func (e badValue) Unwrap() error { return e.error }

// rewrite applies the edits to the text they were made for.
func (c *conn) rewrite(text *statement.Text, s *state, l *layout) ([]byte, *remap, error) {
	r := &c.rewriter
	var err error
	if r.moments, err = c.momentsIn(text, &r.edits); err != nil {
		return nil, nil, err
	}
	r.splices, r.added, r.escapes = r.splices[:0], r.added[:0], s.backslashes
	for i := range r.edits.Values {
		v := &r.edits.Values[i]
		from := len(r.added)
		sealer := Sealer(keyless{}) // NULL needs none
		var err error
		if !v.Null {
			sealer, err = c.keyedSealer(v.Column, v.Use, v.Both, v.By, nil, nil, s)
		}
		if err == nil {
			err = r.literal(v, sealer, &s.settings)
		}
		if err != nil {
			e := sealError(err, v.Column)
			if !afterReading(e) {
				e.Position = v.Start + 1
			}
			return nil, nil, badValue{e, v.Start}
		}
		r.splices = append(r.splices, splice{v.Start, v.End, from, len(r.added)})
	}
	for i := range r.edits.Params {
		p := &r.edits.Params[i]
		from := len(r.added)
		if p.By != nil && p.By.SQL != "" {
			r.added = append(r.added, l.pickedParam(p)...)
			r.splices = append(r.splices, splice{p.Start, p.End, from, len(r.added)})
			continue
		}
		r.added = append(r.added, '$')
		r.added = strconv.AppendInt(r.added, int64(l.number(p)), 10)
		r.splices = append(r.splices, splice{p.Start, p.End, from, len(r.added)})
	}
	for _, own := range r.edits.Splices {
		if s.backslashes && strings.Contains(own.Text, `\`) {
			return nil, nil, errBackslashes()
		}
		from := len(r.added)
		r.added = append(r.added, own.Text...)
		r.splices = append(r.splices, splice{own.Start, own.End, from, len(r.added)})
	}
	if len(r.splices) == 0 && s.encoding == nil {
		return text.SQL(), nil, nil
	}
	slices.SortStableFunc(r.splices, func(a, b splice) int { return cmp.Or(a.start-b.start, a.end-b.end) })
	sent, remap, err := r.apply(text.SQL())
	if err != nil {
		return nil, nil, err
	}
	r.text, err = s.encoding.encode(sent, 0)
	return r.text, remap, err
}

func (r *rewriter) apply(sql []byte) ([]byte, *remap, error) {
	r.text = r.text[:0]
	m := &remap{shifts: make([]shift, 0, len(r.splices))}
	characters := utf8.RuneCount
	if statement.IsASCII(sql) && statement.IsASCII(r.added) {
		characters = func(p []byte) int { return len(p) }
	}
	at, was, is := 0, 0, 0 // byte and character offsets
	for _, s := range r.splices {
		if s.start < at || s.end < s.start || s.end > len(sql) {
			return nil, nil, pgerror.New(pgerror.InternalError, "the plan does not fit the statement")
		}
		r.text = append(r.text, sql[at:s.start]...)
		kept := characters(sql[at:s.start])
		was, is = was+kept, is+kept
		r.text = append(r.text, r.added[s.from:s.until]...)
		next := shift{is: is, was: was}
		was += characters(sql[s.start:s.end])
		is += characters(r.added[s.from:s.until])
		next.isEnd, next.wasEnd = is, was
		m.shifts = append(m.shifts, next)
		at = s.end
	}
	r.text = append(r.text, sql[at:]...)
	return r.text, m, nil
}

// nullSQL is NULL of the type that the server knows the column by.
const nullSQL = "NULL::pg_catalog.bytea"

// literal appends to r.added what takes the place of a tagged literal.
func (r *rewriter) literal(v *statement.Value, sealer Sealer, settings *logical.Settings) error {
	if v.Null {
		r.added = append(r.added, nullSQL...)
		if v.Array {
			r.added = append(r.added, "[]"...)
		}
		return nil
	}
	if v.Array {
		f := reading{column: v.Column, use: v.Use, as: v.As, unpadded: v.Unpadded}
		sealed, err := sealArray(sealer, &f, v.Text, logical.ElementOf(v.From), 0, 0, settings)
		if err != nil {
			return err
		}
		r.sealed = logical.AppendByteaArray(r.sealed[:0], 0, sealed)
		r.quote(r.sealed)
		r.added = append(r.added, "::pg_catalog.bytea[]"...)
		return nil
	}
	value, from, format := v.Text, v.From, int16(0)
	if v.Computed != nil {
		result, err := v.Computed.Eval(nil, nil, r.moments, settings)
		if err != nil {
			return err
		}
		if result.Null {
			r.added = append(r.added, nullSQL...)
			return nil
		}
		value, from, format = result.Value, result.From, 1
	}
	var err error
	f := reading{column: v.Column, use: v.Use, both: v.Both, as: v.As, unpadded: v.Unpadded}
	if r.canonical, err = f.canonical(r.canonical[:0], value, from, format, settings); err != nil {
		return err
	}
	if v.By != nil && v.By.SQL != "" {
		return r.spread(v.By, sealer, r.canonical)
	}
	if r.sealed, err = sealer.Seal(r.sealed[:0], r.canonical); err != nil {
		return err
	}
	if r.escapes {
		r.quote(logical.AppendByteaHex(nil, r.sealed))
	} else {
		r.added = append(r.added, '\'')
		r.added = logical.AppendByteaHex(r.added, r.sealed)
		r.added = append(r.added, '\'')
	}
	if !v.Bare {
		r.added = append(r.added, "::pg_catalog.bytea"...)
	}
	return nil
}

// quote appends a text without quotation marks to r.added as a string constant.
func (r *rewriter) quote(text []byte) {
	if !r.escapes {
		r.added = append(append(append(r.added, '\''), text...), '\'')
		return
	}
	r.added = append(r.added, "E'"...)
	for _, b := range text {
		if b == '\\' {
			r.added = append(r.added, b)
		}
		r.added = append(r.added, b)
	}
	r.added = append(r.added, '\'')
}

func errBackslashes() *pgerror.Error {
	return pgerror.New(pgerror.FeatureNotSupported, "a backslash in a string cannot be used with tagged tables while standard_conforming_strings is off").
		WithHint("Write it as E'…\\\\…', or SET standard_conforming_strings TO on.")
}

// sealArray seals each element of an array for = ANY. element is their type, format
// that of the array, elementFormat theirs.
func sealArray(sealer Sealer, f *reading, array []byte, element uint32, format, elementFormat int16, settings *logical.Settings) ([][]byte, error) {
	sealed := [][]byte{}
	if format == 1 && element != 0 {
		switch named, err := logical.ArrayElementOID(array); {
		case err != nil:
			return nil, err
		case named != element:
			return nil, pgerror.New(pgerror.DatatypeMismatch, "wrong element type")
		}
	}
	err := logical.ArrayElements(array, format, func(elem []byte, isNull bool) error {
		if isNull {
			sealed = append(sealed, nil)
			return nil
		}
		canonical, err := f.canonical(nil, elem, element, elementFormat, settings)
		if err != nil {
			return err
		}
		value, err := sealer.Seal(nil, canonical)
		sealed = append(sealed, value)
		return err
	})
	return sealed, err
}

// afterReading reports an error of a type modifier or of a conversion, such as
// "smallint out of range". The server makes these when it runs the statement, after
// it has read the literal, so that such an error points nowhere and quotes nothing.
func afterReading(e *pgerror.Error) bool {
	switch e.Code {
	case pgerror.StringTruncation:
		return true
	case pgerror.NumericOutOfRange, pgerror.DatetimeOverflow:
		return !strings.Contains(e.Message, `"`)
	}
	return false
}

// sealError is what a client is told of a value that could not be sealed.
func sealError(err error, column *schema.Column) *pgerror.Error {
	if e, ok := pgerror.As(err); ok {
		said := *e
		if named, ok := pgerror.As(logical.NameColumn(&said, column.Name)); ok {
			said = *named
		}
		if said.Code == pgerror.FeatureNotSupported { // pgveil's own; the server's name no column
			return nameColumn(&said, column)
		}
		return &said
	}
	if e := noKey(err, column); e != nil {
		return nameColumn(e, column)
	}
	return nameColumn(pgerror.New(pgerror.InternalError, "a value for column %s cannot be sealed", column.QualifiedName()), column)
}

// nameColumn completes an error about a value with the column it was meant for.
func nameColumn(e *pgerror.Error, column *schema.Column) *pgerror.Error {
	e.Schema, e.Table, e.Column = column.Schema, column.Table, column.Name
	return e
}

// shift says that characters is to isEnd of the text that was sent stand for was
// to wasEnd of the client's.
type shift struct{ is, isEnd, was, wasEnd int }

// remap maps positions in the text that was sent back to the client's text. The nil
// remap is the identity.
type remap struct{ shifts []shift }

// position maps a 1-based character position.
func (m *remap) position(p int) int {
	if m == nil || p < 1 {
		return p
	}
	at, delta := p-1, 0
	for _, s := range m.shifts {
		if at < s.is {
			break
		}
		if at < s.isEnd {
			return s.was + 1
		}
		delta = s.wasEnd - s.isEnd
	}
	return at + delta + 1
}

// positioned turns the position of an error from bytes of the client's text into
// characters, as the protocol has it.
func positioned(err error, sql []byte) error {
	e, ok := pgerror.As(err)
	if !ok || e.Position <= 1 {
		return err
	}
	at := *e
	at.Position = utf8.RuneCount(sql[:min(e.Position-1, len(sql))]) + 1
	if _, early := err.(precedes); early {
		return precedes{error: &at}
	}
	return &at
}
