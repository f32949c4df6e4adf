package statement

import "bytes"

// mentioned reports whether a watched name stands in s: as a word, as written
// or in lower case, or between double quotes, however quotes may pair up there.
func (t *Text) mentioned(s []byte, watched func([]byte) bool) bool {
	for i := 0; i < len(s); {
		switch {
		case s[i] == '"':
			if i >= 2 && s[i-1] == '&' && s[i-2]|0x20 == 'u' {
				return true
			}
			t.scratch = appendQuoted(t.scratch[:0], s[i+1:])
			if watched(t.scratch) {
				return true
			}
			i++
		case classes[s[i]] == classLetter:
			end := i + 1
			for end < len(s) && identBytes[s[end]] {
				end++
			}
			if t.mentionedWord(s[i:end], watched) {
				return true
			}
			// The first letter may belong to an escape: \n.
			if i > 0 && s[i-1] == '\\' && t.mentionedWord(s[i+1:end], watched) {
				return true
			}
			i = end
		default:
			i++
		}
	}
	return false
}

// appendQuoted appends the identifier whose opening double quote stands before
// s, as the catalog stores it; without a closing quote, what there is.
func appendQuoted(dst, s []byte) []byte {
	for i := 0; i < len(s) && len(dst) <= maxIdent; i++ {
		if s[i] == '"' {
			if i+1 >= len(s) || s[i+1] != '"' {
				break
			}
			i++
		}
		dst = append(dst, s[i])
	}
	return truncateIdent(dst)
}

// maxParts is how many dollar signs a word may hold before it is taken for
// watched without looking.
const maxParts = 16

// mentionedWord reports whether a run of identifier bytes, or what stands
// between two dollar signs in it, is a watched name or a function that runs
// SQL.
func (t *Text) mentionedWord(word []byte, watched func([]byte) bool) bool {
	if t.isWatched(word, watched) {
		return true
	}
	dollars := bytes.Count(word, dollar)
	if dollars == 0 {
		return false
	}
	if dollars > maxParts {
		return true
	}
	for start := range word {
		if start > 0 && word[start-1] != '$' {
			continue
		}
		for end := start + 1; end <= len(word); end++ {
			if (end == len(word) || word[end] == '$') && t.isWatched(word[start:end], watched) {
				return true
			}
		}
	}
	return false
}

var dollar = []byte("$")

// isWatched looks a word up as written and in lower case.
func (t *Text) isWatched(word []byte, watched func([]byte) bool) bool {
	if findWord(word).runsSQL() || watched(truncateIdent(word)) {
		return true
	}
	t.scratch = truncateIdent(appendLower(t.scratch[:0], truncateIdent(word)))
	return watched(t.scratch)
}
