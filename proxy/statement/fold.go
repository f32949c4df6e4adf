package statement

import "sort"

// folding is the text reduced to what the parser must see.
type folding struct {
	done   bool
	groups []Group
	sql    []byte // buffer, or the text itself
	buffer []byte
	tokens []int32
	cuts   []cut
}

// cut says that from offset on, the folded text stands delta bytes before the
// text it comes from.
type cut struct{ offset, delta int }

// Groups returns the repetitions of the text in order; they do not overlap.
//
// Two things are folded: the rows after VALUES, and the items of IN (…) if the
// first is a constant or a parameter. A repetition ends where an item differs
// from the first one in anything but the value of a constant (see classify).
//
// Why this cannot change the analysis: after VALUES with a parenthesis (and no
// dot before it, which would make it the name of a function) the grammar knows
// only a list of rows, and a parenthesis after IN that begins with a constant
// holds only a list of expressions, never a subquery or a name. The members of
// both lists are independent of each other: a member with the same tokens is
// analysed to the same result, reaches the same columns, and its constants
// have the same destinations as those of the first. How many members there
// are matters to the server only. The kind of a constant is kept, since the
// grammar and the type of the result depend on it.
func (t *Text) Groups() []Group {
	t.fold()
	return t.folding.groups
}

// Folded returns the text to hand to the parser, every Group reduced to its
// first repetition and comments blanked, and for each token of it the index of
// that token in Tokens(). Both are valid until the next Lex. Comments go
// because pg_query's scanner, unlike the server's, does not continue a string
// over them.
func (t *Text) Folded() (sql []byte, tokens []int32) {
	t.fold()
	return t.folding.sql, t.folding.tokens
}

// Original maps a byte offset in the folded text to the offset in SQL().
func (t *Text) Original(offset int) int {
	t.fold()
	cuts := t.folding.cuts
	n := sort.Search(len(cuts), func(i int) bool { return cuts[i].offset > offset })
	if n == 0 {
		return offset
	}
	return offset + cuts[n-1].delta
}

func (t *Text) fold() {
	f := &t.folding
	if f.done {
		return
	}
	f.done = true
	t.classify()
	f.groups = f.groups[:0]
	for i := 0; i < len(t.tokens); i++ {
		if t.Token(i+1).Kind != LeftParen || t.Token(i-1).Kind == Dot {
			continue
		}
		switch t.Word(i) {
		case WordValues:
			i = t.foldRows(i + 1)
		case WordIn:
			i = t.foldList(i + 1)
		}
	}
	t.writeFolded()
}

// foldRows folds the rows that begin with the parenthesis at i and returns the
// last token read. A row that is not repeated is not looked into.
func (t *Text) foldRows(i int) int {
	for {
		end := int(t.pairs[i])
		if end >= len(t.tokens) {
			return end
		}
		if last := t.repeat(i, end+1, false); last > end {
			end = last
		}
		if t.Token(end+1).Kind != Comma || t.Token(end+2).Kind != LeftParen {
			return end
		}
		i = end + 2
	}
}

// foldList folds the items of the list whose parenthesis is at i and returns
// the last token read.
func (t *Text) foldList(i int) int {
	end := int(t.pairs[i])
	if end >= len(t.tokens) || !t.beginsWithConstant(i+1) {
		return i
	}
	for i++; i < end; {
		next := t.itemEnd(i, end)
		if last := t.repeat(i, next, true); last > i {
			next = last + 1
		}
		i = next + 1
	}
	return end
}

// beginsWithConstant reports whether a constant, after any number of
// parentheses and signs, stands at i: what begins like that is no subquery.
func (t *Text) beginsWithConstant(i int) bool {
	for t.Token(i).Kind == LeftParen || t.Token(i).Kind == Operator {
		i++
	}
	return literalOf(t.Token(i).Kind) != byToken
}

// itemEnd returns the index after the item that begins at i in a list that
// ends at end: of a comma or end itself.
func (t *Text) itemEnd(i, end int) int {
	for i < end && t.tokens[i].Kind != Comma {
		if kind := t.tokens[i].Kind; kind == LeftParen || kind == LeftBracket {
			i = int(t.pairs[i])
		}
		i++
	}
	return min(i, end)
}

// repeat appends the group of the repetitions of the tokens [first, end), if
// there are any, and returns the last token of it, else first. An item of a
// list ends only where a comma or parenthesis follows; a row has its own.
func (t *Text) repeat(first, end int, item bool) int {
	count, n := 1, end-first
	if n <= 0 {
		return first
	}
	for at := end; ; at += n + 1 {
		if t.Token(at).Kind != Comma || !t.sameTokens(first, at+1, n) {
			break
		}
		if after := t.Token(at + 1 + n).Kind; item && after != Comma && after != RightParen {
			break
		}
		count++
	}
	if count == 1 {
		return first
	}
	g := Group{First: int32(first), Len: int32(n), Count: int32(count)}
	t.folding.groups = append(t.folding.groups, g)
	return g.Last()
}

// sameTokens reports whether n tokens from a on and from b on differ in the
// value of constants only.
func (t *Text) sameTokens(a, b, n int) bool {
	if b+n > len(t.tokens) {
		return false
	}
	for j := range n {
		class := t.literals[a+j]
		if class != t.literals[b+j] {
			return false
		}
		if class != byToken {
			continue
		}
		x, y := t.tokens[a+j], t.tokens[b+j]
		if x.Kind != y.Kind || string(t.sql[x.Start:x.End]) != string(t.sql[y.Start:y.End]) {
			return false
		}
	}
	return true
}

// writeFolded builds the folded text and its tokens. Between tokens it holds
// blanks, as many as there were bytes, so that offsets stay the same up to the
// first group.
func (t *Text) writeFolded() {
	f := &t.folding
	f.tokens, f.cuts, f.sql = f.tokens[:0], f.cuts[:0], t.sql
	if len(f.groups) == 0 && !t.comments {
		for i := range t.tokens {
			f.tokens = append(f.tokens, int32(i))
		}
		return
	}
	f.buffer = f.buffer[:0]
	at, next := 0, 0 // offset in the text and token not yet copied
	for _, g := range f.groups {
		t.copyTokens(at, next, int(g.First+g.Len))
		next = g.Last() + 1
		at = int(t.tokens[g.Last()].End)
		f.cuts = append(f.cuts, cut{len(f.buffer), at - len(f.buffer)})
	}
	at = t.copyTokens(at, next, len(t.tokens))
	f.blank(len(t.sql) - at)
	f.sql = f.buffer
}

// copyTokens appends the tokens [from, to) and what stands between them; at is
// the offset already reached. It returns the offset after the last token.
func (t *Text) copyTokens(at, from, to int) int {
	f := &t.folding
	for i := from; i < to; i++ {
		k := t.tokens[i]
		f.blank(int(k.Start) - at)
		start := len(f.buffer)
		f.buffer = append(f.buffer, t.sql[k.Start:k.End]...)
		if t.comments && (k.Kind.IsString() || k.Kind == BitString) {
			blankContinuations(f.buffer[start:], k.Kind)
		}
		f.tokens = append(f.tokens, int32(i))
		at = int(k.End)
	}
	return at
}

func (f *folding) blank(n int) {
	for range n {
		f.buffer = append(f.buffer, ' ')
	}
}
