package audit

// Discarding gives a log that keeps nothing: what is begun is durable at once, and gone. It
// is what a benchmark compares a log with; no setting leads to it.
func Discarding() *Log { return &Log{discards: true} }

// discarded is the intent of a log that keeps nothing.
func (l *Log) discarded() *Intent {
	i := &Intent{log: l, done: make(chan struct{})}
	i.resolve(nil)
	return i
}
