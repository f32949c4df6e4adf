package audit

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// distantKey signs unless it is away.
type distantKey struct {
	mu   sync.Mutex
	away error
	hang chan struct{} // closed to let signatures go on; nil: they do
}

func (k *distantKey) set(away error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.away = away
}

func (k *distantKey) Sign(data []byte) ([]byte, error) {
	k.mu.Lock()
	away, hang := k.away, k.hang
	k.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if away != nil {
		return nil, away
	}
	return theKey.Sign(data)
}

func distant(dir string, k *distantKey) Options {
	o := options(dir)
	o.Signer, o.SignLater, o.SegmentSize = k, true, 4096
	return o
}

func unsigned(r *Report) int {
	n := 0
	for _, note := range r.Notes {
		if strings.Contains(note, "has no signed checkpoint") {
			n++
		}
	}
	return n
}

// TestSignedLater: with a signer that is away records go on, segments end without their
// checkpoints, and these follow once it is back, after a restart too.
func TestSignedLater(t *testing.T) {
	dir, key := logDir(t), &distantKey{away: errors.New("Vault is sealed")}
	l := mustOpen(t, distant(dir, key))
	waitFor(t, "the failed probe", func() bool { _, since, err := l.Unsigned(); return err != nil && !since.IsZero() })
	write := func(l *Log) {
		for n := range 30 {
			do(t, l, fmt.Sprintf("s%d", n))
		}
	}
	write(l)
	var r *Report
	waitFor(t, "the outcomes", func() bool {
		n, _, _ := l.Unsigned()
		r = verify(t, dir)
		return len(r.Unfinished) == 0 && unsigned(r) == n
	})
	n, _, err := l.Unsigned()
	if n < 2 || err == nil || !strings.Contains(err.Error(), "sealed") {
		t.Errorf("%d unsigned, %v", n, err)
	}
	wantOK(t, r)
	if unsigned(r) != n || r.Kinds[kindCheckpoint] != 0 {
		t.Errorf("%d unsigned, %q, %v", n, r.Notes, r.Kinds)
	}
	key.set(nil)
	waitFor(t, "signatures", func() bool {
		n, _, err := l.Unsigned()
		r = verify(t, dir)
		return n == 0 && err == nil && unsigned(r) == 0 && r.Kinds[kindCheckpoint] == r.Segments-1
	})
	wantOK(t, r)

	// Away again, until after a restart, twice.
	key.set(errors.New("away"))
	for range 2 {
		write(l)
		mustClose(t, l)
		wantOK(t, verify(t, dir))
		l = mustOpen(t, distant(dir, key))
	}
	before, _, _ := l.Unsigned()
	if before < 4 {
		t.Errorf("%d unsigned after two restarts", before)
	}
	key.set(nil)
	waitFor(t, "signatures", func() bool { n, _, err := l.Unsigned(); return n == 0 && err == nil })
	mustClose(t, l)
	r = verify(t, dir)
	wantOK(t, r)
	if unsigned(r) != 0 || r.Kinds[kindCheckpoint] != r.Segments {
		t.Errorf("%d checkpoints of %d segments, %q", r.Kinds[kindCheckpoint], r.Segments, r.Notes)
	}
	// A local key signs what a distant one has left over.
	key.set(errors.New("away"))
	l = mustOpen(t, distant(dir, key))
	write(l)
	mustClose(t, l)
	l = mustOpen(t, options(dir))
	waitFor(t, "signatures", func() bool { n, _, _ := l.Unsigned(); return n == 0 })
	mustClose(t, l)
	if r := verify(t, dir); !r.OK() || unsigned(r) != 0 {
		t.Errorf("%v, %q", r.Problems, r.Notes)
	}
}

// TestSignerHangs: neither records nor the end of a process wait for a signer that does
// not answer.
func TestSignerHangs(t *testing.T) {
	dir, key := logDir(t), &distantKey{hang: make(chan struct{})}
	l := mustOpen(t, distant(dir, key))
	for n := range 30 {
		do(t, l, fmt.Sprintf("s%d", n))
	}
	mustClose(t, l)
	close(key.hang)
	r := verify(t, dir)
	wantOK(t, r)
	if unsigned(r) != r.Segments-1 { // the last one is the end of the log, which may go on
		t.Errorf("%d segments, %q", r.Segments, r.Notes)
	}
}
