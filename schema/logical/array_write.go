package logical

// AppendArrayText appends an element to the text of an array, in quotes where the
// server's array_out would write them; elem is the element's text.
func AppendArrayText(dst, elem []byte, isNull bool) []byte {
	if isNull {
		return append(dst, "NULL"...)
	}
	if !needsQuotes(elem) {
		return append(dst, elem...)
	}
	dst = append(dst, '"')
	for _, c := range elem {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

func needsQuotes(elem []byte) bool {
	if len(elem) == 0 || equalFoldASCII(elem, "null") {
		return true
	}
	for _, c := range elem {
		switch c {
		case '"', '\\', '{', '}', ',':
			return true
		}
		if isSpace(c) {
			return true
		}
	}
	return false
}
