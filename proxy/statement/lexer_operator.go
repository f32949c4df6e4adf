package statement

import "bytes"

// maxOperator is the length of the longest operator, in bytes (NAMEDATALEN-1).
const maxOperator = 63

// operator reads an operator or skips a comment.
func (s *scanner) operator(c byte) {
	sql, start := s.sql, s.pos
	switch next := s.byteAt(start + 1); {
	case c == '-' && next == '-':
		s.comments = true
		s.pos = lineEnd(sql, start)
		return
	case c == '/' && next == '*':
		s.comment()
		return
	case classes[next] != classOperator:
		s.emit(Operator, start+1)
		return
	}
	// The longest run of operator bytes, up to the start of a comment.
	end := start + 1
	for end < len(sql) && classes[sql[end]] == classOperator {
		if sql[end] == '-' && s.byteAt(end+1) == '-' || sql[end] == '/' && s.byteAt(end+1) == '*' {
			break
		}
		end++
	}
	// An operator of several bytes ends in + or - only if it holds a byte
	// that standard SQL's operators do not (manual, 4.1.3).
	run := end
	if c := sql[end-1]; (c == '+' || c == '-') && !bytes.ContainsAny(sql[start:end], "~!@#^&|`?%") {
		for end-start > 1 && (sql[end-1] == '+' || sql[end-1] == '-') {
			end--
		}
	}
	if end-start > maxOperator {
		s.mark()
	}
	kind := Operator
	if end-start == 2 && sql[start] == '=' && sql[start+1] == '>' {
		kind = EqualsGreater
	}
	s.emit(kind, end)
	// What was cut off stands alone, byte by byte: looking at the run again
	// each time would be quadratic.
	for s.pos < run {
		s.emit(Operator, s.pos+1)
	}
}

// comment skips a comment of the /* kind and those nested in it.
func (s *scanner) comment() {
	s.comments = true
	sql, depth, i := s.sql, 1, s.pos+2
	for i < len(sql) {
		switch c := sql[i]; {
		case c == '*' && s.byteAt(i+1) == '/':
			i += 2
			if depth--; depth == 0 {
				s.pos = i
				return
			}
		case c == '/' && s.byteAt(i+1) == '*':
			i += 2
			depth++
		default:
			i++
		}
	}
	s.unclosed = true
	s.mark()
	s.pos = len(sql)
}
