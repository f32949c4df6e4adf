package pipeline

import "fmt"

// Kind is the frontend message that an Entry stands for.
type Kind uint8

// The frontend messages that the server answers.
const (
	Query Kind = iota + 1
	Parse
	Bind
	Describe
	Execute
	Close
	Sync
	FunctionCall
)

var kindNames = [...]string{"none", "Query", "Parse", "Bind", "Describe", "Execute", "Close", "Sync", "FunctionCall"}

func (k Kind) String() string { return kindNames[k] }

// extended says whether an error in it makes the server skip to the next Sync.
func (k Kind) extended() bool { return k >= Parse && k <= Close }

// Entry is one frontend message that was sent to the server and not yet answered
// in full. T is what the caller needs to treat the answer.
type Entry[T any] struct {
	Kind Kind
	Own  bool // sent by the proxy itself: its answer is not the client's
	Data T
}

// Step says what a backend message means.
type Step[T any] struct {
	Entry *Entry[T] // what it answers, nil for an asynchronous message; valid until the next call
	Done  bool      // the entry is answered in full with this message
	Mute  bool      // part of a sequence that has already failed for the client: not for it
}

// Queue holds the entries in the order in which they were sent.
type Queue[T any] struct {
	ring     []Entry[T]
	head     int
	n        int
	sequence bool // extended-protocol messages were sent since the last Sync
	skipping bool // the server ignores everything up to the next Sync
	muted    bool // the client has had an error the server knows nothing of
	copyIn   bool // the head entry is in COPY … FROM STDIN
	status   byte // of the last ReadyForQuery: I, T or E
	popped   Entry[T]

	// Dropped is called for every entry that the server will never answer.
	Dropped func(*Entry[T])
}

// Len is the number of entries not yet answered in full.
func (q *Queue[T]) Len() int { return q.n }

// Status is the transaction status of the last ReadyForQuery; 'I' at the start.
func (q *Queue[T]) Status() byte {
	if q.status == 0 {
		return 'I'
	}
	return q.status
}

// Skipping reports that the server ignores what is sent until a Sync.
func (q *Queue[T]) Skipping() bool { return q.skipping }

// Muted reports that the client has been told of an error of which the server
// does not know and that the Sync which ends it has not been sent: what the client
// sends until then must not reach the server.
func (q *Queue[T]) Muted() bool {
	return q.muted && !q.has(Sync) && !q.has(Query) && !q.has(FunctionCall)
}

// CopyingIn reports that the server reads COPY data for the head entry.
func (q *Queue[T]) CopyingIn() bool { return q.copyIn }

// InSequence reports that extended-protocol messages have been sent since the
// last Sync, so that a Query or Sync of the proxy's own would end the client's
// implicit transaction.
func (q *Queue[T]) InSequence() bool { return q.sequence }

// Push records that e has been (or is about to be) sent. It returns false when the
// server will ignore the message, which is then dropped.
func (q *Queue[T]) Push(e Entry[T]) bool {
	q.sequence = e.Kind.extended() || q.skipping && e.Kind != Sync
	if q.skipping {
		if e.Kind != Sync {
			q.drop(&e)
			return false
		}
		q.skipping = false
	}
	if q.n == len(q.ring) {
		q.grow()
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = e
	q.n++
	return true
}

// CopyEnd records that CopyDone or CopyFail has been sent. While it reads COPY
// data the server ignores Sync, so those sent meanwhile get no answer.
func (q *Queue[T]) CopyEnd() {
	if !q.copyIn {
		return
	}
	q.copyIn = false
	kept := min(q.n, 1)
	for i := 1; i < q.n; i++ {
		e := *q.at(i)
		if e.Kind == Sync {
			q.drop(&e)
			continue
		}
		*q.at(kept) = e
		kept++
	}
	q.n = kept
}

// Fail records that the client has been told of an error, in place of the rest of
// the head entry's answer, although the server has gone on: everything up to and
// excluding the ReadyForQuery that ends the sequence is muted.
func (q *Queue[T]) Fail() { q.muted = true }

// Receive takes the next backend message: its type and, for ReadyForQuery, its
// status byte.
func (q *Queue[T]) Receive(typ, status byte) (Step[T], error) {
	switch typ {
	case 'N', 'A', 'S':
		return Step[T]{}, nil
	}
	if q.n == 0 {
		if typ == 'E' { // the server ends the session
			return Step[T]{}, nil
		}
		return Step[T]{}, fmt.Errorf("message %q from the server answers nothing", typ)
	}
	head := q.at(0)
	muted := q.muted && !head.Own
	done, ok := finishes(head.Kind, typ)
	if !ok {
		return Step[T]{}, fmt.Errorf("message %q from the server does not answer %s", typ, head.Kind)
	}
	switch typ {
	case 'G':
		q.copyIn = true
	case 'C', 's', 'I':
		q.copyIn = false
	case 'E':
		q.copyIn = false
		if head.Kind.extended() {
			q.popped = q.pop()
			q.skip()
			return Step[T]{Entry: &q.popped, Done: true, Mute: muted}, nil
		}
	case 'Z':
		q.status = status
		muted = false
		q.muted = false
	}
	if !done {
		return Step[T]{Entry: head, Mute: muted}, nil
	}
	q.popped = q.pop()
	return Step[T]{Entry: &q.popped, Done: true, Mute: muted}, nil
}

// finishes reports whether a message of this type is an answer to kind, and
// whether the last one.
func finishes(kind Kind, typ byte) (done, ok bool) {
	if typ == 'E' {
		return kind.extended(), true
	}
	switch kind {
	case Query:
		switch typ {
		case 'T', 'D', 'C', 'I', 'G', 'H', 'W', 'd', 'c':
			return false, true
		}
		return typ == 'Z', typ == 'Z'
	case Parse:
		return typ == '1', typ == '1'
	case Bind:
		return typ == '2', typ == '2'
	case Describe:
		return typ != 't', typ == 't' || typ == 'T' || typ == 'n'
	case Execute:
		switch typ {
		case 'D', 'G', 'H', 'W', 'd', 'c':
			return false, true
		}
		ok := typ == 'C' || typ == 'I' || typ == 's'
		return ok, ok
	case Close:
		return typ == '3', typ == '3'
	case Sync:
		return typ == 'Z', typ == 'Z'
	default: // FunctionCall
		return typ == 'Z', typ == 'V' || typ == 'Z'
	}
}

// Close drops everything that is left, as when the connection ends.
func (q *Queue[T]) Close() {
	for q.n > 0 {
		e := q.pop()
		q.drop(&e)
	}
}

func (q *Queue[T]) skip() {
	for q.n > 0 && q.at(0).Kind != Sync {
		e := q.pop()
		q.drop(&e)
	}
	q.skipping = q.n == 0
}

func (q *Queue[T]) has(kind Kind) bool {
	for i := range q.n {
		if q.at(i).Kind == kind {
			return true
		}
	}
	return false
}

func (q *Queue[T]) drop(e *Entry[T]) {
	if q.Dropped != nil {
		q.Dropped(e)
	}
}

func (q *Queue[T]) at(i int) *Entry[T] { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *Queue[T]) pop() Entry[T] {
	p := q.at(0)
	e := *p
	*p = Entry[T]{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return e
}

func (q *Queue[T]) grow() {
	ring := make([]Entry[T], max(16, 2*len(q.ring)))
	for i := range q.n {
		ring[i] = *q.at(i)
	}
	q.ring, q.head = ring, 0
}
