package statement

import "bytes"

// quoted reads a constant in single quotes; i is the offset after the opening
// one. The pieces of a constant continued on later lines are one token (manual,
// 4.1.2.1).
func (s *scanner) quoted(kind TokenKind, i int) {
	body := i
	for {
		end := s.closingQuote(kind, i)
		if end < 0 {
			s.unterminated(kind)
			return
		}
		next, comment := continuation(s.sql, end+1)
		if next < 0 {
			i = end + 1
			break
		}
		i = next
		s.comments = s.comments || comment
	}
	switch {
	case !s.backslash:
	case kind == UnicodeString: // the server refuses it with standard_conforming_strings off
		s.markUnicode()
	case kind == String && bytes.IndexByte(s.sql[body:i], '\\') >= 0:
		s.mark()
	}
	s.emit(kind, i)
}

// closingQuote returns the offset of the quote that ends the piece of a
// constant that begins at i, or -1.
func (s *scanner) closingQuote(kind TokenKind, i int) int {
	sql := s.sql
	if kind == EscapeString {
		for i < len(sql) {
			switch {
			case sql[i] == '\\':
				i += 2
			case sql[i] != '\'':
				i++
			case i+1 < len(sql) && sql[i+1] == '\'':
				i += 2
			default:
				return i
			}
		}
		return -1
	}
	for {
		n := bytes.IndexByte(sql[i:], '\'')
		if n < 0 {
			return -1
		}
		i += n
		if kind == BitString || i+1 >= len(sql) || sql[i+1] != '\'' {
			return i
		}
		i += 2
	}
}

// continuation returns the offset after the quote that continues a constant
// whose piece ended just before i, or -1, and whether there is a comment
// between: white space with at least one newline and comments of the -- kind
// may stand there.
func continuation(sql []byte, i int) (next int, comment bool) {
	newline := false
	for i < len(sql) {
		switch sql[i] {
		case '\n', '\r':
			newline = true
			i++
		case ' ', '\t', '\f', '\v':
			i++
		case '-':
			if i+1 >= len(sql) || sql[i+1] != '-' {
				return -1, false
			}
			comment = true
			i = lineEnd(sql, i)
		case '\'':
			if newline {
				return i + 1, comment
			}
			return -1, false
		default:
			return -1, false
		}
	}
	return -1, false
}

// lineEnd returns the offset of the next newline at or after i, or the end.
func lineEnd(sql []byte, i int) int {
	for i < len(sql) && sql[i] != '\n' && sql[i] != '\r' {
		i++
	}
	return i
}

// dollar reads what begins with a dollar sign: a parameter or a constant in
// dollar quotes.
func (s *scanner) dollar() {
	sql, i := s.sql, s.pos+1
	if c := s.byteAt(i); classes[c] == classDigit {
		for i < len(sql) && classes[sql[i]] == classDigit {
			i++
		}
		if classes[s.byteAt(i)] == classLetter || !fitsInt32(sql[s.pos+1:i], 10) {
			s.mark()
		}
		s.emit(Parameter, i)
		return
	}
	if classes[s.byteAt(i)] == classLetter {
		for i < len(sql) && sql[i] != '$' && identBytes[sql[i]] {
			i++
		}
	}
	if s.byteAt(i) != '$' {
		s.mark()
		s.emit(Invalid, s.pos+1)
		return
	}
	i++
	tag := sql[s.pos:i]
	n := bytes.Index(sql[i:], tag)
	if n < 0 {
		s.unterminated(DollarString)
		return
	}
	end := i + n + len(tag)
	s.emit(DollarString, end)
}
