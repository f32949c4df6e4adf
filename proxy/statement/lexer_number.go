package statement

import "math"

// number reads a numeric constant; PostgreSQL 16 and later also take other
// bases and underscores, which earlier servers report as errors.
func (s *scanner) number() {
	sql, i := s.sql, s.pos
	if sql[i] == '0' {
		if base := baseOf(s.byteAt(i + 1)); base != 0 {
			s.basedInteger(base)
			return
		}
	}
	kind := Integer
	if sql[i] != '.' {
		i = s.digits(i, 10)
	}
	if s.byteAt(i) == '.' && (i == s.pos || s.byteAt(i+1) != '.') {
		kind = Decimal
		i++
		if classes[s.byteAt(i)] == classDigit {
			i = s.digits(i, 10)
		}
	}
	if s.byteAt(i)|0x20 == 'e' {
		e := i + 1
		if c := s.byteAt(e); c == '+' || c == '-' {
			e++
		}
		if classes[s.byteAt(e)] == classDigit {
			kind = Decimal
			i = s.digits(e, 10)
		} else {
			s.mark()
		}
	}
	if s.junk(i) {
		s.mark()
	}
	if kind == Integer && !fitsInt32(sql[s.pos:i], 10) {
		kind = Decimal
	}
	s.emit(kind, i)
}

// junk reports what PostgreSQL calls trailing junk after a numeric literal that
// ends at i: an identifier that begins there, or in it, as _000$ in 1_000$.
func (s *scanner) junk(i int) bool {
	next := s.byteAt(i)
	if next != '$' {
		return classes[next] == classLetter
	}
	for i--; i >= s.pos && identBytes[s.sql[i]]; i-- {
		if classes[s.sql[i]] == classLetter {
			return true
		}
	}
	return false
}

func (s *scanner) basedInteger(base int) {
	i := s.digits(s.pos+2, base)
	if i == s.pos+2 || identBytes[s.byteAt(i)] {
		s.mark()
	}
	kind := Integer
	if !fitsInt32(s.sql[s.pos+2:i], base) {
		kind = Decimal
	}
	s.emit(kind, i)
}

// digits returns the offset after the digits at i, single underscores between
// (after a base, also before) them included.
func (s *scanner) digits(i, base int) int {
	for {
		switch {
		case digitOf(s.byteAt(i)) < base:
			i++
		case s.byteAt(i) == '_' && digitOf(s.byteAt(i+1)) < base:
			i += 2
		default:
			return i
		}
	}
}

// baseOf returns the base that the letter after a 0 stands for, or 0.
func baseOf(c byte) int {
	switch c | 0x20 {
	case 'x':
		return 16
	case 'o':
		return 8
	case 'b':
		return 2
	}
	return 0
}

// digitOf returns the value of a digit, 16 or more for any other byte.
func digitOf(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return 16
}

// fitsInt32 reports whether digits, underscores skipped, make an int4.
func fitsInt32(digits []byte, base int) bool {
	n := int64(0)
	for _, c := range digits {
		if c == '_' {
			continue
		}
		n = n*int64(base) + int64(digitOf(c))
		if n > math.MaxInt32 {
			return false
		}
	}
	return true
}
