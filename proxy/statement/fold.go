package statement

type folding struct {
	done   bool
	groups []Group
	sql    []byte
	tokens []int32
}

// Groups returns the repetitions of the text in order; they do not overlap.
func (t *Text) Groups() []Group { return nil }

// Folded returns the text to hand to the parser, every Group reduced to its
// first repetition, and for each token of it the index of that token in
// Tokens(). Both are valid until the next Lex.
func (t *Text) Folded() (sql []byte, tokens []int32) { return t.sql, nil }

// Original maps a byte offset in the folded text to the offset in SQL().
func (t *Text) Original(offset int) int { return offset }
