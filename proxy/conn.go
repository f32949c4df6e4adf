package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// bufferSize is what a connection reads and writes at once, in bytes, per direction.
const bufferSize = 32 << 10

// parameters are what a client said of itself at startup, for the audit log.
type parameters struct {
	user, database, application string
	address, certificate        string
	pid                         uint32
}

// conn is one client's session. Fields under a comment belong to that goroutine.
type conn struct {
	config  *Config
	tracked *tracked
	id      string
	did     counters
	params  parameters
	ctx     context.Context
	cancel  context.CancelCauseFunc

	// Both goroutines: send guards sw and keeps the order of the queue that of the
	// wire; mu guards the queue. send is taken before mu.
	send  sync.Mutex
	sw    *wire.Writer
	mu    sync.Mutex
	queue pipeline.Queue[*work]

	changed    atomic.Bool                   // state may no longer be true
	lastChange uint64                        // order of the last message that may change it again when the transaction ends; guarded by mu
	lastDDL    uint64                        // of the last that changes the catalog then; guarded by mu
	lastCommit uint64                        // of the last that may commit it while a transaction goes on; guarded by mu
	lastNames  uint64                        // of the last that may change then which names are watched; guarded by mu
	quiet      *snapshot                     // under which the first of the others was found to change none; guarded by mu
	boundary   uint64                        // of the last that may end one, of the client's; guarded by mu
	began      uint64                        // after which order the transaction of the message at hand began, where each may meet another process; guarded by mu
	endedAt    atomic.Uint64                 // order of what ended the last transaction, and its portals
	fatal      atomic.Pointer[pgerror.Error] // why pgveil ends the session

	// The frontend goroutine.
	cr          *wire.Reader
	lexer       statement.Lexer
	rewriter    rewriter
	state       *state
	seen        atomic.Pointer[state] // the newest, for the backend
	glasses     []*glass              // those that were broken, the newest last
	process     uint32                // of the server, that the state was learnt from; 0 before the first time
	own         own
	blocked     time.Time         // when pgveil's login could last not read the catalog in time
	sequence    uint64            // of the messages between two Syncs
	noted       statement.Changes // what the message at hand may change
	commits     bool              // it may commit what was changed
	prepared    names[prepared]
	portals     names[portal]
	manyPortals int       // how many of them it takes to look for those that are over
	restless    bool      // a cursor or portal may change the session when it runs
	guarded     bool      // see guard
	oldest      *snapshot // the catalog as it was known when the transaction began, or before
	copying     *copyIn
	values      [][]byte
	texts       map[*statement.By][][]byte // of the values of c.bound that the server picks one form of
	bound       []boundParam
	arena       []byte

	// The backend goroutine.
	sr         *wire.Reader
	cw         *wire.Writer
	failed     bool // the client was told of an error that the server knows nothing of
	fields     []statement.Field
	sealed     []byte
	plain      []byte
	masked     []byte
	scratch    keys.Scratch
	erased     int64         // values shown as erased that are not entered in a result yet
	tagger     *audit.Tagger // nil: subjects are not tagged
	subjects   *subjects     // of the result whose values are being opened
	identifier []byte
	cells      [][]byte // of a row whose dates are shifted
	whom       []byte   // the subject that was opened last
	subject    []byte   // whose date is shown; nil: nobody's
	cast       [2][]byte
	arrays     arrayOpener
	counted    counted // for a budget
}

// carry carries messages until one side ends, then closes both.
func (c *conn) carry(client, upstream net.Conn) error {
	if c.tracked == nil {
		return c.relay(client, upstream)
	}
	return c.run(client, upstream)
}

// run carries messages both ways until one side ends, then closes both. Only the
// backend goroutine writes to the client.
func (c *conn) run(client, upstream net.Conn) error {
	c.queue.Dropped = c.dropped
	c.prepared = make(names[prepared])
	c.portals = make(names[portal])
	c.changed.Store(true)
	c.sr.SetGuard((&sealsGuard{seals: &c.tracked.seals}).look)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := guarded(c.config.Log, c.params.address, c.frontend)
		c.cancel(err)
		if errors.Is(err, errTerminated) || errors.Is(err, io.EOF) {
			closeWrite(upstream) // the server closes in its turn; what it still sends is the client's
			return
		}
		c.end(err, client, upstream)
	}()
	err := guarded(c.config.Log, c.params.address, c.backend)
	c.cancel(err)
	if last := c.lastWord(err); last != nil {
		c.cw.Abandon()       // what a crash has left half built
		if !c.sr.Partial() { // else it would be taken for the rest of a row
			_ = wire.WriteErrorResponse(c.cw, last)
		}
		err = last
	}
	_ = client.SetWriteDeadline(time.Now().Add(farewell))
	_ = c.cw.Flush()
	client.Close()
	upstream.Close()
	<-done
	c.mu.Lock()
	c.queue.Close()
	c.mu.Unlock()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// farewell bounds how long the last message may take to reach the client.
const farewell = 5 * time.Second

// end breaks the connection to the server, which ends the backend goroutine; that
// tells the client why, if err is fit for it.
func (c *conn) end(err error, client, upstream net.Conn) {
	if e, ok := pgerror.As(err); ok {
		c.fatal.CompareAndSwap(nil, e)
	}
	_ = client.SetWriteDeadline(time.Now().Add(farewell))
	upstream.Close()
}

// lastWord is what the client is told when the session ends with err, if anything.
func (c *conn) lastWord(err error) *pgerror.Error {
	if e := c.fatal.Load(); e != nil {
		return e
	}
	e, ok := pgerror.As(err)
	if !ok {
		return nil
	}
	if e.Severity == "" {
		last := *e
		e = last.Fatal()
	}
	return e
}

func closeWrite(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	conn.Close()
}
