package audit

import "time"

// maxAlert bounds the text of an alert, in bytes of UTF-8.
const maxAlert = 1 << 10

// Alert enqueues the record of something that people are told of, in a word (about) and a
// sentence. Nothing waits for it; it is kept until it can be written, as an outcome is, and
// stands before the records that are begun after it.
func (l *Log) Alert(r *Record, about, text string) {
	rest := appendField(r.append(nil), "about", about, maxName)
	rest = appendField(rest, "text", text, maxAlert)
	_ = l.enqueue(&entry{at: time.Now(), kind: kindAlert, rest: rest})
}
