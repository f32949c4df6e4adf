package audit

import (
	"sync/atomic"
	"time"
)

// FlushBounds are the upper bounds of the buckets of [Flushes]; one more bucket is above them.
var FlushBounds = [...]time.Duration{
	250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 10 * time.Second,
}

// flushes counts the groups of records that were made durable. Only the writer adds.
type flushes struct {
	buckets          [len(FlushBounds) + 1]atomic.Uint64
	nanoseconds      atomic.Uint64
	records, failure atomic.Uint64
}

func (f *flushes) add(took time.Duration, records int) {
	i := 0
	for i < len(FlushBounds) && took > FlushBounds[i] {
		i++
	}
	f.buckets[i].Add(1)
	f.nanoseconds.Add(uint64(took))
	f.records.Add(uint64(records))
}

// Flushes says how long it took to make groups of records durable since the log was opened.
type Flushes struct {
	Count   uint64                   // groups
	Sum     time.Duration            // of their times
	Within  [len(FlushBounds)]uint64 // groups that took at most each of FlushBounds
	Records uint64                   // in them
	Failed  uint64                   // attempts that failed
}

// Flushes gives the counts of this moment.
func (l *Log) Flushes() Flushes {
	f := Flushes{
		Sum: time.Duration(l.flushes.nanoseconds.Load()), Records: l.flushes.records.Load(), Failed: l.flushes.failure.Load(),
	}
	for i := range l.flushes.buckets {
		f.Count += l.flushes.buckets[i].Load()
		if i < len(f.Within) {
			f.Within[i] = f.Count
		}
	}
	return f
}
