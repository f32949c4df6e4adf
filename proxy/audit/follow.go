package audit

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// take takes a line that is not the first of its segment: it is the next record of
// the chain, or a problem.
func (w *walker) take(l *line) {
	switch {
	case w.end.closed:
		w.problem(Foreign, w.segment.name, l.number, "it stands after the segment's checkpoint")
	case l.err != nil:
		w.problem(Foreign, w.segment.name, l.number, "it is no record: %s", l.err)
	case l.record.Seq == w.end.seq+1 && follows(w.o.MAC, w.end.mac, l.body, l.mac):
		w.accept(l)
	default:
		w.misplaced(l)
	}
}

// accept counts a record and moves the cursor behind it.
func (w *walker) accept(l *line) {
	r := &l.record
	w.report.Records++
	w.report.Kinds[r.Kind]++
	if w.report.From.IsZero() {
		w.report.From = r.Time
	}
	w.report.To = r.Time
	if r.Kind == kindCheckpoint {
		w.checkpoint(l)
	}
	w.learn(l)
	w.jump(l)
	if w.o.Each != nil {
		w.tell(l)
	}
}

// learn keeps track of intents and their outcomes, and of what is looked for.
func (w *walker) learn(l *line) {
	r := &l.record
	switch r.Kind {
	case kindIntent, kindCommand:
		u := Unfinished{File: w.segment.name, Line: l.number, Seq: r.Seq, Time: r.Time}
		// These are our own strings; what is not one stays empty.
		_ = json.Unmarshal(r.Session, &u.Session)
		_ = json.Unmarshal(r.Role, &u.Role)
		_ = json.Unmarshal(r.Command, &u.Command)
		_ = json.Unmarshal(r.User, &u.User)
		w.unfinished[r.Seq] = u
	case kindOutcome:
		delete(w.unfinished, r.Intent)
	}
	if h := w.head; h != nil && r.Seq == h.Seq && w.end.chain == h.Chain && bytes.Equal(l.mac, h.LastMAC) {
		w.headFound = true
	}
	for i, a := range w.o.Anchors {
		if a.Seq == r.Seq && bytes.Equal(a.MAC, l.mac) {
			w.anchored[i] = true
		}
	}
}

// jump goes on from a line, whether it was expected or not.
func (w *walker) jump(l *line) {
	w.end.seq, w.end.mac, w.end.size = l.record.Seq, l.mac, l.end()
}

// misplaced finds out what became of a record that does not follow the one before,
// and where to go on. Every path reports a problem, unless one was reported for
// the reason that makes this record seem misplaced.
func (w *walker) misplaced(l *line) {
	x := w.indexed()
	name, seq, expected := w.segment.name, l.record.Seq, w.end.seq+1
	before := w.problems()
	genuine := x.genuine(w.o.MAC, l)
	switch {
	case !genuine && x.precedes(w.o.MAC, l, expected+1):
		w.problem(Changed, name, l.number, "record %d is not as it was written", expected)
		l.record.Seq = expected
		w.jump(l)
	case x.comesLater(w.o.MAC, l, expected, w.end.mac):
		w.outOfPlace(l, genuine, x)
	case genuine && seq < expected:
		w.outOfPlace(l, genuine, x)
	case genuine:
		if from, to, missing := x.absent(expected, seq-1); missing {
			w.problem(Missing, name, l.number, "records %d to %d, which were before it, are not there", from, to)
		} else if before == w.segment.problems {
			w.problem(Moved, name, l.number, "record %d stands where record %d was", seq, expected)
		}
		w.learn(l)
		w.jump(l)
	case seq == expected:
		w.problem(Changed, name, l.number, "record %d is not as it was written, or the one before it is not", seq)
		w.jump(l)
	case seq > expected && x.plausible(w, seq):
		w.problem(Missing, name, l.number, "records %d to %d, which were before it, are not there", expected, seq-1)
		w.learn(l)
		w.jump(l)
	default:
		w.problem(Foreign, name, l.number, "it is not a record of this log, or it was changed")
	}
}

// outOfPlace reports a line that stands between two records that follow each other.
func (w *walker) outOfPlace(l *line, genuine bool, x *index) {
	seq := l.record.Seq
	switch {
	case genuine && x.copies(l) > 1:
		w.problem(Repeated, w.segment.name, l.number, "record %d stands in more than one place", seq)
	case genuine:
		w.problem(Moved, w.segment.name, l.number, "record %d does not belong here, after record %d", seq, w.end.seq)
		w.learn(l)
	default:
		w.problem(Foreign, w.segment.name, l.number, "it is not a record of this log, or it was changed")
	}
}

// finish compares the end of the log with its head, and lists what is left over.
func (w *walker) finish() error {
	if h := w.head; h != nil {
		end := segmentName(w.end.segment)
		switch {
		case h.Seq == 0 && w.end.seq == 0:
		case w.end.chain != h.Chain && w.end.chain != "":
			w.problem(Head, headName, 0, "it belongs to another chain than the end of the log")
		case w.end.segment == 0:
			w.problem(Truncated, headName, 0, "the log is not there, but it had %d records", h.Seq)
		case w.end.seq < h.Seq:
			w.problem(Truncated, end, 0, "the log ends with record %d, but it had %d: its end is not there", w.end.seq, h.Seq)
		case !w.headFound && h.Seq > 0:
			w.problem(Head, headName, 0, "record %d of the log is not the one that it names", h.Seq)
		default:
			if err := w.lag(); err != nil {
				return err
			}
		}
	}
	w.noteUnsigned()
	if w.o.SignaturesOnly && w.end.seq > w.signedTo {
		w.note("records %d to %d are not signed yet: without the MAC key nothing tells whether they are as they were written", w.signedTo+1, w.end.seq)
	}
	w.unfit()
	for i, found := range w.anchored {
		if a := w.o.Anchors[i]; !found {
			w.problem(Unanchored, headName, 0, "the log does not have the record %s", a)
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(w.unfinished)) {
		w.addUnfinished(w.unfinished[seq])
	}
	if w.end.seq > 0 {
		w.report.Last = w.end.anchor().String()
	}
	return nil
}

// catchUp bounds how long a running process may take to bring the head up to what
// it has written.
const catchUp = 5 * time.Second

// lag notices a head that is older than the log. A process that is killed leaves it
// so by one write at most, a loss of power by some more.
func (w *walker) lag() error {
	h, err := readHead(w.o.Dir, w.o.MAC)
	for wait := time.Duration(0); wait < catchUp && err == nil && !w.resuming && w.older(h) && inUse(w.o.Dir); wait += 10 * time.Millisecond {
		time.Sleep(10 * time.Millisecond)
		h, err = readHead(w.o.Dir, w.o.MAC)
	}
	if err != nil {
		return err
	}
	if !w.older(h) {
		return nil
	}
	behind := w.end.seq - h.Seq
	if !w.resuming && (behind > maxBatch || w.end.closed || h.Segment != segmentName(w.end.segment)) {
		w.problem(Head, headName, 0, "it is %d records older than the log: it was put back, or power was lost", behind)
		return nil
	}
	w.note("the head is %d records older than the log: the process was killed, or power was lost", behind)
	return nil
}

func (w *walker) older(h *head) bool { return h.Chain == w.end.chain && h.Seq < w.end.seq }

func (w *walker) addUnfinished(u Unfinished) {
	if len(w.report.Unfinished) >= w.maxProblems() {
		w.report.MoreUnfinished++
		return
	}
	w.report.Unfinished = append(w.report.Unfinished, u)
}
