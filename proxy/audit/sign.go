package audit

import (
	"errors"
	"fmt"
	"time"
)

// probe is what Open has a distant signer sign, to learn whether it does. It is no
// checkpoint.
var probe = []byte("pgveil audit signer probe v1\n")

// Waits between attempts at a signature.
const (
	firstSignWait = 250 * time.Millisecond
	mostSignWait  = time.Minute
)

// signing is what a log knows of signatures that it has yet to get. Log.mu guards it.
type signing struct {
	pending []*checkpoint // of segments that have ended, oldest first
	failing error         // why the last attempt has failed
	since   time.Time     // it fails since then
}

// Unsigned tells how many segments have ended without their checkpoint, and why they could
// not be signed, if an attempt has failed, and since when.
func (l *Log) Unsigned() (segments int, since time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.signing.pending), l.signing.since, l.signing.failing
}

// signLater gives ended segments to the goroutine that has them signed.
func (l *Log) signLater(ended ...*checkpoint) {
	l.mu.Lock()
	l.signing.pending = append(l.signing.pending, ended...)
	l.mu.Unlock()
	select {
	case l.signWake <- struct{}{}:
	default:
	}
}

// sign is the goroutine that has segments signed whose checkpoint follows later.
func (l *Log) sign() {
	wait := firstSignWait
	trying := l.options.SignLater // the probe
	for {
		c := l.nextUnsigned()
		if c != nil || trying {
			err := l.signOne(c)
			l.signed(c, err)
			if err == nil {
				trying, wait = false, firstSignWait
				continue
			}
			timer := time.NewTimer(wait)
			wait = min(2*wait, mostSignWait)
			select {
			case <-timer.C:
				continue
			case <-l.stop:
				timer.Stop()
				return
			}
		}
		select {
		case <-l.signWake:
		case <-l.stop:
			return
		}
	}
}

func (l *Log) nextUnsigned() *checkpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.signing.pending) == 0 {
		return nil
	}
	return l.signing.pending[0]
}

// signOne signs a checkpoint, or nil the probe, and makes its record durable.
func (l *Log) signOne(c *checkpoint) error {
	if c == nil {
		_, err := l.options.Signer.Sign(probe)
		return err
	}
	// The writer reads c at any moment: the signature goes into a copy.
	signed := *c
	var err error
	if signed.Signature, err = l.options.Signer.Sign(c.signed()); err != nil {
		return err
	}
	rest, err := appendContent(nil, &signed)
	if err != nil {
		return err
	}
	i := &Intent{log: l, done: make(chan struct{})}
	if err := l.enqueue(&entry{at: time.Now(), kind: kindCheckpoint, intent: i, rest: rest, signs: c}); err != nil {
		return err
	}
	<-i.done
	return i.err
}

// signed notes how an attempt has ended, and tells the operator when that changes.
func (l *Log) signed(c *checkpoint, err error) {
	l.mu.Lock()
	was := l.signing.failing
	if l.signing.failing = err; err == nil {
		l.signing.since = time.Time{}
		if c != nil {
			l.signing.pending = l.signing.pending[1:]
		}
	} else if was == nil {
		l.signing.since = time.Now()
	}
	waiting := len(l.signing.pending)
	l.mu.Unlock()
	switch {
	case errors.Is(err, ErrClosed):
	case err != nil && (was == nil || was.Error() != err.Error()):
		l.options.Log.Error("audit checkpoints cannot be signed: records are written all the same, and the checkpoints follow", "unsigned_segments", waiting, "error", err)
	case err == nil && was != nil:
		l.options.Log.Info("audit checkpoints are signed again", "unsigned_segments", waiting)
	}
}

// closeUnsigned closes the segment, whose checkpoint follows when it is signed. When the
// head cannot be synced the log has failed.
func (l *Log) closeUnsigned() {
	w := &l.writer
	err := w.head.sync()
	if err == nil {
		w.headDirty = time.Time{}
		err = w.file.Close()
		w.file = nil
	}
	if err != nil {
		l.fail(nil, err)
	}
}

// lastSignature is how long Close waits for a distant signer.
const lastSignature = 2 * time.Second

// endLastSegment is endSegment with a distant signer: without an answer soon, the checkpoint
// is left to the next process.
func (l *Log) endLastSegment() {
	type result struct {
		checkpoint *checkpoint
		err        error
	}
	signed := make(chan result, 1)
	at := l.writer.at
	summary := at.summary()
	go func() {
		signature, err := l.options.Signer.Sign(summary.signed())
		summary.Signature = signature
		signed <- result{summary, err}
	}()
	timer := time.NewTimer(lastSignature)
	defer timer.Stop()
	var r result
	select {
	case r = <-signed:
	case <-timer.C:
		r.err = fmt.Errorf("no answer within %v", lastSignature)
	}
	if r.err != nil {
		l.options.Log.Warn("the last audit checkpoint is not signed; the next start has it signed", "error", r.err)
		l.closeUnsigned()
		return
	}
	l.putCheckpoint(r.checkpoint)
}
