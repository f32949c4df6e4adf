package keylife

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// state is what is stored of a patient; nil: nothing. It is not changed once it is made.
type state struct {
	nir     string
	name    string           // "" for NULL
	results map[int64]string // outcomes by id
}

func (s *state) equal(other *state) bool {
	if s == nil || other == nil {
		return s == other
	}
	return s.nir == other.nir && s.name == other.name && maps.Equal(s.results, other.results)
}

// with gives a copy that change may change.
func (s *state) with(change func(*state)) *state {
	c := &state{nir: s.nir, name: s.name, results: maps.Clone(s.results)}
	change(c)
	return c
}

func (s *state) String() string {
	if s == nil {
		return "no patient"
	}
	return fmt.Sprintf("%+v", *s)
}

// version is a state and when a statement may have seen it.
type version struct {
	state *state
	from  time.Time // its COMMIT was sent
	until time.Time // the next one's was known to have succeeded, or its own to have failed; zero: it holds
}

// ledger has what writers have written, by the patient's id. Only one writer changes a
// patient.
type ledger struct {
	mu       sync.Mutex
	patients map[int][]version
}

// kept is for how long versions are kept that hold no more: longer than any statement runs.
const kept = 2 * statementBound

// proposal is a transaction whose end is not known yet.
type proposal struct {
	ledger  *ledger
	changes map[int]*state
}

// propose notes that a transaction may be committed from now on.
func (l *ledger) propose(changes map[int]*state) *proposal {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for id, s := range changes {
		old := slices.DeleteFunc(l.patients[id], func(v version) bool { return !v.until.IsZero() && now.Sub(v.until) > kept })
		if len(old) == 0 {
			old = []version{{}}
		}
		l.patients[id] = append(old, version{state: s, from: now})
	}
	return &proposal{l, changes}
}

// settle notes how a transaction ended.
func (p *proposal) settle(committed bool) {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	now := time.Now()
	for id := range p.changes {
		list := p.ledger.patients[id]
		last := len(list) - 1
		if !committed {
			list[last].until = now
			continue
		}
		for i := range list[:last] {
			if list[i].until.IsZero() {
				list[i].until = now
			}
		}
	}
}

// outcome tells by what is stored whether the transaction was committed: wholly or not at all.
func (p *proposal) outcome(stored map[int]*state) (committed bool, err error) {
	var olds, news int
	for id, s := range p.changes {
		old := p.ledger.current(id)
		switch got := stored[id]; {
		case s.equal(old):
		case got.equal(s):
			news++
		case got.equal(old):
			olds++
		default:
			return false, fmt.Errorf("patient %d: stored is %v; it was %v or is %v", id, got, old, s)
		}
	}
	if olds > 0 && news > 0 {
		return false, errors.New("half of a transaction was committed")
	}
	return news > 0, nil
}

// current gives what holds, without a transaction whose end is unknown.
func (l *ledger) current(id int) *state {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range l.patients[id] {
		if v.until.IsZero() {
			return v.state
		}
	}
	return nil
}

// all gives what holds of every patient that there is.
func (l *ledger) all() map[int]*state {
	l.mu.Lock()
	ids := slices.Collect(maps.Keys(l.patients))
	l.mu.Unlock()
	there := make(map[int]*state)
	for _, id := range ids {
		if s := l.current(id); s != nil {
			there[id] = s
		}
	}
	return there
}

// possible says an error if what was read of a patient between two moments cannot have been
// there.
func (l *ledger) possible(id int, got *state, since, to time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.patients[id]
	if len(list) == 0 && got == nil {
		return nil
	}
	for _, v := range list {
		if v.from.Before(to) && (v.until.IsZero() || v.until.After(since)) && v.state.equal(got) {
			return nil
		}
	}
	var could []string
	for _, v := range list[max(0, len(list)-4):] {
		could = append(could, fmt.Sprintf("%v from %s until %s", v.state, moment(v.from), moment(v.until)))
	}
	return fmt.Errorf("patient %d: read between %s and %s: %v; the ledger's last: %q", id, moment(since), moment(to), got, could)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("05.000")
}

// always reports whether a patient had one of the numbers all the time between two moments.
func (l *ledger) always(id int, numbers map[string]bool, since, to time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	could := 0
	for _, v := range l.patients[id] {
		if v.from.Before(to) && (v.until.IsZero() || v.until.After(since)) {
			could++
			if v.state == nil || !numbers[v.state.nir] {
				return false
			}
		}
	}
	return could > 0
}
