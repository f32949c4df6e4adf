package logical

// Castable says whether [Type.Cast] takes values of kind from to kind to.
func Castable(to, from Kind) bool { return to == from || assignable(to, from) }

// Cast appends the canonical encoding of what an explicit cast to t makes of a value of
// type from, given in its canonical encoding: strings are cut to the length of t without an
// error. The error is a *pgerror.Error: the server's own for a value that does not fit, XX001
// for bytes that are no canonical encoding.
func (t Type) Cast(dst, canonical []byte, from Type, s *Settings) ([]byte, error) {
	start := len(dst)
	var err error
	switch {
	case isTextFamily(t.Kind) && isTextFamily(from.Kind), t.Kind == from.Kind:
		dst = append(dst, canonical...)
	default:
		if dst, err = t.Kind.castFrom(dst, canonical, from.Kind, s); err != nil {
			return dst[:start], err
		}
	}
	if isTextFamily(t.Kind) {
		return t.cutText(dst, start), nil
	}
	if dst, err = t.fit(dst, start, Assign); err != nil {
		return dst[:start], err
	}
	return dst, nil
}

// cutText cuts the text dst[start:] to the length of varchar(n) or char(n).
func (t Type) cutText(dst []byte, start int) []byte {
	if limit := t.maxChars(); limit >= 0 {
		end := start
		for range limit {
			if end >= len(dst) {
				break
			}
			end += mbLen(dst[end])
		}
		dst = dst[:min(end, len(dst))]
	}
	if t.Kind == Bpchar {
		dst = dst[:start+len(trimBlanks(dst[start:]))]
	}
	return dst
}
