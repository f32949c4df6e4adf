package statement

// Word is the number of a word the package looks at: the reserved key words
// of PostgreSQL, the other key words that matter to it and a few names.
// 0 is any other word.
type Word uint16

// category is PostgreSQL's category of a key word (manual, appendix C).
type category uint8

const (
	noKeyword    category = iota // an ordinary identifier
	unreserved                   // may name anything
	colName                      // may name a table or column, not a function or type
	typeFuncName                 // may name a function or type
	reserved                     // names something only after a dot or AS
)

// String returns the word in lower case.
func (w Word) String() string { return words[w].name }

// runsSQL reports whether the word is a function whose arguments name tables or
// hold SQL that it runs.
func (w Word) runsSQL() bool { return w >= WordQueryToXml }

// Reserved reports whether the word is reserved: unquoted, it names something
// only after a dot or as a label. SYSTEM_USER, reserved since PostgreSQL 16
// only, does not count.
func (w Word) Reserved() bool { return words[w].category == reserved }

// wordSlots is the size of the open hash table of the words; it is a power of
// two, sparse so that most identifiers meet an empty slot at once.
const wordSlots = 2048

var wordTable = func() (table [wordSlots]Word) {
	for w := Word(1); w < wordCount; w++ {
		name := words[w].name
		h := wordHash(name[0], name[len(name)/2], name[len(name)-1], len(name))
		for table[h] != 0 {
			h = (h + 1) % wordSlots
		}
		table[h] = w
	}
	return table
}()

const minWord, maxWord = 2, 28 // lengths of the shortest and longest word, in bytes

// wordHash hashes an identifier by its length and three of its bytes, the
// case of letters ignored.
func wordHash(first, middle, last byte, n int) uint32 {
	key := uint32(first|0x20) | uint32(middle|0x20)<<8 | uint32(last|0x20)<<16 | uint32(n)<<24
	return (key * 0x9E3779B1) >> 21
}

// findWord returns the word an unquoted identifier is.
func findWord(ident []byte) Word {
	n := len(ident)
	if n < minWord || n > maxWord {
		return 0
	}
	h := wordHash(ident[0], ident[n/2], ident[n-1], n)
	for {
		w := wordTable[h]
		if w == 0 {
			return 0
		}
		if name := words[w].name; len(name) == n && equalFold(ident, name) {
			return w
		}
		h = (h + 1) % wordSlots
	}
}

// equalFold reports whether ident, its ASCII letters in lower case, is name.
// Both have the same length.
func equalFold(ident []byte, name string) bool {
	for i, c := range ident {
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != name[i] {
			return false
		}
	}
	return true
}
