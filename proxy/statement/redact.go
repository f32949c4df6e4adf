package statement

import "unicode/utf8"

// AppendRedacted appends the text for the audit log: each constant a '?',
// comments left out, white space made one blank, of each Group the first
// repetition and an ellipsis. TRUE and FALSE are constants; NULL and
// parameters are not. From the first token that cannot be vouched for, all the
// rest is one '?'. What it appends is valid UTF-8.
func (t *Text) AppendRedacted(dst []byte) []byte {
	t.fold()
	groups := t.folding.groups
	start, end := len(dst), 0 // end: offset after the token before
	for i := 0; i < len(t.tokens); i++ {
		k := t.tokens[i]
		if int(k.Start) > end && len(dst) > start && !(k.Kind == Comma || k.Kind == Semicolon) {
			dst = append(dst, ' ')
		}
		end = int(k.End)
		if i >= t.vouched {
			return append(dst, '?')
		}
		dst = t.appendRedactedToken(dst, i)
		if len(groups) == 0 || i != int(groups[0].First+groups[0].Len-1) {
			continue
		}
		last := groups[0].Last()
		if last >= t.vouched {
			return append(dst, ", ?"...)
		}
		dst = append(dst, ", …"...)
		i, end = last, int(t.tokens[last].End)
		groups = groups[1:]
	}
	if t.unclosed && t.vouched == len(t.tokens) { // a comment without end
		dst = append(dst, " ?"...)
	}
	return dst
}

func (t *Text) appendRedactedToken(dst []byte, i int) []byte {
	k := t.tokens[i]
	switch k.Kind {
	case National:
		return dst // the constant follows
	case String, EscapeString, UnicodeString, DollarString, BitString, Integer, Decimal, UnicodeIdent, Invalid:
		return append(dst, '?')
	}
	raw := t.sql[k.Start:k.End]
	if k.Word == WordTrue || k.Word == WordFalse || !utf8.Valid(raw) {
		return append(dst, '?')
	}
	return append(dst, raw...)
}
