package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds a line, in bytes; the largest record is far below.
const maxLine = 8 << 20

// line is one line of a segment as it stands there.
type line struct {
	number int   // from 1
	offset int64 // of its first byte
	length int64 // with its newline
	raw    []byte
	whole  bool // a newline ends it
	// Of a line that has the form of a record:
	body   []byte
	mac    []byte
	record rawRecord
	err    error // why it has not
}

func (l *line) end() int64 { return l.offset + l.length }

// torn tells whether the line looks like what a crash leaves: the beginning of a
// write, or blocks that were never written, which read as zeros.
func (l *line) torn() bool { return !l.whole || bytes.IndexByte(l.raw, 0) >= 0 }

var errLong = fmt.Errorf("it is longer than %d bytes", maxLine)

// lineReader reads a segment. Its line is valid until the next call.
type lineReader struct {
	r     *bufio.Reader
	line  line
	buf   []byte
	limit int64 // no line that ends beyond it is read; negative for none
}

// next gives io.EOF at the end or the limit.
func (s *lineReader) next() (*line, error) {
	l := &s.line
	*l = line{number: l.number + 1, offset: l.end()}
	s.buf = s.buf[:0]
	for {
		part, err := s.r.ReadSlice('\n')
		l.length += int64(len(part))
		if l.length <= maxLine {
			s.buf = append(s.buf, part...)
		} else {
			l.err = errLong
		}
		l.whole = err == nil
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		break
	}
	l.raw = bytes.TrimSuffix(s.buf, []byte{'\n'})
	if l.length == 0 || s.limit >= 0 && l.end() > s.limit {
		return nil, io.EOF
	}
	l.parse()
	return l, nil
}

func (l *line) parse() {
	if l.err != nil {
		return
	}
	if !l.whole {
		l.err = errors.New("it is not complete")
		return
	}
	if l.body, l.mac, l.err = splitMAC(l.raw); l.err != nil {
		return
	}
	if l.err = json.Unmarshal(l.raw, &l.record); l.err != nil {
		l.err = errors.New("it is not JSON of the right form")
	}
}
