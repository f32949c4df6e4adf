package audit

import (
	"bytes"
	"sync"
	"time"
)

// Copy takes the records of a log once they are durable, for another place. The log in its
// directory stays the one that counts: a copy may lag behind it, and lacks what its place
// did not take in time, which the records' numbers show.
type Copy interface {
	// Name says where the copy goes, for the operator's log.
	Name() string
	// Write takes whole lines. After an error they are given again.
	Write(lines []byte) error
	Close() error
}

// maxCopyBytes bounds what waits for a copy, in bytes.
const maxCopyBytes = 8 << 20

// Waits between attempts at a copy, and for what waits when the log is closed.
const (
	firstCopyWait = 100 * time.Millisecond
	mostCopyWait  = 10 * time.Second
	lastCopyWait  = 2 * time.Second
)

// copier feeds one copy. A copy that is slow or away never holds the log up.
type copier struct {
	log  *Log
	to   Copy
	wake chan struct{}
	done chan struct{}

	mu      sync.Mutex
	waiting []byte
	lost    int // records since the last that was taken
	failing bool
}

// makeCopies readies the copies, which are fed once the log is open.
func (l *Log) makeCopies() {
	for _, to := range l.options.Copies {
		l.copies = append(l.copies, &copier{log: l, to: to, wake: make(chan struct{}, 1), done: make(chan struct{})})
	}
}

// copyOut gives durable records to the copies.
func (l *Log) copyOut(lines []byte) {
	for _, c := range l.copies {
		c.mu.Lock()
		if len(c.waiting)+len(lines) > maxCopyBytes {
			c.lost += bytes.Count(lines, []byte{'\n'})
		} else {
			c.waiting = append(c.waiting, lines...)
		}
		c.mu.Unlock()
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// run is the goroutine of a copy. It ends once the log is closed and what waits is written,
// or cannot be.
func (c *copier) run() {
	defer close(c.done)
	wait := firstCopyWait
	for {
		c.mu.Lock()
		lines, lost := c.waiting, c.lost
		c.waiting, c.lost = nil, 0
		c.mu.Unlock()
		if lost > 0 {
			c.log.options.Log.Error("audit copy lacks records, which the log itself has", "copy", c.to.Name(), "records", lost)
		}
		for len(lines) > 0 {
			err := c.to.Write(lines)
			c.tell(err)
			if err == nil {
				wait = firstCopyWait
				break
			}
			select {
			case <-time.After(wait):
				wait = min(2*wait, mostCopyWait)
			case <-c.log.stopped:
				if c.to.Write(lines) != nil {
					return
				}
				lines = nil
			}
		}
		c.mu.Lock()
		more := len(c.waiting) > 0
		c.mu.Unlock()
		if more {
			continue
		}
		select {
		case <-c.wake:
		case <-c.log.stopped:
			c.mu.Lock()
			more = len(c.waiting) > 0
			c.mu.Unlock()
			if !more {
				return
			}
		}
	}
}

// tell tells the operator when a copy begins to fail and when that is over.
func (c *copier) tell(err error) {
	switch {
	case err != nil && !c.failing:
		c.log.options.Log.Error("audit copy cannot be written; the log itself goes on", "copy", c.to.Name(), "error", err)
	case err == nil && c.failing:
		c.log.options.Log.Info("audit copy is written again", "copy", c.to.Name())
	}
	c.failing = err != nil
}

// endCopies waits for what waits, for a while, and closes the copies.
func (l *Log) endCopies() {
	deadline := time.After(lastCopyWait)
	for _, c := range l.copies {
		select {
		case <-c.done:
		case <-deadline:
			l.options.Log.Warn("audit copy has not taken the last records", "copy", c.to.Name())
		}
		if err := c.to.Close(); err != nil {
			l.options.Log.Warn("audit copy cannot be closed", "copy", c.to.Name(), "error", err)
		}
	}
}
