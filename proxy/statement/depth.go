package statement

// deepest is where Depth stops counting. pg_query's protobuf output recurses in
// C over the parse tree: on a thread with glibc's usual stack of 8 MB it
// overflows at about 24,000 nested operators, on one of 2 MB (as under "ulimit
// -s unlimited") at 6,000, and takes the process with it. So the bound that the
// parser's caller sets must be far below these.
const deepest = 8000

// Weights of what nests, in operators: how much deeper the tree is inside.
// Measured on the protobuf tree, where an operator is two messages.
const (
	bracketDepth   = 3
	caseDepth      = 2
	statementDepth = 4
)

// Depth returns an upper bound of the depth of the parse tree, an operator
// counting as 1. It stops counting at 8,000; a text that deep must not be given
// to the parser.
//
// Brackets and CASE … END nest. Within a level, what the grammar builds by left
// recursion or as a prefix adds up: operators, casts, NOT, IS, COLLATE, AT TIME
// ZONE, JOIN, UNION. It starts anew where the grammar builds a list or another
// clause: at a comma, at AND and OR (which the parser flattens, but for the AND
// of BETWEEN) and at reserved words that begin a clause. A word that could also
// be a name never starts anew: that would hide depth.
func (t *Text) Depth() int {
	if !t.depthSet {
		t.depth = t.measureDepth()
		t.depthSet = true
	}
	return t.depth
}

// depthLevel is what stands between two brackets, or CASE and END.
type depthLevel struct {
	isCase  bool
	query   bool // a statement stands here
	between int  // BETWEENs whose AND has not come
	chain   int  // operators in the operand being read
	inner   int  // deepest level in it
	operand int  // deepest operand of the item being read
	joins   int  // JOINs of that item
	item    int  // deepest item of the statement being read
	unions  int  // set operations of that statement
	total   int  // deepest statement
}

func (l *depthLevel) endOperand() {
	l.operand = max(l.operand, l.chain+l.inner)
	l.chain, l.inner = 0, 0
}

func (l *depthLevel) endItem() {
	l.endOperand()
	l.item = max(l.item, l.operand+l.joins)
	l.operand, l.joins = 0, 0
}

func (l *depthLevel) endStatement() {
	l.endItem()
	depth := l.item + l.unions
	if l.query {
		depth += statementDepth
	}
	l.total = max(l.total, depth)
	l.item, l.unions, l.between = 0, 0, 0
}

// closed ends the level and returns how deep it is, its own weight included.
func (l *depthLevel) closed() int {
	l.endStatement()
	if l.isCase {
		return l.total + caseDepth
	}
	return l.total + bracketDepth
}

type depthMeter struct {
	t      *Text
	levels []depthLevel
}

func (t *Text) measureDepth() int {
	_, tokens := t.Folded()
	m := depthMeter{t: t, levels: append(t.levels[:0], depthLevel{})}
	for n, index := range tokens {
		i := int(index)
		top := &m.levels[len(m.levels)-1]
		switch k := t.tokens[i]; k.Kind {
		case LeftParen, LeftBracket:
			m.push(false)
		case RightParen, RightBracket:
			m.closeBracket()
		case Comma:
			top.endItem()
		case Semicolon:
			top.endStatement()
		case Operator, TypeCast, EqualsGreater, ColonEquals, Colon, DotDot:
			top.chain++
		case Ident:
			if k.Word != 0 && (n == 0 || t.tokens[tokens[n-1]].Kind != Dot) {
				m.word(top, i, k.Word)
			}
		}
		top = &m.levels[len(m.levels)-1]
		if len(m.levels) > deepest/bracketDepth || top.chain+top.joins+top.unions > deepest {
			t.levels = m.levels[:0]
			return deepest
		}
	}
	for len(m.levels) > 1 {
		m.pop()
	}
	m.levels[0].endStatement()
	t.levels = m.levels
	return min(m.levels[0].total, deepest)
}

func (m *depthMeter) push(isCase bool) {
	m.levels = append(m.levels, depthLevel{isCase: isCase})
}

func (m *depthMeter) pop() {
	n := len(m.levels) - 1
	depth := m.levels[n].closed()
	m.levels = m.levels[:n]
	parent := &m.levels[n-1]
	parent.inner = max(parent.inner, depth)
}

// closeBracket closes the innermost bracket and every CASE left open in it,
// which was a label. Without an open bracket it does nothing.
func (m *depthMeter) closeBracket() {
	n := len(m.levels) - 1
	for n > 0 && m.levels[n].isCase {
		n--
	}
	if n == 0 {
		return
	}
	for len(m.levels) > n {
		m.pop()
	}
}

func (m *depthMeter) word(top *depthLevel, i int, w Word) {
	before := m.t.Word(i - 1)
	switch w {
	case WordAnd:
		if top.between > 0 {
			top.between--
			top.chain++
			return
		}
		top.endOperand()
	case WordOr, WordOn, WordUsing, WordWhen, WordThen, WordElse:
		top.endOperand()
	case WordBetween:
		top.between++
		top.chain++
	case WordNot, WordIs, WordIsnull, WordNotnull, WordCollate, WordAt, WordLike, WordIlike, WordSimilar, WordIn,
		WordOverlaps, WordEscape, WordAny, WordAll, WordSome, WordOperator, WordOver, WordFilter, WordWithin:
		top.chain++
	case WordJoin:
		top.joins++
	case WordCase:
		m.push(true)
	case WordEnd:
		if top.isCase {
			m.pop()
		}
	case WordUnion, WordIntersect, WordExcept:
		top.endItem()
		top.unions++
	case WordFrom:
		if before == WordDistinct { // IS DISTINCT FROM
			top.chain++
			return
		}
		top.endItem()
	case WordGroup:
		if before != WordWithin {
			top.endItem()
		}
	case WordSelect:
		top.query = true
		top.endItem()
	case WordWhere, WordHaving, WordOrder, WordLimit, WordOffset, WordFetch, WordFor, WordWindow, WordReturning, WordInto:
		top.endItem()
	case WordInsert, WordUpdate, WordDelete, WordMerge, WordValues, WordTable, WordWith:
		top.query = true
	}
}
