package copydata

import (
	"bytes"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// keptRow is the size, in bytes, up to which a buffer for a row is kept.
const keptRow = 1 << 20

// lineStream rewrites the text formats.
type lineStream struct {
	Config
	splitter
	delimiter byte
	escape    byte
	header    Header // of the line to come
	fields    []field
	rest      []byte // of a line whose end has not come
	ended     bool   // by \.: whatever follows is not looked at
	value     []byte
	changed   []byte
}

func (l *lineStream) Write(dst, data []byte) ([]byte, error) { return l.write(dst, data, false) }

func (l *lineStream) Close(dst []byte) ([]byte, error) { return l.write(dst, nil, true) }

func (l *lineStream) write(dst, data []byte, eof bool) ([]byte, error) {
	if l.ended {
		return dst, nil
	}
	buf, held := data, len(l.rest) > 0
	if held {
		l.rest = append(l.rest, data...)
		buf = l.rest
	}
	at := 0
	for {
		found, ok, e := l.next(buf[at:], eof)
		if e != nil {
			return dst, l.atLine(l.own(e), l.lines)
		}
		if !ok {
			break
		}
		content, end := buf[at:at+found.content], buf[at+found.content:at+found.end]
		at += found.end
		var err error
		if dst, err = l.line(dst, content, end, found.marker); err != nil {
			return dst, err
		}
		if l.ended {
			l.rest = nil
			return dst, nil
		}
	}
	switch {
	case held && at == 0:
	case cap(l.rest) > keptRow && len(buf)-at < keptRow:
		l.rest = append([]byte(nil), buf[at:]...)
	default:
		l.rest = append(l.rest[:0], buf[at:]...)
	}
	if len(l.rest) > l.MaxRow {
		return dst, l.atLine(tooLong("row", l.MaxRow), l.lines)
	}
	return dst, nil
}

// own hides from a client how the server's data is malformed: the words are those
// for the client's own.
func (l *lineStream) own(e *pgerror.Error) *pgerror.Error {
	if l.In {
		return e
	}
	return l.malformed("")
}

// line rewrites one line. end is its newline, or the marker of the end of data.
func (l *lineStream) line(dst, content, end []byte, marker bool) ([]byte, error) {
	switch {
	case marker && !l.In:
		return dst, l.malformed("")
	case marker && len(content) > 0 && l.Version >= 18:
		return dst, l.inLine(l.malformed("end-of-copy marker is not alone on its line"), l.lines, content)
	case marker:
		l.ended = true
	}
	if marker && len(content) == 0 {
		return append(dst, end...), nil
	}
	start := len(dst)
	dst, err := l.row(dst, content)
	if err != nil {
		return dst[:start], err // nothing of a row that fails
	}
	if marker {
		dst = append(dst, end[2:]...)
	}
	return append(dst, end...), nil
}

func (l *lineStream) row(dst, content []byte) ([]byte, error) {
	if l.header != NoHeader {
		return l.headerLine(dst, content)
	}
	n, e := l.split(content)
	switch {
	case e != nil:
		return dst, l.inLine(e, l.lines, content)
	case n > len(l.fields):
		return dst, l.inLine(l.malformed("extra data after last expected column"), l.lines, content)
	case n < len(l.fields):
		return dst, l.inLine(l.malformed("missing data for column \"%s\"", l.Columns[n].Name), l.lines, content)
	}
	for i := range l.fields {
		if !l.Columns[i].Note {
			continue
		}
		value, null := l.read(content, &l.fields[i], i)
		if err := l.Note(i, value, null); err != nil {
			return dst, l.inColumn(err, l.lines, i, value)
		}
	}
	at := 0 // up to where content has gone on
	for i := range l.fields {
		if !l.Columns[i].Change {
			continue
		}
		f := &l.fields[i]
		value, null := l.read(content, f, i)
		if null {
			continue
		}
		var err error
		if l.changed, null, err = l.Change(l.changed[:0], i, value); err != nil {
			return dst, l.inColumn(err, l.lines, i, value)
		}
		dst = append(dst, content[at:f.start]...)
		switch {
		case null:
			dst = append(dst, l.Null...)
		case l.csv:
			dst = l.appendCSV(dst, l.changed, i)
		default:
			dst = appendText(dst, l.changed, l.delimiter)
		}
		if at = f.end; i == len(l.fields)-1 {
			at = len(content)
		}
	}
	if cap(l.value) > keptRow {
		l.value = nil
	}
	if cap(l.changed) > keptRow {
		l.changed = nil
	}
	return append(dst, content[at:]...), nil
}

func (l *lineStream) split(content []byte) (int, *pgerror.Error) {
	if !l.csv {
		return splitText(content, l.delimiter, l.fields), nil
	}
	n, ok := splitCSV(content, l.delimiter, l.quote, l.escape, l.fields)
	if !ok {
		return 0, l.malformed("unterminated CSV quoted field")
	}
	return n, nil
}

// read gives the value of a field, and whether it is NULL.
func (l *lineStream) read(content []byte, f *field, column int) (value []byte, null bool) {
	raw := content[f.start:f.end]
	isMarker := string(raw) == l.Null
	if !l.csv {
		if isMarker || !f.escaped {
			return raw, isMarker
		}
		l.value = unescapeText(l.value[:0], raw)
		return l.value, false
	}
	if !f.quoted {
		return raw, isMarker && !(l.In && l.Columns[column].ForceNotNull)
	}
	l.value = unquoteCSV(l.value[:0], raw, l.quote, l.escape)
	return l.value, l.In && l.Columns[column].ForceNull && string(l.value) == l.Null
}

// appendCSV appends a value as the server does (CopyAttributeOutCSV); on the way in
// always in quotes, so that it cannot be taken for anything else.
func (l *lineStream) appendCSV(dst, value []byte, column int) []byte {
	quote := l.In || l.Columns[column].ForceQuote || string(value) == l.Null ||
		len(l.Columns) == 1 && string(value) == `\.` ||
		bytes.IndexByte(value, l.delimiter) >= 0 || bytes.IndexByte(value, l.quote) >= 0 ||
		bytes.IndexByte(value, '\n') >= 0 || bytes.IndexByte(value, '\r') >= 0
	if !quote {
		return append(dst, value...)
	}
	return appendQuoted(dst, value, l.quote, l.escape)
}

// headerLine treats the first line. On the way in it does not go on: it may be a
// row that the client took for none, so that the server gets an empty line, or the
// names once they are known to be right.
func (l *lineStream) headerLine(dst, content []byte) ([]byte, error) {
	header := l.header
	l.header = NoHeader
	switch {
	case !l.In:
		return append(dst, content...), nil
	case header == HeaderLine:
		return dst, nil
	}
	n, e := l.split(content)
	if e != nil {
		return dst, l.inLine(e, l.lines, content)
	}
	if n != len(l.fields) {
		if n > len(l.fields) {
			n = l.count(content)
		}
		return dst, l.inLine(l.malformed("wrong number of fields in header line: got %d, expected %d", n, len(l.fields)), l.lines, content)
	}
	for i := range l.fields {
		f, want := &l.fields[i], l.Columns[i].Name
		if !f.quoted && string(content[f.start:f.end]) == l.Null {
			return dst, l.inLine(l.malformed("column name mismatch in header line field %d: got null value (\"%s\"), expected \"%s\"", i+1, l.Null, want), l.lines, content)
		}
		name := content[f.start:f.end]
		switch {
		case f.quoted:
			name = unquoteCSV(nil, name, l.quote, l.escape)
		case f.escaped:
			name = unescapeText(nil, name)
		}
		if string(name) != want {
			return dst, l.inLine(l.malformed("column name mismatch in header line field %d: got \"%s\", expected \"%s\"", i+1, name, want), l.lines, content)
		}
	}
	return append(dst, content...), nil
}

// count is the number of fields of a line that has more than there is room for.
func (l *lineStream) count(content []byte) int {
	wide := lineStream{Config: l.Config, splitter: l.splitter, delimiter: l.delimiter, escape: l.escape}
	wide.fields = make([]field, len(content)+1)
	n, _ := wide.split(content)
	return n
}
