package audit

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Options is how a log is kept. Dir, MAC and Signer are required.
type Options struct {
	// Dir is the log's directory, made with mode 0700 if it is not there. One
	// process at a time writes to it.
	Dir string
	// MAC chains the records, Signer signs the checkpoints. MAC is used by one goroutine
	// at a time.
	MAC    MAC
	Signer Signer
	// SignLater says that Signer is another machine, which may be slow or away: a segment
	// ends without its checkpoint, and its signature is asked for until it comes.
	SignLater bool
	// SegmentSize and SegmentAge bound a segment: 64 MiB and 24 h when 0.
	SegmentSize int64
	SegmentAge  time.Duration
	// Queue bounds the records that wait to be written: 16384 when 0. Begin blocks
	// when so many do.
	Queue int
	// Timeout is how long Begin and Wait wait for a disk that does not answer: 30 s
	// when 0.
	Timeout time.Duration
	// Retry is how often it is tried to go on after the log could not be written: 1 s when 0.
	Retry time.Duration
	// NewChain begins a new chain where the old one is broken, which the log then
	// says. Without it Open fails.
	NewChain bool
	// Copies are given the records once they are durable. Close closes them.
	Copies []Copy
	// Program is the name and version of the program, for the record.
	Program string
	// Log is the operator's log. It gets an anchor of each checkpoint.
	Log *slog.Logger

	create func(path string) (segmentFile, error) // createSegment but in tests
}

func (o *Options) setDefaults() {
	if o.SegmentSize == 0 {
		o.SegmentSize = 64 << 20
	}
	if o.SegmentAge == 0 {
		o.SegmentAge = 24 * time.Hour
	}
	if o.Queue == 0 {
		o.Queue = 16384
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Retry == 0 {
		o.Retry = time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.create == nil {
		o.create = createSegment
	}
}

// Errors of an intent, besides those of the disk.
var (
	ErrClosed  = errors.New("the audit log is closed")
	ErrStalled = errors.New("the disk does not answer")
)

// Log is an open log. Its methods are safe for concurrent use.
type Log struct {
	options  Options
	dir      *os.File // holds the lock
	discards bool     // keeps nothing; see Discarding
	wake     chan struct{}
	stop     chan struct{}
	stopped  chan struct{}
	once     sync.Once
	ended    sync.Once
	closed   error // what Close gives; set before stopped is closed

	signWake chan struct{}
	copies   []*copier

	mu      sync.Mutex
	signing signing
	space   sync.Cond // Begin waits for room in the queue
	queue   []*entry
	failure error // why nothing can be written now
	since   time.Time
	lost    struct{ intents, refused int }
	closing bool

	writer  writer
	flushes flushes
}

// entry is a record on its way to the disk, complete but for its number.
type entry struct {
	at     time.Time
	kind   string
	intent *Intent     // intent, command: its own; outcome, subjects: the one that they are of
	rest   []byte      // the fields after those that all kinds have
	signs  *checkpoint // that the record is, of an earlier segment
}

// awaited tells whether somebody waits until the record is on disk.
func (e *entry) awaited() bool {
	return e.kind == kindIntent || e.kind == kindCommand || e.signs != nil
}

// follows tells whether the record says more of an intent that is there.
func (e *entry) follows() bool { return e.kind == kindOutcome || e.kind == kindSubjects }

// kept tells whether the record is kept until it can be written, and nobody waits for it.
func (e *entry) kept() bool { return e.follows() || e.kind == kindAlert }

// Intent is a record that says what a statement is about to do.
type Intent struct {
	log   *Log
	done  chan struct{}
	err   error  // set before done is closed
	seq   uint64 // the writer's
	ended atomic.Bool
}

// Begin enqueues an intent for the next write and returns at once; it blocks only
// while the queue is full, and no longer than Options.Timeout. r is not kept.
func (l *Log) Begin(r *Record) *Intent {
	return l.begin(kindIntent, r.append(make([]byte, 0, r.room())))
}

func (l *Log) begin(kind string, rest []byte) *Intent {
	if l.discards {
		return l.discarded()
	}
	i := &Intent{log: l, done: make(chan struct{})}
	e := &entry{at: time.Now(), kind: kind, intent: i, rest: rest}
	if err := l.enqueue(e); err != nil {
		i.resolve(err)
	}
	return i
}

// Wait returns when the intent is on disk: no opened value may leave before. An
// error means that this could not be done within Options.Timeout; the statement
// has to fail then.
func (i *Intent) Wait() error {
	select {
	case <-i.done:
		return i.err
	default:
	}
	timer := time.NewTimer(i.log.options.Timeout)
	defer timer.Stop()
	select {
	case <-i.done:
		return i.err
	case <-timer.C:
		return cannotWrite(ErrStalled)
	}
}

// Done is closed when the intent is on disk or cannot be; Wait then returns at once.
func (i *Intent) Done() <-chan struct{} { return i.done }

// End enqueues the outcome and returns at once. It is written even if the log
// cannot be written at the moment, unless the process ends before it can. The
// outcome of an intent that failed is not written. Only the first call counts.
func (i *Intent) End(o Outcome) { i.end(o.append(make([]byte, 0, 160+32*len(o.Tags)))) }

func (i *Intent) end(rest []byte) {
	if i.ended.Swap(true) || i.failed() {
		return
	}
	// An error says that the log is closed; Close has told the operator.
	_ = i.log.enqueue(&entry{at: time.Now(), kind: kindOutcome, intent: i, rest: rest})
}

func (i *Intent) resolve(err error) {
	i.err = err
	close(i.done)
}

// Refused enqueues the record of a statement that was refused with this SQLSTATE.
// Nothing waits for it; while the log cannot be written, refusals are only counted.
func (l *Log) Refused(r *Record, sqlstate string) {
	rest := appendField(r.append(nil), "sqlstate", sqlstate, maxName)
	_ = l.enqueue(&entry{at: time.Now(), kind: kindRefused, rest: rest})
}

// Err is why the log cannot be written at the moment, nil when it can.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure
}

func (l *Log) enqueue(e *entry) error {
	if l.discards {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	stalled := !e.kept() && !l.waitForSpace()
	switch {
	case l.closing:
		return ErrClosed
	case l.failure != nil && !e.kept():
		l.lose(e)
		return l.failure
	case stalled:
		if l.lost.intents == 0 && l.lost.refused == 0 {
			l.since = time.Now()
		}
		l.lose(e)
		return cannotWrite(ErrStalled)
	}
	l.queue = append(l.queue, e)
	switch {
	case !e.follows() || len(l.queue) == maxBatch:
		l.wakeWriter()
	case len(l.queue) == 1:
		time.AfterFunc(outcomeDelay, l.wakeWriter)
	}
	return nil
}

// outcomeDelay is how long an outcome, for which nobody waits, may stay in the queue:
// most are written with the next intent and cost no sync of their own.
const outcomeDelay = 20 * time.Millisecond

// idle tells whether all that is queued may wait. The caller holds mu.
func (l *Log) idle() bool {
	if l.closing || len(l.queue) >= maxBatch {
		return false
	}
	for _, e := range l.queue {
		if !e.follows() {
			return false
		}
	}
	return len(l.queue) > 0 && time.Since(l.queue[0].at) < outcomeDelay
}

// full tells whether a record other than an outcome has to wait. The caller holds mu.
func (l *Log) full() bool {
	return l.failure == nil && !l.closing && len(l.queue) >= l.options.Queue
}

// waitForSpace waits until the queue has room; false when that takes too long. The
// caller holds mu.
func (l *Log) waitForSpace() bool {
	if !l.full() {
		return true
	}
	deadline := time.Now().Add(l.options.Timeout)
	timer := time.AfterFunc(l.options.Timeout, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.space.Broadcast()
	})
	defer timer.Stop()
	for l.full() {
		if !time.Now().Before(deadline) {
			return false
		}
		l.space.Wait()
	}
	return true
}

// lose counts a record that will not be written. The caller holds mu.
func (l *Log) lose(e *entry) {
	switch e.kind {
	case kindIntent, kindCommand:
		l.lost.intents++
	case kindRefused:
		l.lost.refused++
	}
}

func (l *Log) wakeWriter() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Close writes what is waiting, signs a last checkpoint and releases the
// directory. Intents have to be ended before. The error says what could not be
// written.
func (l *Log) Close() error {
	if l.discards {
		return nil
	}
	l.once.Do(func() {
		l.mu.Lock()
		l.closing = true
		l.space.Broadcast()
		l.mu.Unlock()
		close(l.stop)
	})
	<-l.stopped
	l.ended.Do(l.endCopies)
	return l.closed
}

func cannotWrite(err error) error { return fmt.Errorf("the audit log cannot be written: %w", err) }
