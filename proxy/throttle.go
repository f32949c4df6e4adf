package proxy

import (
	"net"
	"sync"
	"time"
)

const (
	// maxBuckets bounds what is remembered of failures, and of successes.
	maxBuckets = 8192
	// goodFor is how long a role's success from an address counts.
	goodFor = 24 * time.Hour
)

// throttle bounds how many wrong passwords are looked at: of a role, from an address,
// and of a role from an address. Somebody else's guesses do not shut out a role where it
// has logged in before: there only the last of these counts.
type throttle struct {
	max    float64
	window time.Duration

	mu       sync.Mutex // of logins alone
	buckets  map[attempt]*bucket
	good     map[attempt]time.Time
	failures uint64 // in all
	limited  uint64 // of these, those that were not looked at
}

// attempt is who tries: a role, an address, or both.
type attempt struct{ role, address string }

// bucket leaks: it takes max failures at once, and max in each window from then on.
type bucket struct {
	level float64
	at    time.Time
}

func newThrottle(max int, window time.Duration) *throttle {
	return &throttle{max: float64(max), window: window, buckets: make(map[attempt]*bucket), good: make(map[attempt]time.Time)}
}

// network is what counts as one address: all of a Unix socket, and of IPv6 what one
// customer has.
func network(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	switch {
	case !ok:
		return "local"
	case tcp.IP.To4() != nil:
		return tcp.IP.To4().String()
	default:
		return tcp.IP.Mask(net.CIDRMask(64, 128)).String()
	}
}

// judge calls verify, unless there were too many failures before, and counts one if it
// does not hold. limited says that verify was not asked.
func (t *throttle) judge(who attempt, now time.Time, verify func() bool) (ok, limited bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := t.keys(who, now)
	for _, key := range keys {
		if b := t.buckets[key]; b != nil && t.leak(b, now) > t.max-1 {
			t.failures++
			t.limited++
			return false, true
		}
	}
	if verify() {
		t.succeeded(who, now)
		return true, false
	}
	t.failures++
	for _, key := range keys {
		b := t.buckets[key]
		if b == nil {
			t.makeRoom(now)
			b = &bucket{at: now}
			t.buckets[key] = b
		}
		b.level = t.leak(b, now) + 1
	}
	return false, false
}

// forgive takes back the failure of one that has held after all.
func (t *throttle) forgive(who attempt, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range t.keys(who, now) {
		if b := t.buckets[key]; b != nil {
			b.level = max(0, t.leak(b, now)-1)
		}
	}
	t.failures--
	t.succeeded(who, now)
}

// totals gives how many attempts have failed, and how many of these were not looked at.
func (t *throttle) totals() (failures, limited uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failures, t.limited
}

func (t *throttle) keys(who attempt, now time.Time) []attempt {
	if now.Sub(t.good[who]) < goodFor {
		return []attempt{who}
	}
	return []attempt{who, {role: who.role}, {address: who.address}}
}

func (t *throttle) leak(b *bucket, now time.Time) float64 {
	b.level = max(0, b.level-t.max*float64(now.Sub(b.at))/float64(t.window))
	b.at = now
	return b.level
}

func (t *throttle) succeeded(who attempt, now time.Time) {
	if _, known := t.good[who]; !known && len(t.good) >= maxBuckets {
		for other := range t.good { // any
			delete(t.good, other)
			break
		}
	}
	t.good[who] = now
}

// makeRoom forgets what has leaked, or else the least of some.
func (t *throttle) makeRoom(now time.Time) {
	if len(t.buckets) < maxBuckets {
		return
	}
	const sample = 64
	var least attempt
	looked, level := 0, t.max+1
	for key, b := range t.buckets {
		if looked++; looked > sample {
			break
		}
		if l := t.leak(b, now); l == 0 {
			delete(t.buckets, key)
		} else if l < level {
			least, level = key, l
		}
	}
	if len(t.buckets) >= maxBuckets {
		delete(t.buckets, least)
	}
}
