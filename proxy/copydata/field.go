package copydata

import "bytes"

// field is where a field lies in a line.
type field struct {
	start, end int
	quoted     bool // CSV: a quote is in it
	escaped    bool // text: a backslash is in it
}

// splitText finds the fields of a line of the text format (CopyReadAttributesText).
// It gives their number, which may be one more than there is room for: then there
// are more.
func splitText(content []byte, delimiter byte, fields []field) int {
	n := 0
	for start := 0; ; n++ {
		if n == len(fields) {
			return n + 1
		}
		end, escaped := indexFrom(content, start, delimiter), false
		for i := start; ; {
			next := bytes.IndexByte(content[i:end], '\\')
			if next < 0 {
				break
			}
			if i += next + 2; i > len(content) { // the data end with it: it counts for nothing
				fields[n] = field{start: start, end: i - 2, escaped: escaped}
				return n + 1
			}
			if escaped = true; i > end { // it is no delimiter
				end = indexFrom(content, i, delimiter)
			}
		}
		fields[n] = field{start: start, end: end, escaped: escaped}
		if end == len(content) {
			return n + 1
		}
		start = end + 1
	}
}

// indexFrom gives where c is first at or behind byte i, the length of content if nowhere.
func indexFrom(content []byte, i int, c byte) int {
	if at := bytes.IndexByte(content[i:], c); at >= 0 {
		return i + at
	}
	return len(content)
}

// unescapeText appends the value of a field of the text format.
func unescapeText(dst, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		at := indexFrom(raw, i, '\\')
		if dst = append(dst, raw[i:at]...); at+1 >= len(raw) { // a backslash at the end is one
			return append(dst, raw[at:]...)
		}
		i = at + 1
		c := raw[i]
		switch c {
		case '0', '1', '2', '3', '4', '5', '6', '7':
			v := c - '0'
			for n := 0; n < 2 && i+1 < len(raw) && raw[i+1] >= '0' && raw[i+1] <= '7'; n++ {
				i++
				v = v<<3 + raw[i] - '0'
			}
			c = v
		case 'x':
			if i+1 < len(raw) && hexDigit(raw[i+1]) >= 0 {
				i++
				v := hexDigit(raw[i])
				if i+1 < len(raw) && hexDigit(raw[i+1]) >= 0 {
					i++
					v = v<<4 + hexDigit(raw[i])
				}
				c = byte(v)
			}
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'v':
			c = '\v'
		}
		dst = append(dst, c)
	}
	return dst
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// appendText appends a value as the text format has it (CopyAttributeOutText).
func appendText(dst, value []byte, delimiter byte) []byte {
	written := 0
	for i, c := range value {
		if c >= ' ' && c != '\\' && c != delimiter {
			continue
		}
		switch {
		case c >= '\b' && c <= '\r': // \b \t \n \v \f \r
			c = "btnvfr"[c-'\b']
		case c < ' ' && c != delimiter:
			continue
		}
		dst = append(append(dst, value[written:i]...), '\\', c)
		written = i + 1
	}
	return append(dst, value[written:]...)
}

// splitCSV is splitText for CSV (CopyReadAttributesCSV). It reports false if a quoted
// field does not end.
func splitCSV(content []byte, delimiter, quote, escape byte, fields []field) (int, bool) {
	n, start, quoted := 0, 0, false
	plain := bytes.IndexByte(content, quote) < 0
	for i := 0; ; i++ {
		if plain {
			i = indexFrom(content, i, delimiter)
		}
		if i < len(content) && content[i] != delimiter {
			if content[i] == quote {
				quoted = true
				if i = endOfQuote(content, i+1, quote, escape); i < 0 {
					return n, false
				}
			}
			continue
		}
		if n == len(fields) {
			return n + 1, true
		}
		fields[n] = field{start: start, end: i, quoted: quoted}
		n++
		if i == len(content) {
			return n, true
		}
		start, quoted = i+1, false
	}
}

// endOfQuote gives the quote that ends what begins at byte i, -1 without one.
func endOfQuote(content []byte, i int, quote, escape byte) int {
	for ; i < len(content); i++ {
		c := content[i]
		if c == escape && i+1 < len(content) && (content[i+1] == escape || content[i+1] == quote) {
			i++
			continue
		}
		if c == quote {
			return i
		}
	}
	return -1
}

// unquoteCSV appends the value of a field of CSV that has a quote in it.
func unquoteCSV(dst, raw []byte, quote, escape byte) []byte {
	quoted := false
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case !quoted && c == quote:
			quoted = true
		case !quoted:
			dst = append(dst, c)
		case c == escape && i+1 < len(raw) && (raw[i+1] == escape || raw[i+1] == quote):
			i++
			dst = append(dst, raw[i])
		case c == quote:
			quoted = false
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendQuoted appends a value in quotes.
func appendQuoted(dst, value []byte, quote, escape byte) []byte {
	dst = append(dst, quote)
	for _, c := range value {
		if c == quote || c == escape {
			dst = append(dst, escape)
		}
		dst = append(dst, c)
	}
	return append(dst, quote)
}
