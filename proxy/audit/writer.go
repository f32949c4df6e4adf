package audit

import (
	"errors"
	"slices"
	"strconv"
	"time"
)

// Bounds of one write, in records and bytes.
const (
	maxBatch      = 1024
	maxBatchBytes = 4 << 20
)

// headInterval bounds how long the head stays in the system's cache: after a loss
// of power it may be so much older than the log.
const headInterval = time.Second

// writer is the state of the goroutine that writes.
type writer struct {
	file      segmentFile // nil while the log is failed
	head      *headFile
	at        cursor
	number    int // highest number of a segment in the directory
	abandoned []region
	unsigned  []*checkpoint // of earlier segments
	broken    *broken       // the chain that the next segment begins replaces one
	begun     time.Time     // of the segment
	base      int64         // bytes of the records that a segment begins with, which name unsigned ones
	content   uint64        // seq of the last record that a segment begins with
	headDirty time.Time     // zero when the head is synced
	buf       []byte
	headLine  []byte // reused, as buf and covered are
	covered   []byte // what a MAC covers
}

// run is the writer goroutine.
func (l *Log) run() {
	defer close(l.stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(l.untilNext(time.Now()))
		stopping := false
		select {
		case <-l.wake:
		case <-timer.C:
		case <-l.stop:
			stopping = true
		}
		l.upkeep(time.Now())
		for l.writer.file != nil {
			batch := l.take()
			if len(batch) == 0 {
				break
			}
			l.write(batch)
		}
		if stopping {
			l.closed = l.finish()
			return
		}
	}
}

// untilNext is when upkeep has something to do.
func (l *Log) untilNext(now time.Time) time.Duration {
	w := &l.writer
	if w.file == nil {
		return l.options.Retry
	}
	until := time.Hour
	if w.at.seq > w.content {
		until = w.begun.Add(l.options.SegmentAge).Sub(now)
	}
	if !w.headDirty.IsZero() {
		until = min(until, w.headDirty.Add(headInterval).Sub(now))
	}
	return max(until, time.Millisecond)
}

// upkeep does what is due without a new record: another attempt at a failed log,
// the sync of the head, a new segment.
func (l *Log) upkeep(now time.Time) {
	w := &l.writer
	if w.file == nil {
		l.recover()
		return
	}
	if !w.headDirty.IsZero() && now.Sub(w.headDirty) >= headInterval {
		if err := w.head.sync(); err != nil {
			l.fail(nil, err)
			return
		}
		w.headDirty = time.Time{}
	}
	if w.at.seq > w.content && now.Sub(w.begun) >= l.options.SegmentAge {
		l.rotate()
	}
}

// take takes the next batch from the queue.
func (l *Log) take() []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost.intents > 0 || l.lost.refused > 0 {
		l.tellLost(cannotWrite(ErrStalled).Error())
	}
	if l.idle() {
		return nil
	}
	n, size := 0, 0
	for n < len(l.queue) && n < maxBatch && size < maxBatchBytes {
		size += len(l.queue[n].rest)
		n++
	}
	batch := l.queue[:n:n]
	l.queue = l.queue[n:]
	if len(l.queue) == 0 {
		l.queue = nil
	}
	l.space.Broadcast()
	return batch
}

// write makes a batch durable and wakes those who wait for it.
func (l *Log) write(batch []*entry) {
	began := time.Now()
	if err := l.commit(batch); err != nil {
		l.flushes.failure.Add(1)
		l.fail(batch, err)
		return
	}
	l.flushes.add(time.Since(began), len(batch))
	for _, e := range batch {
		if e.awaited() {
			e.intent.resolve(nil)
		}
		if e.signs != nil {
			l.writer.unsigned = slices.DeleteFunc(l.writer.unsigned, func(c *checkpoint) bool { return c == e.signs })
			l.announce(e.signs, l.writer.at.anchor())
		}
	}
	if l.writer.at.size-l.writer.base >= l.options.SegmentSize {
		l.rotate()
	}
}

// commit appends records to the segment and returns when they are durable and the
// head names the last. After an error nothing has changed but the file.
func (l *Log) commit(batch []*entry) error {
	w := &l.writer
	at, awaited := w.at, 0
	w.buf = w.buf[:0]
	var err error
	for _, e := range batch {
		if e.awaited() {
			awaited++
		}
		if e.follows() && e.intent.err != nil {
			continue
		}
		if w.buf, err = l.encode(w.buf, &at, e); err != nil {
			return err
		}
	}
	if len(w.buf) == 0 {
		return nil
	}
	if err := w.file.Unchanged(w.at.size); err != nil {
		return err
	}
	if _, err := w.file.Write(w.buf); err != nil {
		return err
	}
	if err := w.file.Datasync(awaited > 1); err != nil {
		return err
	}
	at.size += int64(len(w.buf))
	if w.headLine, err = encodeHeadIn(w.headLine, &w.covered, &at, l.options.MAC); err != nil {
		return err
	}
	if err := w.head.put(w.headLine); err != nil {
		return err
	}
	if w.headDirty.IsZero() {
		w.headDirty = time.Now()
	}
	at.hash.Write(w.buf)
	w.at = at
	l.copyOut(w.buf)
	return nil
}

// encode appends a record's line and moves at over it, but for its size.
func (l *Log) encode(dst []byte, at *cursor, e *entry) ([]byte, error) {
	start := len(dst)
	at.seq++
	dst = appendHead(dst, at.seq, e.at, e.kind)
	switch e.kind {
	case kindIntent, kindCommand:
		e.intent.seq = at.seq
	case kindOutcome, kindSubjects:
		dst = append(dst, `,"intent":`...)
		dst = strconv.AppendUint(dst, e.intent.seq, 10)
	}
	dst = append(dst, e.rest...)
	dst, mac, err := appendMACWith(&l.writer.covered, dst, start, l.options.MAC, at.mac)
	if err != nil {
		return nil, err
	}
	at.mac = mac
	return dst, nil
}

// fail gives up the segment: whoever waits gets the error, outcomes stay in the
// queue, and what the file holds past the last acknowledged record is abandoned.
func (l *Log) fail(batch []*entry, err error) {
	w := &l.writer
	err = cannotWrite(err)
	if w.file != nil {
		w.abandoned = append(w.abandoned, region{Segment: segmentName(w.at.segment), Offset: w.at.size})
		// The file is given up whether it can be closed or not.
		_ = w.file.Close()
		w.file = nil
	}
	// Outside of mu: whoever reads the operator's log may be slow.
	l.options.Log.Error("audit log failed: statements that open values are refused until it recovers", "error", err)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure == nil {
		l.since = time.Now()
	}
	l.failure = err
	waiting := append(batch[:len(batch):len(batch)], l.queue...)
	l.queue = nil
	for _, e := range waiting {
		l.lose(e)
		if e.awaited() {
			e.intent.resolve(err)
		}
	}
	for _, e := range waiting {
		if e.kept() && !(e.follows() && e.intent.failed()) {
			l.queue = append(l.queue, e)
		}
	}
	l.space.Broadcast()
}

// failed tells whether the intent could not be made durable.
func (i *Intent) failed() bool {
	select {
	case <-i.done:
		return i.err != nil
	default:
		return false
	}
}

// recover tries to go on in a new segment.
func (l *Log) recover() {
	w := &l.writer
	l.mu.Lock()
	was := l.failure
	r := recovered{
		Since: string(appendTime(nil, l.since)), Error: was.Error(),
		Intents: l.lost.intents, Refused: l.lost.refused,
	}
	l.mu.Unlock()
	err := w.replaceHead(&l.options)
	if err == nil {
		err = l.beginSegment(kindRecovered, r)
	}
	if err != nil {
		err = cannotWrite(err)
		l.mu.Lock()
		l.failure = err
		l.mu.Unlock()
		if err.Error() != was.Error() {
			l.options.Log.Error("audit log still failed", "error", err)
		}
		return
	}
	l.recovered(r)
	l.options.Log.Info("audit log recovered", "segment", segmentName(w.at.segment), "failed_since", r.Since, "lost_intents", r.Intents)
}

// recovered lets records in again. Those that were lost since r was made are told
// by a record of their own.
func (l *Log) recovered(r recovered) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure = nil
	l.lost.intents -= r.Intents
	l.lost.refused -= r.Refused
	l.tellLost(r.Error)
}

// tellLost enqueues the record of what was lost since l.since, if anything was. The
// caller holds mu.
func (l *Log) tellLost(why string) {
	r := recovered{Since: string(appendTime(nil, l.since)), Error: why, Intents: l.lost.intents, Refused: l.lost.refused}
	if r.Intents == 0 && r.Refused == 0 {
		return
	}
	// A struct of texts and numbers can be encoded.
	if rest, err := appendContent(nil, r); err == nil {
		l.queue = append([]*entry{{at: time.Now(), kind: kindRecovered, rest: rest}}, l.queue...)
		l.lost.intents, l.lost.refused = 0, 0
	}
}

// finish ends the log in good order.
func (l *Log) finish() error {
	w := &l.writer
	if w.file != nil {
		l.write([]*entry{{at: time.Now(), kind: kindStop}})
	}
	if w.file != nil {
		if l.options.SignLater {
			l.endLastSegment()
		} else {
			l.endSegment()
		}
	}
	var errs []error
	l.mu.Lock()
	if l.failure != nil {
		errs = append(errs, l.failure)
	}
	outcomes, alerts := 0, 0
	for _, e := range l.queue {
		switch e.kind {
		case kindOutcome:
			outcomes++
		case kindAlert:
			alerts++
		default:
			if e.awaited() {
				e.intent.resolve(ErrClosed)
			}
		}
	}
	l.mu.Unlock()
	if outcomes > 0 {
		errs = append(errs, errors.New(strconv.Itoa(outcomes)+" outcomes were not written"))
	}
	if alerts > 0 {
		errs = append(errs, errors.New(strconv.Itoa(alerts)+" alerts were not written"))
	}
	if w.head != nil {
		errs = append(errs, w.head.close())
	}
	return errors.Join(append(errs, l.dir.Close())...)
}
