package proxy

import (
	"time"

	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/proxy/copydata"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// work is what the backend goroutine needs to treat the answer to one message.
// A message whose answer is simply forwarded has none.
type work struct {
	refusal  *pgerror.Error // what the client is told instead of the server's error
	first    bool           // even in a failed transaction
	decides  bool           // the server says whether the name exists
	naming   *naming        // Parse, Bind and Close
	remap    *remap         // from positions in the text that was sent to the client's
	prepared *prepared      // Parse and Describe of a statement
	results  []*result      // Query: one per command; Execute and Describe of a portal: one
	copies   *copies        // of results, if one is a COPY FROM STDIN of a tagged table
	current  int            // which of results is being received
	probe    *probe         // of the proxy's own
	last     bool           // the last message of the probe
	verify   bool           // the proxy's own Describe, to confirm the analysis
	confirms *portal        // the same, of a portal
	part     *part          // of a Query in several messages
	extended bool           // a Query that is sent in messages of the extended protocol
	spoil    bool           // the proxy's own failing statement, to fail the transaction
}

// prepared is a prepared statement. Its fields are set before the Parse message is
// sent, but for those in answer, which belong to the backend goroutine.
type prepared struct {
	plan      *statement.Plan // nil: touches nothing tagged
	whole     *statement.Plan // of text; another one than plan for PREPARE
	state     *state          // as of Parse
	ambiguous bool            // the names in it lead elsewhere under another search_path
	watched   bool            // it was analysed, whether it has a plan or not
	alone     bool            // see Text.StandsAlone
	escape    string          // see snapshot.escape
	text      string          // of one without a plan, to be looked at again when the catalog changes
	source    []byte          // the body of its Parse
	encoding  *encoding       // of source
	spelt     bool            // encoding is known, or makes no difference
	seen      *snapshot       // the catalog under which text was last looked at
	layout    *layout
	literals  []sealedLiteral // keys of the values in the text
	changes   statement.Changes
	commits   bool // it is COMMIT
	refused   bool // by pgveil
	named     *named
	redacted  string
	searched  []audit.Tag // of subjects, by values in the text
	mark      [16]byte
	described chan struct{} // closed once the server has described it or will not
	answer    struct {
		bad   *pgerror.Error
		types []uint32 // of the client's parameters; may be read once described is closed
	}
}

// planned reports whether it touches something tagged. The nil statement does not.
func (p *prepared) planned() bool { return p != nil && p.plan != nil }

// portal is a bound statement or a cursor. Its fields are set before its message is
// sent, but for bad, which belongs to the backend goroutine.
type portal struct {
	prepared *prepared
	plan     *statement.Plan // of its rows; nil: nothing in them is tagged
	state    *state          // as of Bind
	formats  []int16         // of its rows when Execute gives them, as the client wants them
	asked    []int16         // the same, as asked of the server
	fetched  []int16         // of its rows when FETCH in a Query gives them
	searched []audit.Tag     // of subjects, by parameters
	spent    *spent          // of a budget; the backend goroutine's
	cursor   bool            // DECLARE has made it
	holds    bool            // WITH HOLD
	from     source          // of a FETCH, MOVE or EXECUTE
	guard    bool            // nothing is known of its rows: none of their columns may be sealed
	bad      *pgerror.Error  // what a Describe of pgveil's own has found
}

// planned reports whether its rows have tagged columns. The nil portal has none.
func (p *portal) planned() bool { return p != nil && p.plan != nil }

// result is one statement on its way: how its rows are opened and what the audit
// log learns of it. It belongs to the backend goroutine once its message is sent.
type result struct {
	plan     *statement.Plan
	index    int // of the statement within plan
	state    *state
	formats  []int16 // of the result columns as the client wants them; none means text
	asked    []int16 // the same, as asked of the server
	owner    *prepared
	via      *prepared // what runs owner: a FETCH
	portal   *portal
	names    []*naming      // that get or lose a meaning
	guard    bool           // nothing is known of its rows: none of their columns may be sealed
	refusal  *pgerror.Error // what the client is told of a value in it, instead of the server's error
	moves    bool           // it gives no rows
	intent   *audit.Intent
	started  time.Time
	ended    bool
	durable  bool
	columns  []column
	shown    int             // of columns the client sees so many, the first
	shifts   bool            // dates of the columns are shifted
	stream   copydata.Stream // of a COPY TO STDOUT
	failure  *pgerror.Error  // why pgveil has ended a COPY FROM STDIN; guarded by conn.mu
	rows     int64
	opened   int64
	erased   int64
	subjects subjects
	spends   *spending // of a budget, once columns is there
}

func (r *result) outputs() []statement.Output {
	if r.plan == nil || r.moves {
		return nil
	}
	return r.plan.Statements[r.index].Outputs
}

// refused is why none of the rows may be shown, if the server's description of them
// has told so.
func (r *result) refused() *pgerror.Error {
	switch {
	case r.owner != nil && r.owner.answer.bad != nil:
		return r.owner.answer.bad
	case r.portal != nil && r.portal.bad != nil:
		return r.portal.bad
	}
	return nil
}
