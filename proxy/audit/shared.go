package audit

import (
	"strings"
	"time"
)

// maxShared bounds the list of places in one record, in bytes of UTF-8.
const maxShared = 1 << 10

// Shared enqueues the record that the role of a session is used from several hosts, or
// by several applications, at once. Nothing waits for it.
func (l *Log) Shared(r *Record, hosts, applications []string) {
	rest := appendField(r.append(nil), "hosts", strings.Join(hosts, ", "), maxShared)
	rest = appendField(rest, "applications", strings.Join(applications, ", "), maxShared)
	_ = l.enqueue(&entry{at: time.Now(), kind: kindShared, rest: rest})
}
