package audit

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// BrokenError says that a log cannot be continued because its end does not hold.
type BrokenError struct {
	Dir     string
	Problem Problem // the first one
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("the audit log in %s is broken: %s", e.Dir, e.Problem)
}

// Open continues the log in a directory, or begins one in an empty directory. The
// end of the log has to be what the head says it is, else the error is a
// *BrokenError. What a crash left after the last record is abandoned, and the log
// says so. Each Open begins a segment.
func Open(o Options) (*Log, error) {
	if o.Dir == "" || o.MAC == nil || o.Signer == nil {
		return nil, errors.New("an audit log needs a directory, a MAC and a signer")
	}
	o.setDefaults()
	dir, err := lockDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the audit log: %w", err)
	}
	l := &Log{options: o, dir: dir, wake: make(chan struct{}, 1), stop: make(chan struct{}), signWake: make(chan struct{}, 1), stopped: make(chan struct{})}
	l.space.L = &l.mu
	if err = l.resume(); err == nil {
		l.makeCopies()
		l.signLater(l.writer.unsigned...)
		err = l.writer.replaceHead(&l.options)
	}
	if err == nil {
		host, _ := os.Hostname()
		err = l.beginSegment(kindStart, started{Program: o.Program, Host: host, PID: os.Getpid()})
	}
	if err != nil {
		if l.writer.head != nil {
			_ = l.writer.head.close()
		}
		var broken *BrokenError
		if !errors.As(err, &broken) {
			err = fmt.Errorf("cannot open the audit log: %w", err)
		}
		_ = dir.Close()
		return nil, err
	}
	o.Log.Info("audit log opened", "segment", segmentName(l.writer.at.segment), "anchor", l.writer.at.anchor().String())
	go l.run()
	go l.sign()
	for _, c := range l.copies {
		go c.run()
	}
	return l, nil
}

// resume finds where the log goes on.
func (l *Log) resume() error {
	w, o := &l.writer, &l.options
	numbers, _, err := listSegments(o.Dir)
	if err != nil {
		return err
	}
	if len(numbers) > 0 {
		w.number = numbers[len(numbers)-1]
	}
	h, err := readHead(o.Dir, o.MAC)
	if errors.Is(err, os.ErrNotExist) && len(numbers) == 0 {
		w.at, err = newChain()
		return err
	}
	walk := newWalker(&VerifyOptions{Dir: o.Dir, MAC: o.MAC})
	walk.resuming = true
	if h != nil {
		walk.first = h.Segment
	}
	if err := walk.run(); err != nil {
		return err
	}
	if len(walk.report.Problems) == 0 {
		w.at, w.abandoned, w.unsigned = walk.end, walk.torn, walk.listed
		if w.at.chain == "" {
			w.at.chain = h.Chain
		}
		for _, r := range walk.torn {
			o.Log.Warn("audit log: a crash left bytes that are no record", "segment", r.Segment, "offset", r.Offset, "length", r.Length)
		}
		return nil
	}
	problem := walk.report.Problems[0]
	if !o.NewChain {
		return &BrokenError{Dir: o.Dir, Problem: problem}
	}
	w.broken = &broken{Problem: problem.String()}
	if h != nil {
		text, err := json.Marshal(h)
		if err != nil {
			return err
		}
		w.broken.Head = string(text)
	}
	o.Log.Warn("audit log: a new chain begins beside a broken one", "problem", problem.String())
	w.at, err = newChain()
	return err
}

func newChain() (cursor, error) {
	var id [16]byte
	_, err := rand.Read(id[:])
	return cursor{chain: hex.EncodeToString(id[:])}, err
}
