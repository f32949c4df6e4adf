package schema

import (
	"strings"
	"unicode/utf8"
)

// body is the source of a function, ready to be asked for names.
type body struct {
	text  string // in lower case
	words map[string]struct{}
	// opaque says that names may hide in it where words are not looked for.
	opaque bool
}

// newBody splits the source into words. It is read as any language and as text
// that becomes SQL later, so a word is looked for inside literals and comments
// too, and in every way that a quote may touch it.
func newBody(source string) *body {
	b := &body{text: strings.ToLower(source), words: make(map[string]struct{})}
	b.opaque = strings.Contains(b.text, `u&"`) || strings.Contains(b.text, `u&'`)
	for i := 0; i < len(b.text); {
		if !wordByte(b.text[i]) {
			i++
			continue
		}
		start := i
		for i < len(b.text) && wordByte(b.text[i]) {
			i++
		}
		word := b.text[start:i]
		b.add(word)
		if start > 0 && b.text[start-1] == '\\' {
			b.add(word[1:]) // the n of \npatient
		}
		if strings.Contains(word, "$") {
			for _, part := range strings.Split(word, "$") {
				b.add(part) // $q$patient$q$
			}
		}
	}
	return b
}

func (b *body) add(word string) {
	b.words[word] = struct{}{}
	if len(word) > maxNameLength {
		b.words[cutName(word)] = struct{}{}
	}
}

// cutName cuts an identifier as the server does, between characters.
func cutName(s string) string {
	s = s[:maxNameLength]
	for !utf8.ValidString(s) && len(s) > maxNameLength-utf8.UTFMax {
		s = s[:len(s)-1]
	}
	return s
}

func wordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// mentions reports whether the body may have the name in it; case does not
// count, since the name is folded if it is not quoted.
func (b *body) mentions(name string) bool {
	if b.opaque {
		return true
	}
	name = strings.ToLower(name)
	if _, ok := b.words[name]; ok {
		return true
	}
	for i := 0; i < len(name); i++ {
		if !wordByte(name[i]) || name[i] == '$' {
			// Such a name is quoted in SQL, with each " twice; the body may quote it again.
			return strings.Contains(b.text, name) || strings.Contains(b.text, strings.ReplaceAll(name, `"`, `""`))
		}
	}
	return false
}
