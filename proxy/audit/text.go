package audit

import (
	"unicode"
	"unicode/utf8"
)

// appendString appends s as a JSON string (RFC 8259 section 7). Bytes that are not
// UTF-8 become U+FFFD. Whatever does not print is escaped, control characters and
// the marks that reorder text among it: the log is also read in terminals. Of a
// text longer than limit bytes the beginning is kept, and … ends it.
func appendString(dst []byte, s string, limit int) []byte {
	const hexDigits = "0123456789abcdef"
	cut := len(s) > limit
	if cut {
		end := limit
		for end > limit-utf8.UTFMax && end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		plain := i
		for i < len(s) && s[i] >= ' ' && s[i] < utf8.RuneSelf-1 && s[i] != '"' && s[i] != '\\' {
			i++
		}
		if dst = append(dst, s[plain:i]...); i == len(s) {
			break
		}
		if c := s[i]; c == '"' || c == '\\' {
			dst = append(dst, '\\', c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		if r == utf8.RuneError && size <= 1 || unicode.IsPrint(r) {
			dst = utf8.AppendRune(dst, r)
			continue
		}
		units := []rune{r}
		if r > 0xFFFF {
			units = []rune{0xD800 + (r-0x10000)>>10, 0xDC00 + (r-0x10000)&0x3FF}
		}
		for _, u := range units {
			dst = append(dst, '\\', 'u', hexDigits[u>>12&15], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15])
		}
	}
	if cut {
		dst = append(dst, "…"...)
	}
	return append(dst, '"')
}
