package copydata

import (
	"bytes"

	"github.com/pgveil/pgveil/schema/pgerror"
)

// eolKind is how lines end. The first line decides.
type eolKind uint8

const (
	eolUnknown eolKind = iota
	eolLF
	eolCR
	eolCRLF
)

// splitter finds the ends of lines as the server does (CopyReadLineText).
type splitter struct {
	csv        bool
	quote      byte
	lineEscape byte // 0 where it is the quote
	marks      bool // \. ends the data
	eol        eolKind
	lines      int64 // begun so far, those inside quotes included

	// Of the line at hand:
	begun     bool
	seen      int // bytes looked at
	inQuote   bool
	lastWasEs bool
}

// line is one line of a buffer.
type line struct {
	content int  // bytes before the line's end
	end     int  // bytes up to the next line
	marker  bool // the line's end is the end-of-data marker
}

// next finds the end of the line that begins buf. It reports false if that lies
// behind buf; it is then called again with more behind the same bytes. eof says that
// nothing comes behind buf.
func (s *splitter) next(buf []byte, eof bool) (l line, ok bool, err *pgerror.Error) {
	if !s.begun && len(buf) > 0 {
		s.begun = true
		s.lines++
	}
	if s.eol == eolLF && s.seen == 0 && !s.inQuote {
		if n := bytes.IndexByte(buf, '\n'); n >= 0 && s.plain(buf[:n]) {
			return s.done(n, n+1, false), true, nil
		}
	}
	i := s.seen
	for i < len(buf) {
		c := buf[i]
		last := i+1 == len(buf) && !eof
		if s.csv {
			if last && (c == '\r' || c == '\\') {
				break // what follows decides
			}
			if s.inQuote && c == s.lineEscape && s.lineEscape != 0 {
				s.lastWasEs = !s.lastWasEs
			}
			if c == s.quote && !s.lastWasEs {
				s.inQuote = !s.inQuote
			}
			if c != s.lineEscape || s.lineEscape == 0 {
				s.lastWasEs = false
			}
			if s.inQuote && (s.eol == eolLF && c == '\n' || s.eol != eolLF && c == '\r') {
				s.lines++
			}
		}
		switch {
		case c == '\r' && !s.inQuote:
			switch s.eol {
			case eolLF:
				return l, false, s.stray("carriage return", `\r`)
			case eolUnknown, eolCRLF:
				if last {
					s.seen = i
					return l, false, nil
				}
				if i+1 < len(buf) && buf[i+1] == '\n' {
					s.eol = eolCRLF
					return s.done(i, i+2, false), true, nil
				}
				if s.eol == eolCRLF {
					return l, false, s.stray("carriage return", `\r`)
				}
				s.eol = eolCR
			}
			return s.done(i, i+1, false), true, nil
		case c == '\n' && !s.inQuote:
			if s.eol == eolCR || s.eol == eolCRLF {
				return l, false, s.stray("newline", `\n`)
			}
			s.eol = eolLF
			return s.done(i, i+1, false), true, nil
		case c == '\\' && !s.csv:
			if last {
				s.seen = i
				return l, false, nil
			}
			if i+1 < len(buf) && buf[i+1] == '.' {
				return s.marker(buf, i, eof)
			}
			i += 2 // whatever it is, it ends no line
			continue
		case c == '\\' && i == 0 && s.marks && i+1 < len(buf) && buf[1] == '.':
			switch n, known := s.markerLength(buf, 0, eof); {
			case !known:
				s.reset() // the whole line is looked at again
				return l, false, nil
			case n > 0:
				return s.done(0, n, true), true, nil
			case n < 0:
				return l, false, errMarkerStyle()
			}
		}
		i++
	}
	s.seen = i
	if eof && len(buf) > 0 {
		return s.done(len(buf), len(buf), false), true, nil
	}
	return l, false, nil
}

// plain reports, of what stands before a newline, that the newline ends the line. It may report
// false although that is so, as of few lines.
func (s *splitter) plain(buf []byte) bool {
	if bytes.IndexByte(buf, '\r') >= 0 {
		return false
	}
	if s.csv {
		return bytes.IndexByte(buf, s.quote) < 0 && (len(buf) == 0 || buf[0] != '\\')
	}
	for {
		i := bytes.IndexByte(buf, '\\')
		switch {
		case i < 0:
			return true
		case i+1 == len(buf) || buf[i+1] == '.':
			return false
		}
		buf = buf[i+2:]
	}
}

// reset forgets what was seen of the line, but that it has begun.
func (s *splitter) reset() { s.seen, s.inQuote, s.lastWasEs = 0, false, false }

func (s *splitter) done(content, end int, marker bool) line {
	s.reset()
	s.begun = false
	return line{content, end, marker}
}

// marker treats \. at byte i of a line of the text format.
func (s *splitter) marker(buf []byte, i int, eof bool) (line, bool, *pgerror.Error) {
	n, known := s.markerLength(buf, i, eof)
	switch {
	case !known:
		s.seen = i
		return line{}, false, nil
	case n > 0:
		return s.done(i, n, true), true, nil
	case n < 0:
		return line{}, false, errMarkerStyle()
	}
	return line{}, false, pgerror.New(badFormat, "end-of-copy marker corrupt")
}

// markerLength gives where \. at byte i ends with its newline: 0 if no newline
// follows, -1 if one of another style does. It reports false if that is not known
// yet.
func (s *splitter) markerLength(buf []byte, i int, eof bool) (int, bool) {
	at := func(j int) (byte, bool) {
		if j < len(buf) {
			return buf[j], true
		}
		return 0, eof
	}
	i += 2
	c, known := at(i)
	if !known {
		return 0, false
	}
	if s.eol == eolCRLF {
		if c == '\n' && !s.csv {
			return -1, true
		}
		if c != '\r' {
			return 0, true
		}
		i++
		if c, known = at(i); !known {
			return 0, false
		}
	}
	switch {
	case c != '\r' && c != '\n':
		return 0, true
	case s.eol == eolCR && c != '\r', (s.eol == eolLF || s.eol == eolCRLF) && c != '\n':
		return -1, true
	}
	return i + 1, true
}

// stray is the error for a newline of another style than the first.
func (s *splitter) stray(what, escape string) *pgerror.Error {
	if s.csv {
		return pgerror.New(badFormat, "unquoted %s found in data", what).WithHint("Use quoted CSV field to represent %s.", what)
	}
	return pgerror.New(badFormat, "literal %s found in data", what).WithHint("Use \"%s\" to represent %s.", escape, what)
}

func errMarkerStyle() *pgerror.Error {
	return pgerror.New(badFormat, "end-of-copy marker does not match previous newline style")
}
