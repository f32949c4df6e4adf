package keys

import (
	"testing"
	"time"
)

// TestBackoff: logins after failures come at once, then after growing waits of at most half a
// minute, which are not the same for every pgveil.
func TestBackoff(t *testing.T) {
	first := make(map[time.Duration]bool)
	for range 20 {
		var wait backoff
		if got := wait.next(); got != 0 {
			t.Errorf("the first wait is %v", got)
		}
		most := 250 * time.Millisecond
		for i := range 12 {
			got := wait.next()
			if got < most/2 || got >= most {
				t.Errorf("wait %d is %v, not from %v to %v", i+1, got, most/2, most)
			}
			if i == 0 {
				first[got] = true
			}
			most = min(2*most, 30*time.Second)
		}
	}
	if len(first) < 2 {
		t.Errorf("all waits are the same: %v", first)
	}
}
