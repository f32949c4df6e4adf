package pipeline

import (
	"errors"
	"fmt"
)

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

	copyEnd // CopyDone or CopyFail, which has no answer of its own
)

var kindNames = [...]string{"none", "Query", "Parse", "Bind", "Describe", "Execute", "Close", "Sync", "FunctionCall", "CopyEnd"}

func (k Kind) String() string { return kindNames[k] }

// extended says whether an error in it makes the server skip to the next Sync.
func (k Kind) extended() bool { return k >= Parse && k <= Close }

// Entry is one frontend message that was sent to the server and not yet answered
// in full. T is what the caller needs to treat the answer.
type Entry[T any] struct {
	Kind  Kind
	Own   bool   // sent by the proxy itself: its answer is not the client's
	Order uint64 // set by Push: entries pushed later have greater ones
	Data  T

	maybe bool // a Sync that a COPY may have ignored before it failed
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
	order    uint64 // of the entry pushed last
	syncs    int    // how many entries are the client's Sync
	sequence bool   // extended-protocol messages were sent since the last Sync
	own      bool   // all of these are the proxy's own: a Query of the client's ends them
	skipping bool   // the server ignores everything up to the next Sync
	muted    bool   // the client has had an error the server knows nothing of
	toSync   bool   // it is muted up to a Sync, not up to the next ReadyForQuery
	copyIn   bool   // the head entry is in COPY … FROM STDIN
	unsure   bool   // whether the server skips: a Sync will tell
	lost     bool   // that was not told: what the server will answer cannot be known
	status   byte   // of the last ReadyForQuery: I, T or E
	popped   Entry[T]

	// Dropped is called for every entry that the server will never answer.
	Dropped func(*Entry[T])
}

// Len is the number of entries not yet answered in full.
func (q *Queue[T]) Len() int { return q.n }

// Idle reports that the server owes no answer.
func (q *Queue[T]) Idle() bool { return q.n == 0 || q.at(q.n-1).maybe && !q.unsure }

// Order is that of the entry pushed last, 0 before the first.
func (q *Queue[T]) Order() uint64 { return q.order }

// Status is the transaction status of the last ReadyForQuery, 'I' at the start; or T
// when a failed transaction has been rolled back since.
func (q *Queue[T]) Status() byte {
	if q.status == 0 {
		return 'I'
	}
	return q.status
}

// Skipping reports that the server ignores what is sent until a Sync.
func (q *Queue[T]) Skipping() bool { return q.skipping }

// Copying reports that the server waits for COPY data.
func (q *Queue[T]) Copying() bool { return q.copyIn }

// Muted reports that the client has been told of an error of which the server
// does not know and that the Sync which ends it has not been sent: what the client
// sends until then must not reach the server.
func (q *Queue[T]) Muted() bool { return q.muted && q.toSync && q.syncs == 0 }

// InSequence reports that extended-protocol messages have been sent since the
// last Sync, so that a Query or Sync of the proxy's own would end the client's
// implicit transaction.
func (q *Queue[T]) InSequence() bool { return q.sequence }

// ClientInSequence reports the same of messages that are the client's.
func (q *Queue[T]) ClientInSequence() bool { return q.sequence && !q.own }

// Push records that e has been (or is about to be) sent. It returns false when the
// server will ignore the message, which is then dropped.
func (q *Queue[T]) Push(e Entry[T]) bool {
	q.order++
	e.Order = q.order
	if e.Kind != copyEnd {
		switch {
		case e.Kind == Sync, q.own && !e.Kind.extended():
			q.sequence, q.own = false, false
		case e.Kind.extended():
			q.own = e.Own && (q.own || !q.sequence)
			q.sequence = true
		}
		q.lost = q.lost || q.unsure && e.Kind != Sync
		q.unsure = false
	}
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
	q.count(&e, 1)
	return true
}

// CopyEnd records that CopyDone or CopyFail is about to be sent. While the server
// reads COPY data it ignores Sync, so those sent before get no answer.
func (q *Queue[T]) CopyEnd() {
	if q.n > 0 && !q.skipping && q.at(q.n-1).Kind != copyEnd {
		q.Push(Entry[T]{Kind: copyEnd, Own: true})
	}
}

// Fail records that the client has been told of an error, in place of the rest of
// the head entry's answer, although the server has gone on: everything up to and
// excluding the ReadyForQuery that ends the sequence is muted.
func (q *Queue[T]) Fail() {
	q.muted, q.toSync = true, q.n == 0 || q.at(0).Kind.extended()
}

// Receive takes the next backend message: its type and, for ReadyForQuery, its
// status byte.
func (q *Queue[T]) Receive(typ, status byte) (Step[T], error) {
	switch typ {
	case 'N', 'A', 'S':
		return Step[T]{}, nil
	}
	for typ != 'Z' && q.n > 0 && q.at(0).maybe {
		q.remove()
	}
	if q.n == 0 {
		if typ == 'E' { // the server ends the session
			return Step[T]{}, nil
		}
		return Step[T]{}, fmt.Errorf("message %q from the server answers nothing", typ)
	}
	head := q.at(0)
	if q.lost && typ != 'E' {
		return Step[T]{}, errors.New("messages behind a COPY that failed have no Sync between them")
	}
	done, ok := finishes(head.Kind, typ)
	if !ok {
		return Step[T]{}, fmt.Errorf("message %q from the server does not answer %s", typ, head.Kind)
	}
	muted := q.muted && !head.Own
	switch typ {
	case 'G':
		q.copyIn = true
	case 'C', 's', 'I':
		if q.copyIn {
			q.copied()
		}
		if q.status == 'E' { // what completes in a failed transaction rolls it back
			q.status = 'T'
		}
	case 'E':
		q.copyFailed()
		if head.Kind.extended() {
			q.popped = q.pop()
			q.skip()
			return Step[T]{Entry: &q.popped, Done: true, Mute: muted}, nil
		}
	case 'Z':
		q.status, q.unsure = status, false
		if muted && (!q.toSync || head.Kind == Sync) {
			q.muted, muted = false, false
		}
	}
	if !done {
		return Step[T]{Entry: head, Mute: muted}, nil
	}
	q.popped = q.pop()
	if q.popped.maybe {
		q.doubtNext()
	}
	return Step[T]{Entry: &q.popped, Done: true, Mute: muted}, nil
}

// copied forgets what was sent while a COPY, now over, read its data.
func (q *Queue[T]) copied() {
	q.copyIn = false
	end := q.copyEnd()
	if end < 0 {
		return
	}
	kept := 1
	for i := 1; i < q.n; i++ {
		e := *q.at(i)
		if i <= end && (e.Kind == Sync || e.Kind == copyEnd) {
			q.count(&e, -1)
			q.drop(&e)
			continue
		}
		*q.at(kept) = e
		kept++
	}
	for i := kept; i < q.n; i++ {
		*q.at(i) = Entry[T]{}
	}
	q.n = kept
}

// copyFailed marks what was sent while a COPY that has failed may have been reading
// its data. It is not told at which of the messages it failed.
func (q *Queue[T]) copyFailed() {
	if !q.copyIn {
		return
	}
	q.copyIn = false
	end := q.copyEnd()
	if end < 0 {
		end = q.n
	}
	for i := 1; i < q.n; i++ {
		e := q.at(i)
		switch {
		case e.Kind == Sync && i < end:
			e.maybe = true
			q.unsure = q.at(0).Kind.extended()
		case e.Kind == Sync:
			q.unsure = false
		case e.Kind != copyEnd && q.unsure:
			q.lost = true
		}
	}
}

// doubtNext marks the first Sync that surely has an answer: it may have been the one
// that was taken for that of a Sync before it.
func (q *Queue[T]) doubtNext() {
	for i := 0; i < q.n && (q.at(i).Kind == Sync || q.at(i).Kind == copyEnd); i++ {
		if e := q.at(i); e.Kind == Sync && !e.maybe {
			e.maybe = true
			return
		}
	}
}

// copyEnd is the first entry of that kind, -1 without one.
func (q *Queue[T]) copyEnd() int {
	for i := range q.n {
		if q.at(i).Kind == copyEnd {
			return i
		}
	}
	return -1
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
		q.remove()
	}
}

func (q *Queue[T]) skip() {
	for q.n > 0 && q.at(0).Kind != Sync {
		q.remove()
	}
	q.skipping = q.n == 0
}

// remove drops the head entry.
func (q *Queue[T]) remove() {
	e := q.pop()
	q.drop(&e)
}

func (q *Queue[T]) drop(e *Entry[T]) {
	if q.Dropped != nil && e.Kind != copyEnd {
		q.Dropped(e)
	}
}

// count keeps the number of Syncs.
func (q *Queue[T]) count(e *Entry[T], by int) {
	if e.Kind == Sync && !e.Own {
		q.syncs += by
	}
}

func (q *Queue[T]) at(i int) *Entry[T] { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

// pop takes the head entry, and with it a mark that it leaves at the head: COPY
// data that no COPY reads is ignored.
func (q *Queue[T]) pop() Entry[T] {
	e := q.take()
	for q.n > 0 && q.at(0).Kind == copyEnd {
		q.take()
	}
	return e
}

func (q *Queue[T]) take() Entry[T] {
	p := q.at(0)
	e := *p
	*p = Entry[T]{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	q.count(&e, -1)
	return e
}

func (q *Queue[T]) grow() {
	ring := make([]Entry[T], max(16, 2*len(q.ring)))
	for i := range q.n {
		ring[i] = *q.at(i)
	}
	q.ring, q.head = ring, 0
}
