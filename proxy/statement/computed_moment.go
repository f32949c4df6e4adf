package statement

import (
	"strconv"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgveil/pgveil/schema/logical"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// Moments is when the session's transaction has begun, as now() gives it there: in the
// session's time zone, as text that is read alike under any DateStyle. Only what is asked
// for in one place of a session is the same in all of its statements.
type Moments struct {
	Timestamptz, Timestamp, Date []byte
}

// of gives the moment as a value of a type.
func (m *Moments) of(k logical.Kind) ([]byte, error) {
	switch {
	case m == nil:
	case k == logical.Timestamptz:
		return m.Timestamptz, nil
	case k == logical.Timestamp:
		return m.Timestamp, nil
	case k == logical.Date:
		return m.Date, nil
	}
	return nil, pgerror.New(pgerror.InternalError, "a moment that was not asked for")
}

// runsOnce reports whether what the statement names now is so when it runs: a definition
// and PREPARE are run later, and EXECUTE may be bound again.
func (x *analysis) runsOnce() bool {
	switch x.verb {
	case VerbSelect, VerbInsert, VerbUpdate, VerbDelete, VerbMerge, VerbExplain, VerbDeclare, VerbCopy:
		return !x.defines
	}
	return false
}

// moment compiles CURRENT_DATE and its like.
func (c *compiler) moment(f *pg.SQLValueFunction) (*node, span) {
	at := c.x.token(f.Location)
	k := logical.Timestamptz
	precise := false
	switch f.Op {
	case pg.SQLValueFunctionOp_SVFOP_CURRENT_DATE:
		k = logical.Date
	case pg.SQLValueFunctionOp_SVFOP_LOCALTIMESTAMP, pg.SQLValueFunctionOp_SVFOP_LOCALTIMESTAMP_N:
		k, precise = logical.Timestamp, f.Op == pg.SQLValueFunctionOp_SVFOP_LOCALTIMESTAMP_N
	case pg.SQLValueFunctionOp_SVFOP_CURRENT_TIMESTAMP, pg.SQLValueFunctionOp_SVFOP_CURRENT_TIMESTAMP_N:
		precise = f.Op == pg.SQLValueFunctionOp_SVFOP_CURRENT_TIMESTAMP_N
	default:
		return nil, span{}
	}
	if !c.x.runsOnce() || at < 0 {
		return nil, span{}
	}
	made, s := &node{op: opMoment, to: castType{Type: logical.Type{Kind: k, Typmod: -1}}}, span{at, at}
	c.asks = true
	if !precise {
		return made, s
	}
	if s = c.call(f.Location); s.last != at+3 {
		return nil, span{}
	}
	precision := &node{op: opNumber, token: at + 2}
	c.leaves = append(c.leaves, precision)
	made.args = []*node{precision}
	return made, s
}

// now compiles now() and transaction_timestamp().
func (c *compiler) now(name string, f *pg.FuncCall) (*node, span) {
	if len(f.Args) > 0 || c.x.a.catalog.Shadowed(name) || !c.x.runsOnce() {
		return nil, span{}
	}
	c.asks = true
	return &node{op: opMoment, to: castType{Type: logical.Type{Kind: logical.Timestamptz, Typmod: -1}}}, c.call(f.Location)
}

// momentAs gives what a cast to, or an assignment as, another type makes of a moment; nil
// if that is for others to say.
func (n *node) momentAs(k logical.Kind) *node {
	if n.op != opMoment || len(n.args) > 0 {
		return nil
	}
	switch from := n.to.Kind; {
	case from == logical.Timestamptz && (k == logical.Timestamp || k == logical.Date), from == logical.Timestamp && k == logical.Date:
		return &node{op: opMoment, to: castType{Type: logical.Type{Kind: k, Typmod: -1}}}
	}
	return nil
}

// moment gives the value of now() and its like.
func (e *evaluation) moment(n *node) (datum, error) {
	text, err := e.moments.of(n.to.Kind)
	if err != nil {
		return datum{}, err
	}
	v, err := e.read(text, n.to.Kind, 0)
	if err != nil || len(n.args) == 0 {
		return v, err
	}
	precision, err := strconv.ParseInt(string(e.c.leaves[n.args[0].leaf].text), 10, 32)
	if err != nil || precision < 0 {
		return v, errMisfit()
	}
	// The server, too, takes no more than 6, and says so in a warning.
	return e.castTo(v, castType{Type: logical.Type{Kind: n.to.Kind, Typmod: int32(min(precision, 6))}, modified: true})
}
